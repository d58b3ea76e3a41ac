package authority_test

import (
	"context"
	"errors"
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

// termStore tells whether each update asked for the term before anything else.
type termStore struct {
	authority.Store
	t       *testing.T
	asked   bool // in the update that runs
	updates int
}

func (s *termStore) Update(ctx context.Context, fn func(authority.Tx) error) error {
	return s.Store.Update(ctx, func(tx authority.Tx) error {
		s.asked = false
		s.updates++
		err := fn(tx)
		if !s.asked {
			s.t.Error("an update did not ask whether the term lasts")
		}
		return err
	})
}

// What a leader's passes write they write while its term lasts: one that was only paused, and comes back when another leads, writes nothing.
func TestADeposedLeaderWritesNothing(t *testing.T) {
	r := newRig(t)
	phones := r.due(2)
	must(t, r.LiftByHuman(ctx, r.ana, phones[0].id, cuba, "checked by hand")) // an order for the ledger
	store := &termStore{Store: r.config.Store, t: t}
	r.config.Store = store
	r.open()
	r.wait(400 * day) // everything is due: notices end, sessions expire, metadata are signed anew
	deposed := errors.New("another server leads")
	former := authority.InTerm(ctx, func(authority.Tx) error { store.asked = true; return deposed })
	before := pendingOrders(t, r)
	for name, pass := range map[string]func(context.Context) error{
		"sweep": r.Sweep,
		"sequence": func(ctx context.Context) error {
			_, err := r.Sequence(ctx)
			return err
		},
	} {
		store.updates = 0
		if err := pass(former); !errors.Is(err, deposed) || store.updates == 0 {
			t.Errorf("%s: %v after %d updates", name, err, store.updates)
		}
	}
	if n := pendingOrders(t, r); n != before || before == 0 {
		t.Errorf("%d orders wait, %d did before", n, before)
	}
	leads := authority.InTerm(ctx, func(authority.Tx) error { store.asked = true; return nil })
	store.updates = 0
	must(t, r.Sweep(leads))
	_, err := r.Sequence(leads)
	must(t, err)
	if store.updates < 3 || pendingOrders(t, r) != 0 {
		t.Errorf("%d updates, and %d orders wait", store.updates, pendingOrders(t, r))
	}
}

func pendingOrders(t *testing.T, r *rig) (n int) {
	t.Helper()
	must(t, r.store.View(ctx, func(tx authority.Tx) error {
		list, err := tx.PendingOrders(100)
		n = len(list)
		return err
	}))
	return n
}

// between does something once, after unfinished jobs were read so many times and before the next view.
type between struct {
	authority.Store
	reads int
	do    func()
}

func (s *between) View(ctx context.Context, fn func(authority.Tx) error) error {
	if s.reads == 0 && s.do != nil {
		do := s.do
		s.do = nil
		do()
	}
	return s.Store.View(ctx, func(tx authority.Tx) error { return fn(countingTx{tx, s}) })
}

type countingTx struct {
	authority.Tx
	s *between
}

func (t countingTx) UnfinishedJobs(limit int) ([]*authority.Job, error) {
	t.s.reads--
	return t.Tx.UnfinishedJobs(limit)
}

// A case may be concluded while a sweep is under way that does not know of it: the holds are the job's all the same.
func TestASweepLeavesWhatAJobHasBegun(t *testing.T) {
	r := newRig(t)
	store := &between{Store: r.store} // which runs nothing twice
	r.config.Store = store
	r.open()
	var phones []*phone
	for range 3 {
		p := r.newPhone(r.made("C-9", "trader", "ES")).enrol()
		p.live(2, madrid)
		phones = append(phones, p)
	}
	c, w := r.warrant("C-9", 80*day)
	ground := order.Ground{Kind: order.Warrant, ID: w.ID}
	var j *authority.Job
	store.reads, store.do = 2, func() { // by Sweep for jobs to go on with, and for what it leaves alone
		var err error
		j, err = r.BeginConclusion(ctx, r.ana, c.ID, "The buyers acted in good faith.")
		must(t, err)
	}
	must(t, r.Sweep(ctx))
	if j == nil {
		t.Fatal("nothing came between")
	}
	held := func() (n int) {
		for _, p := range phones {
			must(t, r.store.View(ctx, func(tx authority.Tx) error {
				found, err := tx.Restriction(p.id, ground)
				if err == nil && found.Active() {
					n++
				}
				return err
			}))
		}
		return n
	}
	if n := held(); n != len(phones) {
		t.Errorf("the sweep lifted %d holds", len(phones)-n)
	}
	done, err := r.FinishJob(ctx, j.ID)
	must(t, err)
	if done.State != authority.JobDone || done.Done != int64(len(phones)) || held() != 0 {
		t.Errorf("%+v, and %d are held", done, held())
	}
}

// Retention writes to the devices whose owners wait for a release, and lets that one go first.
func TestRetentionWaitsForAReleaseThatIsUnderWay(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-9", "trader", "ES")).enrol()
	p.live(2, madrid)
	c, _ := r.warrant("C-9", 80*day)
	release, err := r.BeginConclusion(ctx, r.ana, c.ID, "The buyers acted in good faith.")
	must(t, err)
	var id int64
	must(t, r.store.Update(ctx, func(tx authority.Tx) (err error) {
		id, err = tx.InsertJob(&authority.Job{Kind: authority.RetentionJob, Subject: "daily", By: "rule", Arguments: []byte(`{"days":90}`), State: authority.JobWaiting, CreatedAt: r.now()})
		return err
	}))
	if j, err := r.StepJob(ctx, id); err != nil || j.Step != 0 {
		t.Errorf("%+v, %v", j, err)
	}
	must(t, r.Work(ctx))
	first, err := r.Job(ctx, release.ID)
	must(t, err)
	second, err := r.Job(ctx, id)
	must(t, err)
	if first.State != authority.JobDone || second.State != authority.JobDone || first.UpdatedAt.After(second.UpdatedAt) {
		t.Errorf("%+v\n%+v", first, second)
	}
}

// A release lifts what an appeal is open on, too, and answers it; what somebody else lifted after the page was read is left alone.
func TestAReleaseMeetsAppealsAndOtherLifts(t *testing.T) {
	r := newRig(t)
	var phones []*phone
	for range 4 {
		p := r.newPhone(r.made("C-9", "trader", "ES")).enrol()
		p.live(2, madrid)
		phones = append(phones, p)
	}
	c, w := r.warrant("C-9", 80*day)
	ground := order.Ground{Kind: order.Warrant, ID: w.ID}
	appeal := &authority.Appeal{Device: phones[0].id, Ground: ground, Text: "I bought it in a shop.", OpenedAt: r.now(), DueAt: r.now().Add(7 * day), State: authority.AppealOpen}
	must(t, r.store.Update(ctx, func(tx authority.Tx) (err error) {
		if err = tx.SetAppealing(phones[0].id, ground, true); err == nil {
			appeal.ID, err = tx.InsertAppeal(appeal)
		}
		return err
	}))
	j, err := r.BeginConclusion(ctx, r.ana, c.ID, "The buyers acted in good faith.")
	must(t, err)
	late := &lateLift{Store: r.config.Store, lift: func(tx authority.Tx) error {
		return tx.LiftIfActive(phones[1].id, ground, r.now(), order.ByHuman)
	}}
	r.config.Store = late
	r.open()
	done, err := r.FinishJob(ctx, j.ID)
	must(t, err)
	if done.State != authority.JobDone || done.Done != 3 || late.lift != nil {
		t.Fatalf("%+v", done)
	}
	must(t, r.store.View(ctx, func(tx authority.Tx) error {
		for i, cause := range []order.Cause{order.ByCase, order.ByHuman, order.ByCase, order.ByCase} {
			found, err := tx.Restriction(phones[i].id, ground)
			if err != nil {
				return err
			}
			if found.Active() || found.Cause != cause {
				t.Errorf("%d: %+v", i, found)
			}
		}
		a, err := tx.Appeal(appeal.ID)
		if err == nil && a.State != authority.AppealGranted {
			t.Errorf("%+v", a)
		}
		return err
	}))
}

// lateLift lifts something between the view that reads a page of holds and the update that lifts them.
type lateLift struct {
	authority.Store
	seen bool
	lift func(authority.Tx) error
}

func (s *lateLift) View(ctx context.Context, fn func(authority.Tx) error) error {
	return s.Store.View(ctx, func(tx authority.Tx) error { return fn(pageTx{tx, s}) })
}

func (s *lateLift) Update(ctx context.Context, fn func(authority.Tx) error) error {
	if lift := s.lift; s.seen && lift != nil {
		s.lift = nil
		if err := s.Store.Update(ctx, lift); err != nil {
			return err
		}
	}
	return s.Store.Update(ctx, fn)
}

type pageTx struct {
	authority.Tx
	s *lateLift
}

func (t pageTx) ActiveOn(g order.Ground, after device.ID, limit int) ([]*authority.Restriction, error) {
	t.s.seen = true
	return t.Tx.ActiveOn(g, after, limit)
}
