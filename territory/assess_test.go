package territory

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// Places are real ones. Accuracy in metres.
var (
	havana     = &Fix{23.1136, -82.3666, 20}
	simferopol = &Fix{44.9521, 34.1024, 20}
	armiansk   = &Fix{46.1059, 33.6911, 10}
	henichesk  = &Fix{46.1770, 34.8031, 20}
	kyiv       = &Fix{50.4501, 30.5234, 20}
	moscow     = &Fix{55.7558, 37.6173, 20}
	uzhhorod   = &Fix{48.6208, 22.2879, 20}
	kaesong    = &Fix{37.9708, 126.5544, 20}
	berlin     = &Fix{52.5200, 13.4050, 20}
)

func assessed(a Assessment) string {
	if len(a.Candidates) == 0 {
		return "-"
	}
	return fmt.Sprintf("%s %.3f +%s -%s", a.Candidates[0].Territory, a.Candidates[0].Probability, a.Agree, a.Against)
}

func TestAssessStories(t *testing.T) {
	for _, tt := range []struct {
		name    string
		signals Signals
		want    string // first candidate, probability, agreeing, contradicting
		decided Code   // at 95 per cent
	}{
		{"Sevastopol, the address of a Crimean carrier", Signals{GNSS: &Fix{44.6054, 33.5221, 20}, Cell: "250-33", IP: "UA-43"}, "UA-40 1.000 +gnss,cell,ip -", "UA-40"},
		{"the address of a Crimean carrier alone", Signals{IP: "UA-43"}, "UA-40 0.375 +ip -", ""},
		{"nothing", Signals{}, "-", ""},
		{"a good fix", Signals{GNSS: havana}, "CU 0.998 +gnss -", "CU"},
		{"all agree", Signals{GNSS: havana, Cell: "368-01", SIM: "368-01", WiFi: "CU", IP: "CU"}, "CU 1.000 +gnss,cell,sim,wifi,ip -", "CU"},
		{"foreign SIM and its home-routed address", Signals{GNSS: havana, Cell: "368-01", SIM: "214-01", IP: "ES"}, "CU 1.000 +gnss,cell -sim,ip", "CU"},
		{"VPN", Signals{GNSS: havana, Cell: "368-01", SIM: "368-01", WiFi: "CU", IP: "NL"}, "CU 1.000 +gnss,cell,sim,wifi -ip", "CU"},
		{"a tower over the border, a SIM from there, a VPN", Signals{GNSS: uzhhorod, Cell: "231-01", SIM: "231-01", IP: "NL"}, "UA-21 0.991 +gnss -cell,sim,ip", "UA-21"},
		{"Korea: a southern tower heard in Kaesong", Signals{GNSS: kaesong, Cell: "450-05"}, "KP 0.996 +gnss -cell", "KP"},
		{"a fix far from the serving cell", Signals{GNSS: havana, Cell: "262-01"}, "CU 0.911 +gnss -cell", ""},
		{"everything against the fix", Signals{GNSS: havana, Cell: "262-01", SIM: "262-01", WiFi: "DE", IP: "DE"}, "CU 0.629 +gnss -cell,sim,wifi,ip", ""},

		{"Crimea under a mainland code", Signals{GNSS: simferopol, Cell: "250-01", SIM: "250-01", WiFi: "RU", IP: "RU"}, "UA-43 1.000 +gnss,cell,sim,wifi,ip -", "UA-43"},
		{"Crimea under its own code", Signals{GNSS: simferopol, Cell: "250-32"}, "UA-43 1.000 +gnss,cell -", "UA-43"},
		{"Crimea, a Ukrainian SIM", Signals{GNSS: simferopol, SIM: "255-01"}, "UA-43 0.999 +gnss,sim -", "UA-43"},
		{"Armiansk hears Kherson's tower", Signals{GNSS: armiansk, Cell: "255-01", SIM: "255-01"}, "UA-43 0.998 +gnss,sim -cell", "UA-43"},
		{"Henichesk hears Crimea's tower", Signals{GNSS: henichesk, Cell: "250-32"}, "UA-65 0.996 +gnss -cell", "UA-65"},
		{"Kyiv", Signals{GNSS: kyiv, Cell: "255-01", SIM: "255-01", WiFi: "UA", IP: "UA"}, "UA-30 1.000 +gnss,cell,sim,wifi,ip -", "UA-30"},
		{"Moscow", Signals{GNSS: moscow, Cell: "250-01", SIM: "250-01", WiFi: "RU"}, "RU 1.000 +gnss,cell,sim,wifi -", "RU"},
		{"Russia's codes without a fix may be Crimea", Signals{Cell: "250-01", SIM: "250-01", WiFi: "RU", IP: "RU"}, "RU 0.927 +cell,sim,wifi,ip -", ""},
		{"Crimea's network without a fix may be Sevastopol", Signals{Cell: "250-32", SIM: "250-32", WiFi: "RU"}, "UA-40 0.473 +cell,sim,wifi -", ""},

		{"no fix: cell, SIM and Wi-Fi", Signals{Cell: "368-01", SIM: "368-01", WiFi: "CU"}, "CU 0.986 +cell,sim,wifi -", "CU"},
		{"no fix: cell and Wi-Fi", Signals{Cell: "368-01", WiFi: "CU"}, "CU 0.979 +cell,wifi -", "CU"},
		{"no fix: cell and SIM", Signals{Cell: "432-11", SIM: "432-11"}, "IR 0.945 +cell,sim -", ""},
		{"no fix: an Iranian SIM on an Iranian tower, perhaps in Iraq", Signals{Cell: "432-11", SIM: "432-11", IP: "IR"}, "IR 0.945 +cell,sim,ip -", ""},
		{"no fix: a tourist", Signals{Cell: "368-01", SIM: "214-01", WiFi: "CU", IP: "ES"}, "CU 0.968 +cell,wifi -sim,ip", "CU"},
		{"cell alone", Signals{Cell: "368-01"}, "CU 0.920 +cell -", ""},
		{"SIM alone", Signals{SIM: "368-01"}, "CU 0.600 +sim -", ""},
		{"address alone", Signals{IP: "CU"}, "CU 0.600 +ip -", ""},
		{"Wi-Fi alone", Signals{WiFi: "CU"}, "CU 0.800 +wifi -", ""},
		{"SIM and address", Signals{SIM: "368-01", IP: "CU"}, "CU 0.600 +sim,ip -", ""},

		{"a test network, a country that does not exist", Signals{Cell: "001-01", SIM: "999-99", WiFi: "QQ", IP: "uk"}, "-", ""},
		{"a fix that is none", Signals{GNSS: &Fix{math.NaN(), 0, 10}, Cell: "368-01"}, "CU 0.920 +cell -", ""},
		{"a fix of a continent", Signals{GNSS: &Fix{23.1, -82.4, 50_001}}, "-", ""},
		{"a fix with a negative radius", Signals{GNSS: &Fix{23.1, -82.4, -1}}, "-", ""},
		{"no accuracy", Signals{GNSS: &Fix{23.1136, -82.3666, 0}}, "CU 0.998 +gnss -", "CU"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := Assess(tt.signals)
			if got := assessed(a); got != tt.want {
				t.Errorf("assessed as %q, want %q; %v", got, tt.want, a.Candidates)
			}
			if c, ok := a.Decided(95); c != tt.decided || ok != (tt.decided != Unknown) {
				t.Errorf("decided for %q %v, want %q", c, ok, tt.decided)
			}
		})
	}
}

// Whatever the other signals say, a circle over a border or a place at sea leaves the day undecided.
func TestUnsettledFixNeverDecides(t *testing.T) {
	sure := Signals{Cell: "368-01", SIM: "368-01", WiFi: "CU", IP: "CU"}
	for name, fix := range map[string]*Fix{
		"mid-Atlantic":               {30, -45, 10},
		"Null Island":                {0, 0, 10},
		"Armiansk, to 3 km":          {46.1059, 33.6911, 3000},
		"Panmunjom":                  {37.9559, 126.6772, 30},
		"a wide circle round Havana": {23.1136, -82.3666, 48_000 * 2},
		"Kyiv's edge":                {50.4501, 30.5234, 10_000},
	} {
		s := sure
		s.GNSS = fix
		a := Assess(s)
		if fix.AccuracyM > maxAccuracyM {
			if a.Unsettled {
				t.Errorf("%s: a fix that is ignored unsettled the assessment", name)
			}
			continue
		}
		if c, ok := a.Decided(50); ok || !a.Unsettled {
			t.Errorf("%s: decided for %s (unsettled %v)", name, c, a.Unsettled)
		}
	}
}

// The worked example of the documentation, recomputed from its own numbers and by Assess.
func TestWorkedExample(t *testing.T) {
	here := 1 * (1 - 0.08) * 0.4 * (1 - 0.2)
	spain := 1 * 0.08 * (1 - 0.4) * 0.2
	elsewhere := 0 * 0.08 * 0.4 * 0.2
	want := here / (here + spain + elsewhere)

	a := Assess(Signals{Cell: "368-01", SIM: "214-01", WiFi: "CU"})
	if got := a.Candidates[0]; got.Territory != "CU" || math.Abs(got.Probability-want) > 1e-12 {
		t.Errorf("the example gives CU %.6f, Assess %s %.6f", want, got.Territory, got.Probability)
	}
	if assessed(a) != "CU 0.968 +cell,wifi -sim" {
		t.Errorf("assessed as %s", assessed(a))
	}
	for file, lines := range map[string][]string{
		"assess.go":             {"1 × 0.92 × 0.40 × 0.80 = 0.2944", "1 × 0.08 × 0.60 × 0.20 = 0.0096", "0.2944 / 0.3040 = 0.968"},
		"../docs/assessment.md": {"1 × 0.92 × 0.40 × 0.80 = 0.2944", "1 × 0.08 × 0.60 × 0.20 = 0.0096", "0.2944 / 0.3040 = 0.968"},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			if !strings.Contains(string(text), line) {
				t.Errorf("%s does not say %q", file, line)
			}
		}
	}
	if fmt.Sprintf("%.4f %.4f %.3f", here, spain, want) != "0.2944 0.0096 0.968" {
		t.Errorf("the documented figures are wrong: %.4f %.4f %.3f", here, spain, want)
	}
}

// The document's table of constants and the code's must be the same.
func TestDocumentedConstants(t *testing.T) {
	text, err := os.ReadFile("../docs/assessment.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]float64{
		"wrongGNSS": wrongGNSS, "wrongCell": wrongCell, "wrongCellNear": wrongCellNear, "wrongCellFar": wrongCellFar,
		"wrongSIM": wrongSIM, "wrongWiFi": wrongWiFi, "wrongIP": wrongIP, "minorShare": minorShare,
		"circleFactor": circleFactor, "bordersErrorM": bordersErrorM, "noAccuracyM": noAccuracyM,
		"maxAccuracyM": maxAccuracyM, "towerReachM": towerReachM,
	} {
		if row := fmt.Sprintf("| `%s` | %v |", name, value); !strings.Contains(string(text), row) {
			t.Errorf("docs/assessment.md has no row %q", row)
		}
	}
}

func TestRussianCodesAreReadAsTheTableReadsThem(t *testing.T) {
	if mainland := PLMN("250-01").Territories(); !slices.Equal(mainland, russia.all) {
		t.Errorf("MCC 250 is %v, a Russian country code %v", mainland, russia.all)
	}
}

func BenchmarkAssess(b *testing.B) {
	for name, s := range map[string]Signals{
		"city":   {GNSS: havana, Cell: "368-01", SIM: "368-01", WiFi: "CU", IP: "CU"},
		"border": {GNSS: armiansk, Cell: "255-01", SIM: "250-01", WiFi: "RU", IP: "RU"},
		"no fix": {Cell: "250-01", SIM: "250-01", WiFi: "RU", IP: "RU"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Assess(s)
			}
		})
	}
}
