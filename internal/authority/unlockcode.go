package authority

import (
	"context"
	"slices"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

// UnlockCode answers the challenge of a locked screen (package unlock). Each answer spends a counter, is recorded with its
// justification, and opens nothing by itself: the device lifts when the code is typed, and reports it.
func (s *Service) UnlockCode(ctx context.Context, actor *Officer, id device.ID, challenge, justification string) (code string, err error) {
	if err := allow(actor, MayGiveUnlockCodes); err != nil {
		return "", err
	}
	digits, err := unlock.Normalise(challenge)
	if err != nil {
		return "", ErrInvalid.saying("%v", err)
	}
	justification, err = line("justification", justification, 5, 500)
	if err != nil {
		return "", err
	}
	secret := unlock.DeriveSecret(s.cfg.UnlockMaster, id)
	err = s.turn(ctx, s.now(), nil, func(t *turn) error {
		d, err := t.tx.Device(id)
		if err != nil {
			return err
		}
		if ordered, err := anyOrdered(t.tx, id); err != nil {
			return err
		} else if !ordered {
			return ErrNotActive.saying("no lock was ever ordered for this device")
		}
		// The device tries unlock.Window counters from its own: more codes than that, given out while it cannot be reached, would
		// leave it without any that fits.
		events, err := t.tx.Events(id, 200)
		if err != nil {
			return err
		}
		given := 0
		for _, e := range events {
			if e.Kind == "unlock-code" && e.At.After(d.LastSeen) {
				given++
			}
		}
		if given >= unlock.Window-1 {
			return &Error{Kind: RateLimited, Name: "too-many-codes", Detail: "too many codes were given out since the device was last seen",
				Fix: "bring the device into a network, or lift the restriction: it learns of it there"}
		}
		if code, err = unlock.Answer(secret[:], d.Unlocks, digits); err != nil {
			return err
		}
		d.Unlocks++
		if err := t.tx.PutDevice(d); err != nil {
			return err
		}
		t.count = append(t.count, s.counters.unlocks.Inc)
		return t.note(id, "unlock-code", order.Ground{}, actor.Name, "An unlock code was given out: %s", justification)
	})
	if err != nil {
		return "", err
	}
	return code, nil
}

// anyOrdered reports whether a lock was ever ordered. A lift that the device has not heard of yet does not matter, nor that the lock
// was taken back: that is what codes are for.
func anyOrdered(tx Tx, id device.ID) (bool, error) {
	restrictions, err := tx.Restrictions(id)
	if err != nil || slices.ContainsFunc(restrictions, func(r *Restriction) bool { return !r.LockedAt.IsZero() }) {
		return err == nil, err
	}
	orders, err := tx.OrdersOf(id, 200)
	return slices.ContainsFunc(orders, func(o *Order) bool { return o.Kind == order.Lock }), err
}
