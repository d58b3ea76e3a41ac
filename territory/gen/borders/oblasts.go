package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Ukraine's outline is OpenStreetMap's. Natural Earth parts it into oblasts: only its inner borders count, drawn on to
// the outline, so that a coast or a frontier that it draws elsewhere leaves no gap. Crimea's inner border is that of
// the time zone, which follows OpenStreetMap and meets the outline in the sea on either side.

// joinM is how far apart, in metres, two loose ends of the same inner border may be to be joined: across a liman.
const joinM = 30_000

// inner is an inner border between two oblasts.
type inner struct {
	points []pt
	codes  [2]string
}

// partition returns every oblast as its own set of edges, in the form of open rings: see feature.lines.
func partition(outline ring, oblasts []feature, zone ring) ([]feature, error) {
	borders, err := innerBorders(oblasts, outline, zone)
	if err != nil {
		return nil, err
	}
	var hits []hit
	for i := range borders {
		b := &borders[i]
		if b.points[0] == b.points[len(b.points)-1] {
			continue // Kyiv within its oblast
		}
		for _, end := range []int{0, 1} {
			if loose(borders, b.points, end) {
				h := b.meet(outline, end)
				hits = append(hits, h)
			}
		}
	}
	lines := map[string][][]pt{}
	for _, b := range borders {
		for _, c := range b.codes {
			lines[c] = append(lines[c], b.points)
		}
	}
	if err := shareOutline(outline, oblasts, hits, lines); err != nil {
		return nil, err
	}
	var out []feature
	for _, o := range oblasts {
		out = append(out, feature{code: o.code, lines: lines[o.code], area: o.size()})
	}
	return out, nil
}

// innerBorders collects the borders between oblasts, with Crimea's from the zone.
func innerBorders(oblasts []feature, outline, zone ring) ([]inner, error) {
	var g graph
	for i, o := range oblasts {
		for _, r := range o.rings {
			g.addRing(r, uint16(i))
		}
	}
	var shared []link
	for _, l := range g.links() {
		if len(l.codes) == 2 {
			crimean := 0
			for _, c := range l.codes {
				if code := oblasts[c].code; code == "UA-43" || code == "UA-40" {
					crimean++
				}
			}
			if crimean != 1 {
				shared = append(shared, l)
			}
		}
	}
	var out []inner
	for _, c := range chains(shared) {
		out = append(out, inner{c.points, [2]string{oblasts[c.codes[0]].code, oblasts[c.codes[1]].code}})
	}
	isthmus, err := awayFrom(zone, outline)
	if err != nil {
		return nil, err
	}
	out = append(out, inner{isthmus, [2]string{"UA-65", "UA-43"}})
	return join(out), nil
}

// awayFrom returns the one stretch of a ring that leaves the outline, from its last common point to the next.
func awayFrom(r, outline ring) ([]pt, error) {
	const common = 2000 // metres: the zone is simplified
	on := make([]bool, len(r))
	for i, p := range r {
		on[i] = outline.distance(p) < common
	}
	var found []pt
	for i := range r {
		if !on[i] || on[(i+1)%len(r)] {
			continue
		}
		if found != nil {
			return nil, errors.New("the zone of Crimea leaves Ukraine's outline more than once; look at both sources")
		}
		found = []pt{r[i]}
		for j := (i + 1) % len(r); ; j = (j + 1) % len(r) {
			found = append(found, r[j])
			if on[j] {
				break
			}
		}
	}
	if found == nil {
		return nil, errors.New("the zone of Crimea never leaves Ukraine's outline; look at both sources")
	}
	return found, nil
}

func (r ring) distance(p pt) float64 {
	d := math.Inf(1)
	for i, a := range r {
		d = min(d, offChord(p, a, r[(i+1)%len(r)]))
	}
	return d
}

// loose reports whether no other inner border begins at that end (0 or 1) of one.
func loose(all []inner, ps []pt, end int) bool {
	p, n := tip(ps, end), 0
	for _, b := range all {
		if b.points[0] == p {
			n++
		}
		if b.points[len(b.points)-1] == p {
			n++
		}
	}
	return n == 1
}

func tip(ps []pt, end int) pt {
	if end == 0 {
		return ps[0]
	}
	return ps[len(ps)-1]
}

// join links loose ends of the same border that lie on either side of a liman.
func join(all []inner) []inner {
	var links []inner
	for i, a := range all {
		for _, b := range all[i+1:] {
			if a.codes != b.codes {
				continue
			}
			best := inner{codes: a.codes}
			near := float64(joinM)
			for e := range 2 {
				for f := range 2 {
					p, q := tip(a.points, e), tip(b.points, f)
					if d := offChord(p, q, q); d < near && loose(all, a.points, e) && loose(all, b.points, f) {
						near, best.points = d, []pt{p, q}
					}
				}
			}
			if best.points != nil {
				links = append(links, best)
			}
		}
	}
	return append(all, links...)
}

// hit is where an inner border meets the outline.
type hit struct {
	vertex int // of the outline
	codes  [2]string
}

// meet draws an end of the border on to the nearest vertex of the outline, or cuts it where it crosses the outline.
func (b *inner) meet(outline ring, end int) hit {
	if end == 0 {
		slices.Reverse(b.points)
		defer func() { slices.Reverse(b.points) }()
	}
	if i, v := b.firstOutside(outline); i > 0 {
		b.points = append(slices.Clone(b.points[:i]), outline[v])
		return hit{v, b.codes}
	}
	last := b.points[len(b.points)-1]
	v, near := 0, math.Inf(1)
	for i, p := range outline {
		if d := offChord(last, p, p); d < near {
			v, near = i, d
		}
	}
	if last != outline[v] {
		b.points = append(b.points, outline[v])
	}
	return hit{v, b.codes}
}

// firstOutside follows the border to its end. If that lies outside, it returns where it left the outline for the
// last time: the first point beyond, and the nearest vertex of the outline's edge there; otherwise 0.
func (b *inner) firstOutside(outline ring) (i, vertex int) {
	i = len(b.points)
	for i > 0 && !outline.holds(b.points[i-1]) {
		i--
	}
	if i == 0 || i == len(b.points) {
		return 0, 0
	}
	near := math.Inf(1)
	for v, p := range outline {
		if d := offChord(p, b.points[i-1], b.points[i]); d < near {
			vertex, near = v, d
		}
	}
	return i, vertex
}

func (r ring) holds(p pt) bool {
	in := false
	for i, a := range r {
		b := r[(i+1)%len(r)]
		if (a.y > p.y) != (b.y > p.y) &&
			float64(p.x) < float64(b.x-a.x)*float64(p.y-a.y)/float64(b.y-a.y)+float64(a.x) {
			in = !in
		}
	}
	return in
}

// shareOutline gives each stretch of the outline between two hits to the oblast that both name.
func shareOutline(outline ring, oblasts []feature, hits []hit, lines map[string][][]pt) error {
	slices.SortFunc(hits, func(a, b hit) int { return a.vertex - b.vertex })
	for i, h := range hits {
		next := hits[(i+1)%len(hits)]
		stretch := []pt{outline[h.vertex]}
		for v := h.vertex; v != next.vertex; {
			v = (v + 1) % len(outline)
			stretch = append(stretch, outline[v])
		}
		var both []string
		for _, c := range h.codes {
			if slices.Contains(next.codes[:], c) {
				both = append(both, c)
			}
		}
		switch len(both) {
		case 0:
			return fmt.Errorf("no oblast between the borders %v and %v on the outline; look at both sources", h.codes, next.codes)
		case 2:
			if nearer(oblasts, stretch[len(stretch)/2], both[1], both[0]) {
				both[0] = both[1]
			}
		}
		lines[both[0]] = append(lines[both[0]], stretch)
	}
	return nil
}

func nearer(oblasts []feature, p pt, a, b string) bool {
	d := map[string]float64{}
	for _, o := range oblasts {
		d[o.code] = math.Inf(1)
		for _, r := range o.rings {
			d[o.code] = min(d[o.code], r.distance(p))
		}
	}
	return d[a] < d[b]
}
