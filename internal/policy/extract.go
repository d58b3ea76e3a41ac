package policy

import (
	"slices"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// DeviceExtract is the part of a policy that a device enforces and shows by itself. It is derived from the signed file
// and says by its hash from which.
type DeviceExtract struct {
	Hash        [32]byte
	ID          string
	Version     int
	Effective   territory.Day
	Rules       []DeviceRule // in the order of the file
	Observation territory.Observation
	Notice      Notice
	LockDays    int           // how long a lock lasts at most
	AppliesFrom territory.Day // devices activated before it are out of reach
	Contact     Contact
}

// DeviceRule is a prohibited entry as a device needs it.
type DeviceRule struct {
	ID         string
	Codes      []territory.Code
	Name       string
	LegalBasis string
	Source     string
	Since      territory.Day // not before 1970-01-01, when no device was activated
	Until      territory.Day // 0 while open
	ReviewBy   territory.Day
}

// DeviceExtract returns what devices need of p. Entries that have left the list stay in it, with their Until, so that a
// device can see by itself that a rule no longer holds.
func (p *Policy) DeviceExtract() DeviceExtract {
	x := DeviceExtract{
		Hash: p.hash, ID: p.ID, Version: p.Version, Effective: p.effective,
		Rules: make([]DeviceRule, len(p.grounds)), Observation: p.Observation, Notice: p.Notice,
		LockDays: p.Sunset, AppliesFrom: p.AppliesTo.ActivatedOnOrAfter, Contact: p.Contact,
	}
	for i, g := range p.grounds {
		x.Rules[i] = DeviceRule{
			ID: g.Rule, Codes: slices.Clone(g.Codes), Name: g.Name, LegalBasis: g.LegalBasis, Source: g.Source,
			Since: max(g.since, 0), Until: max(g.until, 0), ReviewBy: g.reviewBy,
		}
	}
	return x
}
