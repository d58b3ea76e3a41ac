package territory

import (
	"slices"
	"testing"
)

func TestCountriesAreISO3166AndKosovo(t *testing.T) {
	all := Countries()
	if len(all) != 249+1 {
		t.Fatalf("%d countries, expected the 249 of ISO 3166-1 and XK", len(all))
	}
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Error("not in order, or one twice")
	}
	for _, c := range all {
		if !c.Valid() || !c.WellFormed() || c.IsSubdivision() || c.Country() != c {
			t.Errorf("%q is not a country's code", c)
		}
	}
	for _, c := range []Code{"CU", "IR", "SY", "KP", "SD", "SS", "UA", "TW", "EH", "AQ", "BQ", "XK"} {
		if !slices.Contains(all, c) {
			t.Errorf("%s is missing", c)
		}
	}
	for _, c := range []Code{"EU", "UN", "ZZ", "AC", "IC", "AN", "SU", "UK", "cu", "C", "CUB", "", "--", "UA-", "-43"} {
		if c.Valid() {
			t.Errorf("%q is valid", c)
		}
	}
	all[0] = "ZZ"
	if Countries()[0] != "AD" {
		t.Error("a caller can write to the table")
	}
}

func TestSubdivisionsOfUkraine(t *testing.T) {
	oblasts := Subdivisions("UA")
	if len(oblasts) != 27 || !slices.IsSorted(oblasts) {
		t.Fatalf("%d subdivisions: %v", len(oblasts), oblasts)
	}
	for _, c := range oblasts {
		if !c.Valid() || !c.IsSubdivision() || !Code("UA").Covers(c) {
			t.Errorf("%q is not a subdivision of UA", c)
		}
	}
	if Subdivisions("CU") != nil || Subdivisions(Unknown) != nil || Subdivisions("UA-43") != nil {
		t.Error("others have none")
	}
	for _, c := range []Code{"UA-44", "UA-1", "ua-43", "US-CA", "UA-043"} {
		if c.Valid() {
			t.Errorf("%q is valid", c)
		}
	}
}

// Whatever a signal can answer must be a code that policies can name.
func TestEveryAnswerIsAValidCode(t *testing.T) {
	ix, err := loadBorders()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range ix.codes {
		if i > 0 && !c.Valid() {
			t.Errorf("the borders answer %q", c)
		}
	}
	for key, row := range EmbeddedPLMNs().rows {
		for _, c := range row.all {
			if !c.Valid() {
				t.Errorf("network %s answers %q", key, c)
			}
		}
	}
}

func TestParseCode(t *testing.T) {
	if c, err := ParseCode("UA-43"); c != "UA-43" || err != nil {
		t.Errorf("%q, %v", c, err)
	}
	if c, err := ParseCode("ua-43"); c != Unknown || err == nil {
		t.Errorf("%q, %v", c, err)
	}
}

func BenchmarkValid(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = Code("UA-43").Valid()
	}
}
