package territory

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestNetworksOfTheStory(t *testing.T) {
	for _, tt := range []struct {
		network PLMN
		want    string
	}{
		{"368-01", "CU"},
		{"432-11", "IR"},
		{"417-01", "SY"},
		{"467-05", "KP"},
		{"634-01", "SD"},
		{"250-32", "UA-43 UA-40"},
		{"250-33", "UA-40 UA-43"},
		{"250-34", "UA-43 UA-40"},
		{"250-60", "UA-43 UA-40"},
		{"250-61", "UA-43 UA-40"},
		{"250-96", "UA-65 UA-23"},
		{"250-97", "UA-14"},
		{"255-98", "UA-09"},
		{"255-99", "UA-14 UA-09"},
		{"255-00", "MD"},
		{"255-01", "UA"},
		{"250-01", "RU UA-43 UA-40 UA-14 UA-09 UA-23 UA-65"},
		{"250-88", "RU UA-43 UA-40 UA-14 UA-09 UA-23 UA-65"}, // not in the list: the MCC's row
		{"234-03", "GB JE GG"},
		{"234-10", "GB"},
		{"310-410", "US VI"},
		{"310-999", "US GU PR VI MP BM"},
		{"425-05", "IL PS"},
		{"425-01", "IL"},
		{"505-10", "AU CC CX NF"},
		{"647-00", "RE YT"},
		{"221-01", "XK"},
		{"289-67", "GE"},
		{"286-01", "TR CY"},
		{"901-01", ""}, // international
		{"001-01", ""}, // test
		{"999-99", ""},
		{"250", ""},
		{"250-3", ""},
		{"25032", ""},
		{"250-3222", ""},
		{"", ""},
	} {
		var got []string
		for _, c := range tt.network.Territories() {
			got = append(got, string(c))
		}
		slices.Sort(got[min(len(got), 1):])
		want := strings.Fields(tt.want)
		slices.Sort(want[min(len(want), 1):])
		if !slices.Equal(got, want) {
			t.Errorf("%q stands for %v, want %v", tt.network, got, want)
		}
	}
}

func TestEveryMobileCountryIsInTheTable(t *testing.T) {
	covered := make(map[Code]bool)
	for _, row := range EmbeddedPLMNs().rows {
		for _, c := range row.all {
			covered[c.Country()] = true
		}
	}
	// These have no network code of their own, or none that the list knows.
	without := strings.Fields("AQ AX BV GS HM IO PN SJ TF UM VA")
	for _, c := range Countries() {
		if covered[c] == slices.Contains(without, string(c)) {
			t.Errorf("%s: a network code stands for it: %v", c, covered[c])
		}
	}
}

func TestParsePLMN(t *testing.T) {
	if p, err := ParsePLMN("250-32"); err != nil || p.MCC() != "250" || p.MNC() != "32" {
		t.Errorf("%q %q %q %v", p, p.MCC(), p.MNC(), err)
	}
	if p, err := ParsePLMN("310-004"); err != nil || p.MNC() != "004" {
		t.Errorf("%q %v", p, err)
	}
	for _, s := range []string{"", "250", "25032", "250-3", "250-3222", "25o-32", "250-3x", "250_32", " 250-32", "250-32\n", "٢٥٠-32"} {
		if p, err := ParsePLMN(s); err == nil || p != "" {
			t.Errorf("%q was read as %q", s, p)
		}
	}
	if PLMN("25").MCC() != "" || PLMN("25").MNC() != "" {
		t.Error("a malformed code has parts")
	}
}

const ownTable = plmnHeader + "\n250-32,UA-43,,,operator,\n901-01,,,,operator,\n262,DE,FR,,operator,roams\n255,UA,,UA-43,operator,not there\n"

func TestOwnTable(t *testing.T) {
	own, err := ParsePLMNTable(strings.NewReader(ownTable))
	if err != nil {
		t.Fatal(err)
	}
	over := own.Over(EmbeddedPLMNs())
	for p, want := range map[PLMN][]Code{
		"250-32": {"UA-43"}, "250-33": {"UA-40", "UA-43"}, "901-01": nil, "262-02": {"DE", "FR"}, "368-01": {"CU"},
		"255-98": {"UA"}, // own row for the whole MCC hides the embedded one for the network
	} {
		if got := over.Territories(p); !slices.Equal(got, want) {
			t.Errorf("%s stands for %v, want %v", p, got, want)
		}
	}
	if n := EmbeddedPLMNs().Territories("250-32"); len(n) != 2 {
		t.Errorf("the embedded table was changed: %v", n)
	}
	a := Model{Networks: over}.Assess(Signals{Cell: "250-32", WiFi: "UA-43"})
	if c, ok := a.Decided(95); !ok || c != "UA-43" {
		t.Errorf("with its own table the model decides for %s %v", c, ok)
	}
	var none *PLMNTable
	if none.Territories("250-32") != nil {
		t.Error("no table answers")
	}
}

func TestBadTables(t *testing.T) {
	many := strings.Repeat("UA-43 ", maxPLMNPlaces) + "UA-40"
	var rows strings.Builder
	for i := range maxPLMNTableRows + 1 {
		fmt.Fprintf(&rows, "%03d-%03d,DE,,,x,\n", i/1000, i%1000)
	}
	for name, tt := range map[string]struct{ text, want string }{
		"too many rows":    {plmnHeader + "\n" + rows.String(), "line 50002: more than 50000 rows"},
		"empty":            {"", "newline"},
		"cut off":          {plmnHeader + "\n250-32,UA-43,,,x,", "newline"},
		"no header":        {"250-32,UA-43,,,x,\n", "line 1: the header"},
		"another header":   {"network,serves\n", "line 1: the header"},
		"CRLF":             {plmnHeader + "\r\n", "line 1: the header"},
		"CR in a row":      {plmnHeader + "\n250-32,UA-43,,,x,\r\n", "control character"},
		"quotes":           {plmnHeader + "\n\"250-32\",UA-43,,,x,\n", "quote"},
		"not UTF-8":        {plmnHeader + "\n250-32,UA-43,,,\xff,\n", "UTF-8"},
		"blank line":       {plmnHeader + "\n\n", "line 2: has 1 fields"},
		"too many fields":  {plmnHeader + "\n250-32,UA-43,,,x,,\n", "7 fields"},
		"bad network":      {plmnHeader + "\n25-032,UA-43,,,x,\n", "neither MCC-MNC nor an MCC"},
		"unknown code":     {plmnHeader + "\n250-32,UA-44,,,x,\n", "UA-44"},
		"two blanks":       {plmnHeader + "\n250-32,UA-43  UA-40,,,x,\n", `""`},
		"twice a code":     {plmnHeader + "\n250-32,UA-43,UA-43,,x,y\n", "names UA-43 twice"},
		"twice a network":  {plmnHeader + "\n250-32,UA-43,,,x,\n250-32,UA-40,,,x,\n", "line 3: network 250-32 has a row already"},
		"maybe only":       {plmnHeader + "\n250-32,,UA-43,,x,y\n", "serves nothing"},
		"no source":        {plmnHeader + "\n250-32,UA-43,,, ,\n", "no source"},
		"no reason":        {plmnHeader + "\n250,RU,UA-43,,x,\n", "needs a reason"},
		"absent elsewhere": {plmnHeader + "\n250,RU,,UA-43,x,y\n", "not a subdivision of a country that it serves"},
		"too many codes":   {plmnHeader + "\n250," + many + ",,,x,\n", "at most 32"},
		"a long line":      {plmnHeader + "\n250,RU,,,x," + strings.Repeat("y", maxPLMNLine) + "\n", "line 2: longer than 1024"},
		"a very long line": {plmnHeader + "\n250,RU,,,x," + strings.Repeat("y", 100_000) + "\n", "line 2: longer than 1024"},
		"too large":        {plmnHeader + "\n" + strings.Repeat("\n", maxPLMNTableBytes), "over 4194304 bytes"},
	} {
		table, err := ParsePLMNTable(strings.NewReader(tt.text))
		if err == nil || table != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, tt.want)
		}
	}
	broken := errors.New("broken")
	if _, err := ParsePLMNTable(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("a broken reader: %v", err)
	}
}

// Rows that somebody wrote by hand are those with a reason; each must say where it comes from.
func TestEmbeddedTableSaysItsSources(t *testing.T) {
	hand, err := os.ReadFile("gencodes/networks.csv")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParsePLMNTable(bytes.NewReader(hand)); err != nil {
		t.Errorf("gencodes/networks.csv: %v", err)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(hand)), "\n")[1:] {
		f := strings.Split(line, ",")
		if f[4] == "" || f[5] == "" {
			t.Errorf("gencodes/networks.csv row %d has no source or no reason", i+1)
		}
		if !bytes.Contains(plmnCSV, []byte("\n"+line+"\n")) {
			t.Errorf("plmn.csv lacks %q: run go generate", line)
		}
	}
}

func TestTerritoriesDoNotAllocate(t *testing.T) {
	PLMN("368-01").Territories()
	if n := testing.AllocsPerRun(100, func() {
		for _, p := range []PLMN{"368-01", "250-32", "250-88", "999-99"} {
			_ = p.Territories()
			_ = p.MCC()
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParsePLMNTable(f *testing.F) {
	f.Add([]byte(ownTable))
	f.Add(plmnCSV[:1024])
	f.Add([]byte(plmnHeader + "\n250,RU,UA-43 UA-40,,x,y\n255,UA,,UA-43,x,y\n"))
	f.Add([]byte(plmnHeader + "\n250,RU,UA-43  ,,x,y\n"))
	f.Add([]byte(plmnHeader))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := ParsePLMNTable(bytes.NewReader(data))
		if (err == nil) != (table != nil) {
			t.Fatalf("%v with error %v", table, err)
		}
		if err != nil {
			return
		}
		if lines := bytes.Count(data, []byte("\n")); table.Len() != lines-1 {
			t.Fatalf("%d rows of %d lines", table.Len(), lines)
		}
		for key, row := range table.rows {
			for _, c := range row.all {
				if !c.Valid() || !row.stands(c) {
					t.Fatalf("%s: %q", key, c)
				}
			}
		}
		if table.Over(EmbeddedPLMNs()).Len() < table.Len() {
			t.Fatal("rows were lost")
		}
	})
}

func FuzzParsePLMN(f *testing.F) {
	for _, s := range []string{"250-32", "310-004", "25032", "", "250-٣٢"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePLMN(s)
		if err == nil && (string(p) != s || p.MCC()+"-"+p.MNC() != s) {
			t.Fatalf("%q was read as %q", s, p)
		}
		PLMN(s).Territories()
	})
}

func BenchmarkTerritories(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = PLMN("250-32").Territories()
	}
}
