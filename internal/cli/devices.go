package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/web"
)

type devicesCommand struct {
	officerFlags
	Territory   string `help:"Where it was activated or, before that, was on the last decided day." placeholder:"CODE"`
	Stage       string `help:"Strictest stage that is not lifted: observed, noticed, locked, lifted." enum:",observed,noticed,locked,lifted" default:"" placeholder:"STAGE"`
	Consignment string `help:"As in the production records." placeholder:"NAME"`
	Model       string `help:"As the device told at its enrolment." placeholder:"NAME"`
	After       string `help:"Go on behind this device: where the page before ended." placeholder:"ID"`
	Limit       int    `help:"How many, 1 to 1,000." default:"50"`
}

func (devicesCommand) Help() string {
	return `One request looks at 20,000 devices at most. Where few of them fit, a page may be short, or empty, and not be the last; the command to go on with
stands below it. With --json the answer is an object: the devices, and under "next" what --after wants, until there is none.

Examples:
  bailiwick devices --stage locked --territory IR
  bailiwick devices --model "Lantern X" --limit 200
  bailiwick devices --consignment SHIP-2021-07-114 --json`
}

// nextAfter is where the link to the next page goes on behind (RFC 8288).
var nextAfter = regexp.MustCompile(`<[^>]*[?&]after=([0-9a-f]{32})[^>]*>; rel="next"`)

func (c *devicesCommand) Run(ctx context.Context, env Environment) error {
	if c.Limit < 1 || c.Limit > 1000 {
		return usageError{fmt.Errorf("a page has 1 to 1,000 devices, not %d", c.Limit)}
	}
	question := url.Values{"limit": {strconv.Itoa(c.Limit)}}
	again := "bailiwick devices"
	for _, part := range []struct{ name, value string }{
		{"territory", strings.ToUpper(c.Territory)}, {"stage", c.Stage}, {"consignment", c.Consignment}, {"model", c.Model}, {"after", c.After},
	} {
		if part.value == "" {
			continue
		}
		question.Set(part.name, part.value)
		if part.name != "after" {
			again += " --" + part.name + " " + quoted(part.value)
		}
	}
	var list []struct {
		Device struct {
			ID         string     `json:"id"`
			IMEI       string     `json:"imei"`
			Model      string     `json:"model"`
			LastSeen   *time.Time `json:"last_seen"`
			Activation *struct {
				Territory string `json:"territory"`
			} `json:"activation"`
		} `json:"device"`
		Market string `json:"market"`
		Stage  string `json:"stage"`
	}
	header, raw, err := c.exchange(ctx, env, http.MethodGet, "/v1/devices?"+question.Encode(), "", nil, &list)
	if err != nil {
		return err
	}
	next := ""
	if found := nextAfter.FindStringSubmatch(header.Get("Link")); found != nil {
		next = found[1]
	}
	whole, err := json.Marshal(struct {
		Devices json.RawMessage `json:"devices"`
		Next    string          `json:"next,omitempty"`
	}{raw, next})
	if err != nil {
		return err
	}
	return c.show(env, whole, func() {
		switch {
		case len(list) == 0 && next == "":
			fmt.Fprintln(env.Stdout, "No device fits.")
			return
		case len(list) == 0:
			fmt.Fprintf(env.Stdout, "None of the %s devices that were looked at fits; there are more.\n", web.Number(authority.MaxRead))
		default:
			t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "device\tIMEI\tmodel\tmarket\tactivated in\tstage\tlast seen")
			for _, row := range list {
				place := "not yet"
				if row.Device.Activation != nil {
					place = row.Device.Activation.Territory
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", row.Device.ID, row.Device.IMEI, oneLine(row.Device.Model), row.Market, place, row.Stage, dayOr(row.Device.LastSeen, "never"))
			}
			t.Flush()
		}
		if next != "" {
			fmt.Fprintf(env.Stdout, "Go on: %s --limit %d --after %s\n", again, c.Limit, next)
		}
	})
}

// quoted is an argument as a shell takes it.
func quoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./", r)
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
