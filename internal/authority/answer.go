package authority

import (
	"context"
	"net/netip"
	"slices"

	"github.com/bailiwick-dev/bailiwick/internal/span"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// Epoch gives out the epoch of the moment.
func (s *Service) Epoch(context.Context) protocol.EpochAnswer {
	now := s.now()
	return protocol.EpochAnswer{Epoch: s.verifier.Epochs().At(now), Time: now}
}

// answer puts together what the device gets. All of it is durable by now. An order whose proof cannot be had at the moment is
// left out: it comes with the next answer.
func (s *Service) answer(ctx context.Context, v *visit, from netip.Addr) (*protocol.CheckInAnswer, error) {
	ctx, sp := span.Start(ctx, "answer")
	defer sp.End()
	span.Count(sp, "orders", len(v.orders))
	a := &protocol.CheckInAnswer{
		Epoch: s.verifier.Epochs().At(v.now), Time: v.now, Sequence: v.device.Sequence, IP: s.cfg.IP(from), Unlocks: v.device.Unlocks,
		NextCheckIn: NextCheckIn(v.device.ID, v.device.Sequence, v.now, s.cfg.CheckInEvery),
	}
	if v.pending {
		a.NextCheckIn = s.cfg.PendingCheckIn
	}
	if v.urgent() {
		s.urgent.add(v.device.ID, v.now)
	}
	told, escalates, warranted := make(map[string]bool), false, false
	for _, o := range v.orders {
		proof, err := s.cfg.Ledger.Proof(ctx, o.Index)
		if err != nil {
			s.cfg.Logger.Error("no proof for an order", "index", o.Index, "error", err)
			a.NextCheckIn = s.cfg.PendingCheckIn
			continue
		}
		a.Orders = append(a.Orders, order.Sealed{Leaf: o.Leaf, Salt: o.Salt, Proof: proof})
		escalates = escalates || o.Kind != order.Lift
		warranted = warranted || o.Kind == order.Notice && o.Ground.Kind == order.Warrant
		if h := v.held[o.Ground.ID]; h != nil && o.Ground.Kind == order.Warrant && !told[o.Ground.ID] {
			told[o.Ground.ID] = true
			a.Warrants = append(a.Warrants, *h)
		}
	}
	if e := v.book.edition; e != nil && v.said.PolicyHash != e.extract.Hash {
		a.Policy, a.Encoded = &e.extract, e.bytes // shared by all answers
	}
	if a.Policy != nil || warranted || escalates && v.behind() {
		g, err := s.fresh(ctx, v.now)
		if err != nil {
			return nil, err
		}
		a.Metadata = g.update(v.said.Metadata.Root)
	}
	return a, nil
}

// urgent reports whether the device is locked, or has something to come: its next contact should get through.
func (v *visit) urgent() bool {
	return v.pending || slices.ContainsFunc(v.restrictions, func(r *Restriction) bool { return r.Active() && r.Stage == order.Locked }) ||
		slices.ContainsFunc(v.orders, func(o *Order) bool { return o.Kind == order.Lift })
}

// behind reports whether the device trusts older metadata than there are. A policy and the notice of a warrant always come with
// theirs, since the device verifies them against what is in the same answer.
func (v *visit) behind() bool {
	said, there := v.said.Metadata, v.book.signed.versions
	return said.Root < there.Root || said.Timestamp < there.Timestamp
}

// update is what a device needs that trusts the root of that version, 0 for none; nil while nothing counts.
func (g *signatures) update(root uint64) *tuf.Update {
	if !g.sound() {
		return nil
	}
	u := g.repository.Update(root)
	return &u
}
