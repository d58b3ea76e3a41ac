package agent

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// checkPolicy reports why the device does not take a policy: it goes below the Charter's floors, or back behind present,
// the one in force (nil at enrolment), or leaves out what an owner has a right to read. That officers signed it is policySigned's to say.
func checkPolicy(p protocol.Policy, present *protocol.Policy) Reason {
	o := p.Observation
	switch {
	case present != nil && p.Effective.Before(present.Effective):
		return PolicyRolledBack
	case p.NoticeDays < int(order.MinNotice/(24*time.Hour)):
		return PolicyNoticeTooShort
	case p.ShownDays < order.MinShownDays, p.ShownDays > maxShownDays:
		return PolicyTooFewShown
	case o.Days < order.MinObservationDays, o.Days > maxDays, o.Window < o.Days, o.Window > maxDays,
		o.Percent < 50, o.Percent > 99:
		return PolicyTooFewDays
	case p.LockDays < 1, p.LockDays > int(order.MaxLock/(24*time.Hour)):
		return PolicyLockTooLong
	case p.Contact.Phone == "" && p.Contact.Email == "" && p.Contact.OwnerURL == "":
		return PolicyIncomplete
	}
	for _, r := range p.Rules {
		if r.Name == "" || r.LegalBasis == "" || r.Source == "" || r.ReviewBy == 0 {
			return PolicyIncomplete
		}
	}
	return ""
}
