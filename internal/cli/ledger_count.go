package cli

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

type ledgerCountCommand struct {
	ledgerFlags
}

func (ledgerCountCommand) Help() string {
	return `Verifies the ledger as ledger verify does, and counts notices, locks and lifts by day, ground and territory, from the entries alone: the
public page's figures must be these.

Examples:
  bailiwick ledger count http://127.0.0.1:8470
  bailiwick ledger count ./bailiwick-data --json`
}

// countReport is the transparency report as JSON.
type countReport struct {
	Origin  string       `json:"origin"`
	Entries uint64       `json:"entries"`
	Notices int          `json:"notices"`
	Locks   int          `json:"locks"`
	Lifts   int          `json:"lifts"`
	Lines   []countedRow `json:"lines"`
}

type countedRow struct {
	Day       string         `json:"day"`
	Ground    order.Ground   `json:"ground"`
	Territory territory.Code `json:"territory,omitempty"`
	Kind      order.Kind     `json:"kind"`
	Cause     string         `json:"cause,omitempty"`
	Orders    int            `json:"orders"`
}

func (c *ledgerCountCommand) Run(ctx context.Context, env Environment) error {
	r, err := c.open(ctx, env)
	if err != nil {
		return err
	}
	var tally ledger.Tally
	found, err := tally.Audit(ctx, r.auditor)
	if fault := ledger.FaultOf(err); fault != "" {
		return fmt.Errorf("nothing is counted, since the ledger is broken: %s: %s", fault, plain(err))
	} else if err != nil {
		return c.unreadable(ctx, "there is no ledger at "+c.Place, err)
	}
	if err := r.remember(); err != nil {
		return err
	}
	if r.first {
		fmt.Fprintf(env.Stderr, "%s\n  %s\n", r.keyFrom, r.key)
	}
	report := countReport{
		Origin: r.auditor.Seen().Origin, Entries: found.Size, Lines: []countedRow{},
		Notices: tally.ByKind[order.Notice], Locks: tally.ByKind[order.Lock], Lifts: tally.ByKind[order.Lift],
	}
	for _, line := range tally.Lines() {
		report.Lines = append(report.Lines, countedRow{line.Day.String(), line.Ground, line.Territory, line.Kind, line.Cause.String(), line.Orders})
	}
	if c.JSON {
		return writeJSON(env.Stdout, report)
	}
	return report.table(env)
}

// table has a row for each day, ground and territory, and one column for each kind.
func (report *countReport) table(env Environment) error {
	type at struct {
		day       string
		ground    order.Ground
		territory territory.Code
	}
	var rows []at
	kinds := make(map[at][4]int)
	for _, line := range report.Lines {
		row := at{line.Day, line.Ground, line.Territory}
		n, known := kinds[row]
		if !known {
			rows = append(rows, row)
		}
		n[line.Kind] += line.Orders
		kinds[row] = n
	}
	t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "day\tground\tterritory\tnotices\tlocks\tlifts")
	for _, row := range rows {
		where := string(row.territory)
		if where == "" {
			where = "-"
		}
		n := kinds[row]
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\n", row.day, row.ground, where, n[order.Notice], n[order.Lock], n[order.Lift])
	}
	fmt.Fprintf(t, "total\t\t\t%d\t%d\t%d\n", report.Notices, report.Locks, report.Lifts)
	if err := t.Flush(); err != nil {
		return err
	}
	byCause := make(map[string]int)
	for _, line := range report.Lines {
		byCause[line.Cause] += line.Orders
	}
	for _, cause := range []order.Cause{order.ByRule, order.ByHuman, order.ByCase, order.ByEnd, order.ByCode} {
		if n := byCause[cause.String()]; n > 0 {
			fmt.Fprintf(env.Stdout, "lifts by %s: %d\n", cause, n)
		}
	}
	_, err := fmt.Fprintf(env.Stdout, "%d orders in %s, all counted.\n", report.Entries, oneLine(report.Origin))
	return err
}
