package agent_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

func TestBeforeTheEnrolment(t *testing.T) {
	r := newRig(t, 81)
	if _, err := r.agent.Evidence(); !errors.Is(err, agent.ErrNotEnrolled) {
		t.Errorf("evidence: %v", err)
	}
	if _, err := r.agent.EnterCode("12345678"); !errors.Is(err, agent.ErrNotEnrolled) {
		t.Errorf("code: %v", err)
	}
	if err := r.agent.SetEpoch(bytes.Repeat([]byte{1}, 8)); !errors.Is(err, agent.ErrNotEnrolled) {
		t.Errorf("epoch: %v", err)
	}
	data, err := r.answer(1).Marshal()
	must(t, err)
	if _, err := r.agent.Accept(data); !errors.Is(err, agent.ErrNotEnrolled) {
		t.Errorf("answer: %v", err)
	}
	must(t, r.agent.Tick())
	must(t, r.agent.Shown())
	r.stage(order.Observed)
}

func TestEnrolmentTokenReadsAsTheServerReadsIt(t *testing.T) {
	r := newRig(t, 82)
	epoch := r.freshEpoch()
	token, err := r.agent.EnrolmentToken(protocol.EpochAnswer{Epoch: epoch, Time: r.serverTime()})
	must(t, err)
	u, err := protocol.ParseEnrolment(token)
	must(t, err)
	e, err := u.Verify(r.phone.Platform().Key.Public())
	must(t, err)
	p := r.phone.Platform()
	if !bytes.Equal(e.Epoch, epoch) || e.IMEI != p.Identity.IMEI || e.Serial != p.Identity.Serial || e.Model != p.Identity.Model || e.Software != p.Software {
		t.Fatalf("%+v", e)
	}
}

func TestTrustIsSetForLife(t *testing.T) {
	r := enrolledRig(t, 83, cuba)
	ans := r.enrolAnswer()
	ans.Device = device.ID{7}
	data, err := ans.Marshal()
	must(t, err)
	if err := r.agent.AcceptEnrolment(data); !errors.Is(err, agent.ErrAlreadyEnrolled) {
		t.Fatalf("enrolled again: %v", err)
	}
	if _, err := r.agent.EnrolmentToken(protocol.EpochAnswer{Epoch: r.freshEpoch(), Time: r.serverTime()}); !errors.Is(err, agent.ErrAlreadyEnrolled) {
		t.Fatalf("token: %v", err)
	}
	if claims := r.claims(); claims.Device != r.phone.ID() {
		t.Fatalf("device %v", claims.Device)
	}
}

func TestEnrolmentWithAKeyThatIsNone(t *testing.T) {
	r := newRig(t, 84)
	ans := r.enrolAnswer()
	ans.Trust.LogKey = "ledger.example/test+00000000+AAAA"
	data, err := ans.Marshal()
	must(t, err)
	if err := r.agent.AcceptEnrolment(data); err == nil || r.agent.Enrolled() {
		t.Fatalf("enrolled without a key to trust: %v", err)
	}
}

// An answer to other evidence than the last brings orders, and neither its time nor its acknowledgement.
func TestAnswerToOlderEvidence(t *testing.T) {
	r := enrolledRig(t, 85, cuba)
	must(t, r.agent.Observe(signals(cuba)))
	old := r.claims()
	r.claims()
	notice := r.seal(r.notice(ruleCuba))
	ans := r.answer(old.Sequence, notice)
	ans.Time = ans.Time.Add(-100 * day)
	r.applied(r.accept(ans), notice)
	if v := r.agent.Screen(); v.ClockDoubt || v.Stage != order.Noticed {
		t.Fatalf("doubt %v, %v", v.ClockDoubt, v.Stage)
	}
	if claims := r.claims(); len(claims.Days) == 0 {
		t.Fatal("days were acknowledged by an answer to other evidence")
	}
}

// A lift from a QR code needs no network; nothing but a genuine lift comes this way.
func TestLiftWithoutANetwork(t *testing.T) {
	r, _ := lockedRig(t, 89)
	forged := r.seal(r.lift(ruleCrimea, order.ByHuman))
	leaf, salt, err := r.ledger.Commit(r.lift(ruleCuba, order.ByHuman), r.phone.ID())
	must(t, err)
	forged.Leaf, forged.Salt = leaf, salt
	data, err := forged.Marshal()
	must(t, err)
	if out, err := r.agent.AcceptLift(data); err != nil || len(out.Refused) != 1 || out.Refused[0].Reason != string(agent.ProofInvalid) {
		t.Fatalf("a forged lift: %+v, %v", out, err)
	}
	data, err = r.seal(r.notice(ruleCrimea)).Marshal()
	must(t, err)
	if _, err := r.agent.AcceptLift(data); err == nil {
		t.Fatal("a notice came as a lift")
	}
	if _, err := r.agent.AcceptLift([]byte("rubbish")); err == nil {
		t.Fatal("rubbish came as a lift")
	}
	r.stage(order.Locked)
	data, err = r.seal(r.lift(ruleCuba, order.ByHuman)).Marshal()
	must(t, err)
	if out, err := r.agent.AcceptLift(data); err != nil || len(out.Applied) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	r.stage(order.Lifted)
}

// A firmware's camera gives a text, and the text is enough. Another device's says so, and a damaged one changes nothing.
func TestLiftByTheTextOfAQRCode(t *testing.T) {
	r, _ := lockedRig(t, 89)
	text, err := r.seal(r.lift(ruleCuba, order.ByHuman)).QRText()
	must(t, err)
	for _, bad := range []string{text[:len(text)-3], "BWL2:" + text[5:], "BWL", text[:90] + "A" + text[91:]} {
		out, err := r.agent.AcceptLift([]byte(bad))
		if err == nil && len(out.Applied) > 0 {
			t.Fatalf("%.20q was taken", bad)
		}
	}
	leaf, salt, err := r.ledger.Commit(r.lift(ruleCuba, order.ByHuman), device.ID{7})
	must(t, err)
	foreign := r.seal(r.lift(ruleCuba, order.ByHuman))
	foreign.Leaf, foreign.Salt = leaf, salt
	other, err := foreign.QRText()
	must(t, err)
	if out, err := r.agent.AcceptLift([]byte(other)); err != nil || len(out.Refused) != 1 || out.Refused[0].Reason != string(agent.CommitmentMismatch) {
		t.Fatalf("another device's: %+v, %v", out, err)
	}
	r.stage(order.Locked)
	if out, err := r.agent.AcceptLift([]byte(text)); err != nil || len(out.Applied) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	r.stage(order.Lifted)
}

// Days are reported until evidence that carried them was acknowledged, and again when they change.
func TestDaysAreReportedOnce(t *testing.T) {
	r := enrolledRig(t, 86, cuba)
	must(t, r.agent.Observe(signals(cuba)))
	if days := r.claims().Days; len(days) != 1 {
		t.Fatalf("days %v", days)
	}
	claims := r.claims() // the answer to the first was lost
	if len(claims.Days) != 1 {
		t.Fatalf("days %v", claims.Days)
	}
	r.accept(r.answer(claims.Sequence))
	if days := r.claims().Days; len(days) != 0 {
		t.Fatalf("days %v", days)
	}
	must(t, r.agent.Observe(signals(berlin)))
	if days := r.claims().Days; len(days) != 1 || !days[0].Conflict() {
		t.Fatalf("days %v", days)
	}
}

func TestNextCheckIn(t *testing.T) {
	r := enrolledRig(t, 87, cuba)
	r.phone.Offset = -30 * 365 * day // the platform waits by its own clock
	out := r.checkIn()
	wall := r.phone.Platform().Now()
	if !out.NextCheckIn.Equal(wall.Add(day)) || !r.agent.NextCheckIn().Equal(wall.Add(day)) {
		t.Fatalf("%v, %v; want a day after %v", out.NextCheckIn, r.agent.NextCheckIn(), wall)
	}
	r.phone.Wait(36 * time.Hour)
	if next := r.agent.NextCheckIn(); !next.Equal(r.phone.Platform().Now()) {
		t.Fatalf("overdue: %v", next)
	}
}

// FuzzAccept: whatever a server answers, the agent does not break, and without a proof nothing happens to the owner.
func FuzzAccept(f *testing.F) {
	r := enrolledRig(f, 88, cuba)
	sequence := r.claims().Sequence
	n := r.notice(ruleCuba)
	bare := r.answer(sequence)
	orders := r.answer(sequence, r.seal(n), r.seal(r.lock(n)), r.seal(r.lift(ruleCuba, order.ByRule)))
	w := r.warrant("w1")
	hold, _ := r.hold(w)
	whole := r.answer(sequence, r.seal(hold))
	whole.Warrants, whole.Policy, whole.IP, whole.Unlocks = r.held(w), &r.policy, "CU", 3
	r.sign(&whole)
	record := r.phone.Flash.Record()
	genuine := map[string]bool{}
	for _, ans := range []protocol.CheckInAnswer{bare, orders, whole} {
		for _, s := range ans.Orders {
			genuine[string(s.Leaf)] = true
		}
		data, err := ans.Marshal()
		must(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := *r
		r.tb = t
		must(t, r.phone.Flash.Save(record))
		r.open()
		out, err := r.agent.Accept(data)
		screen := r.agent.Screen()
		if len(screen.WayOut) != 9 || screen.Stage == order.Locked {
			t.Fatalf("%v with %d ways out", screen.Stage, len(screen.WayOut))
		}
		if err != nil {
			if screen.Stage != order.Observed {
				t.Fatalf("%v by an answer that failed: %v", screen.Stage, err)
			}
			return
		}
		ans, err := protocol.ParseCheckInAnswer(data)
		must(t, err)
		for _, id := range out.Applied {
			known := false
			for _, s := range ans.Orders {
				known = known || s.ID() == id && genuine[string(s.Leaf)]
			}
			if !known {
				t.Fatalf("applied %x, which the ledger never saw", id)
			}
		}
		r.open() // what was saved can be read
	})
}
