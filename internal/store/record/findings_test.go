package record_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// findingsAPolicy is a bound on the findings that devices can be brought to by one policy, while officers give them no licences of their own, as
// decision 14 says it. A finding stays in the dictionary, so that this is what a policy adds to it at most.
const findingsAPolicy = 500

// everyFact calls fn for all that devices can make a policy look at: wherever and whenever they were activated, whatever they prove to be.
func everyFact(p *policy.Policy, now time.Time, fn func(policy.Facts)) {
	today := territory.DayOf(now)
	days := []territory.Day{0, today, today + 1, p.AppliesTo.ActivatedOnOrAfter - 1, p.AppliesTo.ActivatedOnOrAfter}
	for _, g := range p.Territories() {
		days = append(days, territory.DayOf(g.Since)-1, territory.DayOf(g.Since))
		if !g.Until.IsZero() {
			days = append(days, territory.DayOf(g.Until)-1, territory.DayOf(g.Until))
		}
	}
	codes := []territory.Code{territory.Unknown}
	for _, c := range territory.Countries() {
		codes = append(append(codes, c), territory.Subdivisions(c)...)
	}
	for _, c := range codes {
		for _, day := range days {
			for marks := range 8 {
				for attestation := policy.AttestationUnknown; attestation <= policy.Unlocked; attestation++ {
					fn(policy.Facts{Activation: c, ActivatedOn: day, Attestation: attestation, Present: c, Model: "M", Category: "consumer",
						ActivationMixed: marks&1 != 0, RecordMissing: marks&2 != 0, ClockDoubtful: marks&4 != 0})
				}
			}
		}
	}
}

// TestFindingsOfAPolicyAreFew: a device chooses among the findings that a policy has, and can make none of its own.
func TestFindingsOfAPolicyAreFew(t *testing.T) {
	files, err := filepath.Glob("../../../policies/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := policy.Parse(file, source)
		if err != nil {
			t.Fatal(err)
		}
		found, size, asked := make(map[string]bool), 0, 0
		for _, year := range []int{2021, 2024, 2027, 2040} { // as dates of the policy come and go
			everyFact(p, time.Date(year, 6, 1, 12, 0, 0, 0, time.UTC), func(f policy.Facts) {
				asked++
				d := p.Decide(f, time.Date(year, 6, 1, 12, 0, 0, 0, time.UTC))
				finding := record.FindingOf(&authority.Device{Verdict: d.Verdict, VerdictRule: d.Rule, Reasons: d.Reasons, PolicyHash: d.PolicyHash})
				body, err := finding.Pack()
				if err != nil {
					t.Fatal(err)
				}
				if !found[string(body)] {
					found[string(body)] = true
					size += len(body)
				}
			})
		}
		t.Logf("%s: %d findings of %d kB, for %d sets of facts", filepath.Base(file), len(found), size/1000, asked)
		if len(found) < 10 || len(found) > findingsAPolicy {
			t.Errorf("%s comes to %d findings, not to 10 to %d", filepath.Base(file), len(found), findingsAPolicy)
		}
	}
}
