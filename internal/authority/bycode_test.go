package authority_test

import (
	"errors"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

// liftsByCause counts what anyone can count in the ledger.
func (r *rig) liftsByCause() map[order.Cause]int {
	r.Helper()
	report, err := r.PublicReport(ctx)
	must(r.T, err)
	counts := make(map[order.Cause]int)
	for _, line := range report.Lines {
		if line.Kind == order.Lift {
			counts[line.Cause] += line.Orders
		}
	}
	return counts
}

// lockedPhones has phones locked in Havana.
func (r *rig) lockedPhones(n int) []*phone {
	r.Helper()
	phones := r.due(n)
	d, err := r.WaveDetail(ctx, r.openWave().ID)
	must(r.T, err)
	_, err = r.ApproveWave(ctx, r.ana, r.openWave().ID, authority.WaveApproval{Note: "looked at", Confirm: d.Confirm})
	must(r.T, err)
	r.sequence()
	r.liveAll(4, phones)
	for _, p := range phones {
		p.stage(cuba, order.Locked, order.Locked)
	}
	return phones
}

// A code that a device reports is one lift by code in the ledger, whether or not the restriction was lifted here before, however
// often the device says so, and over a restart between report and ledger; the device stays open.
func TestCodesAreInTheLedger(t *testing.T) {
	for name, liftedBefore := range map[string]bool{"the code came first": false, "a person had lifted it": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			p := r.lockedPhones(1)[0]
			want := map[order.Cause]int{order.ByCode: 1}
			if liftedBefore {
				must(t, r.LiftByHuman(ctx, r.ana, p.id, cuba, "the bill of sale was accepted"))
				r.sequence()
				want[order.ByHuman] = 1
			}
			code, err := r.UnlockCode(ctx, r.sam, p.id, p.Screen().Challenge, "the phone has no network")
			must(t, err)
			if result, err := p.EnterCode(code); err != nil || !result.Unlocked {
				t.Fatalf("%+v, %v", result, err)
			}
			p.checkIn() // reports it
			r.open()    // before the ledger has it, the server is started again
			r.sequence()
			for range 4 {
				r.wait(time.Hour)
				p.checkIn()
				r.sequence()
			}
			if got := r.liftsByCause(); got[order.ByCode] != want[order.ByCode] || got[order.ByHuman] != want[order.ByHuman] || len(got) != len(want) {
				t.Errorf("lifts by cause %v, want %v", got, want)
			}
			p.live(20, havana)
			p.stage(cuba, order.Lifted, order.Lifted)
			for _, o := range p.detail().Orders {
				if o.State != authority.OrderFollowed {
					t.Errorf("a %v by %v is %s (%s)", o.Order.Kind, o.Text.Cause, o.State, o.Refusal)
				}
			}
			if lifts, err := r.WaitingLifts(ctx, p.id); err != nil || len(lifts) != 0 {
				t.Errorf("%d lifts wait for an open phone, %v", len(lifts), err)
			}
		})
	}
}

// Codes that were given out are held against those that were used, by officer; one that nobody gave out stands out.
func TestCodesAreReconciled(t *testing.T) {
	r := newRig(t)
	phones := r.lockedPhones(3)
	used, unused, elsewhere := phones[0], phones[1], phones[2]
	give := func(o *authority.Officer, p *phone) string {
		r.wait(time.Minute)
		code, err := r.UnlockCode(ctx, o, p.id, p.Screen().Challenge, "the phone has no network")
		must(t, err)
		return code
	}
	give(r.sam, used)
	second := give(r.ana, used)
	give(r.sam, unused)
	for p, code := range map[*phone]string{used: second, elsewhere: kitCode(t, elsewhere)} {
		if result, err := p.EnterCode(code); err != nil || !result.Unlocked {
			t.Fatalf("%+v, %v", result, err)
		}
	}
	for _, p := range phones {
		p.checkIn()
		r.sequence()
		r.wait(time.Hour)
		p.checkIn()
	}
	report, err := r.CodeReport(ctx, r.ana)
	must(t, err)
	want := []authority.CodesOf{{Officer: r.sam.Name, Given: 2, Used: 0, Outstanding: 1}, {Officer: r.ana.Name, Given: 1, Used: 1}}
	if len(report.Officers) != 2 || report.Officers[0] != want[0] || report.Officers[1] != want[1] {
		t.Errorf("%+v, want %+v", report.Officers, want)
	}
	if len(report.Unexplained) != 1 || report.Unexplained[0] != elsewhere.id {
		t.Errorf("unexplained %v, want %v", report.Unexplained, elsewhere.id)
	}
	if _, err := r.CodeReport(ctx, r.sam); !errors.Is(err, authority.ErrForbidden) {
		t.Errorf("support reads the report: %v", err)
	}
}

// An owner with IMEI and reference gets the waiting lift, which opens a phone that never hears from the server again.
func TestWaitingLiftOpensAPhoneWithoutANetwork(t *testing.T) {
	r := newRig(t)
	p := r.lockedPhones(1)[0]
	reference := p.Screen().Reference
	if _, err := r.OwnerLift(ctx, string(p.imei), reference); !errors.Is(err, authority.ErrNoOrder) {
		t.Fatalf("before the lift: %v", err)
	}
	must(t, r.LiftByHuman(ctx, r.ana, p.id, cuba, "the bill of sale was accepted"))
	if _, err := r.OwnerLift(ctx, string(p.imei), reference); !errors.Is(err, authority.ErrNoOrder) {
		t.Fatalf("before it is in the ledger: %v", err)
	}
	r.sequence()
	if _, err := r.OwnerLift(ctx, string(p.imei), "XXXX-0000"); !errors.Is(err, authority.ErrNoMatch) {
		t.Fatalf("with a wrong reference: %v", err)
	}
	sealed, err := r.OwnerLift(ctx, string(p.imei), reference)
	must(t, err)
	text, err := sealed.QRText()
	must(t, err)
	if out, err := p.AcceptLift([]byte(text)); err != nil || len(out.Applied) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	p.stage(cuba, order.Lifted, order.Lifted)
	p.checkIn()
	if _, err := r.OwnerLift(ctx, string(p.imei), reference); !errors.Is(err, authority.ErrNoOrder) {
		t.Fatalf("after the device has reported it: %v", err)
	}
}

// kitCode is a code made outside this server, with its master.
func kitCode(t *testing.T, p *phone) string {
	t.Helper()
	secret := unlock.DeriveSecret([32]byte{2}, p.id)
	code, err := unlock.Answer(secret[:], p.Screen().CodeCounter, p.Screen().Challenge)
	must(t, err)
	return code
}
