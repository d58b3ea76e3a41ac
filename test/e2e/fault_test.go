package e2e

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/fleet"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
)

// TestReportNamesTheFault injects one fault after the other through the public seams. A simulation that called any of these
// runs good would prove nothing when it calls the others so.
func TestReportNamesTheFault(t *testing.T) {
	for _, c := range []struct {
		name   string
		server func(*app.Config)
		seam   func(*fleet.Config)
		found  func(*fleet.Report) bool
	}{
		{"a rule against a home market locks lawful phones", policyWith(outlawSpain), nil,
			func(r *fleet.Report) bool {
				return r.FalseLocks > 0 && r.FalseNotices >= r.FalseLocks && !row(r, "home market").AsExpected
			}},
		{"a territory that the policy forgot is missed", policyWith(forgetCuba), nil,
			func(r *fleet.Report) bool {
				return r.MissedLocks > 0 && row(r, "Cuba").Locked == 0 && !row(r, "Cuba").AsExpected
			}},
		{"a ledger without the locks breaks C6", nil, func(c *fleet.Config) { c.Ledger = hidesLocks{c.Ledger} },
			func(r *fleet.Report) bool { return r.Charter.Violations > 0 && says(r, "C6") }},
		{"locks that no officer approved break C7", nil, func(c *fleet.Config) { c.Authority = approvesUnseen{c.Authority} },
			func(r *fleet.Report) bool { return r.Charter.Violations > 0 && says(r, "C7") }},
		{"a case that is never concluded leaves phones held", nil, func(c *fleet.Config) { c.Authority = neverConcludes{c.Authority} },
			func(r *fleet.Report) bool {
				return r.Case.Held > 0 && r.Case.Stragglers == r.Case.Held && !row(r, "diverted consignment").AsExpected
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			report := live(t, fleet.Config{Seed: 3, Devices: 100, Days: 55}, c.server, c.seam)
			if report.OK() {
				t.Error("the report is OK")
			}
			if !c.found(report) {
				t.Errorf("the report does not name the fault: %+v", report)
			}
		})
	}
}

func row(r *fleet.Report, name string) fleet.CohortReport {
	for _, c := range r.Cohorts {
		if c.Name == name {
			return c
		}
	}
	return fleet.CohortReport{}
}

func says(r *fleet.Report, line string) bool {
	for _, v := range r.Charter.Examples {
		if strings.HasPrefix(v, line) {
			return true
		}
	}
	return false
}

// policyWith publishes the sample policy changed, without its inline tests, which would notice.
func policyWith(change func([]byte) []byte) func(*app.Config) {
	source, _, _ := bytes.Cut(policies.Terms202109, []byte("\ntests:"))
	return func(cfg *app.Config) { cfg.Policy.Source = change(append(bytes.Clone(source), '\n')) }
}

func outlawSpain(source []byte) []byte {
	source = bytes.Replace(source, []byte("codes: [ES, "), []byte("codes: ["), 1)
	return bytes.Replace(source, []byte("\nlicences:"), []byte(`
  - id: spain
    name: Spain
    codes: [ES]
    legal_basis: None; a fault that a test injects.
    source: None.
    since: 2000-01-01
    review_by: 2022-03-01

licences:`), 1)
}

func forgetCuba(source []byte) []byte {
	head, rest, _ := bytes.Cut(source, []byte("  - id: cuba\n"))
	_, rest, _ = bytes.Cut(rest, []byte("  - id: iran\n"))
	source = append(append(head, "  - id: iran\n"...), rest...)
	head, rest, _ = bytes.Cut(source, []byte("  general:\n")) // a licence for Cuba would license nothing
	_, rest, _ = bytes.Cut(rest, []byte("  individual:\n"))
	return append(append(head, "  individual:\n"...), rest...)
}

type hidesLocks struct{ fleet.Ledger }

func (l hidesLocks) Verify(ctx context.Context) (fleet.Verified, error) {
	v, err := l.Ledger.Verify(ctx)
	for id, leaf := range v.Orders {
		if leaf.Kind == order.Lock {
			delete(v.Orders, id)
		}
	}
	return v, err
}

// approvesUnseen keeps from the simulation what its first approval led to, as if a server had locked by itself.
type approvesUnseen struct{ fleet.Authority }

func (a approvesUnseen) ApproveWave(ctx context.Context, o *authority.Officer, id int64, yes authority.WaveApproval) (*authority.WaveResult, error) {
	r, err := a.Authority.ApproveWave(ctx, o, id, yes)
	if r != nil {
		r.Locked--
	}
	return r, err
}

type neverConcludes struct{ fleet.Authority }

func (neverConcludes) ConcludeCase(context.Context, *authority.Officer, string, string) (*authority.Release, error) {
	return &authority.Release{}, nil
}
