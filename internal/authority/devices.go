package authority

import (
	"context"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Devices lists enrolled devices in the order of their ids, behind q.After; q.Limit is 1 to 1,000. next is where to go on behind, the zero ID at
// the end: no more than MaxRead devices are looked at, so that a list may be short, or empty, and not the last.
func (s *Service) Devices(ctx context.Context, q DeviceQuery) (list []DeviceRow, next device.ID, err error) {
	q.Limit = bounded(q.Limit)
	err = s.view(ctx, func(tx Tx) error {
		var devices []*Device
		if devices, next, err = tx.Devices(q); err != nil {
			return err
		}
		list = make([]DeviceRow, len(devices))
		for i, d := range devices {
			list[i] = DeviceRow{Device: d, Stage: d.Stage}
			if made := d.Made; made != nil {
				list[i].Market, list[i].Consignee = made.Market, made.Consignee
			}
		}
		return nil
	})
	return list, next, err
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
