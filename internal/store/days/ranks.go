package days

import (
	"encoding/binary"
	"math"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// The second encoding: what days say is listed once, the most frequent first, and each day takes one bit more than its place in that
// list. People have some four kinds of days, one of which is four days out of five.
//
//	blob  = 0x02 first length kinds kind{kinds} bits
//	first = uvarint, the first day, zigzag
//	length = uvarint, days from the first to the last, both counted, 2 to 250
//	kinds = byte, 2 to 24
//	kind  = 0x20                              ; no record of the day: it was passed over
//	      | head [code] percent [against]     ; head = agree | 0x80 if the territory is the one of the kind before
//	bits  = for each day: as many ones as its kind's place in the list, from 0, and a zero, which the last kind goes without;
//	        from the highest bit of the first byte on, filled up with zeros
//
// Kinds of equal frequency stand in the order of their first days. So a list has one encoding of this kind; the reader refuses all others.
const (
	ranksVersion = 2
	isOff        = 0x20
	maxKinds     = 24
	maxLength    = 250
)

// ranking is the kinds of days in a list, by frequency.
type ranking struct {
	kinds  [maxKinds]kind
	n      int
	length int
	of     [evidence.MaxDays]uint8 // number of each day's kind before ranking
	place  [maxKinds]uint8         // where that kind stands in the list
	order  [maxKinds]uint8         // the kind at a place
}

type kind struct {
	day   *territory.DayRecord // nil for days passed over
	count int
}

// rank finds the kinds; false when this encoding cannot say such days.
func (r *ranking) rank(days []territory.DayRecord) bool {
	if len(days) < 2 || int64(days[len(days)-1].Day)-int64(days[0].Day) >= maxLength {
		return false
	}
	r.length = int(days[len(days)-1].Day-days[0].Day) + 1
	off := -1
	for i := range days {
		d := &days[i]
		if i > 0 && d.Day != days[i-1].Day+1 {
			if off < 0 {
				if off = r.n; off == maxKinds {
					return false
				}
				r.n++
			}
			r.kinds[off].count += int(d.Day - days[i-1].Day - 1)
		}
		k := 0
		if i > 0 && alike(d, &days[i-1]) {
			k = int(r.of[i-1])
		} else {
			for k < r.n && (k == off || !alike(r.kinds[k].day, d)) {
				k++
			}
		}
		if k == maxKinds {
			return false
		}
		if k == r.n {
			r.kinds[k].day = d
			r.n++
		}
		r.kinds[k].count++
		r.of[i] = uint8(k)
	}
	r.sort()
	return r.n >= 2
}

// sort puts the frequent kinds first; those of equal frequency stay.
func (r *ranking) sort() {
	for i := range r.n {
		at := i
		for at > 0 && r.kinds[r.order[at-1]].count < r.kinds[i].count {
			r.order[at] = r.order[at-1]
			at--
		}
		r.order[at] = uint8(i)
	}
	for place, k := range r.order[:r.n] {
		r.place[k] = uint8(place)
	}
}

// size is how many bytes append writes.
func (r *ranking) size(days []territory.DayRecord) int {
	size := 1 + uvarintSize(zigzag(int64(days[0].Day))) + uvarintSize(uint64(r.length)) + 1
	bits := 0
	var before *territory.DayRecord
	for place, k := range r.order[:r.n] {
		bits += r.kinds[k].count * min(place+1, r.n-1)
		d := r.kinds[k].day
		if d == nil {
			size++
			continue
		}
		size += 1 + percentSize(d)
		if before == nil || d.Territory != before.Territory {
			size += 1 + len(d.Territory)
		}
		before = d
	}
	return size + (bits+7)/8
}

func (r *ranking) append(b []byte, days []territory.DayRecord) []byte {
	b = binary.AppendUvarint(append(b, ranksVersion), zigzag(int64(days[0].Day)))
	b = append(binary.AppendUvarint(b, uint64(r.length)), byte(r.n))
	var before *territory.DayRecord
	off := -1
	for place, k := range r.order[:r.n] {
		d := r.kinds[k].day
		if d == nil {
			b, off = append(b, isOff), place
			continue
		}
		if before != nil && d.Territory == before.Territory {
			b = append(b, byte(d.Agree)|sameCode)
		} else {
			b = appendCode(append(b, byte(d.Agree)), d.Territory)
		}
		b, before = appendPercent(b, d), d
	}
	w := bitWriter{b: b, last: r.n - 1}
	for i := range days {
		for j := int64(0); i > 0 && j < int64(days[i].Day)-int64(days[i-1].Day)-1; j++ {
			w.put(off)
		}
		w.put(int(r.place[r.of[i]]))
	}
	return w.end()
}

type bitWriter struct {
	b    []byte
	bits uint64 // not written yet, the lowest of them last
	n    int
	last int
}

func (w *bitWriter) put(place int) {
	if place == w.last {
		w.bits, w.n = w.bits<<place|(1<<place-1), w.n+place
	} else {
		w.bits, w.n = w.bits<<(place+1)|(1<<place-1)<<1, w.n+place+1
	}
	for w.n >= 8 {
		w.n -= 8
		w.b = append(w.b, byte(w.bits>>w.n))
	}
}

func (w *bitWriter) end() []byte {
	if w.n > 0 {
		w.b = append(w.b, byte(w.bits<<(8-w.n)))
	}
	return w.b
}

func unpackRanks(days []territory.DayRecord, b []byte) ([]territory.DayRecord, error) {
	r := &reader{b: b}
	day, length := r.day(), r.uvarint()
	r.bad = r.bad || length < 2 || length > maxLength || day+int64(length)-1 > math.MaxInt32
	var kinds [maxKinds]territory.DayRecord
	off, n := r.kinds(&kinds)
	if r.bad {
		return nil, errDays
	}
	var counts [maxKinds]int
	var firsts [maxKinds]int64
	bits := bitReader{b: r.b}
	end := day + int64(length)
	for ; day < end; day++ {
		place := bits.place(n - 1)
		if counts[place] == 0 {
			firsts[place] = day
		}
		counts[place]++
		if place == off {
			continue
		}
		if len(days) == evidence.MaxDays {
			return nil, errDays
		}
		d := kinds[place]
		d.Day = territory.Day(day)
		days = append(days, d)
	}
	if bits.bad || bits.rest() || len(days) == 0 || int64(days[0].Day) != end-int64(length) || int64(days[len(days)-1].Day) != end-1 {
		return nil, errDays
	}
	for i := range n {
		if counts[i] == 0 || i > 0 && (counts[i] > counts[i-1] || counts[i] == counts[i-1] && firsts[i] < firsts[i-1]) {
			return nil, errDays
		}
	}
	return days, nil
}

// kinds reads the list of kinds. It returns where the days passed over stand, -1 for nowhere, and how many there are.
func (r *reader) kinds(kinds *[maxKinds]territory.DayRecord) (off, n int) {
	off, n = -1, int(r.byte())
	if n < 2 || n > maxKinds {
		r.bad = true
		return off, 0
	}
	before := -1
	for i := range n {
		head, d := r.byte(), &kinds[i]
		if head == isOff {
			r.bad = r.bad || off >= 0
			off = i
			continue
		}
		d.Agree = territory.Kinds(head &^ sameCode)
		switch {
		case head&sameCode == 0:
			d.Territory = r.code()
			r.bad = r.bad || before >= 0 && d.Territory == kinds[before].Territory
		case before < 0:
			r.bad = true
		default:
			d.Territory = kinds[before].Territory
		}
		r.percent(d)
		if r.bad = r.bad || checkDay(d) != nil; r.bad {
			return off, n
		}
		for j := range i {
			r.bad = r.bad || j != off && alike(&kinds[j], d)
		}
		before = i
	}
	return off, n
}

type bitReader struct {
	b   []byte
	at  int // the next bit
	bad bool
}

// place reads ones up to a zero, or up to last of them.
func (r *bitReader) place(last int) int {
	for n := range last {
		if r.at>>3 >= len(r.b) {
			r.bad = true
			return 0
		}
		one := r.b[r.at>>3]>>(7-r.at&7)&1 != 0
		r.at++
		if !one {
			return n
		}
	}
	return last
}

// rest reports whether there is more than zeros to fill up the last byte.
func (r *bitReader) rest() bool {
	if (r.at+7)>>3 != len(r.b) {
		return true
	}
	return r.at&7 != 0 && r.b[r.at>>3]<<(r.at&7) != 0
}
