package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// atlas is everything that goes into the file, at full resolution.
type atlas struct {
	codes []string // by rank
	graph graph
}

func build(src sources, root string, stdout io.Writer) error {
	a, err := compose(src)
	if err != nil {
		return err
	}
	var arcs []*arc
	points := 0
	for _, c := range chains(a.graph.links()) {
		c.points = simplify(c.points, a.tolerance(c))
		if r := rounded(c); r != nil {
			arcs, points = append(arcs, r), points+len(r.points)
		}
	}
	sortArcs(arcs)
	file := encode(a.codes, arcs)
	fmt.Fprintf(stdout, "%d territories, %d arcs, %d points, %d bytes\n", len(a.codes), len(arcs), points, len(file))
	return os.WriteFile(filepath.Join(root, "borders.bin"), file, 0o644)
}

// compose stacks the sources.
func compose(src sources) (*atlas, error) {
	countries, err := readCountries(src.maritime)
	if err != nil {
		return nil, err
	}
	crimea, err := readZone(src.zones, "Europe/Simferopol")
	if err != nil {
		return nil, err
	}
	all := slices.Concat(countries, []feature{{"UA-43", crimea}})
	return rank(all), nil
}

// rank numbers the territories: Crimea first, then by size, so that an enclave and the smaller of two claims win.
func rank(fs []feature) *atlas {
	slices.SortStableFunc(fs, func(a, b feature) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a.code, b.code))
	})
	a := &atlas{}
	for i, f := range fs {
		a.codes = append(a.codes, f.code)
		for _, r := range f.rings {
			a.graph.addRing(r, uint16(i+1))
		}
	}
	return a
}

func order(f feature) float64 {
	if f.code == "UA-43" {
		return 0
	}
	sum := 0.0
	for _, r := range f.rings {
		sum += math.Abs(r.area())
	}
	return sum
}

// area is the signed area in square degrees of the equator.
func (r ring) area() (a float64) {
	for i, p := range r {
		q := r[(i+1)%len(r)]
		a += (q.lon() - p.lon()) * (math.Sin(p.lat()*math.Pi/180) + math.Sin(q.lat()*math.Pi/180)) / 2
	}
	return a * 180 / math.Pi
}

// tolerance says how far, in metres, a simplified arc may stray.
func (a *atlas) tolerance(c chain) float64 {
	if len(c.codes) == 1 {
		return 300 // the outer limit of a territorial sea
	}
	return 100
}
