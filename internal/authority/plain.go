package authority

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
)

// plain makes up a check-in that only brings the record up to date, from the record as it was read before the signature was checked: the
// device never had a restriction and speaks of none, nothing is due for it, and nothing is new that its time line should tell. It is all
// worked out before the transaction, which is then one guarded write. It reports false for every other check-in, which must be looked at
// inside a transaction; d stays as it was then.
func (v *visit) plain(d *Device) bool {
	said := v.said
	if d.Stage != order.Observed || len(said.Grounds)+len(said.Refusals) > 0 || d.LastSeen.IsZero() ||
		said.Activation != nil && d.Activation == nil {
		return false
	}
	if d.Made != nil && len(v.book.holds[d.Made.Consignment]) > 0 {
		return false
	}
	next := *d
	v.device = &next
	v.takeDown()
	v.decision = v.s.decide(v.book.edition, &next, v.now)
	return !record(&next, v.decision, v.now) && v.decision.Verdict != policy.Deny &&
		next.Attestation == d.Attestation && next.ClockDoubt == d.ClockDoubt
}

// writePlain makes a plain check-in durable. It reports false when the record has changed since it was read: nothing is written then.
func (v *visit) writePlain(ctx context.Context, was uint64) (written bool, err error) {
	err = v.s.update(ctx, func(tx Tx) error {
		written = false // it may run again
		if v.device.Revision == 0 {
			same, err := v.unchanged(tx, was)
			if err != nil || !same {
				return err
			}
		}
		err := tx.UpdateDeviceIfNewer(v.device, was)
		written = err == nil
		if errors.Is(err, ErrConflict) {
			return nil
		}
		return err
	})
	return written, err
}

// unchanged compares the record with what this check-in goes out from, for a store that does not count its writes: of what others may
// have written meanwhile.
func (v *visit) unchanged(tx Tx, was uint64) (bool, error) {
	d, err := tx.Device(v.device.ID)
	if err != nil {
		return false, err
	}
	next := v.device // a record that was erased meanwhile was seen at no time: what this check-in goes out from must not come back
	return d.Sequence == was && !d.LastSeen.IsZero() && bytes.Equal(d.Key, next.Key) && d.KeyCeiling == next.KeyCeiling && d.IMEI == next.IMEI && d.Serial == next.Serial &&
		d.Model == next.Model && d.EnrolledAt.Equal(next.EnrolledAt) && d.Unlocks == next.Unlocks && d.Stage == next.Stage &&
		slices.Equal(d.LicenceNames, next.LicenceNames), nil
}
