// Command gen makes ranges.bin, the table that package ipterritory embeds. It installs two packages, at pinned
// versions, into a scratch folder with npm, and writes only what is derived:
//
//	go generate ./internal/ipterritory   (or: go run ./internal/ipterritory/gen -packages FOLDER)
//
// Sources and licences: internal/ipterritory/NOTICE.md.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/bailiwick-dev/bailiwick/internal/npm"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const (
	countriesPackage = "@ip-location-db/geo-whois-asn-country"
	networksPackage  = "@ip-location-db/asn"
)

// The pinned packages. A change here changes ranges.bin, and its NOTICE.
var packages = []string{countriesPackage + "@2.3.2026061719", networksPackage + "@2.3.2026061719"}

// crimean are the autonomous systems of operators whose customers are in Crimea and Sevastopol, with their names in the
// networks package. The list is by those names and may be incomplete.
var crimean = map[string]territory.Code{
	"8654":   "UA-43", // Crimeainfocom
	"28761":  "UA-43", // CrimeaCom South
	"47203":  "UA-43", // Miranda-Media, the carrier of most others; it serves Sevastopol too
	"47939":  "UA-43", // Teleradio company Yalta
	"56587":  "UA-43", // Citadel Crimea
	"57093":  "UA-43", // Yalta-TV KOM
	"59833":  "UA-40", // Sevastopol Telekom
	"197628": "UA-43", // Sudak-Net
	"201776": "UA-43", // Miranda-Media
	"204791": "UA-43", // Starlink Crimea, not the satellite network
	"215167": "UA-43", // Krymtelecom
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	folder := flags.String("packages", "", "folder whose node_modules holds the packages; empty installs them")
	target := flags.String("to", "ranges.bin", "file to write")
	if err := flags.Parse(args); err != nil {
		return err
	}
	modules, done, err := npm.Modules(*folder, packages)
	if err != nil {
		return err
	}
	defer done()
	var t table
	for _, f := range []family{{"ipv4", 32}, {"ipv6", 64}} {
		segments, err := f.segments(modules)
		if err != nil {
			return err
		}
		t.add(segments)
		fmt.Fprintf(out, "%s: %d segments\n", f.name, len(segments))
	}
	packed, err := t.pack()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d territories, %d bytes\n", len(t.codes)-1, len(packed))
	return os.WriteFile(*target, packed, 0o644)
}
