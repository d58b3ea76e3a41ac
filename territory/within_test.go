package territory

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestLocateWithinNamesEveryTerritoryTouched(t *testing.T) {
	for _, p := range []struct {
		name             string
		lat, lon, metres float64
		want             []Code
	}{
		{"a plain place", 23.133, -82.383, 500, []Code{"CU"}},
		{"no radius", 46.15, 33.64, 0, []Code{"UA-43"}},
		{"Perekop", 46.15, 33.69, 8000, []Code{"UA-43", "UA-65"}},
		{"Basel", 47.558, 7.588, 4000, []Code{"CH", "DE", "FR"}},
		{"Three countries at Vaals", 50.7547, 6.0208, 200, []Code{"NL", "DE", "BE"}},
		{"Rome holds the Vatican", 41.9, 12.48, 3000, []Code{"IT", "VA"}},
		{"at sea, near Crimea and Russia", 44.7, 36.9, 40_000, []Code{"RU", "UA-43"}},
		{"over the antimeridian", 65.5, 180, 5000, []Code{"RU"}},
		{"Diomede: two days apart", 65.77, -169.0, 6000, []Code{"US", "RU"}},
		{"the pole", -90, 77, 50_000, []Code{"AQ"}},
		{"nowhere", 10, -140, 100_000, nil},
	} {
		got := LocateWithin(nil, p.lat, p.lon, p.metres)
		if len(got) == 0 && len(p.want) == 0 {
			continue
		}
		if len(got) == 0 || len(p.want) == 0 || len(got) != len(p.want) || !sameSet(got, p.want) {
			t.Errorf("%s: %v, want %v", p.name, got, p.want)
		}
		if c := Locate(p.lat, p.lon); c != Unknown && got[0] != c {
			t.Errorf("%s: begins with %v, the centre is %v", p.name, got[0], c)
		}
	}
}

func sameSet(a, b []Code) bool {
	for _, c := range a {
		if !slices.Contains(b, c) {
			return false
		}
	}
	for _, c := range b {
		if !slices.Contains(a, c) {
			return false
		}
	}
	return true
}

func TestLocateWithinAppends(t *testing.T) {
	got := LocateWithin([]Code{"XX"}, 23.133, -82.383, 10)
	if !slices.Equal(got, []Code{"XX", "CU"}) {
		t.Errorf("%v", got)
	}
}

func TestLocateWithinTakesOddRadii(t *testing.T) {
	for _, r := range []float64{-1, math.NaN(), math.Inf(-1), 0} {
		if got := LocateWithin(nil, 46.15, 33.69, r); !slices.Equal(got, []Code{"UA-43"}) {
			t.Errorf("radius %v: %v", r, got)
		}
	}
	most := LocateWithin(nil, 46.15, 33.69, MaxAccuracyM)
	for _, r := range []float64{MaxAccuracyM + 1, 1e9, math.MaxFloat64, math.Inf(1)} {
		if got := LocateWithin(nil, 46.15, 33.69, r); !slices.Equal(got, most) {
			t.Errorf("radius %v: %v, want %v", r, got, most)
		}
	}
}

// nearBorders draws places near sample points, which lie near borders, and sometimes from all over the world.
func nearBorders(t testing.TB) *rapid.Generator[[2]float64] {
	samples := readSamples(t)
	return rapid.Custom(func(t *rapid.T) [2]float64 {
		if rapid.IntRange(0, 9).Draw(t, "anywhere") == 0 {
			return [2]float64{rapid.Float64Range(-90, 90).Draw(t, "lat"), rapid.Float64Range(-180, 180).Draw(t, "lon")}
		}
		s := rapid.SampledFrom(samples).Draw(t, "sample")
		return [2]float64{
			min(max(s.lat+rapid.Float64Range(-0.2, 0.2).Draw(t, "north"), -90), 90),
			min(max(s.lon+rapid.Float64Range(-0.2, 0.2).Draw(t, "east"), -180), 180),
		}
	})
}

func TestAGrowingRadiusLosesNothing(t *testing.T) {
	places := nearBorders(t)
	rapid.Check(t, func(t *rapid.T) {
		p := places.Draw(t, "place")
		r := rapid.Float64Range(0, MaxAccuracyM).Draw(t, "radius")
		more := rapid.Float64Range(r, MaxAccuracyM).Draw(t, "more")
		small, large := LocateWithin(nil, p[0], p[1], r), LocateWithin(nil, p[0], p[1], more)
		if c := Locate(p[0], p[1]); c != Unknown && (len(small) == 0 || small[0] != c) {
			t.Fatalf("%v within %v m: %v does not begin with the centre's %v", p, r, small, c)
		}
		for i, c := range small {
			if !slices.Contains(large, c) {
				t.Fatalf("%v: %v within %v m, not within %v m (%v)", p, c, r, more, large)
			}
			if slices.Contains(small[:i], c) || c == Unknown {
				t.Fatalf("%v within %v m: %v", p, r, small)
			}
		}
	})
}

// step walks metres in a direction on a sphere: a formula that the index does not use.
func step(lat, lon, metres, bearing float64) (float64, float64) {
	const rad = math.Pi / 180
	d, f, b := metres/6371008.8, lat*rad, bearing*rad
	g := math.Asin(math.Sin(f)*math.Cos(d) + math.Cos(f)*math.Sin(d)*math.Cos(b))
	l := lon*rad + math.Atan2(math.Sin(b)*math.Sin(d)*math.Cos(f), math.Cos(d)-math.Sin(f)*math.Sin(g))
	return g / rad, math.Mod(l/rad+540, 360) - 180
}

// Whatever is found by walking about in the circle must be in the answer. The sphere is within 0.6 % of the ellipsoid.
func TestLocateWithinHoldsWhatWalkingFinds(t *testing.T) {
	places := nearBorders(t)
	rapid.Check(t, func(t *rapid.T) {
		p := places.Draw(t, "place")
		for _, r := range rapid.SliceOfN(rapid.Float64Range(1, 40_000), 30, 30).Draw(t, "radii") {
			got := LocateWithin(nil, p[0], p[1], r)
			for i := range 400 {
				reach := r * 0.993 // the rim, where a mistake in distance shows
				if i%4 == 0 {
					reach *= math.Sqrt(float64(i) / 400)
				}
				lat, lon := step(p[0], p[1], reach, float64(i)*137.508)
				if c := Locate(lat, lon); c != Unknown && !slices.Contains(got, c) {
					t.Fatalf("%v within %v m: %v, but %v, %v is %v", p, r, got, lat, lon, c)
				}
			}
		}
	})
}

// Nothing is in the answer that a look at every border of the world does not find within the radius.
func TestLocateWithinHoldsNothingElse(t *testing.T) {
	ix, err := loadBorders()
	if err != nil {
		t.Fatal(err)
	}
	a, err := decodeArcs(borderData)
	if err != nil {
		t.Fatal(err)
	}
	places := nearBorders(t)
	rapid.Check(t, func(t *rapid.T) {
		p := places.Draw(t, "place")
		if math.Abs(p[0]) > 75 {
			return // the flat measure below does not reach so far
		}
		r := rapid.Float64Range(1, 30_000).Draw(t, "radius")
		got := LocateWithin(nil, p[0], p[1], r)
		if len(got) == 0 {
			return
		}
		found := []Code{Locate(p[0], p[1])}
		for arc := range a.parts {
			for v := a.starts[arc]; v+1 < a.starts[arc+1]; v++ {
				// The snap reaches further than what is drawn.
				if bruteDistance(p, a.points[v], a.points[v+1]) <= (r+SnapM)*1.01+20 {
					for _, n := range a.sets[a.parts[arc]] {
						found = append(found, ix.codes[n])
					}
				}
			}
		}
		for _, c := range got {
			if !slices.Contains(found, c) && !holdsAnother(ix, a, c) {
				t.Fatalf("%v within %v m: %v, but no border of %v is there", p, r, got, c)
			}
		}
	})
}

// holdsAnother is for a territory that surrounds an overlapping claim: its own border may be far away.
func holdsAnother(ix *index, a *arcs, c Code) bool {
	return c == "SD" || c == "SS" // Abyei is drawn in both
}

func bruteDistance(p [2]float64, a, b point) float64 {
	lat, lon := func(q point) float64 { return float64(q.Y)/unitsPerDegree - 90 }, func(q point) float64 { return float64(q.X)/unitsPerDegree - 180 }
	if min(lat(a), lat(b)) > p[0]+1 || max(lat(a), lat(b)) < p[0]-1 {
		return math.Inf(1)
	}
	k := math.Cos(p[0] * math.Pi / 180)
	turn := func(v float64) float64 { return math.Mod(v-p[1]+540, 360) - 180 }
	ax, ay := turn(lon(a))*k*111_320, (lat(a)-p[0])*111_320
	bx, by := ax+(lon(b)-lon(a))*k*111_320, (lat(b)-p[0])*111_320
	best := math.Inf(1)
	for i := range 9 {
		f := float64(i) / 8
		best = min(best, math.Hypot(ax+f*(bx-ax), ay+f*(by-ay)))
	}
	return best - math.Hypot(bx-ax, by-ay)/16
}
