package main

import (
	"cmp"
	"math"
	"slices"
)

// pt is a place in 1e-7 degrees, the precision of OpenStreetMap.
type pt struct{ x, y int32 }

func at(lon, lat float64) pt {
	return pt{int32(math.Round(lon * 1e7)), int32(math.Round(lat * 1e7))}
}

func (p pt) lon() float64 { return float64(p.x) / 1e7 }
func (p pt) lat() float64 { return float64(p.y) / 1e7 }

func comparePt(a, b pt) int { return cmp.Or(cmp.Compare(a.x, b.x), cmp.Compare(a.y, b.y)) }

// ring is closed without repeating its first point.
type ring []pt

// edge joins a to b, a before b, and parts one territory from what is beyond.
type edge struct {
	a, b pt
	code uint16
}

// graph collects borders as edges, whichever rings they came from.
type graph struct{ edges []edge }

func (g *graph) addRing(r ring, code uint16) {
	for i, a := range r {
		g.addEdge(a, r[(i+1)%len(r)], code)
	}
}

func (g *graph) addEdge(a, b pt, code uint16) {
	switch c := comparePt(a, b); {
	case c < 0:
		g.edges = append(g.edges, edge{a, b, code})
	case c > 0:
		g.edges = append(g.edges, edge{b, a, code})
	}
}

func (g *graph) addLine(l []pt, code uint16) {
	for i := 1; i < len(l); i++ {
		g.addEdge(l[i-1], l[i], code)
	}
}

// chain is an arc: points, and the codes that one enters or leaves by crossing it.
type chain struct {
	points []pt
	codes  []uint16
}

// link is an edge with all of its codes.
type link struct {
	a, b  pt
	codes []uint16
}

// links joins equal edges. A code that an edge carries an even number of times does not change there.
func (g *graph) links() []link {
	slices.SortFunc(g.edges, func(a, b edge) int {
		return cmp.Or(comparePt(a.a, b.a), comparePt(a.b, b.b), cmp.Compare(a.code, b.code))
	})
	var out []link
	for i := 0; i < len(g.edges); {
		l := link{a: g.edges[i].a, b: g.edges[i].b}
		for i < len(g.edges) && g.edges[i].a == l.a && g.edges[i].b == l.b {
			code, n := g.edges[i].code, 0
			for i < len(g.edges) && g.edges[i] == (edge{l.a, l.b, code}) {
				i, n = i+1, n+1
			}
			if n%2 == 1 {
				l.codes = append(l.codes, code)
			}
		}
		if len(l.codes) > 0 {
			out = append(out, l)
		}
	}
	return out
}

// chains walks the links from junction to junction, and then around what is left.
func chains(links []link) []chain {
	byNode := map[pt][]int32{}
	for i, l := range links {
		byNode[l.a] = append(byNode[l.a], int32(i))
		byNode[l.b] = append(byNode[l.b], int32(i))
	}
	junction := func(p pt) bool {
		ls := byNode[p]
		return len(ls) != 2 || !slices.Equal(links[ls[0]].codes, links[ls[1]].codes)
	}
	used := make([]bool, len(links))
	walk := func(i int32, from pt) chain {
		c := chain{[]pt{from}, links[i].codes}
		for p := from; ; {
			used[i] = true
			if p == links[i].a {
				p = links[i].b
			} else {
				p = links[i].a
			}
			c.points = append(c.points, p)
			if p == from || junction(p) {
				return c
			}
			next := byNode[p]
			if i = next[0]; used[i] {
				i = next[1]
			}
			if used[i] {
				return c
			}
		}
	}
	var out []chain
	for _, whole := range []bool{false, true} {
		for i, l := range links {
			if !used[i] && (whole || junction(l.a)) {
				out = append(out, walk(int32(i), l.a))
			}
			if !used[i] && !whole && junction(l.b) {
				out = append(out, walk(int32(i), l.b))
			}
		}
	}
	return out
}
