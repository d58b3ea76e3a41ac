package days

import (
	"encoding/binary"
	"math"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// The first encoding: two bytes for most days and nothing for a day like the one before.
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
// A list has one encoding of this kind; the reader refuses all others.
const (
	runsVersion = 1
	hasGap      = 0x20
	hasRun      = 0x40
	sameCode    = 0x80
	hasAgainst  = 0x80
)

func appendRuns(b []byte, days []territory.DayRecord) []byte {
	b = append(b, runsVersion)
	for i := 0; i < len(days); {
		d := &days[i]
		run, same := runOf(days[i:]), i > 0 && d.Territory == days[i-1].Territory
		gap, gapped := gapAt(days, i)
		head := byte(d.Agree)
		if gapped {
			head |= hasGap
		}
		if run > 1 {
			head |= hasRun
		}
		if same {
			head |= sameCode
		}
		b = append(b, head)
		if gapped {
			b = binary.AppendUvarint(b, gap)
		}
		if run > 1 {
			b = binary.AppendUvarint(b, uint64(run))
		}
		if !same {
			b = appendCode(b, d.Territory)
		}
		b = appendPercent(b, d)
		i += run
	}
	return b
}

// runsSize is how many bytes appendRuns writes; none for no days.
func runsSize(days []territory.DayRecord) int {
	if len(days) == 0 {
		return 0
	}
	size := 1
	for i := 0; i < len(days); {
		d := &days[i]
		run := runOf(days[i:])
		size += 1 + percentSize(d)
		if gap, gapped := gapAt(days, i); gapped {
			size += uvarintSize(gap)
		}
		if run > 1 {
			size += uvarintSize(uint64(run))
		}
		if i == 0 || d.Territory != days[i-1].Territory {
			size += 1 + len(d.Territory)
		}
		i += run
	}
	return size
}

// gapAt is the number that stands before a day, if any.
func gapAt(days []territory.DayRecord, i int) (gap uint64, gapped bool) {
	if i == 0 {
		return zigzag(int64(days[0].Day)), true
	}
	gap = uint64(int64(days[i].Day) - int64(days[i-1].Day) - 1)
	return gap, gap > 0
}

// runOf counts the days at the beginning that follow each other and are alike.
func runOf(days []territory.DayRecord) int {
	n := 1
	for n < len(days) && follows(&days[n-1], &days[n]) {
		n++
	}
	return n
}

func unpackRuns(days []territory.DayRecord, b []byte) ([]territory.DayRecord, error) {
	r := &reader{b: b}
	if len(r.b) == 0 {
		return nil, errDays
	}
	for len(r.b) > 0 {
		d, run := r.entry(days)
		if r.bad || checkDay(&d) != nil || len(days)+run > evidence.MaxDays || int64(d.Day)+int64(run)-1 > math.MaxInt32 {
			return nil, errDays
		}
		if n := len(days); n > 0 && follows(&days[n-1], &d) { // belongs to the run before
			return nil, errDays
		}
		for range run {
			days = append(days, d)
			d.Day++
		}
	}
	return days, nil
}

// entry reads the next entry, which comes after the given days. It returns the first day of it and how many there are.
func (r *reader) entry(before []territory.DayRecord) (d territory.DayRecord, run int) {
	head, run := r.byte(), 1
	d.Agree = territory.Kinds(head &^ (hasGap | hasRun | sameCode))
	day := int64(0)
	if len(before) > 0 {
		day = int64(before[len(before)-1].Day) + 1
	}
	switch {
	case len(before) == 0:
		day = r.day()
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
	switch {
	case head&sameCode == 0:
		d.Territory = r.code()
		r.bad = r.bad || len(before) > 0 && d.Territory == before[len(before)-1].Territory
	case len(before) == 0:
		r.bad = true
	default:
		d.Territory = before[len(before)-1].Territory
	}
	r.percent(&d)
	return d, run
}
