package authority

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// Epoch gives out the epoch of the moment.
func (s *Service) Epoch(context.Context) protocol.EpochAnswer {
	now := s.now()
	return protocol.EpochAnswer{Epoch: s.verifier.Epochs().At(now), Time: now}
}

// answer puts together what the device gets. All of it is durable by now. An order whose proof cannot be had at the moment is
// left out: it comes with the next answer.
func (s *Service) answer(ctx context.Context, v *visit, from netip.Addr) (*protocol.CheckInAnswer, error) {
	a := &protocol.CheckInAnswer{
		Epoch: s.verifier.Epochs().At(v.now), Time: v.now, Sequence: v.device.Sequence, IP: s.cfg.IP(from), Unlocks: v.device.Unlocks,
		NextCheckIn: s.nextCheckIn(v.device.ID, v.now),
	}
	if v.pending {
		a.NextCheckIn = s.cfg.PendingCheckIn
	}
	told := make(map[string]bool)
	for _, o := range v.orders {
		proof, err := s.cfg.Ledger.Proof(ctx, o.Index)
		if err != nil {
			s.cfg.Logger.Error("no proof for an order", "index", o.Index, "error", err)
			a.NextCheckIn = s.cfg.PendingCheckIn
			continue
		}
		a.Orders = append(a.Orders, order.Sealed{Leaf: o.Leaf, Salt: o.Salt, Proof: proof})
		if w := v.warrants[o.Ground.ID]; w != nil && o.Ground.Kind == order.Warrant && !told[w.ID] {
			told[w.ID] = true
			a.Warrants = append(a.Warrants, publicWarrant(w))
		}
	}
	if e := v.book.edition; e != nil && v.said.PolicyHash != e.extract.Hash {
		extract := e.extract
		a.Policy = &extract
	}
	return a, nil
}

// nextCheckIn spreads devices evenly over the interval: each has its own moment in it, by its id, so that neither a release nor a
// restart makes all of them call at once. It is half an interval to one and a half from now, in whole seconds.
func (s *Service) nextCheckIn(id device.ID, now time.Time) time.Duration {
	every := int64(s.cfg.CheckInEvery / time.Second)
	if every < 2 {
		return s.cfg.CheckInEvery
	}
	sum := sha256.Sum256(id[:])
	moment := int64(binary.BigEndian.Uint64(sum[:8]) % uint64(every))
	wait := ((moment-now.Unix())%every + every) % every
	if wait < every/2 {
		wait += every
	}
	return time.Duration(wait) * time.Second
}

// publicWarrant is a warrant as devices read it; its hash is what orders rest on.
func publicWarrant(w *Warrant) protocol.Warrant {
	return protocol.Warrant{
		ID: w.ID, Case: w.Case, Reason: w.Reason, IssuedAt: w.CountersignAt, EndsAt: w.EndsAt,
		Officers: [2]string{w.DraftedBy, w.CountersignBy},
	}
}
