package authority

import (
	"context"
	"sync"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

// hold is a countersigned warrant of a case that holds its consignment.
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
	all := make(map[string][]hold)
	now := s.now()
	err := s.view(ctx, func(tx Tx) error {
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
				if w.CountersignBy != "" && now.Before(w.EndsAt) {
					all[c.Consignment] = append(all[c.Consignment], hold{w, c.Consignment})
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.holds.mu.Lock()
	defer s.holds.mu.Unlock()
	s.holds.read, s.holds.byConsignment = true, all
	return all, nil
}

// warrantSupport says, inside a transaction, what a warrant says of a device of the given consignment.
func warrantSupport(tx Tx, id, consignment string, now time.Time) (restriction.Support, *Warrant, error) {
	w, err := tx.Warrant(id)
	if err != nil {
		return restriction.Unclear, nil, err
	}
	c, err := tx.Case(w.Case)
	if err != nil {
		return restriction.Unclear, nil, err
	}
	held := c.State == CaseHolding && w.CountersignBy != "" && consignment != "" && c.Consignment == consignment
	return restriction.OfWarrant(held, c.State == CaseConcluded, w.EndsAt, now), w, nil
}

// warrantGround is the ground of a warrant.
func warrantGround(id string) order.Ground { return order.Ground{Kind: order.Warrant, ID: id} }
