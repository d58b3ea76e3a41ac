package cli

import (
	"context"
	"fmt"
	"net/http"
	"text/tabwriter"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

type unlockCodesCommand struct{ officerFlags }

func (unlockCodesCommand) Help() string {
	return `Holds the codes that officers gave out against those that devices reported. Codes that were used and that nobody gave out here were made with an
escrow kit, or with a stolen unlock master. The public sees each use in the ledger: bailiwick ledger count.

Examples:
  bailiwick unlock-codes
  bailiwick unlock-codes --json`
}

func (c *unlockCodesCommand) Run(ctx context.Context, env Environment) error {
	var report authority.CodeReport
	raw, err := c.ask(ctx, env, http.MethodGet, "/v1/unlock-codes", nil, &report)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() { writeCodes(env, &report) })
}

func writeCodes(env Environment, report *authority.CodeReport) {
	if len(report.Officers) == 0 {
		fmt.Fprintln(env.Stdout, "No code was ever given out.")
	} else {
		t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "officer\tgiven\tused\toutstanding")
		for _, o := range report.Officers {
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\n", oneLine(o.Officer), o.Given, o.Used, o.Outstanding)
		}
		_ = t.Flush()
	}
	if len(report.Unexplained) > 0 {
		fmt.Fprintf(env.Stdout, "%d devices were opened by a code that nobody gave out here:\n", len(report.Unexplained))
		for _, id := range report.Unexplained {
			fmt.Fprintln(env.Stdout, "  ", id)
		}
	}
}
