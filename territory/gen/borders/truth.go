package main

import (
	"math"
	"slices"
)

// truth answers from borders at full resolution, by counting crossings to the west: no grid, no rounding, no code
// shared with the index under test.
type truth struct {
	codes []string
	bands [][]int32 // by band of latitude: the links in it
	links []link
}

const bandsPerDegree = 50

func newTruth(a *atlas, links []link) *truth {
	t := &truth{a.codes, make([][]int32, 180*bandsPerDegree+1), links}
	for i, l := range links {
		low, high := band(min(l.a.lat(), l.b.lat())), band(max(l.a.lat(), l.b.lat()))
		for b := low; b <= high; b++ {
			t.bands[b] = append(t.bands[b], int32(i))
		}
	}
	return t
}

func band(lat float64) int { return int((lat + 90) * bandsPerDegree) }

// at returns the code that holds a place, without any snap.
func (t *truth) at(lat, lon float64) string {
	p := at(lon, lat)
	var in []uint16
	for _, i := range t.bands[band(lat)] {
		l := &t.links[i]
		if (l.a.y > p.y) == (l.b.y > p.y) || min(l.a.x, l.b.x) > p.x {
			continue
		}
		if x := float64(l.a.x) + float64(p.y-l.a.y)*(float64(l.b.x)-float64(l.a.x))/(float64(l.b.y)-float64(l.a.y)); x < float64(p.x) {
			for _, c := range l.codes {
				if k := slices.Index(in, c); k >= 0 {
					in = slices.Delete(in, k, k+1)
				} else {
					in = append(in, c)
				}
			}
		}
	}
	if len(in) == 0 {
		return ""
	}
	return t.codes[slices.Min(in)-1]
}

// olderTruth is the set of countries of 2017 alone.
func olderTruth(src sources) (*truth, error) {
	older, err := readCountries(src.maritime)
	if err != nil {
		return nil, err
	}
	for i := range older {
		older[i] = mended(older[i])
	}
	a, err := rank(older)
	if err != nil {
		return nil, err
	}
	return newTruth(a, a.graph.links()), nil
}

// matter are the countries whose land borders are measured: those that export control names or has named, and Ukraine's
// oblasts around Crimea.
var matter = []string{"AF", "BY", "CD", "CF", "CU", "ET", "IQ", "IR", "KP", "LB", "LY", "MM", "NI", "RU", "SD", "SO", "SS", "SY", "UA", "VE", "YE", "ZW"}

// borderPoint is a place at a distance from a border that matters.
type borderPoint struct {
	lat, lon float64
	km       float64
}

// lcg is a small generator, so that samples stay the same with every version of Go.
type lcg uint64

func (g *lcg) float() float64 {
	*g = *g*6364136223846793005 + 1442695040888963407
	return float64(*g>>11) / (1 << 53)
}

// borderPoints picks n places on land borders that matter, evenly by length, and steps each one off by km to a random
// side.
func borderPoints(t *truth, n int, km float64, seed lcg) []borderPoint {
	var on []link
	var sums []float64
	sum := 0.0
	for _, l := range t.links {
		if len(l.codes) == 2 && t.matters(l) {
			sum += offChord(l.a, l.b, l.b)
			on, sums = append(on, l), append(sums, sum)
		}
	}
	var out []borderPoint
	for len(out) < n {
		i, _ := slices.BinarySearch(sums, seed.float()*sum)
		l, f := on[min(i, len(on)-1)], seed.float()
		lat, lon := l.a.lat()+f*(l.b.lat()-l.a.lat()), l.a.lon()+f*(l.b.lon()-l.a.lon())
		angle := seed.float() * 2 * math.Pi
		d := km * 1000 / metresPerDegree
		out = append(out, borderPoint{lat + d*math.Sin(angle), lon + d*math.Cos(angle)/math.Cos(lat*math.Pi/180), km})
	}
	return out
}

func (t *truth) matters(l link) bool {
	for _, c := range l.codes {
		if code := t.codes[c-1]; slices.Contains(matter, code) || len(code) > 2 {
			return true
		}
	}
	return false
}
