// Package record writes what a store keeps of a device as a few bytes, and reads it. All stores keep devices so.
//
// A row has columns for what indexes and guards need, and one blob for the rest:
//
//	number  [Number]: the first 8 bytes of the device's ID, so that rows lie in the order of IDs, in which devices check in
//	rest    [Rest]: the other 8 bytes
//	imei    [IMEINumber]: the IMEI without its check digit
//	place   [Place]: the territory under which the device is counted
//	record  [Pack]: everything else of authority.Device but Made
//
// What many devices share stands in the blob as a number of a dictionary that the store keeps: the model, and what was decided
// ([Finding]). Number 0 stands for the empty text and the zero Finding, which are in no dictionary.
//
//	record  = 0x01 states marks sequence [unlocks] model finding [enrolled] [seen] [decided] [activation] serial software key days
//	states  = attestation | ceiling << 2 | boot << 4 | 0x40 if the clock is in doubt | 0x80 if the activation is mixed
//	marks   = kind of key | 0x04 if enrolled | 0x08 if seen | 0x10 if decided | 0x20 if activation | 0x40 if unlocks
//	        | 0x80 if the activation's territory is the one of the last decided day
//	sequence, unlocks, model, finding = uvarint; unlocks at least 1
//	enrolled = uvarint, microseconds since 2020-01-01 UTC, zigzag
//	seen, decided = uvarint, microseconds since enrolled, or 2020 without it, zigzag
//	activation = day [territory]             ; uvarint, days since the day of enrolment or 1970-01-01, zigzag; length byte and code
//	serial, software = length text           ; uvarint, at most MaxText
//	key     = length bytes                   ; kind 0: verbatim; uvarint, at most MaxKey
//	        | 64 bytes                       ; kind 1: P-256, x and y of its PKIX DER
//	        | 32 bytes                       ; kind 2: Ed25519
//	        | 33 bytes                       ; kind 3: P-256, compressed (SEC 1, 2.3.3), as [AppendSmall] writes it
//	days    = package days, to the end
//
// A store writes its records by Pack, or by AppendSmall, and each writes a record in one way; the reader refuses all others. Decompressing
// a P-256 point of 33 bytes takes five times as long as reading all of this (BenchmarkUnpack), so that both coordinates are kept where there
// is room for them.
package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/store/days"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Bounds of what is written and read.
const (
	MaxText = 1024 // bytes of a serial, and of a software version
	MaxKey  = 2048 // bytes of a key
	MaxSize = 6144 // bytes of a record
)

// Numbers are a record's entries in the dictionaries of its store.
type Numbers struct {
	Model   uint64 // 0 for no model
	Finding uint64 // 0 for the zero Finding
}

const (
	version = 1

	doubt = 0x40
	mixed = 0x80

	kindOfKey    = 0x03
	hasEnrolled  = 0x04
	hasSeen      = 0x08
	hasDecided   = 0x10
	hasActivated = 0x20
	hasUnlocks   = 0x40
	activeHere   = 0x80
)

var (
	// ErrRecord is what Unpack and UnpackFinding return for bytes that Pack and PackFinding did not write.
	ErrRecord = errors.New("record: these bytes are no record of a device")

	epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
)

// Pack writes the record of a device. What it does not write, other columns have: see the package comment.
func Pack(d *authority.Device, n Numbers) ([]byte, error) {
	return Append(make([]byte, 0, 224), d, n)
}

// Append is Pack behind what b has already. After an error b is as it was.
func Append(b []byte, d *authority.Device, n Numbers) ([]byte, error) {
	return appendRecord(b, d, n, false)
}

// AppendSmall is Append for a store whose rows have little room: of a P-256 key it keeps one coordinate. Reading it back takes the
// other one's computation, unless the Device given to [Unpack] has the very key already.
func AppendSmall(b []byte, d *authority.Device, n Numbers) ([]byte, error) {
	return appendRecord(b, d, n, true)
}

func appendRecord(b []byte, d *authority.Device, n Numbers, small bool) ([]byte, error) {
	if err := check(d); err != nil {
		return b, err
	}
	kind, key := shortKey(d.Key)
	if small && kind == p256 && onCurve(key) {
		kind, key = p256Small, compressed(key)
	}
	states := byte(d.Attestation) | byte(d.KeyCeiling)<<2 | byte(d.Boot)<<4
	if d.ClockDoubt {
		states |= doubt
	}
	if d.Activation != nil && d.Activation.Mixed {
		states |= mixed
	}
	start := b
	b = append(b, version, states, kind|marks(d))
	b = binary.AppendUvarint(b, d.Sequence)
	if d.Unlocks > 0 {
		b = binary.AppendUvarint(b, d.Unlocks)
	}
	b = binary.AppendUvarint(binary.AppendUvarint(b, n.Model), n.Finding)
	base := epoch
	if !d.EnrolledAt.IsZero() {
		b = appendMoment(b, d.EnrolledAt, base)
		base = d.EnrolledAt.UnixMicro()
	}
	for _, at := range []time.Time{d.LastSeen, d.DecidedAt} {
		if !at.IsZero() {
			b = appendMoment(b, at, base)
		}
	}
	if a := d.Activation; a != nil {
		b = binary.AppendUvarint(b, zigzag(int64(a.Day)-firstDay(d)))
		if a.Territory != d.Present() {
			b = append(append(b, byte(len(a.Territory))), a.Territory...)
		}
	}
	b = appendText(appendText(b, d.Serial), d.Software)
	if kind == verbatim {
		b = binary.AppendUvarint(b, uint64(len(key)))
	}
	b, err := days.Append(append(b, key...), d.Days)
	if err != nil {
		return start, err
	}
	return b, nil
}

func marks(d *authority.Device) (m byte) {
	set := func(mark byte, is bool) {
		if is {
			m |= mark
		}
	}
	set(hasEnrolled, !d.EnrolledAt.IsZero())
	set(hasSeen, !d.LastSeen.IsZero())
	set(hasDecided, !d.DecidedAt.IsZero())
	set(hasActivated, d.Activation != nil)
	set(activeHere, d.Activation != nil && d.Activation.Territory == d.Present())
	set(hasUnlocks, d.Unlocks > 0)
	return m
}

func check(d *authority.Device) error {
	switch {
	case d.Attestation > 3 || d.KeyCeiling > 3 || d.Boot > 3:
		return fmt.Errorf("record: device %v: an appraisal or a boot state is out of range", d.ID)
	case len(d.Serial) > MaxText || len(d.Software) > MaxText:
		return fmt.Errorf("record: device %v: a serial and a software version have at most %d bytes", d.ID, MaxText)
	case len(d.Key) > MaxKey:
		return fmt.Errorf("record: device %v: a key has at most %d bytes, not %d", d.ID, MaxKey, len(d.Key))
	case d.Activation != nil && !days.CodeLike(d.Activation.Territory):
		return fmt.Errorf("record: device %v: it cannot be activated in %q", d.ID, d.Activation.Territory)
	}
	for _, at := range []time.Time{d.EnrolledAt, d.LastSeen, d.DecidedAt} {
		if !at.IsZero() && !ordinary(at) {
			return fmt.Errorf("record: device %v: the time %v cannot be kept", d.ID, at)
		}
	}
	return nil
}

// ordinary reports whether a time survives being counted in microseconds.
func ordinary(at time.Time) bool {
	back := time.UnixMicro(at.UnixMicro())
	apart := at.Sub(back)
	return !back.IsZero() && apart >= 0 && apart < time.Microsecond
}

// firstDay is what the day of an activation is counted from.
func firstDay(d *authority.Device) int64 {
	if d.EnrolledAt.IsZero() {
		return 0
	}
	return floorDay(d.EnrolledAt.UnixMicro())
}

func floorDay(micros int64) int64 {
	const day = 24 * 60 * 60 * 1_000_000
	n := micros / day
	if micros%day < 0 {
		n--
	}
	return n
}

// appendMoment writes a time as the distance from base. Distances wrap around, so that any two have one.
func appendMoment(b []byte, at time.Time, base int64) []byte {
	return binary.AppendUvarint(b, zigzag(at.UnixMicro()-base))
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func zigzag(n int64) uint64 { return uint64(n)<<1 ^ uint64(n>>63) }

func unzigzag(n uint64) int64 { return int64(n>>1) ^ -int64(n&1) }

// Unpack reads what Pack wrote into d, and nothing else, and returns the numbers that it has of dictionaries. Of d it sets
// what the record has; ID, IMEI, Model and what [Finding.Put] sets are left alone. It takes the memory of d.Key and d.Days, and keeps d's texts when they
// are the same, so that a reader of many records may use one Device for all of them. It keeps nothing of b.
func Unpack(b []byte, d *authority.Device) (n Numbers, err error) {
	if len(b) < 3 || len(b) > MaxSize || b[0] != version {
		return n, ErrRecord
	}
	states, marks := b[1], b[2]
	r := reader{b: b[3:]}
	d.Attestation, d.KeyCeiling = policy.Attestation(states&3), policy.Attestation(states>>2&3)
	d.Boot, d.ClockDoubt = evidence.Boot(states>>4&3), states&doubt != 0
	d.Sequence, d.Unlocks = r.uvarint(), 0
	if marks&hasUnlocks != 0 {
		d.Unlocks = r.uvarint()
		r.bad = r.bad || d.Unlocks == 0
	}
	n.Model, n.Finding = r.uvarint(), r.uvarint()
	base := epoch
	d.EnrolledAt = r.moment(marks&hasEnrolled != 0, base)
	first := int64(0)
	if marks&hasEnrolled != 0 {
		base = d.EnrolledAt.UnixMicro()
		first = floorDay(base)
	}
	d.LastSeen = r.moment(marks&hasSeen != 0, base)
	d.DecidedAt = r.moment(marks&hasDecided != 0, base)
	activation := r.activation(states, marks, first)
	d.Serial, d.Software = r.text(d.Serial), r.text(d.Software)
	d.Key = r.key(d.Key, marks&kindOfKey)
	if r.bad {
		return n, ErrRecord
	}
	read, shortest, err := days.Read(d.Days, r.b)
	if err != nil || !shortest {
		return n, errors.Join(ErrRecord, err)
	}
	if d.Days = read; len(read) == 0 {
		d.Days = nil
	}
	if d.Activation = activation; activation != nil {
		here := d.Present()
		if marks&activeHere != 0 {
			activation.Territory = here
		} else if activation.Territory == here {
			return n, ErrRecord
		}
	}
	return n, nil
}

// Sequence reads the sequence only, from a record that Pack wrote.
func Sequence(b []byte) (uint64, error) {
	if len(b) < 4 || b[0] != version {
		return 0, ErrRecord
	}
	r := reader{b: b[3:]}
	n := r.uvarint()
	if r.bad {
		return 0, ErrRecord
	}
	return n, nil
}

type reader struct {
	b   []byte
	bad bool
}

// uvarint reads a number in its shortest form.
func (r *reader) uvarint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		n := r.b[0]
		r.b = r.b[1:]
		return uint64(n)
	}
	n, size := binary.Uvarint(r.b)
	if size <= 0 || r.b[size-1] == 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) moment(there bool, base int64) time.Time {
	if !there {
		return time.Time{}
	}
	at := time.UnixMicro(base + unzigzag(r.uvarint())).UTC()
	r.bad = r.bad || at.IsZero()
	return at
}

func (r *reader) activation(states, marks byte, first int64) *territory.Activation {
	if marks&hasActivated == 0 {
		r.bad = r.bad || marks&activeHere != 0 || states&mixed != 0
		return nil
	}
	a := &territory.Activation{Mixed: states&mixed != 0}
	day := unzigzag(r.uvarint())
	a.Day = territory.Day(first + day)
	r.bad = r.bad || int64(a.Day) != first+day || day != int64(a.Day)-first
	if marks&activeHere == 0 {
		a.Territory = territory.Code(r.take(1, 6))
		r.bad = r.bad || !days.CodeLike(a.Territory)
	}
	return a
}

// take reads bytes behind their length, which takes size bytes at most.
func (r *reader) take(size, most int) []byte {
	before := len(r.b)
	n := r.uvarint()
	if r.bad || before-len(r.b) > size || n > uint64(most) || n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// text reads a text, which often is the one of the record before.
func (r *reader) text(last string) string {
	b := r.take(2, MaxText)
	if string(b) == last {
		return last
	}
	return string(b)
}
