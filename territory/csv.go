package territory

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// maxCSVLine bounds a line, in bytes, without its end.
const maxCSVLine = 256

// CSVOptions say how LocateCSV answers.
type CSVOptions struct {
	JSON bool // write JSON lines instead of tab-separated ones
}

// CSVError tells which line of the input could not be read, and why.
type CSVError struct {
	Line int // from 1
	Err  error
}

func (e *CSVError) Error() string { return fmt.Sprintf("territory: line %d: %v", e.Line, e.Err) }
func (e *CSVError) Unwrap() error { return e.Err }

// located is a JSON line. Territory is left out when unknown; Candidates are then those within the accuracy, if any.
type located struct {
	Line       int    `json:"line"`
	Territory  Code   `json:"territory,omitempty"`
	Candidates []Code `json:"candidates"`
}

// LocateCSV answers each line of r, "lat,lon" or "lat,lon,accuracy_m" in decimal degrees and metres, with one line on
// w: the territory of the place, empty when unknown, and after a tab each all territories that the circle touches (the
// place's own first). A place of which nothing is known is an empty line.
//
//	45.35,36.47        UA-43	UA-43
//	46.15,33.64,5000   UA-43	UA-43	UA-65
//	0,-30
//
// With opts.JSON a line is {"line":1,"territory":"UA-43","candidates":["UA-43"]}.
//
// Lines end in LF or CRLF; spaces around numbers are ignored; there is no header. LocateCSV stops at the first bad line
// with a *CSVError, after writing the answers to all lines before it: to go on would leave an answer that looks
// like an unknown place. Nothing is buffered beyond a few kilobytes.
func LocateCSV(ctx context.Context, r io.Reader, w io.Writer, opts CSVOptions) error {
	if err := Load(); err != nil {
		return err
	}
	in, out := bufio.NewReaderSize(r, 64<<10), bufio.NewWriterSize(w, 64<<10)
	err := locateLines(ctx, in, out, opts)
	if e := out.Flush(); e != nil {
		return fmt.Errorf("territory: writing answers: %w", e)
	}
	return err
}

func locateLines(ctx context.Context, in *bufio.Reader, out *bufio.Writer, opts CSVOptions) error {
	var found []Code
	var answer []byte
	for n := 1; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, err := in.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return fmt.Errorf("territory: line %d: reading: %w", n, err)
		}
		p, bad := parseCSVLine(line)
		if bad != nil {
			return &CSVError{n, bad}
		}
		found = LocateWithin(found[:0], p.lat, p.lon, p.accuracyM)
		l := located{n, Locate(p.lat, p.lon), found}
		if answer, err = l.appendTo(answer[:0], opts.JSON); err != nil {
			return err
		}
		if _, err := out.Write(answer); err != nil {
			return fmt.Errorf("territory: writing answers: %w", err)
		}
	}
}

func (l located) appendTo(b []byte, asJSON bool) ([]byte, error) {
	if asJSON {
		if l.Candidates == nil {
			l.Candidates = []Code{}
		}
		j, err := json.Marshal(l)
		return append(append(b, j...), '\n'), err
	}
	b = append(b, l.Territory...)
	for _, c := range l.Candidates {
		b = append(append(b, '\t'), c...)
	}
	return append(b, '\n'), nil
}

type csvPlace struct{ lat, lon, accuracyM float64 }

func parseCSVLine(line []byte) (p csvPlace, err error) {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if len(line) > maxCSVLine {
		return p, fmt.Errorf("longer than %d bytes; a line is lat,lon or lat,lon,accuracy_m", maxCSVLine)
	}
	fields := bytes.Split(line, []byte(","))
	if len(fields) != 2 && len(fields) != 3 {
		return p, fmt.Errorf("%d fields in %q; a line is lat,lon or lat,lon,accuracy_m", len(fields), clip(string(line)))
	}
	if p.lat, err = parseNumber("latitude", fields[0], -90, 90); err != nil {
		return p, err
	}
	if p.lon, err = parseNumber("longitude", fields[1], -180, 180); err != nil {
		return p, err
	}
	if len(fields) == 3 {
		p.accuracyM, err = parseNumber("accuracy in metres", fields[2], 0, math.MaxFloat64)
	}
	return p, err
}

var errNumber = errors.New("not a decimal number")

// parseNumber is stricter than strconv, which also takes hexadecimal, underscores, "inf" and "nan".
func parseNumber(what string, field []byte, least, most float64) (float64, error) {
	field = bytes.Trim(field, " \t")
	for _, c := range field {
		if (c < '0' || c > '9') && c != '+' && c != '-' && c != '.' && c != 'e' && c != 'E' {
			return 0, fmt.Errorf("%s %q: %w", what, clip(string(field)), errNumber)
		}
	}
	v, err := strconv.ParseFloat(string(field), 64)
	if err != nil {
		return 0, fmt.Errorf("%s %q: %w", what, clip(string(field)), errNumber)
	}
	if v < least || v > most {
		if most == math.MaxFloat64 {
			return 0, fmt.Errorf("%s %v is negative", what, v)
		}
		return 0, fmt.Errorf("%s %v is not within %v to %v", what, v, least, most)
	}
	return v, nil
}
