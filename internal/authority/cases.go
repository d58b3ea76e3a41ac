package authority

import (
	"context"
	"fmt"

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
