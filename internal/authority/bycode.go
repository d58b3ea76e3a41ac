package authority

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
)

// codeEntered is what the time line says of a code that a device reports. Reconciliation counts by it.
const codeEntered = "An unlock code was entered on the device."

// codeReported brings a code that was used into the public ledger although the restriction was lifted here before: support gives codes
// for lifts that a phone cannot hear of, and without this, who counts the ledger would see the lift and never the code. The
// order replaces the lift that was on its way; to a device that is open already, either is harmless. It is issued with the first report,
// in the transaction that writes the report down, so that no repetition issues another.
func (v *visit) codeReported(r *Restriction, state *evidence.GroundState, first bool) error {
	if !first || r.Active() || state.Cause != order.ByCode || !state.Order.IsZero() || r.Cause == order.ByCode {
		return nil
	}
	if _, err := v.issue(r.Device, order.Leaf{
		Kind: order.Lift, Ground: r.Ground, Territory: r.Territory, Authority: r.Authority, Cause: order.ByCode,
	}); err != nil {
		return err
	}
	return v.note(r.Device, "lifted", r.Ground, "device", codeEntered)
}

// CodesOf is what became of the codes that one officer gave out.
type CodesOf struct {
	Officer     string `json:"officer"`
	Given       int    `json:"given"`
	Used        int    `json:"used"`        // devices reported that they were opened, and this officer gave the last code before
	Outstanding int    `json:"outstanding"` // given, and no report since: not typed, or the device has had no network
}

// CodeReport holds codes that were given out against codes that devices reported.
type CodeReport struct {
	At          time.Time   `json:"at"`
	Officers    []CodesOf   `json:"officers"`    // most given first
	Unexplained []device.ID `json:"unexplained"` // opened by a code that nobody gave out here: an escrow kit, or a stolen master; at most 1,000
}

// maxUnexplained bounds a report.
const maxUnexplained = 1000

// CodeReport counts the unlock codes of the whole fleet by officer. It reads the records and time lines of the devices that are or were
// restricted: no other one was ever given a code.
func (s *Service) CodeReport(ctx context.Context, actor *Officer) (*CodeReport, error) {
	if err := allow(actor, MayDecideWaves); err != nil {
		return nil, err
	}
	report := &CodeReport{At: s.now(), Officers: []CodesOf{}, Unexplained: []device.ID{}}
	byOfficer := make(map[string]*CodesOf)
	err := s.view(ctx, func(tx Tx) error {
		clear(byOfficer) // it may run again
		report.Unexplained = []device.ID{}
		return eachRestricted(tx, func(d *Device) error {
			events, err := tx.Events(d.ID, maxListing)
			slices.Reverse(events)
			if reconcile(events, byOfficer) && len(report.Unexplained) < maxUnexplained {
				report.Unexplained = append(report.Unexplained, d.ID)
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	for _, c := range byOfficer {
		report.Officers = append(report.Officers, *c)
	}
	slices.SortFunc(report.Officers, func(a, b CodesOf) int { return cmp.Or(b.Given-a.Given, cmp.Compare(a.Officer, b.Officer)) })
	return report, nil
}

// eachRestricted calls fn for the devices that are or were restricted, page by page: stores find them by their stage.
func eachRestricted(tx Tx, fn func(*Device) error) error {
	for _, stage := range []order.Stage{order.Noticed, order.Locked, order.Lifted} {
		q := DeviceQuery{Stage: &stage, Limit: maxListing}
		for over := false; !over; over = q.After.IsZero() {
			list, next, err := tx.Devices(q)
			if err != nil {
				return err
			}
			for _, d := range list {
				if err := fn(d); err != nil {
					return err
				}
			}
			q.After = next
		}
	}
	return nil
}

// reconcile goes through one device's time line, oldest first. A report is the work of the last code before it, and settles those
// given before that, too: their counters are spent. It says whether a code was used that nobody gave out.
func reconcile(events []Event, byOfficer map[string]*CodesOf) (unexplained bool) {
	var waiting []*CodesOf
	var last time.Time // one code may lift several grounds
	for _, e := range events {
		switch {
		case e.Kind == "unlock-code":
			if byOfficer[e.Actor] == nil {
				byOfficer[e.Actor] = &CodesOf{Officer: e.Actor}
			}
			byOfficer[e.Actor].Given++
			byOfficer[e.Actor].Outstanding++
			waiting = append(waiting, byOfficer[e.Actor])
		case e.Actor == "device" && e.Detail == codeEntered && !e.At.Equal(last):
			last = e.At
			if len(waiting) == 0 {
				unexplained = true
				continue
			}
			waiting[len(waiting)-1].Used++
			for _, w := range waiting {
				w.Outstanding--
			}
			waiting = nil
		}
	}
	return unexplained
}
