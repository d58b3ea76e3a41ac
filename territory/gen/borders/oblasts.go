package main

import (
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

// partitionUkraine parts the union of Ukraine's zones into oblasts.
func partitionUkraine(zones []zone, oblasts []feature) ([]feature, error) {
	var outer, isthmus graph
	for _, z := range zones {
		code := uint16(0)
		if z.name == crimea {
			code = 1
		}
		for _, r := range z.rings {
			outer.addRing(r, 0)
			isthmus.addRing(r, code)
		}
	}
	outlines := chains(outer.links())
	slices.SortFunc(outlines, func(a, b chain) int { return len(b.points) - len(a.points) })
	if len(outlines) != 1 {
		return nil, fmt.Errorf("Ukraine's zones have %d outlines", len(outlines))
	}
	var crimean []chain
	for _, c := range chains(isthmus.links()) {
		if len(c.codes) == 2 {
			crimean = append(crimean, c)
		}
	}
	if len(crimean) != 1 {
		return nil, fmt.Errorf("Crimea has %d inner borders; look at its zone", len(crimean))
	}
	inland := slices.DeleteFunc(sharedBorders(oblasts), func(b inner) bool {
		return oneIs(b.codes, "UA-43") && !oneIs(b.codes, "UA-40") || oneIs(b.codes, "UA-40") && !oneIs(b.codes, "UA-43")
	})
	inland = append(inland, inner{crimean[0].points, [2]string{"UA-65", "UA-43"}})
	return partition(outlines[0].points[1:], oblasts, inland)
}

func oneIs(codes [2]string, code string) bool { return codes[0] == code || codes[1] == code }

// partition parts what an outline holds by the borders between the features, and returns them as lines.
func partition(outline ring, oblasts []feature, borders []inner) ([]feature, error) {
	borders = join(borders)
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

// sharedBorders collects the borders between features of one source.
func sharedBorders(fs []feature) []inner {
	var g graph
	for i, f := range fs {
		for _, r := range f.rings {
			g.addRing(r, uint16(i))
		}
	}
	var shared []link
	for _, l := range g.links() {
		if len(l.codes) == 2 {
			shared = append(shared, l)
		}
	}
	var out []inner
	for _, c := range chains(shared) {
		out = append(out, inner{c.points, [2]string{fs[c.codes[0]].code, fs[c.codes[1]].code}})
	}
	return out
}

// inside returns the longest stretch of a ring that keeps away from an outline, from its last common point to the next.
func (r ring) inside(outline ring) []pt {
	const common = 1000 // metres: the two are of different years
	on := make([]bool, len(r))
	for i, p := range r {
		on[i] = outline.distance(p) < common
	}
	var longest []pt
	for i := range r {
		if !on[i] {
			continue
		}
		stretch := []pt{r[i]}
		for j := (i + 1) % len(r); j != i; j = (j + 1) % len(r) {
			stretch = append(stretch, r[j])
			if on[j] {
				break
			}
		}
		if len(stretch) > len(longest) {
			longest = stretch
		}
	}
	return longest
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
