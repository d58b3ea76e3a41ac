package fleet

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/bailiwick-dev/bailiwick/order"
)

// Report sets outcome against ground truth.
type Report struct {
	Seed          uint64         `json:"seed"`
	Devices       int            `json:"devices"`
	SimulatedDays int            `json:"simulated_days"`
	CheckIns      int64          `json:"check_ins"`
	Seconds       float64        `json:"seconds"`
	Cohorts       []CohortReport `json:"cohorts"`
	FalseLocks    int            `json:"false_locks"`   // lawful devices that were locked
	FalseNotices  int            `json:"false_notices"` // lawful devices that were shown a notice
	MissedLocks   int            `json:"missed_locks"`  // devices that should have been locked and were not
	Charter       CharterReport  `json:"charter"`
	Case          CaseReport     `json:"case"`
	Ledger        LedgerReport   `json:"ledger"`

	// CutShort says that the run ended before the story did: what has not happened by then is not held against it.
	CutShort bool `json:"cut_short,omitempty"`
}

// CohortReport is what became of the phones of one story.
type CohortReport struct {
	Name            string `json:"name"`
	Devices         int    `json:"devices"`
	Noticed         int    `json:"noticed"`
	Locked          int    `json:"locked"`
	Lifted          int    `json:"lifted"`
	NeverRestricted int    `json:"never_restricted"`
	Expected        string `json:"expected"`
	AsExpected      bool   `json:"as_expected"`
}

// CharterReport counts the auditors' checks.
type CharterReport struct {
	Checked    int64    `json:"checked"`
	Violations int      `json:"violations"`
	Examples   []string `json:"examples,omitempty"` // at most 20
}

// CaseReport is the case of the diverted consignment.
type CaseReport struct {
	Held             int `json:"held"`               // phones locked under the warrant
	Lifted           int `json:"lifted"`             // of those, phones that applied the lift
	Stragglers       int `json:"stragglers"`         // of those, phones still waiting for it at the end
	OfflineAtRelease int `json:"offline_at_release"` // of those, phones without a network when the case was released
}

// LedgerReport is the public ledger, recomputed from its files.
type LedgerReport struct {
	Origin   string `json:"origin"`
	Size     uint64 `json:"size"`
	Verified int    `json:"verified"`
}

// OK reports whether everything came as it ought to: no lawful device was noticed or locked, nobody was missed, what was held
// was released, the Charter held, and the ledger is whole.
func (r *Report) OK() bool {
	asExpected := !slices.ContainsFunc(r.Cohorts, func(c CohortReport) bool { return !c.AsExpected })
	return asExpected && r.FalseLocks == 0 && r.MissedLocks == 0 && r.Charter.Violations == 0 && (r.CutShort || r.Case.Stragglers == 0) &&
		r.Ledger.Verified == int(r.Ledger.Size)
}

func (r *run) report(ctx context.Context, took time.Duration) (*Report, error) {
	verified, err := r.cfg.Ledger.Verify(ctx)
	if err != nil {
		return nil, fmt.Errorf("the ledger does not bear out its checkpoint: %w", err)
	}
	rep := &Report{
		Seed: r.cfg.Seed, Devices: len(r.members), SimulatedDays: r.cfg.Days,
		CheckIns: r.checkIns.Load(), Seconds: took.Seconds(), CutShort: r.cfg.Days < WholeStory,
		Ledger: LedgerReport{Origin: verified.Origin, Size: verified.Size, Verified: len(verified.Orders)},
	}
	for _, m := range r.members {
		m.audit.atTheEnd(verified.Orders, rep.CutShort)
	}
	if locks := count(verified.Orders, order.Lock); locks != r.approved {
		rep.Charter.violate(fmt.Sprintf("C7: %d locks in the ledger, %d approved by an officer", locks, r.approved))
	}
	rep.Charter.Checked++
	rows := map[string]*CohortReport{}
	for _, c := range cohorts() {
		rep.Cohorts = append(rep.Cohorts, CohortReport{Name: c.name, Expected: c.expected, AsExpected: true})
	}
	for i := range rep.Cohorts {
		rows[rep.Cohorts[i].Name] = &rep.Cohorts[i]
	}
	for _, m := range r.members {
		rep.add(rows[m.cohort.name], m)
	}
	rep.Case.Stragglers = rep.Case.Held - rep.Case.Lifted
	rep.Case.OfflineAtRelease = r.offline
	return rep, nil
}

func (r *Report) add(row *CohortReport, m *member) {
	o := m.outcome()
	o.missedLock = o.missedLock && !r.CutShort
	waiting := m.cohort.truth >= heldAndReleased && !o.lifted && !r.CutShort
	row.Devices++
	row.Noticed += one(o.noticed)
	row.Locked += one(o.locked)
	row.Lifted += one(o.lifted)
	row.NeverRestricted += one(!o.noticed && !o.locked)
	r.FalseLocks += one(o.falseLock)
	r.FalseNotices += one(o.falseNotice)
	r.MissedLocks += one(o.missedLock)
	if o.falseLock || o.falseNotice || o.missedLock || waiting {
		row.AsExpected = false
	}
	if m.cohort.truth == heldAndReleased {
		r.Case.Held += one(o.locked)
		r.Case.Lifted += one(o.locked && o.lifted && m.phone.Agent().Screen().Stage != order.Locked)
	}
	r.Charter.Checked += m.audit.checked
	for _, v := range m.audit.violations {
		r.Charter.violate(v)
	}
}

func (c *CharterReport) violate(what string) {
	c.Violations++
	if len(c.Examples) < 20 {
		c.Examples = append(c.Examples, what)
	}
}

func count(orders map[order.ID]order.Leaf, kind order.Kind) (n int) {
	for _, leaf := range orders {
		n += one(leaf.Kind == kind)
	}
	return n
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// WriteTable prints ground truth against outcome.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "cohort\tdevices\tnoticed\tlocked\tlifted\tnever\t\texpected")
	for _, c := range r.Cohorts {
		mark := "ok"
		if !c.AsExpected {
			mark = "NOT SO"
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", c.Name, c.Devices, c.Noticed, c.Locked, c.Lifted, c.NeverRestricted, mark, c.Expected)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, `
%d devices lived %d days and checked in %d times, in %.1f s.
lawful devices locked: %d    lawful devices noticed: %d    locks missed: %d
Charter: %d checks, %d violations
case: %d phones held, %d lifted by the release (%d were offline at that moment), %d still waiting
ledger: %s, %d orders, %d verified from its files
`, r.Devices, r.SimulatedDays, r.CheckIns, r.Seconds, r.FalseLocks, r.FalseNotices, r.MissedLocks,
		r.Charter.Checked, r.Charter.Violations, r.Case.Held, r.Case.Lifted, r.Case.OfflineAtRelease, r.Case.Stragglers,
		r.Ledger.Origin, r.Ledger.Size, r.Ledger.Verified)
	if r.CutShort {
		fmt.Fprintf(w, "The run was cut short: the story takes %d days, and what has not happened yet is not counted as missed.\n", WholeStory)
	}
	for _, v := range r.Charter.Examples {
		fmt.Fprintln(w, "  violation:", v)
	}
	return err
}
