package agent_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

// survive calls f, and returns the error of a phone that died in it.
func survive(f func() error) (err error) {
	defer func() {
		if died := recover(); died == any(agenttest.ErrCrash) {
			err = agenttest.ErrCrash
		} else if died != nil {
			panic(died)
		}
	}()
	return f()
}

// story plays a whole life, from the first boot to a lift, as a driver that tries again after each failure does. It calls
// crashed after each failure, which may boot the phone. It returns the sequences of all tokens that left.
func story(r *rig, crashed func(error)) (sequences []uint64) {
	try := func(f func() error) {
		for range 100 {
			err := survive(f)
			if err == nil {
				return
			}
			if !errors.Is(err, agenttest.ErrCrash) && !errors.Is(err, agenttest.ErrFull) {
				r.Fatalf("%v", err)
			}
			crashed(err)
		}
		r.Fatalf("it failed a hundred times")
	}
	checkIn := func(sealed ...order.Sealed) {
		try(func() error {
			token, err := r.agent.Evidence()
			if err != nil {
				return err
			}
			sequences = append(sequences, r.verify(token).Sequence)
			data, err := r.answer(sequences[len(sequences)-1], sealed...).Marshal()
			must(r, err)
			out, err := r.agent.Accept(data)
			if len(out.Refused) > 0 {
				r.Fatalf("refused %v; screen %+v", out.Refused, r.agent.Screen())
			}
			return err
		})
	}
	try(func() error {
		if r.agent.Enrolled() {
			return nil // the answer was lost, its effect was not
		}
		data, err := r.enrolAnswer().Marshal()
		must(r, err)
		return r.agent.AcceptEnrolment(data)
	})
	// A boot leaves the certain time behind until the next contact, so that a crash may cost a day.
	liveUntil := func(reached func(agent.Screen) bool) {
		for days := 0; !reached(r.agent.Screen()); days++ {
			if days > 40 {
				r.Fatalf("after forty days the screen shows %+v", r.agent.Screen())
			}
			try(func() error { return r.agent.Observe(territory.Signals{GNSS: cuba}) })
			try(func() error { return r.agent.Shown() })
			checkIn()
			r.phone.Wait(day)
			try(func() error { return r.agent.Tick() })
		}
	}
	liveUntil(func(s agent.Screen) bool { return s.Activation != nil })
	n := r.notice(ruleCuba)
	sn, sl := r.seal(n), r.seal(r.lock(n))
	checkIn(sn, sl)
	liveUntil(func(s agent.Screen) bool { return s.Stage == order.Locked })
	checkIn(r.seal(r.lift(ruleCuba, order.ByHuman)))
	r.stage(order.Lifted)
	return sequences
}

// Whatever save fails, persisted or not, with a boot after it or without: the story comes to the same end, and no sequence is
// used twice.
func TestCrashAtEverySave(t *testing.T) {
	whole := newRig(t, 51)
	story(whole, func(error) { t.Fatal("nothing was to fail") })
	saves := whole.phone.Flash.Saves
	if saves < 40 {
		t.Fatalf("the story has %d saves only", saves)
	}
	for at := range saves {
		for _, persisted := range []bool{false, true} {
			for _, boots := range []bool{false, true} {
				r := newRig(t, 51)
				r.phone.Flash.Fail = func(save int) (bool, error) {
					if save == at {
						return persisted, agenttest.ErrCrash
					}
					return true, nil
				}
				sequences := story(r, func(error) {
					if boots {
						r.phone.Off(time.Minute)
						r.open()
					}
				})
				for i := 1; i < len(sequences); i++ {
					if sequences[i] <= sequences[i-1] {
						t.Fatalf("save %d, persisted %v, boots %v: sequence %d after %d", at, persisted, boots, sequences[i], sequences[i-1])
					}
				}
			}
		}
	}
}

// The same with many failures at once.
func TestCrashesAtRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t, 52)
		failed := 0
		r.phone.Flash.Fail = func(int) (bool, error) {
			if failed < 3 && rapid.IntRange(0, 5).Draw(t, "fails") == 0 {
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

// A full disk keeps nobody locked: an end, a lift and a code count at once, and are saved as soon as there is room.
func TestFullDiskKeepsNobodyLocked(t *testing.T) {
	for name, free := range map[string]func(r *rig, lock order.Leaf) error{
		"end": func(r *rig, lock order.Leaf) error {
			r.phone.Wait(lock.EndsAt.Sub(r.phone.True))
			return r.agent.Tick()
		},
		"code": func(r *rig, _ order.Leaf) error {
			secret := r.phone.Secret()
			code, err := unlock.Answer(secret[:], 0, r.agent.Screen().Challenge)
			must(r, err)
			result, err := r.agent.EnterCode(code)
			if !result.Unlocked {
				r.Fatalf("the code was refused")
			}
			return err
		},
		"lift": func(r *rig, _ order.Leaf) error {
			r.phone.Flash.Fail = nil
			sequence := r.claims().Sequence
			r.phone.Flash.Fail = func(int) (bool, error) { return false, agenttest.ErrFull }
			data, err := r.answer(sequence, r.seal(r.lift(ruleCuba, order.ByHuman))).Marshal()
			must(r, err)
			_, err = r.agent.Accept(data)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, lock := lockedRig(t, 53)
			r.phone.Flash.Fail = func(int) (bool, error) { return false, agenttest.ErrFull }
			if err := free(r, lock); !errors.Is(err, agenttest.ErrFull) {
				t.Fatalf("error %v", err)
			}
			r.stage(order.Lifted)
			r.phone.Flash.Fail = nil
			must(t, r.agent.Tick())
			r.open()
			r.stage(order.Lifted)
		})
	}
}

// With a full disk nothing gets worse for the owner, and no evidence leaves.
func TestFullDiskEscalatesNothing(t *testing.T) {
	r := enrolledRig(t, 54, cuba)
	n := r.notice(ruleCuba)
	sn, sl := r.seal(n), r.seal(r.lock(n))
	r.applied(r.checkIn(sn, sl), sn, sl)
	for range 10 {
		r.live(cuba)
	}
	r.phone.Flash.Fail = func(int) (bool, error) { return false, agenttest.ErrFull }
	r.phone.Wait(2 * day)
	if err := r.agent.Tick(); !errors.Is(err, agenttest.ErrFull) {
		t.Fatalf("error %v", err)
	}
	r.stage(order.Noticed)
	if _, err := r.agent.Evidence(); !errors.Is(err, agenttest.ErrFull) {
		t.Fatalf("error %v", err)
	}
	r.phone.Flash.Fail = nil
	must(t, r.agent.Tick())
	r.stage(order.Locked)
}

// A record of one save ago, as a storage with two generations may give after a disk fault, reuses no sequence.
func TestOlderGenerationReusesNoSequence(t *testing.T) {
	r := enrolledRig(t, 55, cuba)
	for range 20 {
		older := append([]byte(nil), r.phone.Flash.Record()...)
		saves := r.phone.Flash.Saves
		last := r.claims().Sequence
		if r.phone.Flash.Saves != saves+1 {
			older = nil // it took two saves: the one before the last is not this one
		}
		if older != nil {
			must(t, r.phone.Flash.Save(older))
			r.open()
			if next := r.claims().Sequence; next <= last {
				t.Fatalf("sequence %d after %d", next, last)
			}
		}
	}
}

func TestOpenDamagedRecord(t *testing.T) {
	r := enrolledRig(t, 56, cuba)
	record := append([]byte(nil), r.phone.Flash.Record()...)
	for i := range record {
		damaged := append([]byte(nil), record...)
		damaged[i] ^= 0x10
		must(t, r.phone.Flash.Save(damaged))
		if _, err := agent.Open(r.phone.Platform()); !errors.Is(err, agent.ErrDamaged) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	must(t, r.phone.Flash.Save(record[:len(record)/2]))
	if _, err := agent.Open(r.phone.Platform()); !errors.Is(err, agent.ErrDamaged) {
		t.Fatalf("half a record: %v", err)
	}
}
