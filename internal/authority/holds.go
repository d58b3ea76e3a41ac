package authority

import (
	"context"
	"sync"

	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

// hold is a warrant in force of a case that holds its consignment.
type hold struct {
	warrant     *Warrant
	consignment string
}

// holdbook keeps the holds in force in memory, so that a check-in need not look for them. It only says where to look: what is
// done about a hold reads the warrant and its case again, in the same transaction.
type holdbook struct {
	reading sync.Mutex // of the store, as in rulebook

	mu            sync.RWMutex
	read          bool
	byConsignment map[string][]hold
}

// maxCases bounds how many cases are looked through for holds.
const maxCases = 10_000

// allHolds returns the holds in force by consignment. Callers do not change the map.
func (s *Service) allHolds(ctx context.Context) (map[string][]hold, error) {
	s.holds.mu.RLock()
	read, holds := s.holds.read, s.holds.byConsignment
	s.holds.mu.RUnlock()
	if read {
		return holds, nil
	}
	return s.readHolds(ctx)
}

// readHolds reads the holds in force from the store.
func (s *Service) readHolds(ctx context.Context) (map[string][]hold, error) {
	s.holds.reading.Lock()
	defer s.holds.reading.Unlock()
	g, err := s.readSignatures(ctx)
	if err != nil {
		return nil, err
	}
	all, kept := make(map[string][]hold), make(map[string]bool)
	now := s.now()
	err = s.view(ctx, func(tx Tx) error {
		clear(all)
		clear(kept)
		cases, err := tx.Cases(maxCases)
		if err != nil {
			return err
		}
		for _, c := range cases {
			if c.State != CaseHolding {
				continue
			}
			warrants, err := tx.Warrants(c.ID)
			if err != nil {
				return err
			}
			for _, w := range warrants {
				if !now.Before(w.EndsAt) {
					continue
				}
				if _, counts, err := s.authentic(tx, g, w); err != nil {
					return err
				} else if counts {
					all[c.Consignment] = append(all[c.Consignment], hold{w, c.Consignment})
					kept[w.ID] = true
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.cohorts.retain(kept)
	s.holds.mu.Lock()
	defer s.holds.mu.Unlock()
	s.holds.read, s.holds.byConsignment = true, all
	return all, nil
}

// warrantSupport says, inside a transaction, what a warrant says of a device. It is held when officers signed the warrant for a cohort
// with it, and the production records still have it in the case's consignment.
func (t *turn) warrantSupport(b *book, id string, d *Device) (restriction.Support, *Warrant, error) {
	w, c, err := warrantIn(t.tx, id)
	if err != nil {
		return restriction.Unclear, nil, err
	}
	held := false
	if c.State == CaseHolding && d.Made != nil && d.Made.Consignment != "" && c.Consignment == d.Made.Consignment {
		tree, counts, err := t.s.authentic(t.tx, b.signed, w)
		if err != nil {
			return restriction.Unclear, nil, err
		}
		held = counts && tree.Contains(d.IMEI)
	}
	return restriction.OfWarrant(held, c.State == CaseConcluded, w.EndsAt, t.now), w, nil
}

// warrantGround is the ground of a warrant.
func warrantGround(id string) order.Ground { return order.Ground{Kind: order.Warrant, ID: id} }
