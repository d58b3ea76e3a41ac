package agent

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// warrantFor returns the warrant that an order on a warrant's ground rests on, when it was delivered and may be followed.
func warrantFor(l order.Leaf, delivered []protocol.Warrant, c clock) (*protocol.Warrant, Reason) {
	reason := WarrantMissing
	for i := range delivered {
		w := &delivered[i]
		if w.ID != l.Ground.ID {
			continue
		}
		if !isWarrant(*w, l.Authority) {
			reason = WarrantMismatch
			continue
		}
		if reason := checkTwoPersons(w); reason != "" {
			return nil, reason
		}
		switch {
		case !w.EndsAt.After(w.IssuedAt), !c.likely().Before(w.EndsAt):
			return nil, WarrantEnded
		case w.EndsAt.Sub(w.IssuedAt) > order.MaxHold, w.EndsAt.Sub(l.IssuedAt) > order.MaxHold:
			return nil, WarrantEndTooFar
		}
		return w, ""
	}
	return nil, reason
}

// isWarrant reports whether authority is the hash of exactly this warrant.
func isWarrant(w protocol.Warrant, authority [32]byte) bool {
	hash, err := w.Hash()
	return err == nil && hash == authority
}

// checkTwoPersons is the place of Charter C7 on the device.
//
// Verified today: a warrant names two officers, both names are there, and they differ; and the order in the public
// ledger rests on exactly these bytes, so that the names cannot be changed afterwards without a trace.
//
// Not verified today: that these two officers exist and signed it, and that two officers signed the policy. Both
// need the TUF metadata that will travel beside policy and warrant in the next release (DESIGN, "Orders that prove
// themselves"); the check of those signatures, with a threshold of two keys of the targets role, goes here and into
// checkPolicy. Until then a server that was taken over can invent names; what it cannot do with them is in
// docs/threat-model.md.
func checkTwoPersons(w *protocol.Warrant) Reason {
	if w.Officers[0] == "" || w.Officers[1] == "" || w.Officers[0] == w.Officers[1] {
		return WarrantNotTwoPersons
	}
	return ""
}

// checkPolicy reports why the device does not take a policy: it goes below the Charter's floors, or back behind present,
// the one in force (nil at enrolment), leaves out what an owner has a right to read, or does not fit into the record.
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
	if _, err := p.Marshal(); err != nil { // an answer has room for more than the record
		return PolicyTooLarge
	}
	return ""
}
