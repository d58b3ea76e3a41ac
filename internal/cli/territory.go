package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/bailiwick-dev/bailiwick/internal/ipterritory"
	"github.com/bailiwick-dev/bailiwick/territory"
)

type territoryCommand struct {
	Locate  locateCommand  `cmd:"" help:"Which territory is at a latitude and longitude."`
	Name    nameCommand    `cmd:"" help:"What a territory is called."`
	Network networkCommand `cmd:"" help:"Which territories a mobile network (MCC-MNC) stands for."`
	Address addressCommand `cmd:"" help:"In which territory an IP address is registered."`
}

func (territoryCommand) Help() string {
	return `Examples:
  bailiwick territory locate 45.36 36.47
  bailiwick territory name UA-43 --lang es
  bailiwick territory network 250-32
  bailiwick territory address 5.62.61.1`
}

// decimal is a number on the command line. A negative one comes with a space in front, see rewrite.
type decimal float64

// Decode implements kong.MapperValue.
func (d *decimal) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("number", &text); err != nil {
		return err
	}
	text = strings.TrimSpace(text)
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return fmt.Errorf("%q is not a decimal number, such as -33.87", text)
	}
	*d = decimal(v)
	return nil
}

type locateCommand struct {
	Lat      *decimal `arg:"" optional:"" help:"Latitude in decimal degrees, north positive."`
	Lon      *decimal `arg:"" optional:"" help:"Longitude in decimal degrees, east positive."`
	Accuracy decimal  `help:"Radius in metres within which the place lies; every territory that the circle touches is a candidate." placeholder:"M"`
	CSV      bool     `name:"csv" help:"Read lat,lon[,accuracy_m] lines from standard input and write a line each: the territory, then tab-separated all candidates."`
	JSON     bool     `name:"json" help:"Write JSON, with --csv one object per line."`
	Lang     string   `help:"Language of names." default:"en" placeholder:"TAG"`
}

func (locateCommand) Help() string {
	return `Examples:
  bailiwick territory locate 45.36 36.47
  bailiwick territory locate 46.15 33.64 --accuracy 5000
  bailiwick territory locate --json -33.87 151.21
  bailiwick territory locate --csv < places.csv > territories.tsv`
}

func (c *locateCommand) Run(ctx context.Context, env Environment) error {
	if c.CSV {
		if c.Lat != nil {
			return usageError{fmt.Errorf("--csv reads places from standard input: leave LAT and LON out")}
		}
		return territory.LocateCSV(ctx, interruptible(ctx, env.Stdin), env.Stdout, territory.CSVOptions{JSON: c.JSON})
	}
	if err := c.valid(); err != nil {
		return usageError{err}
	}
	if err := territory.Load(); err != nil {
		return err
	}
	lat, lon, accuracy := float64(*c.Lat), float64(*c.Lon), float64(c.Accuracy)
	if accuracy > territory.MaxAccuracyM {
		fmt.Fprintf(env.Stderr, "bailiwick: an accuracy of %g m says next to nothing; this is the answer for %d m\n", accuracy, int(territory.MaxAccuracyM))
		accuracy = territory.MaxAccuracyM
	}
	code := territory.Locate(lat, lon)
	candidates := territory.LocateWithin(nil, lat, lon, accuracy)
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
			fmt.Fprintf(env.Stdout, "%s\t%s (within %.0f m)\n", other, fullName(other, c.Lang), accuracy)
		}
	}
	return nil
}

func (c *locateCommand) valid() error {
	switch {
	case c.Lat == nil || c.Lon == nil:
		return errors.New("give LAT and LON, or --csv to read places from standard input")
	case (*c.Lat < -90 || *c.Lat > 90) && *c.Lon >= -90 && *c.Lon <= 90 && *c.Lat >= -180 && *c.Lat <= 180:
		return fmt.Errorf("latitude %v is not within -90 to 90; latitude comes first: did you mean %v %v?", *c.Lat, *c.Lon, *c.Lat)
	case *c.Lat < -90 || *c.Lat > 90:
		return fmt.Errorf("latitude %v is not within -90 to 90", *c.Lat)
	case *c.Lon < -180 || *c.Lon > 180:
		return fmt.Errorf("longitude %v is not within -180 to 180", *c.Lon)
	case c.Accuracy < 0:
		return fmt.Errorf("an accuracy of %v m is negative", c.Accuracy)
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
	Lang string `help:"Language of the name." default:"en" placeholder:"TAG"`
	JSON bool   `name:"json" help:"Write JSON."`
}

func (nameCommand) Help() string {
	return `Examples:
  bailiwick territory name UA-43
  bailiwick territory name CU --lang fa`
}

func (c *nameCommand) Run(env Environment) error {
	code, err := territory.ParseCode(strings.ToUpper(strings.TrimSpace(c.Code)))
	if err != nil {
		return usageError{err}
	}
	if c.JSON {
		return writeJSON(env.Stdout, nameOf(code, c.Lang))
	}
	_, err = fmt.Fprintln(env.Stdout, fullName(code, c.Lang))
	return err
}

// named is a territory in JSON.
type named struct {
	Territory territory.Code `json:"territory"`
	Name      string         `json:"name"`
}

func nameOf(code territory.Code, lang string) named {
	if code == territory.Unknown {
		return named{}
	}
	return named{code, fullName(code, lang)}
}

type networkCommand struct {
	PLMN string `arg:"" help:"MCC-MNC, such as 250-32."`
	Lang string `help:"Language of names." default:"en" placeholder:"TAG"`
	JSON bool   `name:"json" help:"Write JSON."`
}

func (networkCommand) Help() string {
	return `More than one territory is named where a network serves several, or where nobody can tell.

Examples:
  bailiwick territory network 250-32
  bailiwick territory network 234-50 --json`
}

func (c *networkCommand) Run(env Environment) error {
	p, err := territory.ParsePLMN(strings.TrimSpace(c.PLMN))
	if err != nil {
		return usageError{err}
	}
	found := p.Territories()
	if len(found) == 0 {
		return fmt.Errorf("network %s is in no table", p)
	}
	names := make([]named, len(found))
	for i, code := range found {
		names[i] = nameOf(code, c.Lang)
	}
	if c.JSON {
		return writeJSON(env.Stdout, names)
	}
	for _, n := range names {
		fmt.Fprintf(env.Stdout, "%s\t%s\n", n.Territory, n.Name)
	}
	return nil
}

type addressCommand struct {
	Address string `arg:"" help:"IPv4 or IPv6 address."`
	Lang    string `help:"Language of the name." default:"en" placeholder:"TAG"`
	JSON    bool   `name:"json" help:"Write JSON."`
}

func (addressCommand) Help() string {
	return `Where an address is registered is a hint, and establishes nothing by itself.

Examples:
  bailiwick territory address 5.62.61.1
  bailiwick territory address 2001:4860:4860::8888`
}

func (c *addressCommand) Run(env Environment) error {
	a, err := netip.ParseAddr(strings.TrimSpace(c.Address))
	if err != nil {
		return usageError{fmt.Errorf("%q is no IP address", c.Address)}
	}
	code := ipterritory.Lookup(a)
	if c.JSON {
		return writeJSON(env.Stdout, nameOf(code, c.Lang))
	}
	if code == territory.Unknown {
		_, err := fmt.Fprintln(env.Stdout, "unknown: the address is registered nowhere, or private")
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "%s\t%s\n", code, fullName(code, c.Lang))
	return err
}

// writeReport writes what --json FILE asks for: nothing without a name, to standard output for "-".
func writeReport(env Environment, file string, report any) error {
	switch file {
	case "":
		return nil
	case "-":
		return writeJSON(env.Stdout, report)
	}
	f, err := os.Create(filepath.Clean(file))
	if err != nil {
		return err
	}
	return errors.Join(writeJSON(f, report), f.Close())
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
