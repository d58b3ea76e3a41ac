package simulate

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// enough is how many worlds may pass until a planted bug is found.
const enough = 25

// A checker that cannot fail proves nothing: each bug is found, under the line that it breaks, within a few worlds, and at the same step
// every time.
func TestPlantedBugsAreFound(t *testing.T) {
	f, err := newFactory()
	if err != nil {
		t.Fatal(err)
	}
	for name, bug := range map[string]struct {
		line  string
		plant planted
	}{
		"locks before the date told":      {"C3", onScreen(hasty)},
		"locks on notices nobody saw":     {"C3", wrapped(func(*handset, *agent.Agent) bug { return bug{shows: true} })},
		"moves a date earlier":            {"C3", onScreen(earlier)},
		"keeps a lock beyond its end":     {"C8", onScreen(endless)},
		"locks again after a final lift":  {"C9", onScreen(relock)},
		"drops lifts":                     {"C9", wrapped(func(*handset, *agent.Agent) bug { return bug{deaf: true} })},
		"escalates in doubt":              {"C10", onScreen(careless)},
		"locks where it was not set up":   {"C5", onScreen(elsewhere)},
		"forgets a notice":                {"stages", onScreen(forgetful)},
		"hides the unlock code":           {"C1", onScreen(walledIn)},
		"hides the owner's files":         {"C2", onScreen(greedy)},
		"signs the same evidence again":   {"sequence", wrapped(func(*handset, *agent.Agent) bug { return bug{repeats: true} })},
		"answers before the commit":       {"C6", planted{store: lazily}},
		"sends orders before the ledger":  {"C6", planted{store: withTx(early)}},
		"never sends a lift":              {"liveness", planted{store: withTx(silent)}},
		"loses a leaf in a crash":         {"C6", planted{ledger: leaky}},
		"appends again after a crash":     {"C6", planted{ledger: blind}},
		"takes evidence that it had":      {"replay", planted{store: withTx(trusting)}},
		"locks without an officer's wave": {"C7", planted{store: withTx(waveless)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := range uint64(enough) {
				r := newWorld(f, 1, n, bug.plant, nil).run()
				if len(r.Violations) == 0 {
					continue
				}
				v := r.Violations[0]
				if v.Line != bug.line {
					t.Fatalf("found under another line than %s: %v", bug.line, v)
				}
				if again := newWorld(f, 1, n, bug.plant, nil).run(); len(again.Violations) != 1 || again.Violations[0] != v {
					t.Fatalf("%v, and then %v", v, again.Violations)
				}
				t.Log(v)
				return
			}
			t.Fatalf("not found in %d worlds", enough)
		})
	}
}

// bug is an agent with something wrong.
type bug struct {
	*agent.Agent
	screen  func(*agent.Screen)
	shows   bool // counts days on which nobody looked
	deaf    bool // says that it followed a lift, and does not
	repeats bool // signs once, and sends it again

	last evidence.Token
	n    int
}

func wrapped(make func(*handset, *agent.Agent) bug) planted {
	return planted{agent: func(h *handset, a *agent.Agent) enforcer {
		b := make(h, a)
		b.Agent = a
		return &b
	}}
}

// onScreen plants what the device shows: that is what an owner meets.
func onScreen(change func() func(*agent.Screen)) planted {
	return wrapped(func(*handset, *agent.Agent) bug { return bug{screen: change()} })
}

func (b *bug) Screen() agent.Screen {
	s := b.Agent.Screen()
	if b.screen != nil {
		b.screen(&s)
	}
	return s
}

func (b *bug) Observe(seen signals) error {
	if b.shows {
		_ = b.Agent.Shown()
	}
	return b.Agent.Observe(seen)
}

func (b *bug) Evidence() (evidence.Token, error) {
	b.n++
	if b.repeats && b.last != nil && b.n%5 == 0 {
		return b.last, nil
	}
	token, err := b.Agent.Evidence()
	b.last = token
	return token, err
}

func (b *bug) Accept(answer []byte) (agent.Outcome, error) {
	parsed, err := protocol.ParseCheckInAnswer(answer)
	if !b.deaf || err != nil {
		return b.Agent.Accept(answer)
	}
	var dropped []order.ID
	parsed.Orders = slices.DeleteFunc(parsed.Orders, func(s order.Sealed) bool {
		leaf, err := order.ParseLeaf(s.Leaf)
		if err == nil && leaf.Kind == order.Lift {
			dropped = append(dropped, s.ID())
			return true
		}
		return false
	})
	if answer, err = parsed.Marshal(); err != nil {
		return agent.Outcome{}, err
	}
	out, err := b.Agent.Accept(answer)
	out.Applied = append(out.Applied, dropped...)
	return out, err
}

// each lets a bug change every ground on the screen.
func each(change func(s *agent.Screen, g *agent.GroundView)) func() func(*agent.Screen) {
	return func() func(*agent.Screen) {
		return func(s *agent.Screen) {
			for i := range s.Grounds {
				change(s, &s.Grounds[i])
			}
		}
	}
}

var (
	hasty = each(func(s *agent.Screen, g *agent.GroundView) {
		if g.Stage == order.Noticed && s.Today.Time().Add(day).Before(g.EffectAt) {
			g.Stage = order.Locked
		}
	})
	relock = each(func(s *agent.Screen, g *agent.GroundView) {
		if g.Stage == order.Lifted && g.LiftCause.Final() && s.Today%8 < 4 {
			g.Stage, g.Deadline = order.Noticed, s.Today.Time().Add(20*day)
		}
	})
	careless = each(func(s *agent.Screen, g *agent.GroundView) {
		if s.ClockDoubt && g.Stage == order.Lifted && !g.LiftCause.Final() {
			g.Stage, g.Deadline = order.Noticed, s.Today.Time().Add(800*day)
		}
	})
	elsewhere = each(func(s *agent.Screen, g *agent.GroundView) {
		if g.Ground.Kind == order.Rule && g.Stage == order.Noticed {
			g.Territory = "KP"
		}
	})
)

// endless shows a lock that has ended as if it went on.
func endless() func(*agent.Screen) {
	ends := map[order.Ground]time.Time{}
	return each(func(_ *agent.Screen, g *agent.GroundView) {
		switch {
		case g.Stage == order.Locked:
			ends[g.Ground] = g.EndsAt
		case g.Stage == order.Lifted && g.LiftCause == order.ByEnd && !ends[g.Ground].IsZero():
			g.Stage, g.EndsAt = order.Locked, ends[g.Ground]
		}
	})()
}

// earlier brings a date forward once the owner has seen it a few times.
func earlier() func(*agent.Screen) {
	seen := map[order.Ground]int{}
	return each(func(_ *agent.Screen, g *agent.GroundView) {
		if seen[g.Ground]++; g.Stage == order.Noticed && seen[g.Ground] > 20 {
			g.Deadline = g.Deadline.Add(-day)
		}
	})()
}

func forgetful() func(*agent.Screen) {
	n := 0
	return func(s *agent.Screen) {
		if n++; n%40 == 0 {
			s.Grounds = slices.DeleteFunc(s.Grounds, func(g agent.GroundView) bool { return g.Stage == order.Noticed })
		}
	}
}

func without(exit agent.Exit) func() func(*agent.Screen) {
	return func() func(*agent.Screen) {
		return func(s *agent.Screen) {
			if s.Stage == order.Locked {
				s.WayOut = slices.DeleteFunc(slices.Clone(s.WayOut), func(e agent.Exit) bool { return e == exit })
			}
		}
	}
}

var walledIn, greedy = without(agent.UnlockCode), without(agent.SaveFiles)

// lazily plants a store that says that a write is durable, and loses the last ones in a crash.
func lazily(s *server, next store) store {
	if s.unsaved != nil {
		s.db.Restore(s.unsaved)
		s.unsaved = nil
	}
	return &lazyStore{s, next, 0}
}

type lazyStore struct {
	s *server
	store
	n int
}

func (l *lazyStore) Update(ctx context.Context, fn func(authority.Tx) error) error {
	if l.n++; l.n%4 == 1 {
		l.s.unsaved = l.s.db.Backup()
	}
	return l.store.Update(ctx, fn)
}

// withTx plants something into every transaction.
func withTx(wrap func(authority.Tx) authority.Tx) func(*server, store) store {
	return func(_ *server, next store) store { return txStore{next, wrap} }
}

type txStore struct {
	store
	wrap func(authority.Tx) authority.Tx
}

func (s txStore) Update(ctx context.Context, fn func(authority.Tx) error) error {
	return s.store.Update(ctx, func(tx authority.Tx) error { return fn(s.wrap(tx)) })
}

func (s txStore) View(ctx context.Context, fn func(authority.Tx) error) error {
	return s.store.View(ctx, func(tx authority.Tx) error { return fn(s.wrap(tx)) })
}

type earlyTx struct{ authority.Tx }

func early(tx authority.Tx) authority.Tx { return earlyTx{tx} }

func (t earlyTx) Deliverable(id device.ID) ([]*authority.Order, error) {
	orders, err := t.OrdersOf(id, 9)
	return slices.DeleteFunc(orders, func(o *authority.Order) bool { return o.Settled }), err
}

func (t earlyTx) MarkDelivered(device.ID, order.ID, time.Time) error { return nil }

type silentTx struct{ authority.Tx }

func silent(tx authority.Tx) authority.Tx { return silentTx{tx} }

func (t silentTx) Deliverable(id device.ID) ([]*authority.Order, error) {
	orders, err := t.Tx.Deliverable(id)
	return slices.DeleteFunc(orders, func(o *authority.Order) bool { return o.Kind == order.Lift }), err
}

type trustingTx struct{ authority.Tx }

func trusting(tx authority.Tx) authority.Tx { return trustingTx{tx} }

func (t trustingTx) Device(id device.ID) (*authority.Device, error) {
	d, err := t.Tx.Device(id)
	if d != nil {
		d.Sequence = 0
	}
	return d, err
}

func (t trustingTx) UpdateDeviceIfNewer(d *authority.Device, _ uint64) error { return t.PutDevice(d) }

type wavelessTx struct{ authority.Tx }

func waveless(tx authority.Tx) authority.Tx { return wavelessTx{tx} }

// ProposeIfNoticed does not ask an officer.
func (t wavelessTx) ProposeIfNoticed(_ int64, id device.ID, g order.Ground) error {
	r, err := t.Restriction(id, g)
	if err != nil {
		return err
	}
	return t.LockIfNoticed(id, g, r.Deadline, r.Deadline, r.Deadline.Add(day))
}

// leaky loses the newest leaf when a process dies.
func leaky(s *server, next publicLedger) publicLedger {
	if n := len(s.log.leaves); n > 3 {
		delete(s.log.index, order.LeafID(s.log.leaves[n-1]))
		s.log.leaves = s.log.leaves[:n-1]
		s.log.publish()
		s.log.signed = nil
	}
	return next
}

type blindLedger struct{ publicLedger }

func blind(_ *server, next publicLedger) publicLedger { return blindLedger{next} }

func (blindLedger) FindAll(context.Context, []order.ID, uint64) (map[order.ID]uint64, error) {
	return map[order.ID]uint64{}, nil
}
