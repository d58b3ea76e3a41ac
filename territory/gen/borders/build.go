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
	links := a.graph.links()
	if err := a.closed(links); err != nil {
		return err
	}
	if err := writeSamples(src, newTruth(a, links), root); err != nil {
		return err
	}
	var arcs []*arc
	points := 0
	for _, c := range chains(links) {
		c.points = simplify(c.points, a.tolerance(c))
		if r := rounded(c); r != nil {
			arcs, points = append(arcs, r), points+len(r.points)
		}
	}
	sortArcs(arcs)
	file := encode(a.codes, arcs)
	fmt.Fprintf(stdout, "%d territories, %d arcs, %d points, %d bytes\n", len(a.codes), len(arcs), points, len(file))
	if err := os.WriteFile(filepath.Join(root, "borders.bin"), file, 0o644); err != nil {
		return err
	}
	return writeSums(root)
}

// rank numbers the territories by size, so that an enclave and the smaller of two claims win.
func rank(fs []feature) (*atlas, error) {
	var all []feature
	for _, f := range fs {
		if i := slices.IndexFunc(all, func(g feature) bool { return g.code == f.code }); i >= 0 {
			all[i].rings, all[i].lines = append(all[i].rings, f.rings...), append(all[i].lines, f.lines...)
			all[i].area += f.area
			continue
		}
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b feature) int {
		return cmp.Or(cmp.Compare(a.size(), b.size()), cmp.Compare(a.code, b.code))
	})
	a := &atlas{}
	for i, f := range all {
		a.codes = append(a.codes, f.code)
		for _, r := range f.rings {
			a.graph.addRing(r, uint16(i+1))
		}
		for _, l := range f.lines {
			a.graph.addLine(l, uint16(i+1))
		}
	}
	return a, nil
}

// size is in square degrees of the equator; what is drawn twice counts twice.
func (f feature) size() float64 {
	sum := f.area
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

// Tolerances of simplification, in metres. A unit of the index is 13.6 m.
const (
	nearMatter = 12  // borders of countries that export control names, and of their neighbours
	elsewhere  = 25  // other borders
	atSea      = 150 // outer limits of territorial seas
)

// neighbours are close enough to a country that matters for their borders to count as much.
var neighbours = []string{"AM", "AZ", "EG", "ER", "GE", "IL", "JO", "KR", "KZ", "PK", "PS", "TD", "TM", "TN", "TR"}

// tolerance says how far a simplified arc may stray.
func (a *atlas) tolerance(c chain) float64 {
	if len(c.codes) == 1 {
		if a.codes[c.codes[0]-1] == "AQ" {
			return -1 // keep all: metres mean nothing along a pole
		}
		return atSea
	}
	for _, n := range c.codes {
		if code := a.codes[n-1]; len(code) > 2 || slices.Contains(matter, code) || slices.Contains(neighbours, code) {
			return nearMatter
		}
	}
	return elsewhere
}

// closed checks that every territory's borders close: an even number of them meets at every point.
func (a *atlas) closed(links []link) error {
	type end struct {
		p    pt
		code uint16
	}
	odd := map[end]bool{}
	for _, l := range links {
		for _, c := range l.codes {
			for _, p := range []pt{l.a, l.b} {
				if e := (end{p, c}); odd[e] {
					delete(odd, e)
				} else {
					odd[e] = true
				}
			}
		}
	}
	for e := range odd {
		return fmt.Errorf("the border of %s does not close at %v,%v (and %d more)", a.codes[e.code-1], e.p.lat(), e.p.lon(), len(odd)-1)
	}
	return nil
}
