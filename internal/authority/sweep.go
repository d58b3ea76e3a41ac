package authority

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/internal/span"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Bounds of a sweep, in restrictions.
const (
	sweepPage  = 1000 // per read
	sweepChunk = 200  // per transaction
)

// Sweep does what time alone makes due: metadata that are signed anew, lifts at their end, warrants that ended, locks put into the open wave or taken out of it,
// sessions that expired, and what something hindered of an approval. It also reads anew what is kept in memory. Unless Run does, it goes
// on with unfinished jobs, too.
func (s *Service) Sweep(ctx context.Context) error {
	ctx, sp := span.Start(ctx, "sweep")
	defer sp.End()
	return marked(sp, s.sweepAll(ctx))
}

func (s *Service) sweepAll(ctx context.Context) error {
	s.sweep.Lock()
	defer s.sweep.Unlock()
	now := s.now()
	if !s.working.Load() {
		if err := s.Work(ctx); err != nil {
			return err
		}
	}
	if err := s.beginRetention(ctx, now); err != nil {
		return err
	}
	if err := s.sweepSignatures(ctx, now); err != nil {
		return err
	}
	if _, err := s.readRules(ctx); err != nil {
		return err
	}
	if _, err := s.readHolds(ctx); err != nil {
		return err
	}
	book, err := s.book(ctx, now)
	if err != nil {
		return err
	}
	grounds, err := s.grounds(ctx, book)
	if err != nil {
		return err
	}
	busy, err := s.busy(ctx)
	if err != nil {
		return err
	}
	for _, g := range grounds {
		if busy[g] {
			continue // its release is under way
		}
		if err := s.sweepGround(ctx, book, g, now); err != nil {
			return err
		}
	}
	if err := s.finishWaves(ctx, now, busy); err != nil {
		return err
	}
	return s.update(ctx, func(tx Tx) error {
		_, err := tx.DeleteExpiredSessions(now)
		return err
	})
}

// grounds lists every ground that may restrict somebody: the rules of all policies that were ever published, be they listed still or not,
// and all warrants in force or ended. What is due on a ground is asked of those alone that count.
func (s *Service) grounds(ctx context.Context, b *book) ([]order.Ground, error) {
	var grounds []order.Ground
	seen := make(map[order.Ground]bool)
	add := func(g order.Ground) {
		if !seen[g] {
			seen[g] = true
			grounds = append(grounds, g)
		}
	}
	s.rules.mu.RLock()
	editions := s.rules.editions
	s.rules.mu.RUnlock()
	for _, e := range editions {
		for _, entry := range e.policy.Territories() {
			add(order.Ground{Kind: order.Rule, ID: entry.Rule})
		}
	}
	err := s.view(ctx, func(tx Tx) error {
		cases, err := tx.Cases(maxCases)
		if err != nil {
			return err
		}
		for _, c := range cases {
			if c.State == CaseOpen {
				continue
			}
			warrants, err := tx.Warrants(c.ID)
			if err != nil {
				return err
			}
			for _, w := range warrants {
				if w.CountersignBy != "" {
					add(warrantGround(w.ID))
				}
			}
		}
		return nil
	})
	return grounds, err
}

// sweepGround looks through the restrictions on one ground. It looks beside the writer, and goes to it with those only for which
// something is due: holds, and notices that wait for their phones, may be many. It ends when a job has begun to work at the ground: both
// would lift the same holds, and be in each other's way.
func (s *Service) sweepGround(ctx context.Context, b *book, g order.Ground, now time.Time) error {
	var after device.ID
	for {
		var due []*Restriction
		last := after
		err := s.view(ctx, func(tx Tx) error {
			due, last = nil, after
			page, err := tx.ActiveOn(g, after, sweepPage)
			t := &turn{s: s, tx: tx, now: now}
			for _, r := range page {
				last = r.Device
				if !ripe(r, now) {
					continue
				}
				if l, err := t.lookAgain(b, r); err != nil {
					return err
				} else if restriction.Due(r, l.standing, l.terms, now) != restriction.Nothing {
					due = append(due, r)
				}
			}
			if len(due) == 0 || err != nil {
				return err
			}
			busy, err := busyIn(tx)
			if busy[g] {
				due, last = nil, after
			}
			return err
		})
		if err != nil || last == after {
			return err
		}
		after = last
		for chunk := range slices.Chunk(due, sweepChunk) {
			err := s.turn(ctx, now, b, func(t *turn) error {
				for _, r := range chunk {
					if err := t.sweepOne(b, r.Device, g); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
}

// ripe reports whether time may have made something due, so that most restrictions cost no more than being read.
func ripe(r *Restriction, now time.Time) bool {
	switch r.Stage {
	case order.Noticed:
		return r.Ground.Kind == order.Warrant || r.Wave != 0 || !now.Before(r.Deadline)
	case order.Locked:
		return r.Ground.Kind == order.Warrant || !now.Before(r.EndsAt)
	}
	return false
}

// sweepOne asks the rules about one restriction and does what is due. The device is decided about anew, since a decision depends
// on the day.
func (t *turn) sweepOne(b *book, id device.ID, g order.Ground) error {
	r, err := t.tx.Restriction(id, g)
	if err != nil || !r.Active() {
		return err
	}
	look, err := t.lookAgain(b, r)
	if err != nil {
		return err
	}
	switch restriction.Due(r, look.standing, look.terms, t.now) {
	case restriction.Propose:
		return t.propose(b, r)
	case restriction.Withdraw:
		return t.withdraw(r)
	case restriction.LiftGone:
		why := "The case was concluded."
		if g.Kind == order.Rule {
			why = "The rule no longer applies: " + look.reason
		}
		return t.lift(r, look.basis.authority, goneCause(g), "rule", why)
	case restriction.LiftEnd:
		return t.lift(r, look.basis.authority, order.ByEnd, "rule", "Its end has come.")
	}
	return nil
}

// look is how a restriction stands, with everything that an order on it would rest on.
type look struct {
	standing restriction.Standing
	terms    restriction.Terms
	basis    basis
	endsAt   time.Time // of a hold; zero for a rule
	reason   string
	decision policy.Decision
}

func (t *turn) look(b *book, d *Device, r *Restriction) (*look, error) {
	l := &look{}
	if r.Ground.Kind == order.Warrant {
		support, w, err := t.warrantSupport(b, r.Ground.ID, d)
		if err != nil {
			return nil, err
		}
		l.standing, l.basis, l.endsAt = standingOf(d, support), t.s.warrantBasis(w, d), w.EndsAt
		l.terms, l.reason = l.basis.terms, w.Reason
		return l, nil
	}
	l.standing = standingOf(d, restriction.Unclear)
	if b.edition == nil {
		return l, nil
	}
	l.decision = t.s.decide(b.edition, d, t.now)
	l.standing.Support = b.ruleSupport(r.Ground.ID, l.decision, t.now)
	l.terms = t.s.terms(b.edition)
	l.basis, _ = t.s.ruleBasis(b.edition, r.Ground.ID, d)
	l.basis.authority = b.edition.document.Hash
	if len(l.decision.Reasons) > 0 {
		l.reason = l.decision.Reasons[0].Text
	}
	return l, nil
}

// propose puts a lock into the open wave; the first one opens it.
func (t *turn) propose(b *book, r *Restriction) error {
	wave, err := t.tx.OpenWave()
	if none, err := absent(err); err != nil {
		return err
	} else if none {
		if t.afterRejection() {
			return nil
		}
		wave = &Wave{CreatedAt: t.now, State: WaveOpen}
		if b.edition != nil {
			wave.PolicyHash = b.edition.document.Hash
		}
		if wave.ID, err = t.tx.InsertWave(wave); err != nil {
			return err
		}
	}
	if err := t.tx.ProposeIfNoticed(wave.ID, r.Device, r.Ground); err != nil {
		if errors.Is(err, ErrConflict) {
			return nil // the stage moved on
		}
		return err
	}
	return t.note(r.Device, "wave", r.Ground, "rule", "The lock was put to an officer, in wave %d.", wave.ID)
}

// afterRejection reports whether an officer rejected the last wave a short while ago: what they have just turned down does not come
// back at once.
func (t *turn) afterRejection() bool {
	last, err := t.tx.Waves(1)
	return err == nil && len(last) == 1 && last[0].State == WaveRejected && t.now.Sub(last[0].DecidedAt) < t.s.cfg.WavePause
}
