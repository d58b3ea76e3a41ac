package agent_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// protectedRig is a new phone that authenticates its record and counts its generations.
func protectedRig(t tb, seed uint64) *rig {
	t.Helper()
	r := newRig(t, seed)
	r.phone.Protect()
	r.open()
	return r
}

// protectedLocked is such a phone, activated in Cuba, noticed and locked.
func protectedLocked(t tb, seed uint64) (r *rig, notice, lock order.Sealed) {
	t.Helper()
	r = protectedRig(t, seed)
	r.enrol()
	for range 3 {
		r.live(cuba)
	}
	n := r.notice(ruleCuba)
	notice, lock = r.seal(n), r.seal(r.lock(n))
	r.applied(r.checkIn(notice, lock), notice, lock)
	for range 11 {
		r.live(cuba)
	}
	r.stage(order.Locked)
	return r, notice, lock
}

func TestAuthenticatedRecord(t *testing.T) {
	r, _, _ := protectedLocked(t, 61)
	r.open()
	r.stage(order.Locked)
	record := bytes.Clone(r.phone.Flash.Record())
	for i := range record {
		forged := bytes.Clone(record)
		forged[i] ^= 1
		must(t, r.phone.Flash.Save(forged))
		if _, err := agent.Open(r.phone.Platform()); !errors.Is(err, agent.ErrDamaged) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	must(t, r.phone.Flash.Save(record))
	r.phone.StateKey[0] ^= 1
	if _, err := agent.Open(r.phone.Platform()); !errors.Is(err, agent.ErrDamaged) {
		t.Fatalf("another device's key: %v", err)
	}
	r.phone.StateKey, r.phone.Counter = nil, nil
	if _, err := agent.Open(r.phone.Platform()); !errors.Is(err, agent.ErrDamaged) {
		t.Fatalf("no key: %v", err)
	}
}

// A firmware that introduces the key takes the plain record over once, when told to; never after that.
func TestPlainRecordIsAdoptedOnce(t *testing.T) {
	r, _ := lockedRig(t, 62)
	plain := bytes.Clone(r.phone.Flash.Record())
	r.phone.Protect()
	platform := r.phone.Platform()
	if _, err := agent.Open(platform); !errors.Is(err, agent.ErrDamaged) || !strings.Contains(err.Error(), "AdoptPlain") {
		t.Fatalf("a record that nobody authenticated: %v", err)
	}
	platform.AdoptPlain = true
	a, err := agent.Open(platform)
	must(t, err)
	if s := a.Screen().Stage; s != order.Locked {
		t.Fatalf("adopted as %v", s)
	}
	r.phone.Wait(time.Hour)
	must(t, a.Tick())
	if r.phone.Counter.Value == 0 || bytes.Equal(r.phone.Flash.Record(), plain) {
		t.Fatal("the adopted record was not saved anew")
	}
	must(t, r.phone.Flash.Save(plain))
	if _, err := agent.Open(platform); !errors.Is(err, agent.ErrDamaged) {
		t.Fatalf("a plain record after an authenticated one: %v", err)
	}
}

func TestPlatformProtectionIsChecked(t *testing.T) {
	r := newRig(t, 63)
	short, lone := r.phone.Platform(), r.phone.Platform()
	short.StateKey, lone.Counter = make([]byte, 31), &agenttest.Counter{}
	for name, p := range map[string]agent.Platform{"a short key": short, "a counter without a key": lone} {
		if _, err := agent.Open(p); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Whatever copy of the record is put back, at any time: the phone is not locked by it, forgets no final lift that the copy
// knew, uses no sequence twice, and refuses what was issued before, until a new notice has run its whole course.
func TestRolledBackRecord(t *testing.T) {
	r, notice, lock := protectedLocked(t, 64)
	locked := bytes.Clone(r.phone.Flash.Record())
	sequence := r.claims().Sequence
	lift := r.seal(r.lift(ruleCuba, order.ByHuman))
	r.applied(r.accept(r.answer(sequence, lift)), lift)
	lifted := bytes.Clone(r.phone.Flash.Record())
	for range 5 {
		r.live(cuba)
	}
	last := r.claims().Sequence

	must(t, r.phone.Flash.Save(locked))
	r.open()
	r.stage(order.Lifted)
	if s := r.agent.Screen(); !s.ClockDoubt || s.LiftCause != order.ByRule {
		t.Fatalf("screen %+v", s)
	}
	again := r.claims()
	if again.Sequence <= last {
		t.Fatalf("sequence %d after %d", again.Sequence, last)
	}
	r.phone.Wait(time.Hour)
	r.accept(r.answer(again.Sequence, notice, lock))
	r.stage(order.Lifted)
	for range 3 {
		r.live(cuba)
		r.stage(order.Lifted)
	}
	fresh := r.notice(ruleCuba)
	sealed := r.seal(fresh)
	r.applied(r.checkIn(sealed), sealed)
	r.stage(order.Noticed)

	must(t, r.phone.Flash.Save(lifted))
	r.open()
	r.stage(order.Lifted)
	r.live(cuba)
	more := r.seal(r.notice(ruleCuba))
	r.refused(r.checkIn(more), more, agent.GroundFinallyLifted)
}

// While nobody was asked since the rollback, nothing new is followed either.
func TestRolledBackRecordEscalatesNothing(t *testing.T) {
	r := protectedRig(t, 65)
	r.enrol()
	for range 3 {
		r.live(cuba)
	}
	old := bytes.Clone(r.phone.Flash.Record())
	for range 3 {
		r.live(cuba)
	}
	must(t, r.phone.Flash.Save(old))
	r.open()
	r.claims()
	sealed := r.seal(r.notice(ruleCuba))
	out := r.accept(r.answer(1, sealed)) // a late answer is no contact
	r.refused(out, sealed, agent.ClockDoubtful)
	r.phone.Wait(time.Hour)
	r.live(cuba)
	sealed = r.seal(r.notice(ruleCuba))
	r.applied(r.checkIn(sealed), sealed)
	r.stage(order.Noticed)
}

// A lost record does not make a traveller of an owner: the activation is unknown for life, and sequences go on.
func TestMissingRecord(t *testing.T) {
	r := protectedRig(t, 66)
	r.enrol()
	for range 4 {
		r.live(berlin)
	}
	last := r.claims().Sequence
	r.phone.Flash = &agenttest.Flash{}
	r.open()
	if r.agent.Enrolled() {
		t.Fatal("enrolled out of nothing")
	}
	r.enrol()
	if next := r.claims().Sequence; next <= last {
		t.Fatalf("sequence %d after %d", next, last)
	}
	for range 4 {
		r.live(cuba)
	}
	if a := r.agent.Screen().Activation; a == nil || !a.Mixed {
		t.Fatalf("activation %+v", a)
	}
	sealed := r.seal(r.notice(ruleCuba))
	r.refused(r.checkIn(sealed), sealed, agent.ActivationMixed)
	r.open()
	if a := r.agent.Screen().Activation; a == nil || !a.Mixed {
		t.Fatalf("activation %+v after a boot", a)
	}
}

// A crash before the counter moved, in it, or after it: nothing is taken for a rollback, the story comes to the same end, and no
// sequence is used twice.
func TestCrashBetweenRecordAndCounter(t *testing.T) {
	whole := protectedRig(t, 67)
	story(whole, func(error) { t.Fatal("nothing was to fail") })
	if whole.phone.Counter.Advances < 40 {
		t.Fatalf("the story has %d advances only", whole.phone.Counter.Advances)
	}
	for at := range whole.phone.Counter.Advances {
		for _, moved := range []bool{false, true} {
			r := protectedRig(t, 67)
			r.phone.Counter.Fail = func(advance int) (bool, error) {
				if advance == at {
					return moved, agenttest.ErrCrash
				}
				return true, nil
			}
			sequences := story(r, func(error) {
				r.phone.Off(time.Minute)
				r.open()
				for _, g := range r.agent.Screen().Grounds {
					if g.LiftCause == order.ByRule {
						t.Fatalf("advance %d, moved %v: the crash was taken for a rollback", at, moved)
					}
				}
			})
			for i := 1; i < len(sequences); i++ {
				if sequences[i] <= sequences[i-1] {
					t.Fatalf("advance %d, moved %v: sequence %d after %d", at, moved, sequences[i], sequences[i-1])
				}
			}
		}
	}
}

// The same with saves that fail and may have happened all the same.
func TestFailedSavesAreNoRollback(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := protectedRig(t, 68)
		failed := 0
		r.phone.Flash.Fail = func(int) (bool, error) {
			if failed < 3 && rapid.IntRange(0, 7).Draw(t, "fails") == 0 {
				failed++
				return rapid.Bool().Draw(t, "persisted"), agenttest.ErrCrash
			}
			failed = 0
			return true, nil
		}
		story(r, func(error) {
			if rapid.Bool().Draw(t, "boots") {
				r.phone.Off(time.Minute)
				r.open()
			}
		})
	})
}

// A counter that is out of order stops nothing, and is reported until it follows.
func TestBrokenCounterStopsNothing(t *testing.T) {
	r := protectedRig(t, 69)
	broken := errors.New("no answer from the secure element")
	r.phone.Counter.Fail = func(int) (bool, error) { return false, broken }
	r.enrol()
	r.live(cuba)
	if err := r.agent.CounterFault(); !errors.Is(err, broken) {
		t.Fatalf("fault %v", err)
	}
	r.phone.Counter.Fail = nil
	r.live(cuba)
	if err := r.agent.CounterFault(); err != nil || r.phone.Counter.Value == 0 {
		t.Fatalf("fault %v, counter %d", err, r.phone.Counter.Value)
	}
}

// FuzzRollback puts any earlier record back, and changes a byte of it or not: the agent opens to a phone that is not locked,
// or says that the record is damaged.
func FuzzRollback(f *testing.F) {
	r, _, _ := protectedLocked(f, 70)
	counted := r.phone.Counter.Value
	records := recordsOf(f)
	for i := range records {
		f.Add(uint16(i), uint16(0), byte(0))
		f.Add(uint16(i), uint16(i*31), byte(1))
	}
	f.Fuzz(func(t *testing.T, which, at uint16, flip byte) {
		record := bytes.Clone(records[int(which)%len(records)])
		record[int(at)%len(record)] ^= flip
		p, err := agenttest.NewPhone(70)
		must(t, err)
		p.Protect()
		p.Counter.Value = counted + 100
		must(t, p.Flash.Save(record))
		a, err := agent.Open(p.Platform())
		if err != nil {
			if flip == 0 || !errors.Is(err, agent.ErrDamaged) {
				t.Fatalf("flip %d: %v", flip, err)
			}
			return
		}
		if flip != 0 {
			t.Fatal("a changed record was read")
		}
		if err := a.Observe(territory.Signals{}); err != nil {
			t.Fatal(err)
		}
		if s := a.Screen().Stage; s == order.Locked || s == order.Noticed {
			t.Fatalf("a rolled-back record shows %v", s)
		}
	})
}

// recordsOf returns every record that a phone on its way to a lock saves.
func recordsOf(t tb) (records [][]byte) {
	seen := protectedRig(t, 70)
	seen.phone.Flash.Fail = func(int) (bool, error) {
		if record := seen.phone.Flash.Record(); record != nil {
			records = append(records, bytes.Clone(record))
		}
		return true, nil
	}
	story(seen, func(err error) { t.Fatalf("%v", err) })
	return records
}
