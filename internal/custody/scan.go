package custody

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Bounds of Scan.
const (
	MaxScan   = 50_000_000 // records in a file: each costs some 25 bytes of memory, to find those that stand twice
	scanBlock = 1 << 20    // bytes, more or less: what is parsed by one processor, and imported at once
)

// Place is where in a file of production records reading goes on: behind so many bytes and lines.
type Place struct {
	Offset int64 `json:"offset"`
	Line   int   `json:"line"`
}

// Block is a part of a file, in lines.
type Block struct {
	Begin, End Place
	Records    []Record
	Text       [][]byte // the line of each record, without its end
	Faults     []Fault  // of the other lines
	Bad        [][]byte // those lines
}

// Scan reads a file of any size, with all processors, and calls fn with its blocks in their order. Unlike ReadRecords it reads on behind
// faulty lines. A header that is not the one that is expected, and an empty file, are Faults.
func Scan(ctx context.Context, r io.Reader, fn func(*Block) error) error {
	in := bufio.NewReaderSize(r, scanBlock)
	place, err := readHeader(in)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	order := make(chan chan *Block, 2*runtime.GOMAXPROCS(0)) // blocks on their way, in their order
	group.Go(func() error {
		defer close(order)
		for {
			text, err := readBlock(in)
			if errors.Is(err, errNoLines) {
				return Faults{{place.Line + lines(text), fmt.Sprintf("it goes on for more than %d MiB, so that the file is not made of lines", scanBlock>>20)}}
			}
			if len(text) > 0 {
				b := &Block{Begin: place}
				place.Offset += int64(len(text))
				place.Line += lines(text)
				b.End = place
				parsed := make(chan *Block, 1)
				select {
				case order <- parsed:
				case <-ctx.Done():
					return ctx.Err()
				}
				group.Go(func() error { b.parse(text); parsed <- b; return nil })
			}
			if errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	})
	group.Go(func() error {
		seen := make(map[uint64]uint32)
		for parsed := range order {
			b := <-parsed
			b.dropRepeated(seen)
			if len(seen) > MaxScan {
				return Faults{{b.End.Line, fmt.Sprintf("more than %d records; split the file", MaxScan)}}
			}
			if err := fn(b); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

func readHeader(in *bufio.Reader) (Place, error) {
	text, err := in.ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return Place{}, err
	}
	p := &parser{line: 1}
	switch {
	case len(text) == 0:
		p.fault("the file is empty; its first line is %s", strings.Join(Header, ","))
	case len(text) > MaxLine:
		p.fault("the line is longer than %d bytes", MaxLine)
	default:
		p.header(strings.TrimPrefix(strings.TrimRight(string(text), "\r\n"), "\ufeff"))
	}
	if len(p.faults) > 0 {
		return Place{}, p.faults
	}
	return Place{int64(len(text)), 1}, nil
}

var errNoLines = errors.New("custody: a line without an end")

// readBlock reads about scanBlock bytes, to the end of a line. The error is errNoLines when the last line of text has none for longer than that.
func readBlock(in *bufio.Reader) ([]byte, error) {
	text := make([]byte, scanBlock)
	n, err := io.ReadFull(in, text)
	text = text[:n]
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return text, io.EOF
	}
	if err != nil || n == 0 || text[n-1] == '\n' {
		return text, err
	}
	for { // to the end of the line; a line without one is cut, since it is far too long then
		rest, err := in.ReadSlice('\n')
		text = append(text, rest...)
		if !errors.Is(err, bufio.ErrBufferFull) || len(text) > 2*scanBlock {
			if errors.Is(err, bufio.ErrBufferFull) {
				err = errNoLines
			}
			return text, err
		}
	}
}

// lines counts the lines of a text; the last one may lack its end.
func lines(text []byte) int {
	n := bytes.Count(text, []byte{'\n'})
	if len(text) > 0 && text[len(text)-1] != '\n' {
		n++
	}
	return n
}

// parse reads the lines of a block.
func (b *Block) parse(text []byte) {
	p := &parser{line: b.Begin.Line, texts: make(map[string]string)}
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte{'\n'})
		text = rest
		line = bytes.TrimSuffix(line, []byte{'\r'})
		p.line++
		before := len(p.faults)
		switch {
		case len(line) > MaxLine:
			p.fault("the line is longer than %d bytes", MaxLine)
		case len(line) == 0:
			p.fault("the line is empty")
		default:
			p.record(string(line))
		}
		if len(p.faults) == before {
			b.Text = append(b.Text, line)
		} else {
			b.reject(Fault{p.line, reasons(p.faults[before:])}, line)
		}
	}
	b.Records = p.records
}

func (b *Block) reject(f Fault, line []byte) {
	b.Faults, b.Bad = append(b.Faults, f), append(b.Bad, line[:min(len(line), MaxLine)])
}

// reasons puts the faults of one line together.
func reasons(faults Faults) string {
	texts := make([]string, len(faults))
	for i, f := range faults {
		texts[i] = f.Text
	}
	return strings.Join(texts, "; ")
}

// dropRepeated takes out what an earlier line of the file says of the same device.
func (b *Block) dropRepeated(seen map[uint64]uint32) {
	kept := 0
	at, bad := b.Begin.Line, 0
	for i, r := range b.Records {
		for at++; bad < len(b.Faults) && b.Faults[bad].Line == at; at++ { // the lines between records are the faulty ones
			bad++
		}
		number, _ := strconv.ParseUint(string(r.IMEI), 10, 64)
		if first, twice := seen[number]; twice {
			f := Fault{at, fmt.Sprintf("imei: it stands in line %d already", first)}
			b.Faults, b.Bad = insert(b.Faults, bad, f), insert(b.Bad, bad, b.Text[i])
			bad++
			continue
		}
		seen[number] = uint32(at)
		b.Records[kept], b.Text[kept] = r, b.Text[i]
		kept++
	}
	b.Records, b.Text = b.Records[:kept], b.Text[:kept]
}

func insert[T any](list []T, at int, v T) []T {
	list = append(list, v)
	copy(list[at+1:], list[at:])
	list[at] = v
	return list
}

// ReadLines reads lines without a header, as Scan passes them on, strictly: the error is Faults when anything is wrong with any, whose lines
// are counted from 1. text is at most 4 MiB.
func ReadLines(text []byte) ([]Record, error) {
	if len(text) > 4*scanBlock {
		return nil, Faults{{1, "more than 4 MiB at once"}}
	}
	parts := split(text, runtime.GOMAXPROCS(0))
	blocks := make([]*Block, len(parts))
	var group errgroup.Group
	line := 0
	for i, part := range parts {
		b := &Block{Begin: Place{Line: line}}
		blocks[i] = b
		line += lines(part)
		group.Go(func() error { b.parse(part); return nil })
	}
	_ = group.Wait() // parse has no error
	var records []Record
	var faults Faults
	seen := make(map[uint64]uint32)
	for _, b := range blocks {
		b.dropRepeated(seen)
		records, faults = append(records, b.Records...), append(faults, b.Faults...)
	}
	if len(faults) > 0 {
		return nil, faults[:min(len(faults), MaxFaults)]
	}
	return records, nil
}

// split parts a text into about n parts, at line ends.
func split(text []byte, n int) (parts [][]byte) {
	each := len(text)/n + 1
	for len(text) > 0 {
		end := min(each, len(text))
		if i := bytes.IndexByte(text[end:], '\n'); i >= 0 {
			end += i + 1
		} else {
			end = len(text)
		}
		parts, text = append(parts, text[:end]), text[end:]
	}
	return parts
}

// once returns s, or the equal text that was met before: a file has few models and consignees, and many lines.
func (p *parser) once(s string) string {
	if p.texts == nil {
		return strings.Clone(s)
	}
	if known, ok := p.texts[s]; ok {
		return known
	}
	s = strings.Clone(s)
	p.texts[s] = s
	return s
}
