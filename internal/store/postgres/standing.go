package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
	"github.com/bailiwick-dev/bailiwick/order"
)

// standing is how a device stands that has, or had, restrictions. A lane reads it for those in its batch, so that a check-in that only looks
// at it needs no transaction of its own. The restrictions cannot change while the lane has the device's row: every change of one locks it
// (trigger restriction_counts). Orders may, by themselves: by the sequencer, say, which looks at nothing that a check-in writes.
type standing struct {
	restrictions []*restriction.Restriction // by ground
	orders       []*authority.Order         // oldest first
	whole        bool                       // these are all orders
}

// ordersEach bounds the orders that a lane reads, on average of its devices.
const ordersEach = 50

const (
	loadRestrictions = "SELECT " + table.RestrictionColumns + " FROM restriction WHERE device = ANY($1) ORDER BY device, ground_kind, ground"
	loadOrders       = "SELECT " + table.OrderColumns + " FROM orders WHERE device = ANY($1) ORDER BY device, issued_at, number LIMIT $2"
)

// loadStanding reads how those devices of a batch stand that ever had a restriction, if there are any.
func (l *lane) loadStanding(ctx context.Context, batch map[device.ID]*call) error {
	var numbers []int64
	for id, c := range batch {
		if c.row != nil && order.Stage(c.row.stage) != order.Observed {
			numbers = append(numbers, record.Number(id))
			c.own = new(standing)
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	slices.Sort(numbers)
	most := ordersEach * len(numbers)
	found := 0
	b := new(pgx.Batch)
	b.Queue(loadRestrictions, numbers).Query(func(rows pgx.Rows) error {
		return read(rows, func(row pgx.Rows) error {
			r, err := table.ScanRestriction(row)
			if err == nil {
				own := batch[r.Device].own
				own.restrictions = append(own.restrictions, r)
			}
			return err
		})
	})
	b.Queue(loadOrders, numbers, most).Query(func(rows pgx.Rows) error {
		return read(rows, func(row pgx.Rows) error {
			o, err := table.ScanOrder(row)
			if err == nil {
				own := batch[o.Device].own
				own.orders = append(own.orders, o)
				found++
			}
			return err
		})
	})
	if err := l.s.conn.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	for _, c := range batch {
		if c.own != nil {
			c.own.whole = found < most
		}
	}
	return nil
}

// held returns how the device at hand stands; nil when it has to be asked in a transaction of its own. One that never had a restriction
// has none.
func (l *light) held(id device.ID) *standing {
	switch {
	case l.over || l.outgrown || l.call == nil || l.call.id != id || l.call.row == nil:
		return nil
	case order.Stage(l.call.row.stage) == order.Observed:
		return new(standing)
	}
	return l.call.own
}

func (l *light) Restrictions(id device.ID) ([]*restriction.Restriction, error) {
	own := l.held(id)
	if own == nil {
		return l.tx.Restrictions(id)
	}
	var list []*restriction.Restriction
	for _, r := range own.restrictions {
		c := *r
		list = append(list, &c)
	}
	return list, nil
}

func (l *light) Restriction(id device.ID, g order.Ground) (*restriction.Restriction, error) {
	own := l.held(id)
	if own == nil {
		return l.tx.Restriction(id, g)
	}
	for _, r := range own.restrictions {
		if r.Ground == g {
			c := *r
			return &c, nil
		}
	}
	return nil, authority.ErrAbsent
}

// ReportApplied mostly says what is known; then nothing is written.
func (l *light) ReportApplied(id device.ID, g order.Ground, stage order.Stage, shownDays int, at time.Time, note string) error {
	if own := l.held(id); own != nil {
		for _, r := range own.restrictions {
			if r.Ground == g && r.Applied == stage && r.ShownDays == shownDays && r.AppliedNote == note && !r.AppliedAt.IsZero() {
				return nil
			}
		}
	}
	return l.tx.ReportApplied(id, g, stage, shownDays, at, note)
}

func (l *light) Deliverable(id device.ID) ([]*authority.Order, error) {
	own := l.held(id)
	if own == nil || !own.whole {
		return l.tx.Deliverable(id)
	}
	var list []*authority.Order
	for _, o := range own.orders {
		if o.Sequenced && !o.Settled {
			c := *o
			list = append(list, &c)
		}
	}
	return list, nil
}

func (l *light) OrdersOf(id device.ID, limit int) ([]*authority.Order, error) {
	own := l.held(id)
	if own == nil || !own.whole || limit < 1 {
		return l.tx.OrdersOf(id, limit)
	}
	var list []*authority.Order
	for i := len(own.orders) - 1; i >= 0 && len(list) < limit; i-- {
		c := *own.orders[i]
		list = append(list, &c)
	}
	return list, nil
}
