package authority

import (
	"context"
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
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

// noticeCohort gives notice to the enrolled devices of a consignment, as far as the rules allow it; the others get theirs when
// their record clears up, at a check-in.
func (s *Service) noticeCohort(ctx context.Context, consignment, warrantID string, now time.Time) error {
	book, err := s.book(ctx, now)
	if err != nil {
		return err
	}
	for after := device.IMEI(""); ; {
		var next device.IMEI
		err := s.turn(ctx, now, book, func(t *turn) (err error) {
			next, err = consigned(t.tx, consignment, after, lockChunk, func(p Production, d *Device) error {
				if d == nil {
					return nil
				}
				return t.noticeOne(book, d, warrantID)
			})
			return err
		})
		if err != nil || next == "" {
			return err
		}
		after = next
	}
}

func (t *turn) noticeOne(b *book, d *Device, warrantID string) error {
	v := &visit{turn: t, book: b, device: d}
	r, err := t.tx.Restriction(d.ID, warrantGround(warrantID))
	if none, err := absent(err); err != nil {
		return err
	} else if none {
		r = nil
	}
	return v.dueByWarrant(warrantID, r)
}
