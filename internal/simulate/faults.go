package simulate

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Kind is a kind of fault. Its text stands in reports.
type Kind string

// The kinds of faults.
const (
	Crash          Kind = "crash"          // the server dies at a write: before it, or after it with the reply lost
	LedgerCrash    Kind = "ledger_crash"   // it dies in the ledger: some leaves are sequenced, none is published
	LedgerFailure  Kind = "ledger_failure" // the ledger fails and the process lives on; leaves may be in it or not
	ServerFullDisk Kind = "server_full_disk"
	RestoredBackup Kind = "restored_backup" // an old backup of the store is put back; the ledger is ahead of it

	PowerLoss    Kind = "power_loss"   // a device dies at a write: before or after it
	TornWrite    Kind = "torn_write"   // a device dies in the middle of a write
	FullDisk     Kind = "full_disk"    // a device has no room for its record
	ClockJump    Kind = "clock_jump"   // a device's wall clock is set, or lost while it is off
	RolledBack   Kind = "rolled_back"  // an old record is put back on a device with a counter
	LostRecord   Kind = "lost_record"  // a device loses its record, as by a factory reset
	LongOff      Kind = "long_off"     // a device lies in a drawer for longer than it believes its wall clock
	Partition    Kind = "partition"    // nobody reaches the server for a while
	LostRequest  Kind = "lost_request" // a message does not arrive
	LateRequest  Kind = "late_request" // a message arrives again, much later
	LostReply    Kind = "lost_reply"   // it arrives, and the answer does not
	CutReply     Kind = "cut_reply"    // the answer arrives in part
	Repeated     Kind = "repeated_reply"
	Reordered    Kind = "reordered_reply" // the answer arrives after later ones
	TwiceRequest Kind = "repeated_request"
)

// Kinds lists every kind of fault.
func Kinds() []Kind {
	return []Kind{Crash, LedgerCrash, LedgerFailure, ServerFullDisk, RestoredBackup, PowerLoss, TornWrite, FullDisk, ClockJump, RolledBack,
		LostRecord, LongOff, Partition, LostRequest, LateRequest, LostReply, CutReply, Repeated, Reordered, TwiceRequest}
}

// dice are a world's only source of chance.
type dice struct {
	*rand.Rand
	source rand.Source
}

func newDice(seed, world, stream uint64) dice {
	source := rand.NewPCG(seed, world<<16|stream)
	return dice{rand.New(source), source}
}

// chance is true with probability p.
func (d dice) chance(p float64) bool { return d.Float64() < p }

// between draws whole seconds from [least, most).
func (d dice) between(least, most time.Duration) time.Duration {
	return (least + time.Duration(d.Int64N(int64(most-least)))).Truncate(time.Second)
}

// pick draws one of a list.
func pick[T any](d dice, list ...T) T { return list[d.IntN(len(list))] }

// reader gives the bytes of a source of chance, for what draws from an io.Reader.
type reader struct{ rand.Source }

func (r reader) Read(b []byte) (int, error) {
	for i := 0; i < len(b); {
		for v, k := r.Uint64(), 0; k < 8 && i < len(b); i, k, v = i+1, k+1, v>>8 {
			b[i] = byte(v)
		}
	}
	return len(b), nil
}

// fault counts a fault of a kind, and tells it in the trace.
func (w *world) fault(k Kind) {
	w.result.Faults[k]++
	w.tracef("fault %s", k)
}

// strikes decides whether a fault of a kind happens now: never once the world has become quiet.
func (w *world) strikes(k Kind, p float64) bool {
	if w.quiet || !w.dice.chance(p*w.wild) {
		return false
	}
	w.fault(k)
	return true
}

// Violation is a line of the Charter, or of what the server promises, that did not hold.
type Violation struct {
	Seed  uint64    `json:"seed"`
	World uint64    `json:"world"`
	Step  int       `json:"step"`
	At    time.Time `json:"at"` // virtual time
	Line  string    `json:"line"`
	Text  string    `json:"text"`
}

// String names the place to replay, and what happened there.
func (v Violation) String() string {
	return fmt.Sprintf("seed %d world %d step %d, %s: %s: %s", v.Seed, v.World, v.Step, v.At.Format(time.DateTime), v.Line, v.Text)
}

// violate notes a violation. A world ends with its first one: what comes after may only follow from it.
func (w *world) violate(line, format string, args ...any) {
	if len(w.result.Violations) > 0 {
		return
	}
	v := Violation{Seed: w.seed, World: w.number, Step: w.step, At: w.now, Line: line, Text: fmt.Sprintf(format, args...)}
	w.result.Violations = append(w.result.Violations, v)
	w.tracef("VIOLATION %s: %s", v.Line, v.Text)
}

// over reports whether the world has come to its end before its time.
func (w *world) over() bool { return len(w.result.Violations) > 0 }

func (w *world) tracef(format string, args ...any) {
	if w.trace != nil {
		fmt.Fprintf(w.trace, "%7d  %s  %s\n", w.step, w.now.Format("2006-01-02 15:04:05"), fmt.Sprintf(format, args...))
	}
}
