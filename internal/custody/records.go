// Package custody reads what the maker's and shippers' records say of devices, and counts diversion: devices put to use outside the
// market that they were made for. It is pure; floor 1.
//
// A file of production records is CSV (RFC 4180) in UTF-8 with this header, in this order:
//
//	imei,serial,model,market,consignment,consignee,shipped_on
//	356938035643809,R58N123,Phone 12,DE,C-2021-0042,Example Trading,2021-06-01
//
// imei is 15 digits with a right check digit, market an ISO 3166 code that package territory knows, shipped_on a date or empty;
// serial, model, consignment and consignee are at most 64 characters each, and the last two may be empty.
package custody

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Bounds of a file of production records.
const (
	MaxFile    = 256 << 20 // bytes
	MaxRecords = 2_000_000
	MaxLine    = 1 << 10 // bytes
	MaxFaults  = 20      // told at once; reading stops after them
	maxText    = 64      // characters
)

// Header is the first line of a file of production records.
var Header = []string{"imei", "serial", "model", "market", "consignment", "consignee", "shipped_on"}

// Record is what the maker's records say of a device before anyone has switched it on.
type Record struct {
	IMEI        device.IMEI
	Serial      string
	Model       string
	Market      territory.Code
	Consignment string        // empty when unknown
	Consignee   string        // empty when unknown
	ShippedOn   territory.Day // 0 when unknown
}

// Fault is what is wrong in one line, counted from 1.
type Fault struct {
	Line int
	Text string
}

// Faults are what is wrong in a file. Nothing of such a file should be imported.
type Faults []Fault

func (f Faults) Error() string {
	var b strings.Builder
	b.WriteString("custody: the records cannot be imported:")
	for _, fault := range f {
		fmt.Fprintf(&b, "\n  line %d: %s", fault.Line, fault.Text)
	}
	if len(f) == MaxFaults {
		b.WriteString("\n  and perhaps more; reading stopped here")
	}
	return b.String()
}

var errFaults = errors.New("too many faults")

// ReadRecords reads a file of production records. The error is [Faults], with every fault up to MaxFaults, or that of r.
func ReadRecords(r io.Reader) ([]Record, error) {
	p := &parser{seen: make(map[device.IMEI]int)}
	lines := bufio.NewScanner(io.LimitReader(r, MaxFile+1))
	lines.Buffer(make([]byte, 0, MaxLine), MaxLine)
	for lines.Scan() {
		p.line++
		if p.size += len(lines.Bytes()) + 1; p.size > MaxFile+1 {
			p.fault("the file is larger than %d MiB; split it", MaxFile>>20)
			break
		}
		if err := p.read(lines.Text()); err != nil {
			return nil, p.faults
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		p.line++
		p.fault("the line is longer than %d bytes", MaxLine)
	} else if err != nil {
		return nil, err
	}
	if p.line == 0 {
		p.line = 1
		p.fault("the file is empty; its first line is %s", strings.Join(Header, ","))
	}
	if len(p.faults) > 0 {
		return nil, p.faults
	}
	return p.records, nil
}

type parser struct {
	line, size int
	records    []Record
	faults     Faults
	seen       map[device.IMEI]int // first line by IMEI; nil when the caller looks after that
	texts      map[string]string   // that were met, to be kept once; nil to keep each
}

func (p *parser) fault(format string, args ...any) {
	p.faults = append(p.faults, Fault{p.line, fmt.Sprintf(format, args...)})
}

// read reads one line. A record is one line: a quoted field with a line end in it is refused.
func (p *parser) read(text string) error {
	before := len(p.faults)
	switch {
	case p.line == 1:
		p.header(strings.TrimPrefix(text, "\ufeff"))
		if len(p.faults) > before {
			return errFaults
		}
	case text == "":
		p.fault("the line is empty")
	case len(p.records) == MaxRecords:
		p.fault("more than %d records; split the file", MaxRecords)
		return errFaults
	default:
		p.record(text)
	}
	if len(p.faults) >= MaxFaults {
		return errFaults
	}
	return nil
}

func (p *parser) header(text string) {
	fields, err := fieldsOf(text)
	if err != nil || !slices.Equal(fields, Header) {
		p.fault("the first line must be %s", strings.Join(Header, ","))
	}
}

func fieldsOf(text string) ([]string, error) {
	if !strings.ContainsRune(text, '"') && !strings.ContainsRune(text, '\r') { // nearly every line: no quotes to read
		if fields := strings.SplitN(text, ",", len(Header)+1); len(fields) == len(Header) {
			return fields, nil
		}
		return nil, csv.ErrFieldCount
	}
	reader := csv.NewReader(strings.NewReader(text))
	reader.FieldsPerRecord = len(Header)
	fields, err := reader.Read()
	if err != nil {
		return nil, err
	}
	if _, err := reader.Read(); err != io.EOF {
		return nil, errors.New("more than one record")
	}
	return fields, nil
}

func (p *parser) record(text string) {
	fields, err := fieldsOf(text)
	if err != nil {
		p.fault("the line does not have %d fields of CSV, parted by commas", len(Header))
		return
	}
	before := len(p.faults)
	rec := Record{IMEI: device.IMEI(fields[0]), Market: territory.Code(fields[3])}
	if imei, err := device.ParseIMEI(fields[0]); err != nil {
		p.fault("imei: %s", strings.TrimPrefix(err.Error(), "device: "))
	} else if imei != rec.IMEI {
		p.fault("imei: write the 15 digits 0-9 and nothing else")
	} else if first, twice := p.seen[imei]; twice {
		p.fault("imei: it stands in line %d already", first)
	}
	rec.Serial = p.text("serial", fields[1], true)
	rec.Model = p.text("model", fields[2], true)
	if _, err := territory.ParseCode(fields[3]); err != nil {
		p.fault("market: %s", strings.TrimPrefix(err.Error(), "territory: "))
	}
	rec.Consignment = p.text("consignment", fields[4], false)
	rec.Consignee = p.text("consignee", fields[5], false)
	rec.ShippedOn = p.day(fields[6])
	if len(p.faults) == before {
		if p.seen != nil {
			p.seen[rec.IMEI] = p.line
		}
		p.records = append(p.records, rec)
	}
}

func (p *parser) text(what, s string, needed bool) string {
	switch {
	case needed && s == "":
		p.fault("%s: it is missing", what)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		p.fault("%s: it has characters that are no text", what)
	case utf8.RuneCountInString(s) > maxText:
		p.fault("%s: it has more than %d characters", what, maxText)
	case strings.TrimSpace(s) != s:
		p.fault("%s: it begins or ends with a space", what)
	}
	return p.once(s)
}

func (p *parser) day(s string) territory.Day {
	if s == "" {
		return 0
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1990 || t.Year() > 2200 {
		p.fault("shipped_on: write a date such as 2021-06-01, or nothing")
		return 0
	}
	return territory.DayOf(t)
}
