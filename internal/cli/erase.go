package cli

import (
	"context"
	"fmt"
	"net/http"
)

type eraseCommand struct {
	officerFlags
	Device string `arg:"" help:"IMEI, as people write it, or the device's id."`
	Reason string `help:"How the owner asked; it stands on the time line." required:"" placeholder:"TEXT"`
}

func (eraseCommand) Help() string {
	return `Forgotten are its days and territories, its time line, its settled orders, and the words of its appeals. What stays is what names the device, its key and
counters, the ids of licences that officers gave it, and that a person has lifted a restriction for good. Orders in the public ledger name nobody. While the device is noticed or locked, or a
lift has not arrived, this is refused: lift first. A device that is used on begins a new record with its next check-in.

Examples:
  bailiwick erase 356938035643809 --reason "The owner asked for it by letter of 3 May."`
}

func (c *eraseCommand) Run(ctx context.Context, env Environment) error {
	found, _, err := c.find(ctx, env, c.Device)
	if err != nil {
		return err
	}
	var erased struct {
		Records int `json:"records"`
	}
	raw, err := c.ask(ctx, env, http.MethodPost, "/v1/devices/"+found.Device.ID+"/erase", map[string]string{"reason": c.Reason}, &erased)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() {
		fmt.Fprintf(env.Stdout, "Erased: the history of the device, and %d records beside it.\n", erased.Records)
	})
}
