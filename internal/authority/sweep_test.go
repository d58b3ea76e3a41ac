package authority_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
)

// busyStore counts updates.
type busyStore struct {
	authority.Store
	updates atomic.Int64
}

func (s *busyStore) Update(ctx context.Context, fn func(authority.Tx) error) error {
	s.updates.Add(1)
	return s.Store.Update(ctx, fn)
}

// A sweep with nothing to do leaves the writer to check-ins, however many devices are held or wait.
func TestAnIdleSweepKeepsOffTheWriter(t *testing.T) {
	r := newRig(t)
	store := &busyStore{Store: r.store}
	r.config.Store = store
	phones := r.due(2) // past their date
	held := r.newPhone(r.made("C-9", "trader", "ES")).enrol()
	held.live(2, madrid)
	r.warrant("C-9", 80*day)
	r.sequence()
	held.live(12, madrid)
	r.open()
	must(t, r.Sweep(ctx))
	_, err := r.ApproveWave(ctx, r.ana, r.openWave().ID, authority.WaveApproval{})
	must(t, err)
	r.sequence()
	held.live(3, madrid)
	for _, g := range held.detail().Restrictions {
		if g.Stage != order.Locked {
			t.Fatalf("%+v", g)
		}
	}
	must(t, r.Sweep(ctx))
	phones[0].wait(day)
	before := store.updates.Load()
	must(t, r.Sweep(ctx))
	if n := store.updates.Load() - before; n != 2 { // of the sessions that expired, and of the metadata's timestamp, which is signed anew every day
		t.Errorf("%d updates", n)
	}
}

// slowStore holds one view of the policies up after it has read, until told to go on.
type slowStore struct {
	authority.Store
	armed     atomic.Bool
	held, now chan struct{}
}

func (s *slowStore) View(ctx context.Context, fn func(authority.Tx) error) error {
	listed := false
	err := s.Store.View(ctx, func(tx authority.Tx) error { return fn(policiesTx{tx, &listed}) })
	if listed && s.armed.CompareAndSwap(true, false) {
		close(s.held)
		<-s.now
	}
	return err
}

type policiesTx struct {
	authority.Tx
	listed *bool
}

func (t policiesTx) Policies(limit int) ([]*authority.PolicyDocument, error) {
	*t.listed = true
	return t.Tx.Policies(limit)
}

// A sweep that read the policies before one was published does not put what it read in the place of what is known since.
func TestASlowReaderDoesNotTakeAPolicyBack(t *testing.T) {
	r := newRig(t)
	store := &slowStore{Store: r.store, held: make(chan struct{}), now: make(chan struct{})}
	r.config.Store = store
	r.open()
	_, before, err := r.PolicyInForce(ctx)
	must(t, err)
	var wait sync.WaitGroup
	store.armed.Store(true)
	wait.Go(func() { must(t, r.Sweep(ctx)) })
	<-store.held
	wait.Go(func() {
		_, _, err := r.PublishPolicy(ctx, r.ana, "newer.yaml", append([]byte("# newer\n"), policies.Terms202109...))
		must(t, err)
	})
	for published := 0; published < 2; { // it is in the store
		documents, err := r.Policies(ctx, 10)
		must(t, err)
		published = len(documents)
	}
	time.Sleep(20 * time.Millisecond) // and its publisher has read it, if it can
	close(store.now)
	wait.Wait()
	if _, now, err := r.PolicyInForce(ctx); err != nil || now.Hash == before.Hash {
		t.Fatalf("in force is %s, %v", now.Name, err)
	}
}

// Two officers publish at once, each of them a policy that the other one's rules out when it comes second: whatever the sequence, the
// fleet does not go backwards.
func TestTwoPoliciesAtOnceDoNotGoBackwards(t *testing.T) {
	r := newRig(t)
	var wait sync.WaitGroup
	for _, day := range []string{"2021-09-08", "2021-09-09"} {
		wait.Go(func() {
			if _, _, err := r.PublishPolicy(ctx, r.ana, day+".yaml", effective(day)); err != nil && !(errors.Is(err, authority.ErrPolicyFaulty) && day == "2021-09-08") {
				t.Errorf("%s: %v", day, err)
			}
		})
	}
	wait.Wait()
	if _, d, err := r.PolicyInForce(ctx); err != nil || d.Name != "2021-09-09.yaml" {
		t.Errorf("in force is %+v, %v", d, err)
	}
}

// Whoever runs the server reads why records cannot be written; a flood of failures is one line a second.
func TestTheCauseOfAFailingStoreIsLogged(t *testing.T) {
	var log bytes.Buffer
	r := newRig(t, func(c *authority.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	full := &betweenStore{Store: r.store}
	r.config.Store = full
	r.open()
	for range 3 {
		full.once = func() error { return errors.New("database or disk is full") }
		if _, err := r.CheckIn(ctx, p.token(), home); !errors.Is(err, authority.ErrStoreUnavailable) {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "database or disk is full"); n != 1 || strings.Contains(log.String(), string(p.imei)) {
		t.Errorf("%d lines:\n%s", n, &log)
	}
	r.wait(time.Second)
	full.once = func() error { return errors.New("still full") }
	if _, err := r.CheckIn(ctx, p.token(), home); err == nil || !strings.Contains(log.String(), "still full") {
		t.Errorf("%v\n%s", err, &log)
	}
}

// listingStore counts which updates go through a consignment's records.
type listingStore struct {
	authority.Store
	listed []int // by update
}

type listingTx struct {
	authority.Tx
	listed *int
}

func (t listingTx) Productions(consignment string, after device.IMEI, limit int) ([]authority.Production, error) {
	*t.listed++
	return t.Tx.Productions(consignment, after, limit)
}

func (s *listingStore) Update(ctx context.Context, fn func(authority.Tx) error) error {
	n := 0
	err := s.Store.Update(ctx, func(tx authority.Tx) error { return fn(listingTx{tx, &n}) })
	s.listed = append(s.listed, n)
	return err
}

// A large consignment is not counted by the writer, where check-ins wait behind it; notices go through it page by page.
func TestACountersignatureDoesNotCountOnTheWriter(t *testing.T) {
	r := newRig(t)
	for range 3 {
		r.newPhone(r.made("C-9", "trader", "ES")).enrol()
	}
	c, err := r.OpenCase(ctx, r.ana, "Found at a fair", "C-9")
	must(t, err)
	w, _, err := r.DraftWarrant(ctx, r.ana, c.ID, "Looking into a diversion", r.now().Add(60*day))
	must(t, err)
	store := &listingStore{Store: r.store}
	r.config.Store = store
	r.open()
	w, err = r.CountersignWarrant(ctx, r.ben, w.ID)
	must(t, err)
	if w.DevicesAtIssue != 3 || store.listed[0] != 0 {
		t.Errorf("%d devices; the updates listed %v", w.DevicesAtIssue, store.listed)
	}
}
