package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/bailiwick-dev/bailiwick/internal/ipterritory"
	"github.com/bailiwick-dev/bailiwick/territory"
)

type territoryCommand struct {
	Locate  locateCommand  `cmd:"" help:"Which territory is at a latitude and longitude."`
	Name    nameCommand    `cmd:"" help:"What a territory is called."`
	Network networkCommand `cmd:"" help:"Which territories a mobile network (MCC-MNC) stands for."`
	Address addressCommand `cmd:"" help:"In which territory an IP address is registered."`
}

type locateCommand struct {
	Lat      *float64 `arg:"" optional:"" help:"Latitude in decimal degrees, north positive."`
	Lon      *float64 `arg:"" optional:"" help:"Longitude in decimal degrees, east positive."`
	Accuracy float64  `help:"Radius in metres within which the place lies; every territory that the circle touches is a candidate." placeholder:"M"`
	CSV      bool     `name:"csv" help:"Read lat,lon[,accuracy_m] lines from standard input and write a line each: the territory, then tab-separated all candidates."`
	JSON     bool     `name:"json" help:"Write JSON, with --csv one object per line."`
	Lang     string   `help:"Language of names." default:"en"`
}

func (locateCommand) Help() string {
	return `Examples:
  bailiwick territory locate 45.36 36.47
  bailiwick territory locate 46.15 33.69 --accuracy 3000
  bailiwick territory locate --json -33.87 151.21
  bailiwick territory locate --csv < places.csv > territories.tsv`
}

func (c *locateCommand) Run(ctx context.Context, env Environment) error {
	if c.CSV {
		if c.Lat != nil {
			return usageError{fmt.Errorf("--csv reads places from standard input: leave LAT and LON out")}
		}
		return territory.LocateCSV(ctx, env.Stdin, env.Stdout, territory.CSVOptions{JSON: c.JSON})
	}
	switch {
	case c.Lat == nil || c.Lon == nil:
		return usageError{fmt.Errorf("give LAT and LON, or --csv to read places from standard input")}
	case !(*c.Lat >= -90 && *c.Lat <= 90):
		return usageError{fmt.Errorf("latitude %v is not within -90 to 90; latitude comes first", *c.Lat)}
	case !(*c.Lon >= -180 && *c.Lon <= 180):
		return usageError{fmt.Errorf("longitude %v is not within -180 to 180", *c.Lon)}
	case !(c.Accuracy >= 0):
		return usageError{fmt.Errorf("an accuracy of %v m is negative", c.Accuracy)}
	}
	if err := territory.Load(); err != nil {
		return err
	}
	code := territory.Locate(*c.Lat, *c.Lon)
	candidates := territory.LocateWithin(nil, *c.Lat, *c.Lon, c.Accuracy)
	if c.JSON {
		return writeJSON(env.Stdout, struct {
			Territory  territory.Code   `json:"territory"`
			Name       string           `json:"name"`
			Candidates []territory.Code `json:"candidates"`
		}{code, territory.Name(code, c.Lang), append([]territory.Code{}, candidates...)})
	}
	if code == territory.Unknown && len(candidates) == 0 {
		_, err := fmt.Fprintln(env.Stdout, "unknown: no territory is at or near this place")
		return err
	}
	if code != territory.Unknown {
		fmt.Fprintf(env.Stdout, "%s\t%s\n", code, fullName(code, c.Lang))
	}
	for _, other := range candidates {
		if other != code {
			fmt.Fprintf(env.Stdout, "%s\t%s (within %.0f m)\n", other, fullName(other, c.Lang), c.Accuracy)
		}
	}
	return nil
}

// fullName is "Crimea, Ukraine" for a subdivision.
func fullName(c territory.Code, lang string) string {
	if c.IsSubdivision() {
		return territory.Name(c, lang) + ", " + territory.Name(c.Country(), lang)
	}
	return territory.Name(c, lang)
}

type nameCommand struct {
	Code string `arg:"" help:"ISO 3166 code, such as CU or UA-43."`
	Lang string `help:"Language of the name." default:"en"`
}

func (c *nameCommand) Run(env Environment) error {
	code, err := territory.ParseCode(c.Code)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(env.Stdout, fullName(code, c.Lang))
	return err
}

type networkCommand struct {
	PLMN string `arg:"" help:"MCC-MNC, such as 250-32."`
	Lang string `help:"Language of names." default:"en"`
}

func (c *networkCommand) Run(env Environment) error {
	p, err := territory.ParsePLMN(c.PLMN)
	if err != nil {
		return err
	}
	found := p.Territories()
	if len(found) == 0 {
		return fmt.Errorf("network %s is in no table", p)
	}
	for _, code := range found {
		fmt.Fprintf(env.Stdout, "%s\t%s\n", code, fullName(code, c.Lang))
	}
	return nil
}

type addressCommand struct {
	Address string `arg:"" help:"IPv4 or IPv6 address."`
	Lang    string `help:"Language of the name." default:"en"`
}

func (c *addressCommand) Run(env Environment) error {
	a, err := netip.ParseAddr(strings.TrimSpace(c.Address))
	if err != nil {
		return usageError{fmt.Errorf("%q is no IP address", c.Address)}
	}
	code := ipterritory.Lookup(a)
	if code == territory.Unknown {
		_, err := fmt.Fprintln(env.Stdout, "unknown: the address is registered nowhere, or private")
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "%s\t%s\n", code, fullName(code, c.Lang))
	return err
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
