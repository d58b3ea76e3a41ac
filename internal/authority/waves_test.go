package authority_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
)

// due lives until the locks of n phones are due, and sweeps. The phones' answers are all taken.
func (r *rig) due(n int) []*phone {
	r.Helper()
	var phones []*phone
	for range n {
		phones = append(phones, r.newPhone(r.made("C-1", "trader", "ES")).enrol())
	}
	r.liveAll(22, phones)
	must(r.T, r.Sweep(ctx))
	return phones
}

func (r *rig) liveAll(days int, phones []*phone) {
	r.Helper()
	for range days {
		for _, p := range phones {
			must(r.T, p.Observe(havana))
			must(r.T, p.Shown())
			p.checkIn()
		}
		r.sequence()
		for _, p := range phones {
			p.checkIn()
		}
		r.wait(day)
		for _, p := range phones {
			must(r.T, p.Tick())
		}
	}
}

func (r *rig) openWave() *authority.Wave {
	r.Helper()
	o, err := r.Overview(ctx)
	must(r.T, err)
	return o.OpenWave
}

// TestManyWorkAtAnApproval: any number of servers may step a job at the same moment; what one finds done is the work of another, and no
// reason to end the job with half of its locks ordered.
func TestManyWorkAtAnApproval(t *testing.T) {
	r := newRig(t)
	phones := r.due(6)
	j, err := r.BeginApproval(ctx, r.ana, r.openWave().ID, authority.WaveApproval{Note: "ok"})
	must(t, err)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for range 50 {
				if done, err := r.StepJob(ctx, j.ID); err != nil || done.State.Finished() {
					if err != nil {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	workers.Wait()
	j, err = r.Job(ctx, j.ID)
	must(t, err)
	if j.State != authority.JobDone || j.Err() != nil {
		t.Fatalf("%+v: %v", j, j.Err())
	}
	for _, p := range phones {
		if detail, err := r.DeviceDetail(ctx, p.id); err != nil || detail.Restrictions[0].Stage != order.Locked {
			t.Errorf("%+v, %v", detail, err)
		}
	}
}

func TestWaveIsLookedAtAgain(t *testing.T) {
	r := newRig(t)
	phones := r.due(6)
	w := r.openWave()
	if w == nil || w.Size != 6 {
		t.Fatalf("wave %+v", w)
	}
	// Between proposal and approval: an appeal, a lift, a custom system, a licence, and one that is gone for a month.
	_, err := r.FileAppeal(ctx, string(phones[0].imei), phones[0].Screen().Reference, "not mine", "")
	must(t, err)
	must(t, r.LiftByHuman(ctx, r.ana, phones[1].id, cuba, "checked by hand"))
	phones[2].boot = evidence.BootUnlocked
	phones[2].checkIn()
	must(t, r.AttachLicence(ctx, r.ana, phones[3].id, "export-2021-0042", true)) // unknown to the policy: a person must look
	detail, err := r.WaveDetail(ctx, w.ID)
	must(t, err)
	if detail.Wave.Size != 3 || detail.Fleet != 6 || len(detail.Samples) != 3 || detail.Samples[0].Why[0].Code == "" || detail.ByTerritory[0] != (authority.Count{Name: "CU", Count: 3}) {
		t.Fatalf("%+v of %+v", detail, detail.Wave)
	}
	result, err := r.ApproveWave(ctx, r.ana, w.ID, authority.WaveApproval{Note: "ok"})
	must(t, err)
	if result.Locked != 2 || len(result.Skipped) != 1 || result.Skipped["decision-changed"] != 1 {
		t.Fatalf("%+v", result)
	}
	for i, want := range []order.Stage{order.Noticed, order.Lifted, order.Noticed, order.Noticed, order.Locked, order.Locked} {
		phones[i].stage(cuba, want, order.Noticed)
	}
	if n := testutil.CollectAndCount(r.registry, "bailiwick_wave_restrictions_total"); n != 2 {
		t.Errorf("%d outcomes counted", n)
	}
	if o := r.openWave(); o != nil {
		t.Errorf("still open: %+v", o)
	}
}

func TestTwoOfficersApproveAtOnce(t *testing.T) {
	r := newRig(t)
	phones := r.due(4)
	w := r.openWave()
	var approved, decided atomic.Int32
	var wait sync.WaitGroup
	for _, o := range []*authority.Officer{r.ana, r.ben, r.ana, r.ben} {
		wait.Go(func() {
			_, err := r.ApproveWave(ctx, o, w.ID, authority.WaveApproval{})
			switch {
			case err == nil:
				approved.Add(1)
			case errors.Is(err, authority.ErrWaveDecided):
				decided.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if approved.Load() != 1 || decided.Load() != 3 {
		t.Fatalf("%d approved, %d were told that it was decided", approved.Load(), decided.Load())
	}
	for _, p := range phones {
		locks := 0
		for _, o := range p.detail().Orders {
			if o.Kind == order.Lock {
				locks++
			}
		}
		if locks != 1 {
			t.Errorf("%d locks for one phone", locks)
		}
	}
}

func TestBreaker(t *testing.T) {
	r := newRig(t, func(c *authority.Config) { c.Breaker = authority.Breaker{Share: 0.2, Least: 3, PolicyAge: time.Hour} })
	r.due(5)
	for range 3 {
		r.newPhone(r.made("C-2", "shop", "ES")).enrol()
	}
	w := r.openWave()
	for _, typed := range []int{0, 4, 8} {
		_, err := r.ApproveWave(ctx, r.ana, w.ID, authority.WaveApproval{Confirm: typed})
		if e := authority.AsError(err); !errors.Is(err, authority.ErrWaveProportion) || e.Kind != authority.Refused || e.Fix == "" {
			t.Fatalf("with %d typed in: %v", typed, err)
		}
	}
	if w := r.openWave(); w == nil || w.Size != 5 {
		t.Fatalf("a refused approval changed the wave: %+v", w)
	}
	if result, err := r.ApproveWave(ctx, r.ana, w.ID, authority.WaveApproval{Confirm: 5}); err != nil || result.Locked != 5 {
		t.Fatalf("%+v, %v", result, err)
	}
}

func TestBreakerMindsANewPolicy(t *testing.T) {
	r := newRig(t, func(c *authority.Config) { c.Breaker = authority.Breaker{Share: 1, Least: 1, PolicyAge: 100 * day} })
	r.due(3)
	d, err := r.WaveDetail(ctx, r.openWave().ID)
	must(t, err)
	if d.Confirm != 3 || len(d.Odd) == 0 || d.Odd[0].Name != "policy-new" || !d.Odd[0].Stops {
		t.Fatalf("%d, %+v", d.Confirm, d.Odd)
	}
	if _, err := r.ApproveWave(ctx, r.ana, d.Wave.ID, authority.WaveApproval{}); !errors.Is(err, authority.ErrWaveProportion) {
		t.Fatal(err)
	}
}

// Whoever decides a wave by a policy that nobody has simulated is told so, until somebody has.
func TestWaveByAPolicyThatNobodySimulated(t *testing.T) {
	r := newRig(t, func(c *authority.Config) { c.Breaker = authority.Breaker{Share: 1, Least: 1} })
	r.due(3)
	told := func() bool {
		d, err := r.WaveDetail(ctx, r.openWave().ID)
		must(t, err)
		return slices.ContainsFunc(d.Odd, func(o authority.Oddity) bool { return o.Name == "policy-not-simulated" && !o.Stops })
	}
	if !told() {
		t.Error("nothing is said")
	}
	list, err := r.Policies(ctx, 1)
	must(t, err)
	for i, source := range [][]byte{append([]byte("# another file\n"), list[0].Source...), list[0].Source} {
		j, err := r.Simulate(ctx, r.ana, list[0].Name, source)
		must(t, err)
		for !j.State.Finished() {
			j, err = r.StepJob(ctx, j.ID)
			must(t, err)
		}
		if told() != (i == 0) {
			t.Errorf("simulation %d: told %v", i, told())
		}
	}
}

func TestRejectedWaveDoesNotComeBackAtOnce(t *testing.T) {
	r := newRig(t)
	phones := r.due(3)
	w := r.openWave()
	if err := r.RejectWave(ctx, r.ana, w.ID, ""); !errors.Is(err, authority.ErrInvalid) {
		t.Fatalf("rejected without a word: %v", err)
	}
	must(t, r.RejectWave(ctx, r.ana, w.ID, "look at the consignee first"))
	if err := r.RejectWave(ctx, r.ben, w.ID, "me too"); !errors.Is(err, authority.ErrWaveDecided) {
		t.Fatal(err)
	}
	if _, err := r.ApproveWave(ctx, r.ben, w.ID, authority.WaveApproval{}); !errors.Is(err, authority.ErrWaveDecided) {
		t.Fatal(err)
	}
	must(t, r.Sweep(ctx))
	if o := r.openWave(); o != nil {
		t.Fatalf("it came back at once: %+v", o)
	}
	r.liveAll(2, phones)
	must(t, r.Sweep(ctx))
	if o := r.openWave(); o == nil || o.Size != 3 || o.ID == w.ID {
		t.Fatalf("the next day: %+v", o)
	}
}

// The process dies right after the decision was written: the next start orders the locks, once.
func TestApprovalCutShort(t *testing.T) {
	var updates *countingStore
	r := newRig(t, func(c *authority.Config) {
		updates = &countingStore{Store: c.Store}
		c.Store = updates
	})
	phones := r.due(3)
	w := r.openWave()
	updates.failAfter(2) // clearing, deciding; the locks fail
	if _, err := r.ApproveWave(ctx, r.ana, w.ID, authority.WaveApproval{}); err == nil {
		t.Fatal("the approval was not cut short")
	}
	updates.failAfter(-1)
	phones[0].stage(cuba, order.Noticed, order.Noticed)
	r.open()
	must(t, r.Sweep(ctx))
	for _, p := range phones {
		p.stage(cuba, order.Locked, order.Noticed)
	}
	must(t, r.Sweep(ctx))
	if n := r.sequence(); n != 3 {
		t.Errorf("%d locks in the ledger", n)
	}
	for _, e := range phones[0].detail().Events {
		if e.Kind == "locked" && e.Actor != "ana" {
			t.Errorf("the lock is in the name of %q", e.Actor)
		}
	}
}

// countingStore fails every update after a number of them.
type countingStore struct {
	authority.Store
	mu    sync.Mutex
	left  int
	fails bool
}

func (c *countingStore) failAfter(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.fails = n, n >= 0
}

func (c *countingStore) Update(ctx context.Context, fn func(authority.Tx) error) error {
	c.mu.Lock()
	fail := c.fails && c.left == 0
	c.left--
	c.mu.Unlock()
	if fail {
		return errBroken
	}
	return c.Store.Update(ctx, fn)
}

// A phone is off from before its notice was issued until long after: it is told again, and has all of its days.
func TestNoticeThatCameTooLateIsToldAgain(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	for p.detail().Restrictions == nil {
		must(t, p.Observe(havana))
		p.checkIn()
		p.wait(day)
	}
	first := p.detail().Restrictions[0].Deadline
	r.sequence()
	r.wait(30 * day)
	must(t, p.Tick())
	p.live(1, havana)
	again := p.stage(cuba, order.Noticed, order.Noticed)
	if again.Deadline.Sub(r.now()) < 12*day || again.Round != 1 || !again.Deadline.After(first) {
		t.Fatalf("%+v", again)
	}
	must(t, r.Sweep(ctx))
	if w := r.openWave(); w != nil {
		t.Fatalf("a wave before the new deadline: %+v", w)
	}
	p.live(18, havana)
	if got := r.approve(); got.Locked != 1 {
		t.Fatalf("%+v", got)
	}
}

// C8: the device lifts at the sunset by itself, and so do the records; nothing begins anew on this ground.
func TestSunset(t *testing.T) {
	r := newRig(t)
	phones := r.due(1)
	p := phones[0]
	_, err := r.ApproveWave(ctx, r.ana, r.openWave().ID, authority.WaveApproval{})
	must(t, err)
	r.sequence()
	r.liveAll(4, phones)
	lock := p.stage(cuba, order.Locked, order.Locked)
	r.wait(lock.EndsAt.Sub(r.now()) + time.Second)
	must(t, p.Tick())
	p.stage(cuba, order.Locked, order.Lifted) // the device first, without a network
	must(t, r.Sweep(ctx))
	if end := p.stage(cuba, order.Lifted, order.Lifted); end.Cause != order.ByEnd {
		t.Fatalf("%+v", end)
	}
	r.liveAll(3, phones)
	p.stage(cuba, order.Lifted, order.Lifted)
}

const freed = `format: bailiwick-policy/1
id: terms-2021-10
version: 2
title: Cuba left the list
disclaimer: An example for a test.
effective_from: 2021-09-02
applies_to: {activated_on_or_after: 2021-06-01}
observation: {days: 5, window: 21, percent: 95}
notice: {days: 14, shown_days: 5}
sunset: {days: 180}
contact: {name: Support, email: support@phones.example, owner_page: "https://owner.phones.example/"}
markets:
  - {codes: [ES], status: official}
prohibited:
  - id: cuba
    name: Cuba
    codes: [CU]
    legal_basis: A law.
    source: https://law.example/
    since: 1962-02-07
    until: 2021-09-20
    review_by: 2022-03-01
tests:
  - {name: free, on: 2021-10-01, facts: {activation: CU, activated_on: 2021-09-10, attestation: genuine}, expect: {verdict: permit}}
`

// The law changes: what rested on it is lifted, in every stage, and the public can count it.
func TestTerritoryLeavesTheList(t *testing.T) {
	r := newRig(t)
	phones := r.due(2)
	result, err := r.ApproveWave(ctx, r.ana, r.openWave().ID, authority.WaveApproval{})
	must(t, err)
	if result.Locked != 2 {
		t.Fatalf("%+v", result)
	}
	r.sequence()
	r.liveAll(4, phones)
	phones[0].stage(cuba, order.Locked, order.Locked)
	_, report, err := r.PublishPolicy(ctx, r.ana, "terms-2021-10.yaml", []byte(freed))
	if err != nil {
		t.Fatal(err, report)
	}
	r.liveAll(1, phones)
	for _, p := range phones {
		if end := p.stage(cuba, order.Lifted, order.Lifted); end.Cause != order.ByRule {
			t.Fatalf("%+v", end)
		}
		if d := p.detail(); d.Decision.Verdict != policy.Permit {
			t.Fatalf("%+v", d.Decision)
		}
	}
	public, err := r.PublicReport(ctx)
	must(t, err)
	lifts := 0
	for _, line := range public.Lines {
		if line.Kind == order.Lift && line.Cause == order.ByRule && line.Ground == cuba && line.Territory == "CU" {
			lifts += line.Orders
		}
	}
	if lifts != 2 || public.Unread != 0 {
		t.Errorf("%d lifts counted, %d unread", lifts, public.Unread)
	}
}

// What an officer approves is what they were shown: a lock that a sweep adds meanwhile needs another look.
func TestAWaveThatGrowsWhileItIsApproved(t *testing.T) {
	r := newRig(t)
	phones := r.due(2)
	w := r.openWave()
	// The second one joins the wave between the officer's look and the decision.
	late := phones[1]
	out := func(tx authority.Tx) error { return tx.WithdrawProposal(late.id, cuba) }
	in := func(tx authority.Tx) error { return tx.ProposeIfNoticed(w.ID, late.id, cuba) }
	must(t, r.store.Update(ctx, out))
	between := &betweenStore{Store: r.store}
	config := r.config
	config.Store, config.Registry = between, nil
	slow, err := authority.New(config)
	must(t, err)
	between.once = func() error { return r.store.Update(ctx, in) }
	if result, err := slow.ApproveWave(ctx, r.ana, w.ID, authority.WaveApproval{}); !errors.Is(err, authority.ErrChanged) {
		t.Fatalf("%+v, %v", result, err)
	}
	for _, p := range phones {
		p.stage(cuba, order.Noticed, order.Noticed)
	}
	if result, err := slow.ApproveWave(ctx, r.ana, w.ID, authority.WaveApproval{}); err != nil || result.Locked != 2 {
		t.Fatalf("after another look: %+v, %v", result, err)
	}
}

// Between the page that was shown and the approval, too.
func TestAWaveThatHasGrownSinceItWasShown(t *testing.T) {
	r := newRig(t)
	r.due(2)
	w := r.openWave()
	if result, err := r.ApproveWave(ctx, r.ana, w.ID, authority.WaveApproval{Shown: 1}); !errors.Is(err, authority.ErrChanged) {
		t.Fatalf("%+v, %v", result, err)
	}
	if result, err := r.ApproveWave(ctx, r.ana, w.ID, authority.WaveApproval{Shown: 2}); err != nil || result.Locked != 2 {
		t.Fatalf("%+v, %v", result, err)
	}
}
