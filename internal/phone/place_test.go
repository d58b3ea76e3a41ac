package phone

import (
	"slices"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/ipterritory"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// The stories of the simulation rest on this table, so it must say the truth as the system's own data has it.
func TestPlacesAreWhereTheySay(t *testing.T) {
	for _, p := range Places() {
		if got := territory.Locate(p.Lat, p.Lon); got != p.Code {
			t.Errorf("%s is in %q, the table says %s", p.Name, got, p.Code)
		}
		if !slices.ContainsFunc(p.Cell.Territories(), func(c territory.Code) bool { return c.Covers(p.Code) || p.Code.Covers(c) }) {
			t.Errorf("%s: network %s is not of %s but of %v", p.Name, p.Cell, p.Code, p.Cell.Territories())
		}
		if p.Address == "" {
			continue
		}
		if got := ipterritory.Lookup(p.Addr()); got != p.Code.Country() {
			t.Errorf("%s: address %s is registered in %q", p.Name, p.Address, got)
		}
	}
}

func TestPlacesAtTheLineTouchBothSides(t *testing.T) {
	for _, p := range AtTheLine {
		if got := territory.LocateWithin(nil, p.Lat, p.Lon, 2000); len(got) < 2 {
			t.Errorf("%s: a circle of 2 km touches only %v", p.Name, got)
		}
	}
}
