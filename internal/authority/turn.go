package authority

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// turn is one transaction that moves restrictions: each transition is a guarded write, the order that tells the device, and a
// line on its time line, together or not at all, with one timestamp.
type turn struct {
	s      *Service
	tx     Tx
	now    time.Time
	book   *book // by which it escalates; nil when it never does
	issued []order.Kind
	count  []func() // what is kept in memory of it, once it is durable
}

// turn runs fn in a durable transaction. What it issued is counted, and the sequencer told, only after that. b is the book that fn goes by, nil
// when fn issues nothing but lifts. If the rules have changed since it was read, nothing is escalated by it: it is brought up to date, in
// place, and fn runs again.
func (s *Service) turn(ctx context.Context, now time.Time, b *book, fn func(*turn) error) error {
	t := &turn{s: s, now: now, book: b}
	run := func(tx Tx) error {
		t.tx, t.issued, t.count = tx, nil, nil // it may run again
		return fn(t)
	}
	err := s.update(ctx, run)
	for attempt := 0; errors.Is(err, errRulesChanged) && attempt < rulesAttempts; attempt++ {
		var fresh *book
		if fresh, err = s.newBook(ctx, now); err != nil {
			return err
		}
		*b = *fresh
		err = s.update(ctx, run)
	}
	if err != nil {
		return err
	}
	for _, kind := range t.issued {
		s.counters.orders.WithLabelValues(kind.String()).Inc()
	}
	for _, count := range t.count {
		count()
	}
	if len(t.issued) > 0 {
		s.rouse()
	}
	return nil
}

// issue writes an order, pending, and lets it replace the older ones on its ground; only a lift replaces a lift, so that none gets
// lost before its device has it (Charter C9). Its salt is random and used once.
func (t *turn) issue(id device.ID, leaf order.Leaf) (*Order, error) {
	if leaf.Kind != order.Lift {
		if err := t.book.current(t.tx); err != nil {
			return nil, err
		}
	}
	o, err := t.order(id, leaf)
	if err != nil {
		return nil, err
	}
	if err := t.tx.InsertOrder(o); err != nil {
		return nil, repeated(err)
	}
	settle := t.tx.SettleOlderEscalations
	if leaf.Kind == order.Lift {
		settle = t.tx.SettleOlder
	}
	if err := settle(id, leaf.Ground, o.ID); err != nil {
		return nil, err
	}
	t.issued = append(t.issued, leaf.Kind)
	t.count = append(t.count, func() { t.s.urgent.ordered(leaf.Kind, id, t.now) })
	return o, nil
}

// order makes an order of this turn.
func (t *turn) order(id device.ID, leaf order.Leaf) (*Order, error) {
	return t.s.newOrder(t.now, id, leaf)
}

// newOrder makes an order, with a salt that is used once.
func (s *Service) newOrder(now time.Time, id device.ID, leaf order.Leaf) (*Order, error) {
	o := &Order{Device: id, Kind: leaf.Kind, Ground: leaf.Ground, IssuedAt: now}
	var err error
	if o.Salt, err = s.newSalt(); err != nil {
		return nil, err
	}
	leaf.IssuedAt = now
	leaf.Commitment = order.Commit(o.Salt, id)
	if o.Leaf, err = leaf.Marshal(); err != nil {
		return nil, err
	}
	o.ID = order.LeafID(o.Leaf)
	return o, nil
}

// repeated says what it means that an order is there already.
func repeated(err error) error {
	if errors.Is(err, ErrConflict) {
		return fmt.Errorf("%w: the source of random numbers repeats itself; stop the server and look at the machine: %w", order.ErrSaltReused, err)
	}
	return err
}

// note adds a line to a device's time line.
func (t *turn) note(id device.ID, kind string, g order.Ground, actor, format string, args ...any) error {
	return t.tx.AddEvent(Event{Device: id, At: t.now, Kind: kind, Ground: g, Actor: actor, Detail: fmt.Sprintf(format, args...)})
}

// basis is what an order on a ground rests on.
type basis struct {
	ground    order.Ground
	territory territory.Code // of the rule; Unknown for a warrant
	authority [32]byte       // hash of the policy or the warrant
	place     territory.Code // whose noon counts
	terms     restriction.Terms
	actor     string // "rule", or the officer who countersigned
}

// notify starts a round: Noticed, with a fixed date.
func (t *turn) notify(id device.ID, b basis, deadline time.Time) error {
	if err := t.tx.NoticeIfFree(b.restriction(id, t.now, deadline)); err != nil {
		return err
	}
	if err := t.tellDeadline(id, b, deadline); err != nil {
		return err
	}
	return t.tx.AddEvent(b.noticed(id, t.now, deadline))
}

// restriction is what a notice makes of a device.
func (b basis) restriction(id device.ID, now, deadline time.Time) *Restriction {
	return &Restriction{
		Device: id, Ground: b.ground, Stage: order.Noticed, Territory: b.territory, Authority: b.authority,
		Reference: order.Reference(id, b.ground), NoticedAt: now, Deadline: deadline,
	}
}

// notice is what a notice says.
func (b basis) notice(deadline time.Time) order.Leaf {
	return order.Leaf{Kind: order.Notice, Ground: b.ground, Territory: b.territory, Authority: b.authority, Deadline: deadline}
}

// noticed is the line of a time line that says that a notice was issued.
func (b basis) noticed(id device.ID, now, deadline time.Time) Event {
	return Event{Device: id, At: now, Kind: "noticed", Ground: b.ground, Actor: b.actor,
		Detail: fmt.Sprintf("A notice was issued: no lock before %s.", clock(deadline))}
}

// postpone moves a told deadline later, and tells it.
func (t *turn) postpone(id device.ID, b basis, deadline time.Time, why string) error {
	if err := t.tx.ExtendIfNoticed(id, b.ground, deadline); err != nil {
		return err
	}
	if err := t.tellDeadline(id, b, deadline); err != nil {
		return err
	}
	return t.note(id, "noticed", b.ground, b.actor, "%s; no lock before %s.", why, clock(deadline))
}

func (t *turn) tellDeadline(id device.ID, b basis, deadline time.Time) error {
	_, err := t.issue(id, b.notice(deadline))
	return err
}

// lockedEvent is the line of a time line that says that a lock was ordered.
func lockedEvent(r *Restriction, actor string, now, effectAt, endsAt time.Time) Event {
	return Event{Device: r.Device, At: now, Kind: "locked", Ground: r.Ground, Actor: actor,
		Detail: fmt.Sprintf("A lock was ordered: from %s until %s at the latest.", clock(effectAt), clock(endsAt))}
}

// lift ends a restriction, whatever its stage, and takes it out of an open wave.
func (t *turn) lift(r *Restriction, authority [32]byte, cause order.Cause, actor, why string) error {
	if err := t.withdraw(r); err != nil {
		return err
	}
	if err := t.tx.LiftIfActive(r.Device, r.Ground, t.now, cause); err != nil {
		return err
	}
	if authority == [32]byte{} {
		authority = r.Authority
	}
	_, err := t.issue(r.Device, order.Leaf{
		Kind: order.Lift, Ground: r.Ground, Territory: r.Territory, Authority: authority, Cause: cause,
	})
	if err != nil {
		return err
	}
	if r.Appealing {
		if err := t.closeAppeal(r, actor, why); err != nil {
			return err
		}
	}
	return t.note(r.Device, "lifted", r.Ground, actor, "%s", why)
}

// closeAppeal answers the open appeal on a ground that was lifted otherwise: the owner got what they asked for.
func (t *turn) closeAppeal(r *Restriction, actor, why string) error {
	appeals, err := t.tx.AppealsOf(r.Device)
	if err != nil {
		return err
	}
	for _, a := range appeals {
		if a.Ground == r.Ground && a.State == AppealOpen {
			return t.tx.AnswerIfOpen(a.ID, AppealGranted, actor, t.now, why)
		}
	}
	return nil
}

// withdraw takes a restriction out of the open wave; one that is in none, or whose wave is decided, stays as it is.
func (t *turn) withdraw(r *Restriction) error {
	if r.Wave == 0 || r.Stage != order.Noticed {
		return nil
	}
	if err := t.tx.WithdrawProposal(r.Device, r.Ground); err != nil && !errors.Is(err, ErrConflict) {
		return err
	}
	return nil
}

// clock writes a time for people.
func clock(at time.Time) string { return at.UTC().Format("2 January 2006 15:04 UTC") }

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
