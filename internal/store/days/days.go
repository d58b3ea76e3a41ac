// Package days writes the days of a device's record as a few bytes, and reads them. All stores keep them so.
//
// There are two encodings, runs.go for people whose days are alike and ranks.go for those whose signals change from day to day. The
// shorter one is written, the first when both are as long. What was written before there was a second one is read as well.
package days

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/territory"
)

var errDays = errors.New("days: the days of a device cannot be read")

// Pack writes days, which are at most evidence.MaxDays, each later than the one before.
func Pack(days []territory.DayRecord) ([]byte, error) {
	return Append(make([]byte, 0, 48), days)
}

// Append is Pack behind what b has already. After an error b is as it was.
func Append(b []byte, days []territory.DayRecord) ([]byte, error) {
	if err := check(days); err != nil || len(days) == 0 {
		return b, err
	}
	var r ranking
	if r.rank(days) && r.size(days) < runsSize(days) {
		return r.append(b, days), nil
	}
	return appendRuns(b, days), nil
}

// Unpack reads what Pack wrote, and what it wrote when it knew the first encoding only.
func Unpack(b []byte) ([]territory.DayRecord, error) {
	days, _, err := Read(nil, b)
	return days, err
}

// Read is Unpack, and reports whether Pack writes these days so. It takes the memory of into, if there is enough.
func Read(into []territory.DayRecord, b []byte) (days []territory.DayRecord, shortest bool, err error) {
	if len(b) == 0 {
		return into[:0], true, nil
	}
	if cap(into) < evidence.MaxDays {
		into = make([]territory.DayRecord, 0, evidence.MaxDays)
	}
	switch b[0] {
	case runsVersion:
		if days, err = unpackRuns(into[:0], b[1:]); err != nil {
			return nil, false, err
		}
		var r ranking
		return days, !r.rank(days) || r.size(days) >= len(b), nil
	case ranksVersion:
		days, err = unpackRanks(into[:0], b[1:])
		if err == nil && len(b) >= runsSize(days) {
			err = errDays
		}
		return days, true, err
	}
	return nil, false, errDays
}

func check(days []territory.DayRecord) error {
	if len(days) > evidence.MaxDays {
		return fmt.Errorf("days: a device has at most %d days, not %d", evidence.MaxDays, len(days))
	}
	for i := range days {
		if err := checkDay(&days[i]); err != nil {
			return err
		}
		if i > 0 && days[i].Day <= days[i-1].Day {
			return fmt.Errorf("days: %v does not come after %v", days[i].Day, days[i-1].Day)
		}
	}
	return nil
}

func checkDay(d *territory.DayRecord) error {
	if d.Percent > 99 || !d.Agree.Valid() || !d.Against.Valid() || !CodeLike(d.Territory) {
		return fmt.Errorf("days: the record of %v is out of range", d.Day)
	}
	return nil
}

// CodeLike reports whether c is Unknown or has the shape of an ISO 3166 code. Which codes exist is for package territory to say, and
// may change while records stay.
func CodeLike(c territory.Code) bool {
	if len(c) == 0 {
		return true
	}
	if len(c) != 2 && (len(c) < 4 || len(c) > 6) {
		return false
	}
	for i := range len(c) {
		letter, digit := c[i] >= 'A' && c[i] <= 'Z', c[i] >= '0' && c[i] <= '9'
		if i < 2 && !letter || i == 2 && c[i] != '-' || i > 2 && !letter && !digit {
			return false
		}
	}
	return true
}

// alike reports whether two days differ in their date only.
func alike(a, b *territory.DayRecord) bool {
	return a.Percent == b.Percent && a.Agree == b.Agree && a.Against == b.Against && a.Territory == b.Territory
}

// follows reports whether b is the day after a and like it.
func follows(a, b *territory.DayRecord) bool {
	return int64(b.Day) == int64(a.Day)+1 && alike(a, b)
}

// appendCode writes a territory: a length byte, and the code.
func appendCode(b []byte, c territory.Code) []byte { return append(append(b, byte(len(c))), c...) }

// appendPercent writes how sure a day is, and what speaks against it.
func appendPercent(b []byte, d *territory.DayRecord) []byte {
	if d.Against == 0 {
		return append(b, d.Percent)
	}
	return append(b, d.Percent|hasAgainst, byte(d.Against))
}

func percentSize(d *territory.DayRecord) int {
	if d.Against == 0 {
		return 1
	}
	return 2
}

func uvarintSize(n uint64) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

func zigzag(n int64) uint64 { return uint64(n)<<1 ^ uint64(n>>63) }

type reader struct {
	b   []byte
	bad bool
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	b := r.b[0]
	r.b = r.b[1:]
	return b
}

// uvarint reads a number of at most 33 bits in its shortest form.
func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || size > 5 || size > 1 && r.b[size-1] == 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[size:]
	return n
}

// day reads the first day of a list.
func (r *reader) day() int64 {
	n := r.uvarint()
	day := int64(n>>1) ^ -int64(n&1)
	r.bad = r.bad || day < math.MinInt32 || day > math.MaxInt32
	return day
}

func (r *reader) code() territory.Code {
	n := int(r.byte())
	if n > 6 || n > len(r.b) {
		r.bad = true
		return territory.Unknown
	}
	c := Code(r.b[:n])
	r.b = r.b[n:]
	return c
}

func (r *reader) percent(d *territory.DayRecord) {
	d.Percent = r.byte()
	if d.Percent&hasAgainst != 0 {
		d.Percent &^= hasAgainst
		d.Against = territory.Kinds(r.byte())
		r.bad = r.bad || d.Against == 0
	}
}
