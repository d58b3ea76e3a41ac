package authority

import (
	"context"
	"fmt"
	"slices"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
)

// ImportProduction adds or replaces production records, which package custody reads, and returns how many. Rows are written in
// transactions of 500; after a failure the same rows can be imported again. What it changes of decisions shows at each device's
// next check-in.
func (s *Service) ImportProduction(ctx context.Context, actor *Officer, rows []Production) (int, error) {
	if err := allow(actor, MayImport); err != nil {
		return 0, err
	}
	for i, row := range rows {
		if imei, err := device.ParseIMEI(string(row.IMEI)); err != nil || imei != row.IMEI {
			return 0, ErrInvalid.saying("record %d has no valid IMEI", i+1)
		}
		if !row.Market.Valid() {
			return 0, ErrInvalid.saying("record %d has no valid market", i+1)
		}
	}
	done := 0
	for chunk := range slices.Chunk(rows, lockChunk) {
		if err := s.update(ctx, func(tx Tx) error { return tx.PutProduction(chunk) }); err != nil {
			return done, err
		}
		done += len(chunk)
	}
	now := s.now()
	return done, s.update(ctx, func(tx Tx) error {
		return tx.AddEvent(Event{At: now, Kind: "import", Actor: actor.Name, Detail: fmt.Sprintf("%d production records were imported.", done)})
	})
}

// maxLicences bounds the licences of a device.
const maxLicences = 16

// AttachLicence says that an individual licence of the policy covers a device, by the licence's id; detaching takes it away. Either is done once:
// what stands already is no event. A licence that the policy in force does not list may be attached, before the policy that lists it: until then the
// decision is indeterminate, which counts for the owner. What it changes of restrictions shows at the device's next check-in.
func (s *Service) AttachLicence(ctx context.Context, actor *Officer, id device.ID, licence string, attach bool) error {
	if err := allow(actor, MayAttachLicences); err != nil {
		return err
	}
	licence, err := line("licence", licence, 1, 64)
	if err != nil {
		return err
	}
	return s.turn(ctx, s.now(), nil, func(t *turn) error {
		d, err := t.tx.Device(id)
		if err != nil {
			return err
		}
		had := slices.Contains(d.LicenceNames, licence)
		if had == attach {
			return nil
		}
		what := "attached to"
		if attach {
			d.LicenceNames = append(slices.Clone(d.LicenceNames), licence)
		} else {
			what = "taken from"
			d.LicenceNames = slices.DeleteFunc(slices.Clone(d.LicenceNames), func(n string) bool { return n == licence })
		}
		if len(d.LicenceNames) > maxLicences {
			return ErrInvalid.saying("a device has at most %d licences", maxLicences).fixing("take away one that is no longer needed first")
		}
		if err := t.tx.PutDevice(d); err != nil {
			return err
		}
		return t.note(id, "licence", order.Ground{}, actor.Name, "The licence %s was %s the device.", licence, what)
	})
}
