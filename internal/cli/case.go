package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/web"
)

type caseCommand struct {
	List        caseListCommand        `cmd:"" help:"List cases, newest first."`
	Show        caseShowCommand        `cmd:"" help:"Show a case with its cohort."`
	Count       caseCountCommand       `cmd:"" help:"Count a case's consignment anew."`
	Open        caseOpenCommand        `cmd:"" help:"Open a case on a consignment."`
	Warrant     caseWarrantCommand     `cmd:"" help:"Draft a warrant on a sandbox; elsewhere use bailiwick warrant draft."`
	Countersign caseCountersignCommand `cmd:"" help:"Put another officer's warrant in force on a sandbox, which signs by itself."`
	Conclude    caseConcludeCommand    `cmd:"" help:"Conclude a case with its finding: every hold is lifted."`
	Stragglers  caseStragglersCommand  `cmd:"" help:"List devices that have not confirmed the lift of a hold."`
}

func (caseCommand) Help() string {
	return `A hold needs a warrant, which two officers sign with keys of their own: bailiwick warrant draft, sign and publish. On a sandbox, which holds officers' keys
itself, case warrant and case countersign do it in two steps.

Examples:
  bailiwick case open --title "Phones made for India appear elsewhere" SHIP-2021-07-114
  bailiwick warrant draft case-0001 --reason "We are investigating this shipment." --ends 2026-12-31 -o warrant.json
  bailiwick case show case-0001
  bailiwick case count case-0001
  bailiwick case conclude case-0001 --finding "Resold abroad by the consignee; the buyers acted in good faith."`
}

type caseAnswer struct {
	ID          string    `json:"id"`
	Title       string    `json:"title"`
	Consignment string    `json:"consignment"`
	State       string    `json:"state"`
	OpenedBy    string    `json:"opened_by"`
	OpenedAt    time.Time `json:"opened_at"`
	Finding     string    `json:"finding"`
}

type warrantAnswer struct {
	ID              string    `json:"id"`
	Reason          string    `json:"reason"`
	DraftedBy       string    `json:"drafted_by"`
	CountersignedBy string    `json:"countersigned_by"`
	EndsAt          time.Time `json:"ends_at"`
	Devices         int       `json:"devices"`
	Signers         []string  `json:"signers"`

	Notices *jobAnswer `json:"notices"` // gives those of a large cohort, unless it has given them all
}

// signed says who put a warrant in force, or what it waits for.
func (w *warrantAnswer) signed() string {
	switch {
	case w.CountersignedBy == "":
		return fmt.Sprintf("waits for two officers' signatures: bailiwick warrant draft %s -o warrant.json", w.ID)
	case len(w.Signers) > 0 && slices.Contains(w.Signers, w.CountersignedBy):
		return "signed by " + joinAnd(w.Signers)
	case len(w.Signers) > 0: // a sandbox signs in somebody's name
		return "countersigned by " + w.CountersignedBy + ", signed by " + joinAnd(w.Signers)
	}
	return "countersigned by " + w.CountersignedBy
}

type caseListCommand struct {
	officerFlags
	Limit int `help:"How many." default:"20"`
}

func (caseListCommand) Help() string {
	return `Examples:
  bailiwick case list`
}

func (c *caseListCommand) Run(ctx context.Context, env Environment) error {
	var cases []caseAnswer
	raw, err := c.ask(ctx, env, http.MethodGet, fmt.Sprintf("/v1/cases?limit=%d", c.Limit), nil, &cases)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() {
		if len(cases) == 0 {
			fmt.Fprintln(env.Stdout, "There is no case yet.")
			return
		}
		t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "case\tstate\tconsignment\topened\tby\ttitle")
		for _, k := range cases {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.State, k.Consignment, k.OpenedAt.Format(time.DateOnly), k.OpenedBy, k.Title)
		}
		t.Flush()
	})
}

type caseShowCommand struct {
	officerFlags
	ID string `arg:"" help:"The case, such as case-0001."`
}

func (caseShowCommand) Help() string {
	return `Examples:
  bailiwick case show case-0001`
}

func (c *caseShowCommand) Run(ctx context.Context, env Environment) error {
	var d struct {
		Case        caseAnswer      `json:"case"`
		Warrants    []warrantAnswer `json:"warrants"`
		Devices     int             `json:"devices"`
		Enrolled    int             `json:"enrolled"`
		Noticed     int             `json:"noticed"`
		Locked      int             `json:"locked"`
		Lifted      int             `json:"lifted"`
		Stragglers  int             `json:"stragglers"`
		Activations []countAnswer   `json:"activations"`
		Market      string          `json:"market"`
		Diverted    int             `json:"diverted"`
		CountedAt   *time.Time      `json:"counted_at"`
		ByJob       bool            `json:"by_job"`
		Counting    *jobAnswer      `json:"counting"`
	}
	raw, err := c.ask(ctx, env, http.MethodGet, "/v1/cases/"+url.PathEscape(c.ID), nil, &d)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() {
		fmt.Fprintf(env.Stdout, "%s, %s: %s\n", d.Case.ID, d.Case.State, d.Case.Title)
		if d.CountedAt == nil {
			fmt.Fprintf(env.Stdout, "consignment %s, not counted yet\n", d.Case.Consignment)
		} else {
			fmt.Fprintf(env.Stdout, "consignment %s: %d devices, %d enrolled, %d activated outside their market\n", d.Case.Consignment, d.Devices, d.Enrolled, d.Diverted)
			fmt.Fprintf(env.Stdout, "noticed %d, locked %d, lifted %d, lift not yet reported by %d\nactivated in:", d.Noticed, d.Locked, d.Lifted, d.Stragglers)
			for _, a := range d.Activations {
				if a.Name == "" {
					a.Name = "not yet known"
				}
				fmt.Fprintf(env.Stdout, "  %s %d", a.Name, a.Count)
			}
			fmt.Fprintf(env.Stdout, "  (made for %s)\n", d.Market)
		}
		if d.ByJob {
			fmt.Fprint(env.Stdout, countedOn(d.Case.ID, d.CountedAt, d.Counting))
		}
		for _, w := range d.Warrants {
			fmt.Fprintf(env.Stdout, "%s, until %s, drafted by %s, %s\n", w.ID, w.EndsAt.Format(time.DateOnly), w.DraftedBy, w.signed())
			if w.Notices != nil {
				fmt.Fprintf(env.Stdout, "  %s", w.told())
			}
		}
		if d.Case.Finding != "" {
			fmt.Fprintln(env.Stdout, "finding:", d.Case.Finding)
		}
	})
}

// countedOn says how old the numbers of a large case are, and how to have newer ones.
func countedOn(caseID string, at *time.Time, job *jobAnswer) string {
	text, again := "", "Count it with: bailiwick case count "+caseID+"\n"
	if at != nil {
		text, again = "counted on "+web.DateTime(*at)+"\n", "Count it anew with: bailiwick case count "+caseID+"\n"
	}
	switch {
	case job == nil:
		return text + again
	case job.over():
		return text + fmt.Sprintf("job %d, which counted it last, failed: bailiwick job show %d says why\n", job.ID, job.ID) + again
	}
	return text + fmt.Sprintf("job %d counts it now, by %s: %s\n", job.ID, job.By, job.progress())
}

type caseCountCommand struct {
	officerFlags
	waitFlags
	ID string `arg:"" help:"The case, such as case-0001."`
}

func (caseCountCommand) Help() string {
	return `A consignment of up to 10,000 devices is counted whenever somebody looks at its case. A larger one is counted by a job: when its case is opened, and
then when somebody asks, as here. The job reads page by page, each as it is then; it goes on whatever happens here or there.

Examples:
  bailiwick case count case-0001
  bailiwick case count case-0001 --no-wait
  bailiwick case count case-0001 --json`
}

func (c *caseCountCommand) Run(ctx context.Context, env Environment) error {
	var n authority.CohortCount
	j, err := c.begin(ctx, env, &c.officerFlags, "/v1/cases/"+url.PathEscape(c.ID)+"/count", nil, &n)
	if err != nil {
		return err
	}
	return c.show(env, j.raw, func() {
		if !j.over() {
			fmt.Fprintf(env.Stdout, "%s is being counted: %s\n%s", c.ID, j.progress(), j.hint())
			return
		}
		fmt.Fprintf(env.Stdout, "%d devices, %d enrolled; noticed %d, locked %d, lifted %d, lift not yet reported by %d\nMore with: bailiwick case show %s\n",
			n.Devices, n.Enrolled, n.Noticed, n.Locked, n.Lifted, n.Stragglers, c.ID)
	})
}

type caseOpenCommand struct {
	officerFlags
	Consignment string `arg:"" help:"The consignment, as in the production records."`
	Title       string `help:"What it is about." required:"" placeholder:"TEXT"`
}

func (caseOpenCommand) Help() string {
	return `Examples:
  bailiwick case open --title "Phones made for India appear elsewhere" SHIP-2021-07-114`
}

func (c *caseOpenCommand) Run(ctx context.Context, env Environment) error {
	var opened caseAnswer
	raw, err := c.ask(ctx, env, http.MethodPost, "/v1/cases", map[string]string{"title": c.Title, "consignment": c.Consignment}, &opened)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() {
		fmt.Fprintf(env.Stdout, "%s is open. Hold its devices with: bailiwick warrant draft %s --reason WHY --ends DATE -o warrant.json\n", opened.ID, opened.ID)
	})
}

type caseWarrantCommand struct {
	officerFlags
	ID     string `arg:"" help:"The case."`
	Reason string `help:"What the owners read." required:"" placeholder:"TEXT"`
	Days   int    `help:"After how many days the hold ends by itself; at most 90." default:"60"`
}

func (caseWarrantCommand) Help() string {
	return `The warrant is drafted, and waits. A sandbox, which holds officers' keys itself, puts it in force when another officer countersigns. Everywhere else
two officers sign its proposal: see bailiwick warrant draft.

Examples:
  bailiwick case warrant case-0001 --reason "We are investigating this shipment." --days 60`
}

func (c *caseWarrantCommand) Run(ctx context.Context, env Environment) error {
	if c.Days < 1 || c.Days > 90 {
		return usageError{fmt.Errorf("a hold lasts 1 to 90 days, not %d", c.Days)}
	}
	// The server's time is what counts, and a sandbox's may be far from this machine's.
	now, err := c.serverTime(ctx, env)
	if err != nil {
		return err
	}
	question := map[string]any{"reason": c.Reason, "ends_at": now.Add(time.Duration(c.Days) * 24 * time.Hour).Truncate(time.Second)}
	var answer draftAnswer
	raw, err := c.ask(ctx, env, http.MethodPost, "/v1/cases/"+url.PathEscape(c.ID)+"/warrants", question, &answer)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() {
		fmt.Fprintf(env.Stdout, "%[1]s is drafted. On a sandbox another officer puts it in force with: bailiwick case countersign %[1]s\nElsewhere two officers sign it: bailiwick warrant draft %[1]s -o warrant.json\n", answer.Warrant.ID)
	})
}

type caseCountersignCommand struct {
	officerFlags
	waitFlags
	Warrant string `arg:"" help:"The warrant, such as warrant-0001."`
}

func (caseCountersignCommand) Help() string {
	return `For sandboxes, which hold officers' keys themselves. Everywhere else two officers sign the warrant's proposal with keys of their own:
bailiwick warrant draft, sign and publish. Of more than 10,000 devices a job on the server gives the notices, and this waits for its end.

Examples:
  bailiwick case countersign warrant-0001
  bailiwick case countersign warrant-0001 --no-wait`
}

func (c *caseCountersignCommand) Run(ctx context.Context, env Environment) error {
	var w warrantAnswer
	raw, err := c.ask(ctx, env, http.MethodPost, "/v1/warrants/"+url.PathEscape(c.Warrant)+"/countersign", struct{}{}, &w)
	if needsSignatures(err) {
		return fmt.Errorf(`this server holds no officer's key. A warrant needs the signatures of two officers (Charter C7), in three steps:
  1. bailiwick warrant draft %s -o warrant.json
  2. bailiwick warrant sign warrant.json --key KEY       by two officers, each on their own machine
  3. bailiwick warrant publish warrant.json`, c.Warrant)
	}
	if err != nil {
		return err
	}
	return c.follow(ctx, env, &c.officerFlags, &w, raw, nil, func() {
		fmt.Fprintf(env.Stdout, "%s is in force until %s: %s", w.ID, w.EndsAt.Format(time.DateOnly), w.told())
	})
}

type caseConcludeCommand struct {
	officerFlags
	waitFlags
	ID      string `arg:"" help:"The case."`
	Finding string `help:"What was found." required:"" placeholder:"TEXT"`
}

func (caseConcludeCommand) Help() string {
	return `The holds are lifted by a job on the server, which goes on whatever happens here or there; this waits for its end. Each device hears of its lift at
its next check-in: case stragglers lists those that have not confirmed it.

Examples:
  bailiwick case conclude case-0001 --finding "The route is explained; the buyers acted in good faith." --no-wait
  bailiwick case conclude case-0001 --finding "Resold abroad by the consignee; the buyers acted in good faith."`
}

func (c *caseConcludeCommand) Run(ctx context.Context, env Environment) error {
	var r struct {
		Lifted     int `json:"lifted"`
		Stragglers int `json:"stragglers"`
	}
	j, err := c.begin(ctx, env, &c.officerFlags, "/v1/cases/"+url.PathEscape(c.ID)+"/conclude", map[string]string{"finding": c.Finding}, &r)
	if err != nil {
		return err
	}
	return c.show(env, j.raw, func() {
		if !j.over() {
			fmt.Fprintf(env.Stdout, "%s is concluded; its release goes on.\n%s", c.ID, j.hint())
			return
		}
		fmt.Fprintf(env.Stdout, "%s is concluded: %d holds are lifted, %d devices have yet to hear of it.\n", c.ID, r.Lifted, r.Stragglers)
	})
}

type caseStragglersCommand struct {
	officerFlags
	Warrant string `arg:"" help:"A warrant of the case, such as warrant-0001."`
	After   string `help:"Go on behind this device: the last one of the page before." placeholder:"ID"`
	Limit   int    `help:"How many." default:"100"`
}

func (caseStragglersCommand) Help() string {
	return `A lift waits for its device: one that is switched off, or has no network, still shows the hold. Support can give its owner a code that lifts it
without a network: bailiwick unlock-code.

Examples:
  bailiwick case stragglers warrant-0001
  bailiwick case stragglers warrant-0001 --after 0123456789abcdef0123456789abcdef --json`
}

func (c *caseStragglersCommand) Run(ctx context.Context, env Environment) error {
	var list []struct {
		Device      string     `json:"device"`
		IMEI        string     `json:"imei"`
		LiftedAt    time.Time  `json:"lifted_at"`
		DeliveredAt *time.Time `json:"delivered_at"`
		LastSeen    *time.Time `json:"last_seen"`
	}
	question := url.Values{"limit": {strconv.Itoa(c.Limit)}}
	if c.After != "" {
		question.Set("after", c.After)
	}
	raw, err := c.ask(ctx, env, http.MethodGet, "/v1/warrants/"+url.PathEscape(c.Warrant)+"/stragglers?"+question.Encode(), nil, &list)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() {
		if len(list) == 0 {
			fmt.Fprintln(env.Stdout, "Every device has confirmed its lift.")
			return
		}
		t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "device\tIMEI\tlifted\tlast sent\tlast seen")
		for _, s := range list {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", s.Device, s.IMEI, s.LiftedAt.Format(time.DateOnly), dayOr(s.DeliveredAt, "never"), dayOr(s.LastSeen, "never"))
		}
		t.Flush()
		if len(list) == c.Limit {
			fmt.Fprintf(env.Stdout, "More: bailiwick case stragglers %s --after %s\n", c.Warrant, list[len(list)-1].Device)
		}
	})
}

func dayOr(at *time.Time, otherwise string) string {
	if at == nil {
		return otherwise
	}
	return at.Format(time.DateOnly)
}
