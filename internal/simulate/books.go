package simulate

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// books checks what the server promises, on what is durable: it reads the store and the ledger past the process.
type books struct {
	w            *world
	restoredOnce bool // an old backup of the store was put back
	restores     int
	since        int // leaves in the ledger when that happened last
}

func (b *books) check(line string, holds bool, format string, args ...any) {
	b.w.result.Checks++
	if !holds {
		b.w.violate(line, "server: "+format, args...)
	}
}

func (b *books) view(fn func(authority.Tx) error) {
	if err := b.w.server.db.View(context.Background(), fn); err != nil {
		b.w.violate("books", "the store cannot be read: %v", err)
	}
}

// restored hears that an old backup was put back: what the store had learnt since is lost.
func (b *books) restored() {
	b.restoredOnce = true
	b.restores++
	b.since = len(b.w.server.log.leaves)
	for _, h := range b.w.phones {
		h.audit.serverForgot()
	}
}

// audit is made after each step of the server; whole, after a crash and at the end, of every row.
func (b *books) audit(whole bool) {
	log := b.w.server.log
	b.check("C6", log.repeated == nil, "a leaf is in the ledger twice")
	if !whole {
		return
	}
	b.view(func(tx authority.Tx) error {
		rows := make(map[order.ID]bool)
		if err := tx.EachDevice(device.ID{}, func(d *authority.Device) error { return b.checkDevice(tx, d, rows) }); err != nil {
			return err
		}
		for _, leaf := range log.leaves[min(b.since, len(log.leaves)):] {
			b.check("C6", rows[order.LeafID(leaf)], "a leaf is in the ledger whose row is lost")
		}
		return nil
	})
}

// checkDevice holds a device's rows against the ledger: what is sequenced is in it, in the order of issue. It adds its orders to rows.
func (b *books) checkDevice(tx authority.Tx, d *authority.Device, rows map[order.ID]bool) error {
	log := b.w.server.log
	orders, err := tx.OrdersOf(d.ID, 1<<20)
	if err != nil {
		return err
	}
	last := int64(-1)
	for _, o := range slices.Backward(orders) {
		rows[o.ID] = true
		if !o.Sequenced {
			continue
		}
		there := o.Index < uint64(len(log.leaves)) && bytes.Equal(log.leaves[o.Index], o.Leaf)
		b.check("C6", there, "the row of an order names index %d, where the ledger has another leaf or none", o.Index)
		b.check("C9", int64(o.Index) > last, "orders of one device are in the ledger out of order: %d after %d", o.Index, last)
		last = int64(o.Index)
	}
	restrictions, err := tx.Restrictions(d.ID)
	if err != nil {
		return err
	}
	for _, r := range restrictions {
		if r.Stage == order.Locked {
			w, err := tx.Wave(r.Wave)
			b.check("C7", err == nil && w.State == authority.WaveApproved && w.DecidedBy != "", "%v of %v is locked without an approved wave", r.Ground, d.ID)
		}
		if r.Ground.Kind == order.Warrant {
			w, err := tx.Warrant(r.Ground.ID)
			b.check("C7", err == nil && w.CountersignBy != "" && w.CountersignBy != w.DraftedBy, "%v rests on a warrant without two officers", r.Ground)
		}
	}
	return nil
}

// leaves checks an answer before it leaves: the row and the leaf of each order in it are durable, and the leaf is published.
func (b *books) leaves(to device.IMEI, answer *protocol.CheckInAnswer) {
	for i := range answer.Orders {
		b.leaf(to, &answer.Orders[i])
	}
}

func (b *books) leaf(to device.IMEI, sealed *order.Sealed) {
	id := sealed.ID()
	b.check("C6", b.published(id), "an order leaves whose leaf is not published")
	b.view(func(tx authority.Tx) error {
		o := new(authority.Order)
		d, err := tx.DeviceByIMEI(to)
		if err == nil {
			o, err = tx.Order(d.ID, id)
		}
		b.check("C6", err == nil && o.Sequenced, "an order leaves whose row is not durable")
		return nil
	})
}

// known hears how the server took a token, and returns the check of what it says when the same one comes again. One on which an old
// backup was put back since may have forgotten.
func (b *books) known(err error) func(error) {
	restores, taken := b.restores, err == nil
	return func(err error) {
		b.check("replay", err != nil || !taken || restores != b.restores, "the same evidence was taken twice")
	}
}

func (b *books) published(id order.ID) bool {
	at, ok := b.w.server.log.index[id]
	return ok && at < b.w.server.log.published
}

func (b *books) indexOf(id order.ID) uint64 { return b.w.server.log.index[id] }

// settle holds devices against the server, once all faults have stopped and every device came online (liveness).
func (b *books) settle() {
	b.audit(true)
	b.check("liveness", !b.w.server.waits(), "an order still waits for the ledger")
	b.view(func(tx authority.Tx) error {
		for _, h := range b.w.phones {
			if h.on && h.agent != nil && h.agent.Enrolled() {
				b.settleOne(tx, h)
			}
		}
		return nil
	})
}

func (b *books) settleOne(tx authority.Tx, h *handset) {
	d, err := tx.DeviceByIMEI(h.made.imei)
	if err != nil {
		b.check("liveness", errors.Is(err, authority.ErrAbsent) && b.restoredOnce, "%s is enrolled, and the server does not know it", h.made.serial)
		return
	}
	for _, g := range h.agent.Screen().Grounds {
		if g.Stage != order.Noticed && g.Stage != order.Locked {
			continue
		}
		r, err := tx.Restriction(d.ID, g.Ground)
		if err != nil || !r.Active() {
			b.w.result.LiftsUndelivered++
			b.check("liveness", false, "%s is %v on %v, and the server has lifted it, or knows nothing of it", h.made.serial, g.Stage, g.Ground)
			continue
		}
		b.check("liveness", g.Stage != order.Locked || r.Stage == order.Locked, "%s is locked on %v, and the server says %v", h.made.serial, g.Ground, r.Stage)
	}
}
