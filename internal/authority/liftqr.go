package authority

import (
	"context"
	"errors"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
)

// WaitingLift is a lift in the ledger that its device has not reported yet.
type WaitingLift struct {
	Ground order.Ground
	Sealed order.Sealed
}

// OwnerLift gives an owner the lift on the ground that the reference names, while the device has not reported it: to be shown as a
// QR code, for a phone without a network. It fails with ErrNoMatch as OwnerLook does, and with ErrNoOrder when no lift waits.
func (s *Service) OwnerLift(ctx context.Context, imei, reference string) (*order.Sealed, error) {
	return s.ownersOrder(ctx, imei, reference, func(tx Tx, id device.ID, g order.Ground) (found *Order, err error) {
		waiting, err := waitingLifts(tx, id)
		for _, o := range waiting {
			if o.Ground == g {
				found = o
			}
		}
		return found, err
	})
}

// WaitingLifts gives an officer the lifts that wait for a device, one for each ground.
func (s *Service) WaitingLifts(ctx context.Context, id device.ID) ([]WaitingLift, error) {
	var orders []*Order
	err := s.view(ctx, func(tx Tx) (err error) {
		orders, err = waitingLifts(tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	var lifts []WaitingLift
	for _, o := range orders {
		sealed, err := s.seal(ctx, o)
		if err != nil {
			return nil, err
		}
		lifts = append(lifts, WaitingLift{o.Ground, *sealed})
	}
	return lifts, nil
}

// waitingLifts lists the sequenced lifts that the device did not say it follows; what it lifted by itself needs none.
func waitingLifts(tx Tx, id device.ID) (lifts []*Order, err error) {
	orders, err := tx.Deliverable(id)
	if err != nil {
		return nil, err
	}
	for _, o := range orders {
		if o.Kind != order.Lift {
			continue
		}
		r, err := tx.Restriction(id, o.Ground)
		if err != nil && !errors.Is(err, ErrAbsent) {
			return nil, err
		}
		if err == nil && r.Stage == order.Lifted && r.Applied != order.Lifted {
			lifts = append(lifts, o)
		}
	}
	return lifts, nil
}

// seal puts a sequenced order together with its proof, as its device reads it.
func (s *Service) seal(ctx context.Context, o *Order) (*order.Sealed, error) {
	proof, err := s.cfg.Ledger.Proof(ctx, o.Index)
	if err != nil {
		return nil, ErrLedgerUnavailable.because(err)
	}
	return &order.Sealed{Leaf: o.Leaf, Salt: o.Salt, Proof: proof}, nil
}
