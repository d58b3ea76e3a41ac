package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
)

type findCommand struct {
	officerFlags
	Device string `arg:"" help:"IMEI, as people write it, or the device's id."`
}

func (findCommand) Help() string {
	return `Examples:
  bailiwick find 35-209900-176148-1
  bailiwick find --json 352099001761481`
}

type reasonAnswer struct {
	Text string `json:"text"`
}

type restrictionAnswer struct {
	Ground    string    `json:"ground"`
	Stage     string    `json:"stage"`
	Reference string    `json:"reference"`
	Deadline  time.Time `json:"deadline"`
	EndsAt    time.Time `json:"ends_at"`
	ShownDays int       `json:"shown_days"`
	Cause     string    `json:"cause"`
	Appealing bool      `json:"appealing"`
	Applied   string    `json:"applied"`
}

type deviceAnswer struct {
	Device struct {
		ID          string    `json:"id"`
		IMEI        string    `json:"imei"`
		Model       string    `json:"model"`
		Attestation string    `json:"attestation"`
		LastSeen    time.Time `json:"last_seen"`
		Licences    []string  `json:"licences"`
		Activation  *struct {
			Territory string `json:"territory"`
			Day       string `json:"day"`
			Mixed     bool   `json:"mixed"`
		} `json:"activation"`
	} `json:"device"`
	Production *struct {
		Market      string `json:"market"`
		Consignment string `json:"consignment"`
		Consignee   string `json:"consignee"`
	} `json:"production"`
	Restrictions []restrictionAnswer `json:"restrictions"`
	Decision     struct {
		Verdict string         `json:"verdict"`
		Rule    string         `json:"rule"`
		Reasons []reasonAnswer `json:"reasons"`
	} `json:"decision"`
}

// find looks a device up by its IMEI or its id.
func (f *officerFlags) find(ctx context.Context, env Environment, what string) (d deviceAnswer, raw json.RawMessage, err error) {
	if id, bad := device.ParseID(strings.TrimSpace(what)); bad == nil {
		raw, err = f.ask(ctx, env, http.MethodGet, "/v1/devices/"+id.String(), nil, &d)
		return d, raw, err
	}
	// The IMEI goes in the body: addresses of pages end up in the logs of others.
	raw, err = f.ask(ctx, env, http.MethodPost, "/v1/devices/find", map[string]string{"imei": what}, &d)
	return d, raw, err
}

func (c *findCommand) Run(ctx context.Context, env Environment) error {
	d, raw, err := c.find(ctx, env, c.Device)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() { d.write(env) })
}

func (d *deviceAnswer) write(env Environment) {
	seen := "never seen"
	if !d.Device.LastSeen.IsZero() {
		seen = "last seen " + d.Device.LastSeen.Format(time.DateOnly)
	}
	fmt.Fprintf(env.Stdout, "%s, IMEI %s, id %s\n%s, %s\n", d.Device.Model, d.Device.IMEI, d.Device.ID, d.Device.Attestation, seen)
	if p := d.Production; p != nil {
		fmt.Fprintf(env.Stdout, "made for %s", p.Market)
		if p.Consignment != "" {
			fmt.Fprintf(env.Stdout, ", consignment %s to %s", p.Consignment, p.Consignee)
		}
		fmt.Fprintln(env.Stdout)
	} else {
		fmt.Fprintln(env.Stdout, "no production record: it is never restricted")
	}
	if a := d.Device.Activation; a == nil {
		fmt.Fprintln(env.Stdout, "its activation territory is not established yet")
	} else {
		fmt.Fprintf(env.Stdout, "activated in %s on %s\n", a.Territory, a.Day)
	}
	d.writeLicences(env)
	d.writeDecision(env)
	if len(d.Restrictions) == 0 {
		fmt.Fprintln(env.Stdout, "There is no restriction.")
	}
	for _, r := range d.Restrictions {
		fmt.Fprintf(env.Stdout, "%s, ground %s, reference %s; the device applies: %s\n", r.Stage, r.Ground, r.Reference, r.Applied)
		switch {
		case r.Stage == "noticed":
			fmt.Fprintf(env.Stdout, "    not before %s, and shown on %d days so far\n", r.Deadline.Format(time.DateOnly), r.ShownDays)
		case r.Stage == "locked" && !r.EndsAt.IsZero():
			fmt.Fprintf(env.Stdout, "    ends by itself on %s\n", r.EndsAt.Format(time.DateOnly))
		case r.Stage == "lifted":
			fmt.Fprintf(env.Stdout, "    lifted: %s\n", r.Cause)
		}
		if r.Appealing {
			fmt.Fprintln(env.Stdout, "    an appeal is open: the clock stands still")
		}
	}
}

// writeLicences names the licences that officers attached, if there are any.
func (d *deviceAnswer) writeLicences(env Environment) {
	if len(d.Device.Licences) > 0 {
		fmt.Fprintln(env.Stdout, "licences attached:", strings.Join(d.Device.Licences, ", "))
	}
}

func (d *deviceAnswer) writeDecision(env Environment) {
	fmt.Fprintln(env.Stdout, "decision now:", d.Decision.Verdict)
	for _, reason := range d.Decision.Reasons {
		fmt.Fprintln(env.Stdout, "   ", reason.Text)
	}
}

type unlockCodeCommand struct {
	officerFlags
	Device    string `arg:"" help:"IMEI, as people write it, or the device's id."`
	Challenge string `help:"The digits that the locked screen shows." required:"" placeholder:"DIGITS"`
	Why       string `help:"Why you give it out; kept with the device." required:"" placeholder:"TEXT"`
}

func (unlockCodeCommand) Help() string {
	return `The locked screen shows a challenge; the owner types the code below it, in the digits of any script. It works once, and without a network.

Examples:
  bailiwick unlock-code 352099001761481 --challenge "4711 0815" --why "The caller read out the reference; the notice went to a resold phone."`
}

func (c *unlockCodeCommand) Run(ctx context.Context, env Environment) error {
	d, _, err := c.find(ctx, env, c.Device)
	if err != nil {
		return err
	}
	var given struct {
		Code string `json:"code"`
	}
	question := map[string]string{"challenge": c.Challenge, "justification": c.Why}
	raw, err := c.ask(ctx, env, http.MethodPost, "/v1/devices/"+d.Device.ID+"/unlock-code", question, &given)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() {
		code := given.Code
		if len(code) == 8 {
			code = code[:4] + " " + code[4:]
		}
		fmt.Fprintf(env.Stdout, "%s\nIt works once, on this device, for this challenge. That it was given out is recorded.\n", code)
	})
}
