package authority

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/custody"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// ConcludeCase writes the finding down and releases the cohort: every hold of the case is lifted for good. What an interruption
// leaves, the next sweep lifts.
func (s *Service) ConcludeCase(ctx context.Context, actor *Officer, caseID, finding string) (*Release, error) {
	if err := allow(actor, MayInvestigate); err != nil {
		return nil, err
	}
	finding, err := line("finding", finding, 10, 2000)
	if err != nil {
		return nil, err
	}
	now := s.now()
	var warrants []*Warrant
	err = s.update(ctx, func(tx Tx) error {
		c, err := tx.Case(caseID)
		if err != nil {
			return err
		}
		if c.State == CaseConcluded {
			return ErrCaseConcluded
		}
		was := c.State
		c.State, c.Finding, c.ConcludedBy, c.ConcludedAt = CaseConcluded, finding, actor.Name, now
		if err := tx.PutCaseIfState(c, was); errors.Is(err, ErrConflict) {
			return ErrCaseConcluded.because(err)
		} else if err != nil {
			return err
		}
		if _, err := tx.NextNumber(rulesSeries); err != nil {
			return err
		}
		if warrants, err = tx.Warrants(caseID); err != nil {
			return err
		}
		return tx.AddEvent(Event{At: now, Kind: "case", Actor: actor.Name, Detail: "The case " + caseID + " was concluded: " + finding})
	})
	if err != nil {
		return nil, err
	}
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	release := &Release{}
	for _, w := range warrants {
		n, err := s.releaseWarrant(ctx, w, actor.Name)
		release.Lifted += n
		if err != nil {
			return release, err
		}
	}
	return release, s.view(ctx, func(tx Tx) (err error) {
		release.Stragglers, err = stragglers(tx, warrants)
		return err
	})
}

// releaseWarrant lifts every restriction by a warrant, in transactions of lockChunk.
func (s *Service) releaseWarrant(ctx context.Context, w *Warrant, actor string) (lifted int, err error) {
	now := s.now()
	for after := (device.ID{}); ; {
		n, last := 0, after
		err := s.turn(ctx, now, nil, func(t *turn) error {
			n, last = 0, after
			page, err := t.tx.ActiveOn(warrantGround(w.ID), after, lockChunk)
			if err != nil {
				return err
			}
			for _, r := range page {
				last = r.Device
				if !r.Active() {
					continue
				}
				if err := t.lift(r, w.Hash, order.ByCase, actor, "The case was concluded, and its hold released."); err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil {
			return lifted, err
		}
		lifted += n
		if last == after {
			return lifted, nil
		}
		after = last
	}
}

// stragglers counts the devices that have not reported a lift by these warrants yet.
func stragglers(tx Tx, warrants []*Warrant) (total int, err error) {
	for _, w := range warrants {
		n, err := tx.CountUnsettled(warrantGround(w.ID))
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// CaseDetail counts a case's cohort.
func (s *Service) CaseDetail(ctx context.Context, id string) (*CaseDetail, error) {
	detail := &CaseDetail{}
	err := s.view(ctx, func(tx Tx) (err error) {
		*detail = CaseDetail{}
		if detail.Case, err = tx.Case(id); err != nil {
			return err
		}
		if detail.Warrants, err = tx.Warrants(id); err != nil {
			return err
		}
		if err := detail.countCohort(tx); err != nil {
			return err
		}
		if detail.Case.State == CaseConcluded {
			if detail.Stragglers, err = stragglers(tx, detail.Warrants); err != nil {
				return err
			}
		}
		return detail.readEvents(tx)
	})
	if err != nil {
		return nil, err
	}
	return detail, nil
}

func (c *CaseDetail) countCohort(tx Tx) error {
	activations, markets := map[string]int{}, map[string]int{}
	var shipments []custody.Shipment
	err := eachOf(tx, c.Case.Consignment, func(p Production, d *Device) error {
		c.Devices++
		markets[string(p.Market)]++
		shipment := shipmentOf(p, d)
		shipments = append(shipments, shipment)
		if d == nil {
			return nil
		}
		c.Enrolled++
		activations[string(shipment.Activation)]++
		stage, err := c.stageOf(tx, d.ID)
		switch stage {
		case order.Noticed:
			c.Noticed++
		case order.Locked:
			c.Locked++
		case order.Lifted:
			c.Lifted++
		default:
			c.Observed++
		}
		return err
	})
	if err != nil {
		return err
	}
	c.Activations = ranked(activations)
	c.Market = territory.Code(mostOf(markets).Name)
	c.Consignees = diversions(shipments)
	for _, d := range c.Consignees {
		c.Diverted += d.Outside
	}
	return nil
}

// stageOf is how far the case's warrants have gone with a device: the strictest that is not lifted, Lifted when all are.
func (c *CaseDetail) stageOf(tx Tx, id device.ID) (order.Stage, error) {
	stage := order.Observed
	for _, w := range c.Warrants {
		r, err := tx.Restriction(id, warrantGround(w.ID))
		if none, err := absent(err); err != nil {
			return stage, err
		} else if none {
			continue
		}
		if r.Stage != order.Lifted {
			if stage == order.Lifted || r.Stage > stage {
				stage = r.Stage
			}
		} else if stage == order.Observed {
			stage = order.Lifted
		}
	}
	return stage, nil
}

// readEvents picks the fleet's events that name the case or one of its warrants.
func (c *CaseDetail) readEvents(tx Tx) error {
	events, err := tx.Events(device.ID{}, maxListing)
	for _, e := range events {
		ours := e.Kind == "case" && strings.Contains(e.Detail, c.Case.ID+" ")
		for _, w := range c.Warrants {
			ours = ours || e.Ground == warrantGround(w.ID)
		}
		if ours {
			c.Events = append(c.Events, e)
		}
	}
	return err
}

// Diversions counts, by consignee, what was activated outside its market; of one consignment.
func (s *Service) Diversions(ctx context.Context, consignment string) (list []Diversion, err error) {
	consignment, err = line("consignment", consignment, 1, 64)
	if err != nil {
		return nil, err
	}
	err = s.view(ctx, func(tx Tx) error {
		var shipments []custody.Shipment
		err := eachOf(tx, consignment, func(p Production, d *Device) error {
			shipments = append(shipments, shipmentOf(p, d))
			return nil
		})
		list = diversions(shipments)
		return err
	})
	return list, err
}

func shipmentOf(p Production, d *Device) custody.Shipment {
	s := custody.Shipment{Consignment: p.Consignment, Consignee: p.Consignee, Market: p.Market}
	if d != nil && d.Activation != nil && !d.Activation.Mixed {
		s.Activation = d.Activation.Territory
	}
	return s
}

func diversions(shipments []custody.Shipment) []Diversion {
	counts := custody.CountDiversions(shipments)
	list := make([]Diversion, len(counts))
	for i, c := range counts {
		list[i] = Diversion{Consignee: c.Consignee, Devices: c.Devices, Activated: c.Activated, Outside: c.Outside}
	}
	slices.SortStableFunc(list, func(a, b Diversion) int { return cmp.Or(b.Outside-a.Outside, cmp.Compare(a.Consignee, b.Consignee)) })
	return list
}
