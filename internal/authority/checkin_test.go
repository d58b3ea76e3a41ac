package authority_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// An answer is lost: the device signs new evidence, with the same days in it, and nothing is lost or done twice.
func TestLostReply(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	p.live(4, havana)
	must(t, p.Observe(havana))
	token := p.token()
	if _, err := r.CheckIn(ctx, token, home); err != nil { // the answer goes nowhere
		t.Fatal(err)
	}
	before := p.detail()
	if _, err := r.CheckIn(ctx, token, home); !errors.Is(err, authority.ErrSequenceReplayed) {
		t.Fatalf("the same evidence again: %v", err)
	}
	answer, _ := p.checkIn()
	after := p.detail()
	if answer.Sequence != after.Device.Sequence || after.Device.Sequence != before.Device.Sequence+1 {
		t.Fatalf("sequence %d, then %d, answered %d", before.Device.Sequence, after.Device.Sequence, answer.Sequence)
	}
	if !slices.Equal(before.Device.Days, after.Device.Days) || len(before.Orders) != len(after.Orders) || len(before.Restrictions) != len(after.Restrictions) {
		t.Fatalf("the second evidence changed more than its sequence:\n%+v\n%+v", before, after)
	}
	p.live(2, havana)
	p.stage(cuba, order.Noticed, order.Noticed)
}

// An answer with orders is lost: the orders come again until the device reports that it follows them.
func TestLostOrdersComeAgain(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	for p.detail().Restrictions == nil {
		must(t, p.Observe(havana))
		p.checkIn()
		p.wait(day)
	}
	r.sequence()
	lost, err := r.CheckIn(ctx, p.token(), home)
	must(t, err)
	if len(lost.Orders) != 1 {
		t.Fatalf("%d orders", len(lost.Orders))
	}
	again, outcome := p.checkIn()
	if len(again.Orders) != 1 || !bytes.Equal(again.Orders[0].Leaf, lost.Orders[0].Leaf) || len(outcome.Applied) != 1 {
		t.Fatalf("%+v, %+v", again.Orders, outcome)
	}
	if settled, _ := p.checkIn(); len(settled.Orders) != 0 {
		t.Fatalf("an order that was followed came again: %+v", settled.Orders)
	}
	p.stage(cuba, order.Noticed, order.Noticed)
	if o := p.detail().Orders; len(o) != 1 || o[0].State != authority.OrderFollowed {
		t.Fatalf("orders %+v", o)
	}
}

func TestAnOrderIsDeliveredOnlyFromTheLedger(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	for p.detail().Restrictions == nil {
		must(t, p.Observe(havana))
		p.checkIn()
		p.wait(day)
	}
	answer, _ := p.checkIn()
	if len(answer.Orders) != 0 || answer.NextCheckIn != 30*time.Second {
		t.Fatalf("%d orders while one is pending, next in %v", len(answer.Orders), answer.NextCheckIn)
	}
	if n := r.sequence(); n != 1 {
		t.Fatalf("%d sequenced", n)
	}
	if answer, _ = p.checkIn(); len(answer.Orders) != 1 || answer.NextCheckIn < time.Hour {
		t.Fatalf("%d orders from the ledger, next in %v", len(answer.Orders), answer.NextCheckIn)
	}
}

func TestRefusedEvidence(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	p.checkIn()
	next := p.detail().Device.Sequence + 100
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	claims := func(change func(*evidence.Claims)) *evidence.Claims {
		c := &evidence.Claims{Device: p.id, Sequence: next, Epoch: r.Epoch(ctx).Epoch, IssuedAt: r.now(), Software: "1"}
		change(c)
		return c
	}
	sign := func(key ed25519.PrivateKey, change func(*evidence.Claims)) []byte {
		token, err := evidence.Sign(claims(change), key)
		must(t, err)
		return token
	}
	own := p.key.(ed25519.PrivateKey)
	same := func(*evidence.Claims) {}
	old := r.Epoch(ctx).Epoch
	r.wait(3 * day)
	good := sign(own, same)
	for _, tc := range []struct {
		name  string
		token []byte
		want  string
	}{
		{"nothing", nil, "evidence-malformed"},
		{"truncated", good[:len(good)-3], "evidence-malformed"},
		{"oversized", make([]byte, evidence.MaxToken+1), "evidence-oversized"},
		{"re-signed by another", sign(stranger, same), "bad-signature"},
		{"of no device", sign(own, func(c *evidence.Claims) { c.Device = device.ID{9} }), "unknown-device"},
		{"an old epoch", sign(own, func(c *evidence.Claims) { c.Epoch = old }), "epoch-expired"},
		{"an epoch of nobody", sign(own, func(c *evidence.Claims) { c.Epoch = make([]byte, 24) }), "epoch-unknown"},
		{"a spent sequence", sign(own, func(c *evidence.Claims) { c.Sequence = 1 }), "sequence-replayed"},
	} {
		_, err := r.CheckIn(ctx, tc.token, home)
		if e := authority.AsError(err); e == nil || e.Name != tc.want || e.Detail == "" {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
		}
	}
	if d := p.detail().Device; d.Sequence >= next {
		t.Errorf("refused evidence left a trace: sequence %d", d.Sequence)
	}
	if n := testutil.CollectAndCount(r.registry, "bailiwick_refused_total"); n != 7 {
		t.Errorf("%d refusals are counted by name, want 7", n)
	}
	if _, err := r.CheckIn(ctx, good, home); err != nil {
		t.Errorf("good evidence after all that: %v", err)
	}
}

// A day that was told once can be contradicted and not taken back, and days of the future are doubted.
func TestDaysAreNotTakenBack(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	today := territory.DayOf(r.now())
	say := func(sequence uint64, days ...territory.DayRecord) {
		token, err := evidence.Sign(&evidence.Claims{Device: p.id, Sequence: sequence, Epoch: r.Epoch(ctx).Epoch, IssuedAt: r.now(),
			Boot: evidence.BootVerified, Software: "1", Days: days}, p.key)
		must(t, err)
		if _, err := r.CheckIn(ctx, token, home); err != nil {
			t.Fatal(err)
		}
	}
	gnss := territory.Kinds(0).With(territory.GNSS)
	cu := territory.DayRecord{Day: today - 1, Territory: "CU", Percent: 99, Agree: gnss}
	es := territory.DayRecord{Day: today - 1, Territory: "ES", Percent: 99, Agree: gnss}
	say(50, cu)
	say(51, es, territory.DayRecord{Day: today, Territory: "ES", Percent: 99, Agree: gnss})
	d := p.detail().Device
	if len(d.Days) != 2 || d.Days[0] != cu.Merge(es) || !d.Days[0].Conflict() || d.ClockDoubt {
		t.Fatalf("days %+v, doubt %v", d.Days, d.ClockDoubt)
	}
	say(52, territory.DayRecord{Day: today + 40, Territory: "ES", Percent: 99, Agree: gnss})
	if d := p.detail().Device; len(d.Days) != 2 || !d.ClockDoubt {
		t.Fatalf("a day of the future: %+v, doubt %v", d.Days, d.ClockDoubt)
	}
}

// A claimed activation counts only if the days that were reported bear it out.
func TestClaimedActivationNeedsItsDays(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	for i := range 3 {
		token, err := evidence.Sign(&evidence.Claims{Device: p.id, Sequence: uint64(50 + i), Epoch: r.Epoch(ctx).Epoch, IssuedAt: r.now(),
			Boot: evidence.BootVerified, Software: "1", Activation: &territory.Activation{Territory: "CU", Day: territory.DayOf(r.now())}}, p.key)
		must(t, err)
		if _, err := r.CheckIn(ctx, token, home); err != nil {
			t.Fatal(err)
		}
	}
	d := p.detail()
	if d.Device.Activation != nil || d.Decision.Verdict != policy.Indeterminate || len(d.Restrictions) != 0 {
		t.Fatalf("%+v, %v", d.Device.Activation, d.Decision.Verdict)
	}
	doubted := 0
	for _, e := range d.Events {
		if e.Kind == "activation-doubted" {
			doubted++
		}
	}
	if doubted != 1 {
		t.Errorf("the doubt is noted %d times", doubted)
	}
}

// Nobody who is not meant is reached: travellers, custom systems, phones without a record, doubtful clocks.
func TestWhoIsNeverRestricted(t *testing.T) {
	r := newRig(t)
	traveller := r.newPhone(r.made("C-1", "shop", "ES")).enrol()
	traveller.live(7, madrid)
	traveller.live(25, havana)
	custom := r.newPhone(r.made("C-1", "shop", "ES")).enrol()
	custom.boot = evidence.BootCustom
	custom.live(20, havana)
	r.numbers++
	unknown := r.newPhone("352099001761481").enrol()
	unknown.live(20, havana)
	for name, p := range map[string]*phone{"traveller": traveller, "custom": custom, "no record": unknown} {
		d := p.detail()
		if len(d.Restrictions) != 0 || d.Device.Activation == nil {
			t.Errorf("%s: %+v, activation %+v", name, d.Restrictions, d.Device.Activation)
		}
	}
	if d := traveller.detail(); d.Decision.Verdict != policy.Permit || d.Device.Present() != "CU" {
		t.Errorf("the traveller: %v, present %v", d.Decision.Verdict, d.Device.Present())
	}
	if d := custom.detail(); d.Decision.Verdict != policy.Indeterminate || d.Device.Attestation != policy.Custom {
		t.Errorf("the custom system: %v, %v", d.Decision.Verdict, d.Device.Attestation)
	}
}

// Many phones at once, and the same evidence from many connections at once: each piece counts once.
func TestConcurrentCheckIns(t *testing.T) {
	r := newRig(t)
	var phones []*phone
	for range 20 {
		phones = append(phones, r.newPhone(r.made("C-1", "trader", "ES")).enrol())
	}
	for range 3 {
		var wait sync.WaitGroup
		accepted := make([]atomic.Int32, len(phones))
		for i, p := range phones {
			must(t, p.Observe(havana))
			token := p.token()
			for range 4 {
				wait.Go(func() {
					_, err := r.CheckIn(ctx, token, home)
					switch {
					case err == nil:
						accepted[i].Add(1)
					case !errors.Is(err, authority.ErrSequenceReplayed):
						t.Error(err)
					}
				})
			}
		}
		wait.Wait()
		for i := range accepted {
			if n := accepted[i].Load(); n != 1 {
				t.Errorf("the same evidence was accepted %d times", n)
			}
		}
		r.wait(day / 2)
	}
	if n := testutil.ToFloat64(counterOf(t, r, "bailiwick_check_ins_total")); n != 60 {
		t.Errorf("%v check-ins counted", n)
	}
}

func TestNextCheckInIsSpread(t *testing.T) {
	r := newRig(t)
	seen := make(map[time.Duration]bool)
	for range 12 {
		p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
		a, _ := p.checkIn()
		if a.NextCheckIn < time.Hour || a.NextCheckIn > 25*time.Hour+time.Minute || a.NextCheckIn%time.Second != 0 {
			t.Fatalf("next in %v", a.NextCheckIn)
		}
		seen[a.NextCheckIn] = true
		r.wait(a.NextCheckIn)
		if b, _ := p.checkIn(); (b.NextCheckIn - 24*time.Hour).Abs() > time.Minute {
			t.Fatalf("at its own moment the next is in %v", b.NextCheckIn)
		}
		r.wait(-a.NextCheckIn)
	}
	if len(seen) < 12 {
		t.Errorf("12 phones check in at %d moments", len(seen))
	}
}

func TestAnswerTellsTerritoryOfTheAddressAndThePolicyOnce(t *testing.T) {
	r := newRig(t, func(c *authority.Config) {
		c.IP = func(a netip.Addr) territory.Code {
			if a == home {
				return "ES"
			}
			return territory.Unknown
		}
	})
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	answer, _ := p.checkIn()
	if answer.IP != "ES" || answer.Policy != nil {
		t.Fatalf("address %q, policy %v", answer.IP, answer.Policy)
	}
	token, err := evidence.Sign(&evidence.Claims{Device: p.id, Sequence: p.detail().Device.Sequence + 1, Epoch: r.Epoch(ctx).Epoch, IssuedAt: r.now(), Software: "1"}, p.key)
	must(t, err)
	if answer, err = r.CheckIn(ctx, token, netip.Addr{}); err != nil || answer.Policy == nil || answer.Policy.ID != "terms-2021-09" {
		t.Fatalf("%+v, %v", answer, err)
	}
}

// What is logged names no device and no owner.
func TestLogsNameNobody(t *testing.T) {
	var log bytes.Buffer
	logged := &syncWriter{w: &log}
	broken := &brokenLedger{fail: true}
	r := newRig(t, func(c *authority.Config) {
		broken.Ledger = c.Ledger
		c.Ledger = broken
		c.Logger = slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.SequenceEvery, c.SweepEvery = time.Millisecond, time.Millisecond
	})
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	for p.detail().Restrictions == nil {
		must(t, p.Observe(havana))
		p.checkIn()
		p.wait(day)
	}
	running, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	logged.told = func(line string) {
		if strings.Contains(line, "a pass failed") {
			time.AfterFunc(100*time.Millisecond, stop) // in which others fail, too
		}
	}
	must(t, r.Service.Run(running))
	text := log.String()
	if !strings.Contains(text, "a pass failed") {
		t.Fatalf("the failure was not logged: %q", text)
	}
	for _, secret := range []string{string(p.imei), p.id.String(), p.detail().Restrictions[0].Reference} {
		if strings.Contains(text, secret) {
			t.Errorf("the log names %s:\n%s", secret, text)
		}
	}
}

type syncWriter struct {
	mu   sync.Mutex
	w    io.Writer
	told func(line string) // hears of each, if not nil
}

func (s *syncWriter) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told != nil {
		s.told(string(b))
	}
	return s.w.Write(b)
}
