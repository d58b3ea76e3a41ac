package territory

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

var somePLMNs = []PLMN{"", "368-01", "250-01", "250-32", "250-33", "250-96", "255-01", "255-98", "234-03", "234-10",
	"310-410", "311-470", "425-05", "425-01", "505-10", "231-01", "216-30", "432-11", "418-20", "450-05", "467-05", "214-01", "286-01", "001-01"}

var someCountries = []Code{"", "CU", "UA", "RU", "HU", "SK", "IR", "IQ", "KP", "KR", "ES", "GB", "JE", "US", "VI", "CY", "UA-43", "ZZ"}

var somePlaces = []*Fix{nil, havana, simferopol, armiansk, henichesk, kyiv, moscow, uzhhorod, kaesong, berlin,
	{49.2138, -2.1358, 30}, {18.3419, -64.9307, 30}, {30, -45, 30}, {44.6166, 33.5254, 15}, {35.1856, 33.3823, 15}}

func drawFix(t *rapid.T) *Fix {
	f := rapid.SampledFrom(somePlaces).Draw(t, "place")
	if f == nil {
		return nil
	}
	moved := *f
	moved.AccuracyM = rapid.SampledFrom([]float64{0, 5, 30, 400, 3000, 20_000, 50_000}).Draw(t, "accuracy")
	moved.Lat += rapid.Float64Range(-0.3, 0.3).Draw(t, "north")
	moved.Lon += rapid.Float64Range(-0.3, 0.3).Draw(t, "east")
	return &moved
}

func drawSignals(t *rapid.T) Signals {
	return Signals{
		GNSS: drawFix(t),
		Cell: rapid.SampledFrom(somePLMNs).Draw(t, "cell"), SIM: rapid.SampledFrom(somePLMNs).Draw(t, "sim"),
		WiFi: rapid.SampledFrom(someCountries).Draw(t, "wifi"), IP: rapid.SampledFrom(someCountries).Draw(t, "ip"),
	}
}

func probability(a Assessment, of Code) float64 {
	for _, c := range a.Candidates {
		if c.Territory == of {
			return c.Probability
		}
	}
	return 0
}

func without(s Signals, k Kind) Signals {
	switch k {
	case GNSS:
		s.GNSS = nil
	case Cell:
		s.Cell = ""
	case SIM:
		s.SIM = ""
	case WiFi:
		s.WiFi = ""
	case IP:
		s.IP = ""
	}
	return s
}

func TestProbabilitiesAreProbabilities(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Assess(drawSignals(t))
		sum, last := 0.0, 1.0
		for _, c := range a.Candidates {
			if !(c.Probability >= 0 && c.Probability <= last) || !c.Territory.Valid() {
				t.Fatalf("%v", a.Candidates)
			}
			sum, last = sum+c.Probability, c.Probability
		}
		if sum > 1+1e-12 || len(a.Candidates) > maxCandidates || a.Agree&a.Against != 0 {
			t.Fatalf("sum %v of %v", sum, a)
		}
	})
}

// Address, SIM and Wi-Fi, alone or together, or a cell without SIM or Wi-Fi, decide nothing at any percentage.
func TestWeakSignalsNeverDecide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSignals(t)
		s.GNSS = nil
		if rapid.Bool().Draw(t, "cell instead") {
			s.SIM, s.WiFi = "", ""
		} else {
			s.Cell = ""
		}
		a := Assess(s)
		if c, ok := a.Decided(rapid.Uint8().Draw(t, "percent")); ok || c != Unknown {
			t.Fatalf("%+v decided for %s", s, c)
		}
		if r := a.Record(3); r != (DayRecord{Day: 3}) {
			t.Fatalf("%+v left %v", s, r)
		}
	})
}

// A fix that singles out a territory, with everything else against it but from over the border at most, is believed.
func TestGoodFixIsNotMoved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSignals(t)
		if s.GNSS == nil {
			return
		}
		alone := Assess(Signals{GNSS: s.GNSS})
		want, ok := alone.Decided(95)
		if !ok {
			return
		}
		got := Assess(s)
		if got.Candidates[0].Territory != want {
			t.Fatalf("%+v moved %s to %s", s, want, got.Candidates[0].Territory)
		}
		// A foreign SIM, a VPN and a tower of the border, but no access point from there and no tower from afar.
		s.WiFi = ""
		if row := EmbeddedPLMNs().row(s.Cell); row != nil && !row.stands(want) && !s.GNSS.near(row) {
			s.Cell = ""
		}
		if c, ok := Assess(s).Decided(95); c != want || !ok {
			t.Fatalf("%+v left %s undecided: %v", s, want, Assess(s))
		}
	})
}

func TestCircleOverABorderStaysUndecided(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSignals(t)
		if s.GNSS == nil || s.GNSS.AccuracyM > maxAccuracyM {
			return
		}
		if places := LocateWithin(nil, s.GNSS.Lat, s.GNSS.Lon, s.GNSS.radius()); len(places) == 1 && Locate(s.GNSS.Lat, s.GNSS.Lon) != Unknown {
			return
		}
		if c, ok := Assess(s).Decided(50); ok {
			t.Fatalf("%+v decided for %s", s, c)
		}
	})
}

// A signal that names the first candidate only never lowers it.
func TestAgreementNeverLowers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSignals(t)
		k := rapid.SampledFrom([]Kind{GNSS, Cell, SIM, WiFi, IP}).Draw(t, "added")
		before := Assess(without(s, k))
		after := Assess(s)
		if len(before.Candidates) == 0 {
			return
		}
		first := before.Candidates[0].Territory
		if !namesOnly(s, k, first) {
			return
		}
		if p, q := before.Candidates[0].Probability, probability(after, first); q < p-1e-12 {
			t.Fatalf("%+v: %s brought %s from %v to %v", s, k, first, p, q)
		}
	})
}

// namesOnly reports whether a signal, in the light of the fix, leaves no territory but c.
func namesOnly(s Signals, k Kind, c Code) bool {
	a := Assess(Signals{GNSS: s.GNSS, Cell: s.Cell, SIM: s.SIM, WiFi: s.WiFi, IP: s.IP})
	if !a.Agree.Has(k) || a.Candidates[0].Territory != c {
		return false
	}
	if k != GNSS && s.GNSS != nil && !a.Unsettled && a.Agree.Has(GNSS) {
		return true
	}
	alone := Signals{}
	switch k {
	case GNSS:
		alone.GNSS = s.GNSS
	case Cell:
		alone.Cell = s.Cell
	case SIM:
		alone.SIM = s.SIM
	case WiFi:
		alone.WiFi = s.WiFi
	case IP:
		alone.IP = s.IP
	}
	b := Assess(alone)
	return len(b.Candidates) == 1 && b.Candidates[0].Territory == c
}

// A signal that does not name the first candidate never raises it.
func TestContradictionNeverRaises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSignals(t)
		k := rapid.SampledFrom([]Kind{GNSS, Cell, SIM, WiFi, IP}).Draw(t, "added")
		before, after := Assess(without(s, k)), Assess(s)
		if len(before.Candidates) == 0 {
			return
		}
		first := before.Candidates[0].Territory
		if after.Agree.Has(k) && after.Candidates[0].Territory == first || agreesWith(s, k, first) {
			return
		}
		if p, q := before.Candidates[0].Probability, probability(after, first); q > p+1e-12 {
			t.Fatalf("%+v: %s brought %s from %v to %v", s, k, first, p, q)
		}
	})
}

// agreesWith reports whether the signal names c at all.
func agreesWith(s Signals, k Kind, c Code) bool {
	var b balance
	b.candidates, b.circle = b.room[:0], b.circleRoom[:0]
	b.read(EmbeddedPLMNs(), s)
	return !b.readings[k].present || b.readings[k].row.stands(c)
}

func FuzzAssess(f *testing.F) {
	f.Add(23.1, -82.3, 20.0, "368-01", "250-32", "CU", "RU")
	f.Add(math.NaN(), math.Inf(1), -1.0, "", "999", "xx", "UA-43")
	f.Add(90.0, 180.0, 50_000.0, "250-", "2500-1", "RU", "UA-")
	f.Fuzz(func(t *testing.T, lat, lon, accuracy float64, cell, sim, wifi, ip string) {
		a := Assess(Signals{&Fix{lat, lon, accuracy}, PLMN(cell), PLMN(sim), Code(wifi), Code(ip)})
		sum := 0.0
		for _, c := range a.Candidates {
			if !(c.Probability >= 0) || !c.Territory.Valid() {
				t.Fatalf("%v", a)
			}
			sum += c.Probability
		}
		if sum > 1+1e-9 || !a.Record(1).Agree.Valid() {
			t.Fatalf("%v", a)
		}
	})
}
