package authority

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Cases lists cases, newest first. limit is 1 to 1,000.
func (s *Service) Cases(ctx context.Context, limit int) (list []*Case, err error) {
	err = s.view(ctx, func(tx Tx) (err error) {
		list, err = tx.Cases(bounded(limit))
		return err
	})
	return list, err
}

// OpenCase begins an investigation of one consignment. It restricts nobody.
func (s *Service) OpenCase(ctx context.Context, actor *Officer, title, consignment string) (*Case, error) {
	if err := allow(actor, MayInvestigate); err != nil {
		return nil, err
	}
	title, err := line("title", title, 3, 200)
	if err != nil {
		return nil, err
	}
	if consignment, err = line("consignment", consignment, 1, 64); err != nil {
		return nil, err
	}
	c := &Case{Title: title, Consignment: consignment, State: CaseOpen, OpenedBy: actor.Name, OpenedAt: s.now()}
	err = s.update(ctx, func(tx Tx) error {
		made, err := tx.Productions(consignment, "", 1)
		if err != nil {
			return err
		}
		if len(made) == 0 {
			return ErrInvalid.saying("no production record names the consignment %q", consignment).fixing("import its records first, or check the name")
		}
		n, err := tx.NextNumber("case")
		if err != nil {
			return err
		}
		c.ID = fmt.Sprintf("case-%04d", n)
		if err := tx.InsertCase(c); err != nil {
			return err
		}
		return tx.AddEvent(Event{At: c.OpenedAt, Kind: "case", Actor: actor.Name, Detail: "The case " + c.ID + " was opened: " + title})
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// DraftWarrant writes a warrant for a hold of the case's consignment. It is nothing until another officer countersigns it.
func (s *Service) DraftWarrant(ctx context.Context, actor *Officer, caseID, reason string, ends time.Time) (*Warrant, error) {
	if err := allow(actor, MayInvestigate); err != nil {
		return nil, err
	}
	reason, err := line("reason", reason, 10, 500)
	if err != nil {
		return nil, err
	}
	now := s.now()
	ends = ends.UTC().Truncate(time.Second)
	if err := holdEnds(now, ends); err != nil {
		return nil, err
	}
	w := &Warrant{Case: caseID, Reason: reason, DraftedBy: actor.Name, DraftedAt: now, EndsAt: ends}
	err = s.update(ctx, func(tx Tx) error {
		c, err := tx.Case(caseID)
		if err != nil {
			return err
		}
		if c.State == CaseConcluded {
			return ErrCaseConcluded
		}
		n, err := tx.NextNumber("warrant")
		if err != nil {
			return err
		}
		w.ID = fmt.Sprintf("warrant-%04d", n)
		if err := tx.InsertWarrant(w); err != nil {
			return err
		}
		return tx.AddEvent(Event{At: now, Kind: "warrant", Ground: warrantGround(w.ID), Actor: actor.Name,
			Detail: "The warrant " + w.ID + " was drafted for " + caseID + "; it needs a second officer."})
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// holdEnds checks a warrant's end against the Charter (C8), and that a hold could begin before it.
func holdEnds(now, ends time.Time) error {
	least := now.Add(order.MinNotice + restriction.Arrival + 2*24*time.Hour)
	most := now.Add(order.MaxHold)
	switch {
	case ends.Before(least):
		return ErrInvalid.saying("a hold that ends on %s could not begin: notice comes first", clock(ends)).fixing("choose an end after %s", clock(least))
	case ends.After(most):
		return ErrInvalid.saying("a hold ends within %d days (Charter C8)", int(order.MaxHold.Hours()/24)).fixing("choose an end until %s", clock(most))
	}
	return nil
}

// CountersignWarrant puts a warrant in force. The officer must not be the one who drafted it. Every enrolled device of the
// consignment gets a notice, and those that enrol later get theirs at a check-in.
func (s *Service) CountersignWarrant(ctx context.Context, actor *Officer, warrantID string) (*Warrant, error) {
	if err := allow(actor, MayInvestigate); err != nil {
		return nil, err
	}
	now := s.now()
	var w *Warrant
	var c *Case
	read := func(tx Tx) (err error) {
		if w, err = tx.Warrant(warrantID); err != nil {
			return err
		}
		c, err = tx.Case(w.Case)
		return err
	}
	enrolled := 0
	err := s.view(ctx, func(tx Tx) (err error) { // beside the writer: a consignment may be large
		if err = read(tx); err == nil {
			enrolled, err = countEnrolled(tx, c.Consignment)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = s.update(ctx, func(tx Tx) error {
		if err := read(tx); err != nil {
			return err
		}
		w.DevicesAtIssue = enrolled
		return countersign(tx, actor, w, c, now)
	})
	if err != nil {
		return nil, err
	}
	if _, err := s.readHolds(ctx); err != nil {
		return w, err
	}
	return w, s.noticeCohort(ctx, c.Consignment, w.ID, now)
}

func countersign(tx Tx, actor *Officer, w *Warrant, c *Case, now time.Time) error {
	switch {
	case w.CountersignBy != "":
		return ErrWarrantDone
	case c.State == CaseConcluded:
		return ErrCaseConcluded
	case w.DraftedBy == actor.Name:
		return ErrSameOfficer
	}
	if err := holdEnds(now, w.EndsAt); err != nil {
		return err
	}
	w.CountersignBy, w.CountersignAt = actor.Name, now
	document := publicWarrant(w)
	var err error
	if w.Document, err = document.Marshal(); err != nil {
		return err
	}
	if w.Hash, err = document.Hash(); err != nil {
		return err
	}
	if err := tx.CountersignIfDraft(w); errors.Is(err, ErrConflict) {
		return ErrWarrantDone.because(err)
	} else if err != nil {
		return err
	}
	if was := c.State; was != CaseHolding {
		c.State = CaseHolding
		if err := tx.PutCaseIfState(c, was); err != nil {
			return err
		}
	}
	return tx.AddEvent(Event{At: now, Kind: "warrant", Ground: warrantGround(w.ID), Actor: actor.Name,
		Detail: fmt.Sprintf("The warrant %s was countersigned; it ends on %s.", w.ID, clock(w.EndsAt))})
}

// consigned calls fn for the production records of a consignment, in pages; fn must not call the store. It returns the last record's
// IMEI to go on after, empty at the end.
func consigned(tx Tx, consignment string, after device.IMEI, page int, fn func(Production, *Device) error) (device.IMEI, error) {
	made, err := tx.Productions(consignment, after, page)
	if err != nil {
		return "", err
	}
	for _, p := range made {
		d, err := tx.DeviceByIMEI(p.IMEI)
		if _, err := absent(err); err != nil {
			return "", err
		}
		if err := fn(p, d); err != nil {
			return "", err
		}
	}
	if len(made) < page {
		return "", nil
	}
	return made[len(made)-1].IMEI, nil
}

// eachOf goes through a whole consignment on one snapshot. The device is nil when it is not enrolled.
func eachOf(tx Tx, consignment string, fn func(Production, *Device) error) error {
	for after := device.IMEI(""); ; {
		next, err := consigned(tx, consignment, after, sweepPage, fn)
		if err != nil || next == "" {
			return err
		}
		after = next
	}
}

func countEnrolled(tx Tx, consignment string) (n int, err error) {
	err = eachOf(tx, consignment, func(_ Production, d *Device) error {
		if d != nil {
			n++
		}
		return nil
	})
	return n, err
}

// noticeCohort gives notice to the enrolled devices of a consignment, as far as the rules allow it; the others get theirs when
// their record clears up, at a check-in.
func (s *Service) noticeCohort(ctx context.Context, consignment, warrantID string, now time.Time) error {
	book, err := s.book(ctx, now)
	if err != nil {
		return err
	}
	for after := device.IMEI(""); ; {
		var next device.IMEI
		err := s.turn(ctx, now, func(t *turn) (err error) {
			next, err = consigned(t.tx, consignment, after, lockChunk, func(p Production, d *Device) error {
				if d == nil {
					return nil
				}
				return t.noticeOne(book, &p, d, warrantID)
			})
			return err
		})
		if err != nil || next == "" {
			return err
		}
		after = next
	}
}

func (t *turn) noticeOne(b *book, p *Production, d *Device, warrantID string) error {
	v := &visit{turn: t, book: b, device: d, made: p}
	r, err := t.tx.Restriction(d.ID, warrantGround(warrantID))
	if none, err := absent(err); err != nil {
		return err
	} else if none {
		r = nil
	}
	return v.dueByWarrant(warrantID, r)
}
