package authority

import (
	"context"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Devices lists enrolled devices in the order of their ids; q.Limit is 1 to 1,000, and q.After goes on behind a device.
func (s *Service) Devices(ctx context.Context, q DeviceQuery) (list []DeviceRow, err error) {
	q.Limit = bounded(q.Limit)
	err = s.view(ctx, func(tx Tx) error {
		devices, err := tx.Devices(q)
		if err != nil {
			return err
		}
		list = make([]DeviceRow, 0, len(devices))
		for _, d := range devices {
			row, err := deviceRow(tx, d)
			if err != nil {
				return err
			}
			list = append(list, row)
		}
		return nil
	})
	return list, err
}

func deviceRow(tx Tx, d *Device) (DeviceRow, error) {
	row := DeviceRow{Device: d}
	if made := d.Made; made != nil {
		row.Market, row.Consignee = made.Market, made.Consignee
	}
	restrictions, err := tx.Restrictions(d.ID)
	row.Stage = strictest(restrictions)
	return row, err
}

// strictest is the strictest stage that is not lifted; Observed when there never was one, Lifted when all are.
func strictest(restrictions []*Restriction) order.Stage {
	stage := order.Observed
	for _, r := range restrictions {
		if r.Active() {
			stage = max(stage, r.Stage)
		}
	}
	if stage == order.Observed && len(restrictions) > 0 {
		return order.Lifted
	}
	return stage
}

// FindDevice returns the enrolled device of an IMEI as people write it.
func (s *Service) FindDevice(ctx context.Context, imei string) (d *Device, err error) {
	i, err := device.ParseIMEI(imei)
	if err != nil {
		return nil, ErrInvalid.because(err).saying("this is no IMEI").fixing("dial *#06# to see it; it has 15 digits")
	}
	err = s.view(ctx, func(tx Tx) (err error) {
		d, err = tx.DeviceByIMEI(i)
		return err
	})
	return d, err
}

// DeviceDetail returns all that the authority knows of a device, and the decision that it would make now.
func (s *Service) DeviceDetail(ctx context.Context, id device.ID) (*DeviceDetail, error) {
	now := s.now()
	book, err := s.book(ctx, now)
	if err != nil {
		return nil, err
	}
	detail := &DeviceDetail{}
	err = s.view(ctx, func(tx Tx) (err error) {
		*detail = DeviceDetail{}
		if detail.Device, err = tx.Device(id); err != nil {
			return err
		}
		if detail.Production, err = production(tx, detail.Device); err != nil {
			return err
		}
		if detail.Restrictions, err = tx.Restrictions(id); err != nil {
			return err
		}
		if detail.Events, err = tx.Events(id, 200); err != nil {
			return err
		}
		if detail.Appeals, err = tx.AppealsOf(id); err != nil {
			return err
		}
		orders, err := tx.OrdersOf(id, 100)
		if err != nil {
			return err
		}
		for _, o := range orders {
			row, err := orderRow(o)
			if err != nil {
				return err
			}
			detail.Orders = append(detail.Orders, row)
		}
		detail.Decision = s.decide(book.edition, detail.Device, now)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return detail, nil
}

func orderRow(o *Order) (OrderRow, error) {
	row := OrderRow{Order: o, State: OrderPending}
	switch {
	case o.Refusal != "":
		row.State = OrderRefused
	case o.Settled:
		row.State = OrderFollowed
	case !o.DeliveredAt.IsZero():
		row.State = OrderDelivered
	case o.Sequenced:
		row.State = OrderSequenced
	}
	var err error
	row.Text, err = order.ParseLeaf(o.Leaf)
	return row, err
}
