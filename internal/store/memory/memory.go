// Package memory is an [authority.Store] in memory, for simulations that need thousands of small stores, and faults at an exact
// write. It keeps the contract that internal/authority/store.go states, and passes the same conformance suite as the real
// stores (package storetest); nothing of it survives the process.
//
//	db := memory.New()
//	db.Fault = func(write int) (kept bool, err error) { … } // called at each commit that wrote something
//	b := db.Backup()                                         // all that is durable now
//	db.Restore(b)                                            // an old backup is put back
//
// A commit is one write: all of a transaction or nothing of it is durable. Records go in and come out as copies, and a
// record in a table is never changed, only replaced; so a transaction is undone by putting the old ones back, and a backup
// shares the records with the tables.
package memory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/cohort"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

// DB is a store. It is safe for concurrent use; Fault is set before the first use.
type DB struct {
	// Fault decides about each commit that wrote something, numbered from 1: whether it is durable, and what Update returns. An
	// error with kept stands for a commit whose reply was lost. Nil lets all succeed.
	Fault func(write int) (kept bool, err error)

	writing sync.Mutex // held by an Update from its beginning to its end

	mu     sync.Mutex // guards what follows
	tables *tables
	writes int
}

// tables are the records. While views read them they are not written to: an Update takes a copy first.
type tables struct {
	views int

	production map[device.IMEI]authority.Production
	devices    map[device.ID]*authority.Device
	byIMEI     map[device.IMEI]device.ID
	halves     map[[8]byte]bool // the first halves of devices' IDs
	events     []authority.Event
	eventsOf   map[device.ID][]authority.Event

	restrictions map[device.ID][]*restriction.Restriction // by ground
	orders       map[order.ID]*row
	ordersOf     map[device.ID][]order.ID // in the order of issue
	pending      map[order.ID]bool
	atIndex      map[uint64]order.ID
	salts        map[[32]byte]bool

	waves    []*authority.Wave
	cases    map[string]*authority.Case
	warrants map[string]*authority.Warrant
	appeals  []*authority.Appeal
	policies []*authority.PolicyDocument
	series   map[string]int64
	officers map[string]*authority.Officer
	sessions map[[32]byte]*authority.Session
	metadata map[string][]*authority.Metadata // by role, versions ascending
	targets  map[targetKey]*authority.Target
	cohorts  map[string]*cohort.Cohort // by warrant
	jobs     map[int64]*authority.Job
	lastJob  int64
	numbered int64 // events and orders: only ever grows
}

// row is an order and its place in the sequence of insertions.
type row struct {
	authority.Order
	number int
}

var (
	_ authority.Store = (*DB)(nil)
	_ authority.Tx    = (*tx)(nil)

	errOver     = errors.New("memory: a Tx was used after its function had returned")
	errReadOnly = errors.New("memory: View may not write; use Update")
)

// New returns an empty store.
func New() *DB {
	return &DB{tables: &tables{
		production: map[device.IMEI]authority.Production{}, devices: map[device.ID]*authority.Device{}, byIMEI: map[device.IMEI]device.ID{}, halves: map[[8]byte]bool{},
		eventsOf: map[device.ID][]authority.Event{}, restrictions: map[device.ID][]*restriction.Restriction{}, orders: map[order.ID]*row{},
		ordersOf: map[device.ID][]order.ID{}, pending: map[order.ID]bool{}, atIndex: map[uint64]order.ID{}, salts: map[[32]byte]bool{},
		cases: map[string]*authority.Case{}, warrants: map[string]*authority.Warrant{}, series: map[string]int64{},
		officers: map[string]*authority.Officer{}, sessions: map[[32]byte]*authority.Session{},
		metadata: map[string][]*authority.Metadata{}, targets: map[targetKey]*authority.Target{}, cohorts: map[string]*cohort.Cohort{},
		jobs: map[int64]*authority.Job{},
	}}
}

// clone returns tables with the same records. Lists are clipped, so that neither side appends into the other's.
func (t *tables) clone() *tables {
	c := *t
	c.views = 0
	c.production, c.devices, c.byIMEI = maps.Clone(t.production), maps.Clone(t.devices), maps.Clone(t.byIMEI)
	c.halves = maps.Clone(t.halves)
	c.events, c.eventsOf = slices.Clip(t.events), clipped(t.eventsOf)
	c.restrictions, c.orders, c.ordersOf = maps.Clone(t.restrictions), maps.Clone(t.orders), clipped(t.ordersOf)
	c.pending, c.atIndex, c.salts = maps.Clone(t.pending), maps.Clone(t.atIndex), maps.Clone(t.salts)
	c.waves, c.appeals, c.policies = slices.Clone(t.waves), slices.Clone(t.appeals), slices.Clone(t.policies)
	c.cases, c.warrants, c.series = maps.Clone(t.cases), maps.Clone(t.warrants), maps.Clone(t.series)
	c.officers, c.sessions = maps.Clone(t.officers), maps.Clone(t.sessions)
	c.metadata, c.targets, c.cohorts = maps.Clone(t.metadata), maps.Clone(t.targets), maps.Clone(t.cohorts)
	c.jobs = maps.Clone(t.jobs)
	return &c
}

func clipped[K comparable, V any](m map[K][]V) map[K][]V {
	c := make(map[K][]V, len(m))
	for k, v := range m {
		c[k] = slices.Clip(v)
	}
	return c
}

// Backup is the content of a store at one moment.
type Backup struct{ tables *tables }

// Backup returns all that is durable now.
func (db *DB) Backup() *Backup {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.tables.clip()
	return &Backup{db.tables.clone()}
}

// clip keeps later appends out of lists that a backup shares.
func (t *tables) clip() {
	t.events = slices.Clip(t.events)
	for id, list := range t.eventsOf {
		t.eventsOf[id] = slices.Clip(list)
	}
	for id, list := range t.ordersOf {
		t.ordersOf[id] = slices.Clip(list)
	}
}

// Restore puts a backup in the place of everything. It may be restored again later.
func (db *DB) Restore(b *Backup) {
	db.writing.Lock()
	defer db.writing.Unlock()
	db.mu.Lock()
	defer db.mu.Unlock()
	db.tables = b.tables.clone()
}

// View runs fn on what is durable at its beginning.
func (db *DB) View(ctx context.Context, fn func(authority.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	db.mu.Lock()
	t := db.tables
	t.views++
	db.mu.Unlock()
	view := &tx{tables: t}
	defer func() {
		view.over = true
		db.mu.Lock()
		t.views--
		db.mu.Unlock()
	}()
	return fn(view)
}

// Update runs fn and makes what it wrote durable, all of it or nothing. Updates run one after the other.
func (db *DB) Update(ctx context.Context, fn func(authority.Tx) error) (err error) {
	db.writing.Lock()
	defer db.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	db.mu.Lock()
	before, kept := db.tables, false
	work := before
	shared := before.views > 0
	if shared {
		work = before.clone()
	} else {
		defer db.mu.Unlock() // nobody may begin a view while the only copy is written to
	}
	if shared {
		db.mu.Unlock()
	}
	t := &tx{tables: work, writes: true}
	defer func() { // also when fn panics, or ends its goroutine
		t.over = true
		if !kept {
			t.rollBack()
		}
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("memory: the update panicked: %v", panicked)
		}
	}()
	if err := fn(t); err != nil {
		return err
	}
	if len(t.undo) == 0 {
		kept = true
		return nil
	}
	db.writes++
	kept = true
	if db.Fault != nil {
		kept, err = db.Fault(db.writes)
	}
	if kept && shared {
		db.mu.Lock()
		db.tables = work
		db.mu.Unlock()
	}
	return err
}

// tx is what functions given to Update and View get. It is good until they return.
type tx struct {
	*tables
	writes bool
	over   bool
	undo   []func()
}

func (t *tx) rollBack() {
	for _, step := range slices.Backward(t.undo) {
		step()
	}
	t.undo = nil
}

// mayWrite is asked before each write.
func (t *tx) mayWrite() error {
	switch {
	case t.over:
		return errOver
	case !t.writes:
		return errReadOnly
	}
	return nil
}

// put sets m[k], and remembers what was there.
func put[K comparable, V any](t *tx, m map[K]V, k K, v V) {
	old, had := m[k]
	m[k] = v
	t.undo = append(t.undo, func() {
		if had {
			m[k] = old
		} else {
			delete(m, k)
		}
	})
}

// drop deletes m[k], and remembers what was there.
func drop[K comparable, V any](t *tx, m map[K]V, k K) {
	old, had := m[k]
	if !had {
		return
	}
	delete(m, k)
	t.undo = append(t.undo, func() { m[k] = old })
}

// grow appends to a list, and remembers its length.
func grow[V any](t *tx, list *[]V, v V) {
	old := *list
	*list = append(old, v)
	t.undo = append(t.undo, func() { *list = old })
}

// swap replaces one entry of a list of pointers.
func swap[V any](t *tx, list []*V, at int, v *V) {
	old := list[at]
	list[at] = v
	t.undo = append(t.undo, func() { list[at] = old })
}

// broken says which rule a record breaks.
func broken(format string, args ...any) error { return fmt.Errorf("memory: "+format, args...) }

func within(limit int) error {
	if limit < 1 {
		return broken("a limit is at least 1, not %d", limit)
	}
	return nil
}
