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

// OpenCase begins an investigation of one consignment, and the count of a large one. It restricts nobody.
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
	var count *Job
	err = s.update(ctx, func(tx Tx) error {
		count = nil
		made, err := tx.CountProductions(consignment, CountAtOnce+1)
		if err != nil {
			return err
		}
		if made == 0 {
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
		if made > CountAtOnce {
			if count, err = beginCount(tx, c.ID, actor.Name, c.OpenedAt); err != nil {
				return err
			}
		}
		return tx.AddEvent(Event{At: c.OpenedAt, Kind: "case", Case: c.ID, Actor: actor.Name, Detail: "The case " + c.ID + " was opened: " + title})
	})
	if err != nil {
		return nil, err
	}
	if count != nil {
		s.handOver(ctx, count)
	}
	return c, nil
}

// consigned reads a page of the production records of a consignment behind an IMEI, and the devices that are enrolled of them, by position.
func consigned(tx Tx, consignment string, after device.IMEI, page int) ([]Production, []*Device, error) {
	made, err := tx.Productions(consignment, after, page)
	if err != nil || len(made) == 0 {
		return nil, nil, err
	}
	imeis := make([]device.IMEI, len(made))
	for i := range made {
		imeis[i] = made[i].IMEI
	}
	devices, err := tx.DevicesByIMEIs(imeis)
	return made, devices, err
}

// noticeCohort gives notice to the enrolled devices of a consignment, as far as the rules allow it; the others get theirs when
// their record clears up, at a check-in.
func (s *Service) noticeCohort(ctx context.Context, consignment, warrantID string, now time.Time) error {
	book, err := s.book(ctx, now)
	if err != nil {
		return err
	}
	for after := device.IMEI(""); ; {
		var made []Production
		err := s.turn(ctx, now, book, func(t *turn) (err error) {
			var devices []*Device
			if made, devices, err = consigned(t.tx, consignment, after, lockChunk); err != nil {
				return err
			}
			for _, d := range devices {
				if d == nil {
					continue
				}
				if err := t.noticeOne(book, d, warrantID); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(made) < lockChunk {
			return err
		}
		after = made[len(made)-1].IMEI
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
