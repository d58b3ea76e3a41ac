// Package days writes the days of a device's record as a few bytes, and reads them. Both stores keep them so.
package days

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// The days of a device are kept as one blob, two bytes for most days and nothing for a day like the one before:
//
//	blob  = 0x01 entry*                      ; empty list: no bytes at all
//	entry = head [gap] [run] [code] percent [against]
//	head  = agree | 0x20 if gap | 0x40 if run | 0x80 if the territory is the one of the entry before
//	gap   = uvarint, days passed over since the entry before, at least 1; in the first entry the day itself, zigzag
//	run   = uvarint, number of days that this entry stands for, at least 2
//	code  = length byte, then the ISO code; length 0 for Unknown
//	percent = 0 to 99, | 0x80 if against follows
//	against = kinds, not empty
//
// There is one encoding of a list; the reader refuses all others.
const (
	daysVersion = 1
	hasGap      = 0x20
	hasRun      = 0x40
	sameCode    = 0x80
	hasAgainst  = 0x80
)

var errDays = errors.New("days: the days of a device cannot be read")

// Pack writes days, which are at most evidence.MaxDays, each later than the one before.
func Pack(days []territory.DayRecord) ([]byte, error) {
	if len(days) == 0 {
		return []byte{}, nil
	}
	if len(days) > evidence.MaxDays {
		return nil, fmt.Errorf("days: a device has at most %d days, not %d", evidence.MaxDays, len(days))
	}
	b := append(make([]byte, 0, 16+2*len(days)), daysVersion)
	for i := 0; i < len(days); {
		d := days[i]
		if err := checkDay(d); err != nil {
			return nil, err
		}
		run := runOf(days[i:])
		head := byte(d.Agree)
		gap := binary.AppendVarint(nil, int64(d.Day))
		if i > 0 {
			skipped := int64(d.Day) - int64(days[i-1].Day) - 1
			if skipped < 0 {
				return nil, fmt.Errorf("days: %v does not come after %v", d.Day, days[i-1].Day)
			}
			gap = binary.AppendUvarint(nil, uint64(skipped))
			if skipped == 0 {
				gap = nil
			}
		}
		if gap != nil {
			head |= hasGap
		}
		if run > 1 {
			head |= hasRun
		}
		same := i > 0 && d.Territory == days[i-1].Territory
		if same {
			head |= sameCode
		}
		b = append(append(b, head), gap...)
		if run > 1 {
			b = binary.AppendUvarint(b, uint64(run))
		}
		if !same {
			b = append(append(b, byte(len(d.Territory))), d.Territory...)
		}
		if d.Against == 0 {
			b = append(b, d.Percent)
		} else {
			b = append(b, d.Percent|hasAgainst, byte(d.Against))
		}
		i += run
	}
	return b, nil
}

// runOf counts the days at the beginning that follow each other and are alike.
func runOf(days []territory.DayRecord) int {
	n := 1
	for n < len(days) && follows(days[n-1], days[n]) {
		n++
	}
	return n
}

func follows(a, b territory.DayRecord) bool {
	if a.Day == math.MaxInt32 {
		return false
	}
	a.Day++
	return a == b
}

func checkDay(d territory.DayRecord) error {
	if d.Percent > 99 || !d.Agree.Valid() || !d.Against.Valid() || !codeLike(d.Territory) {
		return fmt.Errorf("days: the record of %v is out of range", d.Day)
	}
	return nil
}

// codeLike reports whether c has the shape of an ISO 3166 code. Which codes exist is for package territory to say, and
// may change while records stay.
func codeLike(c territory.Code) bool {
	if c == territory.Unknown {
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

// Unpack reads what Pack wrote, and nothing else.
func Unpack(b []byte) ([]territory.DayRecord, error) {
	if len(b) == 0 {
		return nil, nil
	}
	r := &dayReader{b: b[1:]}
	if b[0] != daysVersion || len(r.b) == 0 {
		return nil, errDays
	}
	days := make([]territory.DayRecord, 0, 32)
	for len(r.b) > 0 {
		d, run := r.entry(days)
		if r.bad || checkDay(d) != nil || len(days)+run > evidence.MaxDays || int64(d.Day)+int64(run)-1 > math.MaxInt32 {
			return nil, errDays
		}
		if n := len(days); n > 0 && follows(days[n-1], d) { // belongs to the run before
			return nil, errDays
		}
		for range run {
			days = append(days, d)
			d.Day++
		}
	}
	return days, nil
}

type dayReader struct {
	b   []byte
	bad bool
}

// entry reads the next entry, which comes after the given days. It returns the first day of it and how many there are.
func (r *dayReader) entry(before []territory.DayRecord) (d territory.DayRecord, run int) {
	head, run := r.byte(), 1
	d.Agree = territory.Kinds(head &^ (hasGap | hasRun | sameCode))
	day := int64(0)
	if len(before) > 0 {
		day = int64(before[len(before)-1].Day) + 1
	}
	switch {
	case len(before) == 0:
		zigzag := r.uvarint()
		day = int64(zigzag>>1) ^ -int64(zigzag&1)
		r.bad = r.bad || head&hasGap == 0
	case head&hasGap != 0:
		gap := r.uvarint()
		r.bad = r.bad || gap == 0
		day += int64(gap)
	}
	r.bad = r.bad || day < math.MinInt32 || day > math.MaxInt32
	d.Day = territory.Day(day)
	if head&hasRun != 0 {
		n := r.uvarint()
		r.bad = r.bad || n < 2 || n > evidence.MaxDays
		run = int(n)
	}
	d.Territory = r.code(head&sameCode != 0, before)
	d.Percent = r.byte()
	if d.Percent&hasAgainst != 0 {
		d.Percent &^= hasAgainst
		d.Against = territory.Kinds(r.byte())
		r.bad = r.bad || d.Against == 0
	}
	return d, run
}

func (r *dayReader) code(same bool, before []territory.DayRecord) territory.Code {
	if same {
		r.bad = r.bad || len(before) == 0
		if r.bad {
			return territory.Unknown
		}
		return before[len(before)-1].Territory
	}
	n := int(r.byte())
	if n > 6 || n > len(r.b) {
		r.bad = true
		return territory.Unknown
	}
	c := territory.Code(r.b[:n])
	r.b = r.b[n:]
	r.bad = r.bad || len(before) > 0 && c == before[len(before)-1].Territory
	return c
}

func (r *dayReader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	b := r.b[0]
	r.b = r.b[1:]
	return b
}

// uvarint reads a number of at most 33 bits in its shortest form.
func (r *dayReader) uvarint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || size > 5 || size > 1 && r.b[size-1] == 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[size:]
	return n
}
