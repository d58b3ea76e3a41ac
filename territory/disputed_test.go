package territory

import (
	"slices"
	"testing"
)

func TestDisputedPlacesAreAnsweredAsTheTableSays(t *testing.T) {
	list := Disputed()
	if !slices.IsSortedFunc(list, func(a, b DisputedPlace) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	}) {
		t.Error("not in order of name, or a name twice")
	}
	for _, p := range list {
		if got := Locate(p.Lat, p.Lon); got != p.Code {
			t.Errorf("%s: Locate(%v, %v) = %q, the table says %q", p.Name, p.Lat, p.Lon, got, p.Code)
		}
		if p.Code != Unknown && !slices.Contains(p.Claims, p.Code) {
			t.Errorf("%s: %q is not among its claims %v", p.Name, p.Code, p.Claims)
		}
		for _, c := range p.Claims {
			if !c.Valid() {
				t.Errorf("%s: %q is not a code", p.Name, c)
			}
		}
		if p.Reason == "" || p.RadiusKM <= 0 {
			t.Errorf("%s: no reason or no radius", p.Name)
		}
	}
}

func TestDisputedReturnsACopy(t *testing.T) {
	Disputed()[0].Claims[0] = "XX"
	if Disputed()[0].Claims[0] == "XX" {
		t.Error("a caller changed the table")
	}
}
