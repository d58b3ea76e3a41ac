package simulate

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"io"
	"runtime/debug"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

type (
	protocolEpoch = protocol.EpochAnswer
	signals       = territory.Signals
)

// began is when every world begins.
var began = time.Date(2021, time.September, 1, 6, 0, 0, 0, time.UTC)

// world is one server with its devices and officers. It is for one goroutine, and a function of its seed and number.
type world struct {
	seed, number uint64
	dice         dice
	wild         float64 // how often faults strike, from 0
	factory      *factory
	plant        planted
	trace        io.Writer

	began, ends time.Time
	now         time.Time
	step        int
	queue       queue
	queued      int
	quiet       bool // no faults any more: all is brought to an end
	partitioned time.Time

	server         *server
	phones         []*handset
	office         office
	books          books
	pendingEdition edition
	result         Result
}

// Result is what became of a world.
type Result struct {
	DeviceYears      float64
	Steps            int
	Checks           int64
	Wakes, CheckIns  int
	Notices, Locks   int // that devices showed
	LiftsUndelivered int
	Faults           map[Kind]int
	Violations       []Violation
}

// planted are bugs that tests put in.
type planted struct {
	agent  func(*handset, *agent.Agent) enforcer
	store  func(*server, store) store
	ledger func(*server, publicLedger) publicLedger
}

// event is something that will happen.
type event struct {
	at     time.Time
	number int // of two at the same time the one that was queued first comes first
	happen func()
}

type queue []event

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q queue) Less(i, j int) bool {
	if q[i].at.Equal(q[j].at) {
		return q[i].number < q[j].number
	}
	return q[i].at.Before(q[j].at)
}
func (q *queue) Push(e any) { *q = append(*q, e.(event)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return e
}

// after queues an event.
func (w *world) after(wait time.Duration, happen func()) {
	w.queued++
	heap.Push(&w.queue, event{w.now.Add(wait), w.queued, happen})
}

// newWorld makes a world and everything in it.
func newWorld(f *factory, seed, number uint64, plant planted, trace io.Writer) *world {
	w := &world{seed: seed, number: number, dice: newDice(seed, number, 0), factory: f, plant: plant, trace: trace, began: began, now: began}
	w.result.Faults = make(map[Kind]int)
	w.wild = pick(w.dice, 0, 0.3, 1, 1, 3)
	w.ends = began.Add(w.dice.between(8*365*day, 20*365*day))
	w.office, w.books = newOffice(w), books{w: w}
	w.server = newServer(w)
	for n := range w.dice.IntN(100) + 220 {
		w.phones = append(w.phones, w.newHandset(n))
	}
	return w
}

func (w *world) newHandset(n int) *handset {
	h := &handset{w: w, n: n, made: w.factory.device(n), random: reader{newDice(w.seed, w.number, uint64(n)+2).source}}
	h.born = began.Add(w.dice.between(day, 400*day))
	h.life = newLife(w, h.born)
	h.offset = pick(w.dice, 0, 0, 0, w.dice.between(-30*time.Hour, 30*time.Hour), time.Unix(86400, 0).Sub(h.born))
	h.flash.h = h
	h.audit = &auditor{h: h, delivered: map[order.ID]order.Leaf{}, told: map[told]time.Time{}}
	if w.dice.chance(0.4) {
		key := sha256.Sum256([]byte(h.made.serial))
		h.stateKey, h.counter = key[:], &counter{h: h}
	}
	w.result.DeviceYears += w.ends.Sub(h.born).Hours() / 24 / 365.25
	return h
}

// run lives through the world to its end, or to its first violation.
func (w *world) run() *Result {
	defer func() {
		w.result.Steps = w.step
		if cause := recover(); cause != nil { // in the agent or the authority
			w.violate("panic", "%v\n%s", cause, debug.Stack())
		}
	}()
	w.tracef("world %d of seed %d: %d devices until %s, faults × %.1f", w.number, w.seed, len(w.phones), w.ends.Format(time.DateOnly), w.wild)
	if err := w.server.start(); err != nil {
		w.violate("server", "it does not start: %v", err)
		return &w.result
	}
	w.found()
	for _, h := range w.phones {
		h.turn(h.born.Sub(w.now))
	}
	w.after(day, w.office.turn)
	w.after(w.dice.between(10*day, 200*day), w.backup)
	w.after(w.dice.between(20*day, 900*day), w.partition)
	for len(w.queue) > 0 && !w.over() && w.queue[0].at.Before(w.ends) {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.happen()
	}
	if !w.over() {
		w.settle()
	}
	return &w.result
}

// found gets a first policy and the production records in.
func (w *world) found() {
	for range 100 {
		if w.server.process == nil {
			w.restart()
		}
		_ = w.server.ask("found", func(ctx context.Context, a *authority.Service) error { return a.EnsureFounded(ctx) })
		w.office.publish()
		if len(w.office.editions) > 0 {
			break
		}
	}
	w.office.production()
}

// settle stops all faults, and lets every device come online a few times.
func (w *world) settle() {
	w.tracef("all faults stop")
	w.quiet, w.queue, w.partitioned, w.now = true, nil, time.Time{}, w.ends
	for _, h := range w.phones {
		h.flash.fullTo = time.Time{}
	}
	for range 4 {
		w.online(26 * time.Hour)
	}
	for range 3 { // what the last day brought
		w.online(time.Minute)
	}
	if !w.over() {
		w.books.settle()
	}
}

// online lets time pass, and then everybody come online.
func (w *world) online(after time.Duration) {
	w.now = w.now.Add(after)
	if w.server.process == nil {
		w.restart()
	}
	w.server.work(after >= time.Hour)
	for _, h := range w.phones {
		if w.over() {
			return
		}
		h.wake()
		h.boot()
		w.server.work(false)
	}
}
