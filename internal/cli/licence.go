package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

type licenceCommand struct {
	Attach licenceAttachCommand `cmd:"" help:"Say that a licence of the policy covers a device."`
	Detach licenceDetachCommand `cmd:"" help:"Take it away again."`
}

func (licenceCommand) Help() string {
	return `An individual licence of the policy names devices or consignees. Where it names neither, officers say which device it covers. It stands on the device's time line
who said so; saying it twice changes nothing.

Examples:
  bailiwick licence attach 352099001761481 relief-2026
  bailiwick licence detach 352099001761481 relief-2026`
}

// licenceFlags are what both commands take.
type licenceFlags struct {
	officerFlags
	Device  string `arg:"" help:"IMEI, as people write it, or the device's id."`
	Licence string `arg:"" help:"Id of the licence, as the policy writes it."`
}

type licenceAttachCommand struct{ licenceFlags }

func (licenceAttachCommand) Help() string {
	return `Prints what the policy in force decides with it. A licence that this policy does not list makes the decision indeterminate, which restricts nobody: attach it before the
policy that lists it, or correct the id. Restrictions follow when the device checks in. A device has at most 16 licences.

Examples:
  bailiwick licence attach 352099001761481 relief-2026
  bailiwick licence attach --json 35-209900-176148-1 relief-2026`
}

func (c *licenceAttachCommand) Run(ctx context.Context, env Environment) error {
	return c.say(ctx, env, true, "Attached.")
}

type licenceDetachCommand struct{ licenceFlags }

func (licenceDetachCommand) Help() string {
	return `Prints what the policy in force decides without it. A device that only the licence kept free gets a notice first, like any other.

Examples:
  bailiwick licence detach 352099001761481 relief-2026`
}

func (c *licenceDetachCommand) Run(ctx context.Context, env Environment) error {
	return c.say(ctx, env, false, "Taken away.")
}

// say attaches or detaches, and shows the device as it is then.
func (c *licenceFlags) say(ctx context.Context, env Environment, attached bool, done string) error {
	d, _, err := c.find(ctx, env, c.Device)
	if err != nil {
		return err
	}
	question := map[string]any{"licence": c.Licence, "attached": attached}
	if _, err := c.ask(ctx, env, http.MethodPost, "/v1/devices/"+d.Device.ID+"/licences", question, nil); err != nil {
		return err
	}
	var raw json.RawMessage
	if d, raw, err = c.find(ctx, env, d.Device.ID); err != nil {
		return err
	}
	return c.show(env, raw, func() {
		fmt.Fprintln(env.Stdout, done)
		d.writeLicences(env)
		d.writeDecision(env)
	})
}
