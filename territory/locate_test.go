package territory

import (
	"bufio"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func TestLocateNamedPlaces(t *testing.T) {
	for _, p := range []struct {
		name     string
		lat, lon float64
		want     Code
	}{
		{"Simferopol", 44.952, 34.102, "UA-43"},
		{"Kerch", 45.356, 36.467, "UA-43"},
		{"Armiansk", 46.107, 33.691, "UA-43"},
		{"Dzhankoi", 45.709, 34.393, "UA-43"},
		{"Sevastopol", 44.607, 33.522, "UA-40"},
		{"Inkerman", 44.614, 33.608, "UA-40"},
		{"Henichesk", 46.172, 34.808, "UA-65"},
		{"Kalanchak", 46.255, 33.291, "UA-65"},
		{"Arabat spit, Shchaslyvtseve", 46.075, 34.907, "UA-65"},
		{"Arabat spit, south", 45.55, 35.17, "UA-43"},
		{"Kinburn", 46.527, 31.60, "UA-48"},
		{"Snake Island", 45.255, 30.204, "UA-51"},
		{"Kyiv", 50.450, 30.523, "UA-30"},
		{"Brovary, by Kyiv", 50.511, 30.790, "UA-32"},
		{"Berdiansk", 46.76, 36.79, "UA-23"},
		{"Uzhhorod", 48.62, 22.29, "UA-21"},
		{"Havana", 23.133, -82.383, "CU"},
		{"Isla de la Juventud", 21.70, -82.80, "CU"},
		{"Tehran", 35.694, 51.422, "IR"},
		{"Kish", 26.54, 53.98, "IR"},
		{"Damascus", 33.510, 36.291, "SY"},
		{"Arwad", 34.856, 35.858, "SY"},
		{"Tartus, the shore", 34.889, 35.880, "SY"},
		{"Khartoum", 15.552, 32.532, "SD"},
		{"Pyongyang", 39.034, 125.754, "KP"},
		{"Seoul", 37.566, 126.978, "KR"},
		{"Hong Kong", 22.30, 114.17, "HK"},
		{"Macau", 22.198, 113.55, "MO"},
		{"Shenzhen", 22.545, 114.068, "CN"},
		{"San Juan", 18.466, -66.106, "PR"},
		{"Nuuk", 64.183, -51.722, "GL"},
		{"Point-à-Pitre", 16.242, -61.534, "GP"},
		{"Maseru, in a hole", -29.317, 27.483, "LS"},
		{"Vatican", 41.902, 12.453, "VA"},
		{"San Marino", 43.937, 12.446, "SM"},
		{"Büsingen, an exclave", 47.697, 8.69, "DE"},
		{"Llívia, an exclave", 42.464, 1.981, "ES"},
		{"Campione", 45.968, 8.971, "IT"},
		{"Madha, within the Emirates", 25.283, 56.332, "OM"},
		{"Nahwa, within Madha", 25.28, 56.28, "AE"},
		{"Kaliningrad", 54.707, 20.507, "RU"},
		{"Nakhchivan", 39.209, 45.412, "AZ"},
		{"Cabinda", -5.55, 12.19, "AO"},
		{"Hanoi", 21.028, 105.854, "VN"},
		{"Ürümqi", 43.80, 87.60, "CN"},
		{"Pristina", 42.663, 21.164, "XK"},
		{"Belgrade", 44.787, 20.457, "RS"},
		{"Jan Mayen", 70.98, -8.5, "SJ"},
		{"Heard Island", -53.1, 73.5, "HM"},
		{"Bouvet Island", -54.42, 3.36, "BV"},
		{"ten miles off Havana", 23.30, -82.40, "CU"},
		{"mid-Atlantic", 0, -30, Unknown},
		{"mid-Pacific", 10, -140, Unknown},
	} {
		if got := Locate(p.lat, p.lon); got != p.want {
			t.Errorf("%s: Locate(%v, %v) = %q, want %q", p.name, p.lat, p.lon, got, p.want)
		}
	}
}

func TestLocateAtTheEdgesOfTheMap(t *testing.T) {
	for _, lon := range []float64{180, -180, 179.9999, -179.9999, 179.99999999, math.Nextafter(180, 0), math.Nextafter(-180, 0)} {
		if got := Locate(66, lon); got != "RU" {
			t.Errorf("Chukotka at %v: %q", lon, got)
		}
		if got := Locate(-16.8, lon); got != "FJ" {
			t.Errorf("Taveuni at %v: %q", lon, got)
		}
		for _, lat := range []float64{-90, -89.99, -85.05, -80} {
			if got := Locate(lat, lon); got != "AQ" {
				t.Errorf("Antarctica at %v, %v: %q", lat, lon, got)
			}
		}
		if got := Locate(90, lon); got != Unknown {
			t.Errorf("North Pole at %v: %q", lon, got)
		}
	}
}

func TestLocateWhatIsNotAPlace(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, p := range [][2]float64{{nan, 0}, {0, nan}, {nan, nan}, {inf, 0}, {-inf, 0}, {0, inf}, {0, -inf}, {90.0001, 0}, {-90.0001, 0},
		{45, 180.0001}, {45, -180.0001}, {1e300, 1e300}, {41.9, 372.45}} {
		if got := Locate(p[0], p[1]); got != Unknown {
			t.Errorf("Locate(%v, %v) = %q", p[0], p[1], got)
		}
		if got := LocateWithin(nil, p[0], p[1], 1000); len(got) != 0 {
			t.Errorf("LocateWithin(%v, %v) = %q", p[0], p[1], got)
		}
	}
}

// sample is a line of testdata/borders.csv.
type sample struct {
	kind     string
	lat, lon float64
	code     Code
}

func readSamples(t testing.TB) (out []sample) {
	f, err := os.Open("testdata/borders.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.HasPrefix(s.Text(), "#") {
			continue
		}
		p := strings.Split(s.Text(), ",")
		lat, err1 := strconv.ParseFloat(p[1], 64)
		lon, err2 := strconv.ParseFloat(p[2], 64)
		if err1 != nil || err2 != nil || len(p) != 4 {
			t.Fatalf("bad sample %q", s.Text())
		}
		out = append(out, sample{p[0], lat, lon, Code(p[3])})
	}
	return out
}

func TestLocateAgreesWithTheSamples(t *testing.T) {
	type tally struct{ n, wrong int }
	got := map[string]*tally{"place": {}, "crimea": {}, "crimea as a whole": {}, "border": {}, "isthmus": {}, "isthmus, Crimea or not": {}}
	count := func(kind string, s sample, right bool) {
		got[kind].n++
		if !right {
			got[kind].wrong++
			t.Logf("%s: %v, %v is %q, not %q", kind, s.lat, s.lon, Locate(s.lat, s.lon), s.code)
		}
	}
	crimean := func(c Code) bool { return c == "UA-43" || c == "UA-40" }
	for _, s := range readSamples(t) {
		c := Locate(s.lat, s.lon)
		switch s.kind {
		case "place":
			count("place", s, c.Country() == s.code && !crimean(c))
		case "crimea":
			count("crimea as a whole", s, crimean(c))
			count("crimea", s, c == s.code)
		case "isthmus":
			count("isthmus, Crimea or not", s, crimean(c) == crimean(s.code))
			count("isthmus", s, c == s.code)
		default:
			count(s.kind, s, c == s.code)
		}
	}
	for kind, most := range map[string]struct{ perMille, least int }{
		"place":                  {1, 3400},
		"crimea":                 {10, 377}, // Natural Earth's line around Sevastopol is coarse
		"crimea as a whole":      {0, 377},
		"border":                 {2, 3900},
		"isthmus":                {5, 1800},
		"isthmus, Crimea or not": {1, 1800},
	} {
		g := got[kind]
		t.Logf("%s: %d wrong of %d", kind, g.wrong, g.n)
		if g.n < most.least || g.wrong*1000 > g.n*most.perMille {
			t.Errorf("%s: %d wrong of %d; at most %d per mille of at least %d", kind, g.wrong, g.n, most.perMille, most.least)
		}
	}
}

func TestLocateDoesNotAllocate(t *testing.T) {
	if err := Load(); err != nil {
		t.Fatal(err)
	}
	samples := readSamples(t)
	i := 0
	n := testing.AllocsPerRun(len(samples), func() {
		s := samples[i%len(samples)]
		Locate(s.lat, s.lon)
		Locate(s.lat+0.3, -s.lon) // also at sea, where the search for the nearest border begins
		i++
	})
	if n != 0 {
		t.Errorf("%v allocations a look-up", n)
	}
}

// The index runs on phones: these are its promises.
func TestIndexFitsAPhone(t *testing.T) {
	if n := len(borderData); n > 2_400_000 {
		t.Errorf("%d bytes in the binary", n)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	ix, err := decodeIndex(borderData)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(ix)
	if n := int64(after.HeapAlloc) - int64(before.HeapAlloc); n > 20_000_000 {
		t.Errorf("%d bytes in memory", n)
	}
}
