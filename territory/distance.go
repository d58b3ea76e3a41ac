package territory

import "math"

// nearest returns the number of the code whose border is nearest to a place that no territory holds, 0 if none is
// within the radius.
func (ix *index) nearest(x, y, radius float64) uint16 {
	best, code := radius, uint16(0)
	ix.eachNear(x, y, radius, nil, func(p, q point, px, py, d float64) {
		if d <= best {
			if a, b := ix.sides(p, q, wrapX(px), py); a|b != 0 {
				best, code = d, max(a, b)
				if min(a, b) != 0 {
					code = min(a, b)
				}
			}
		}
	})
	return code
}

// eachNear calls visit with every edge within radius metres of (x, y), with the nearest place on it and the
// distance. That place is in the caller's turn of the world: it may lie beyond the antimeridian. An edge that
// crosses several cells is visited once for each. news, if not nil, leaves out what it denies.
func (ix *index) eachNear(x, y, radius float64, news func(c *cell, mask uint16) bool, visit func(p, q point, px, py, d float64)) {
	high := radius / (metresPerUnit * 0.993) // units of latitude
	wide := worldX / 2.0
	reach := math.Abs(y-worldY/2) + high
	if cos := math.Cos(reach * radPerUnit); reach < worldY/2 && cos > 0.001 {
		wide = math.Min(wide, high/cos)
	}
	box := window{x - wide, y - high, x + wide, y + high}
	s := sight{x: x, y: y, radius: radius}
	for row := max(0, cellFloor(box.y0, coarseShift)); row <= min(coarseRows-1, cellFloor(box.y1, coarseShift)); row++ {
		for col := cellFloor(box.x0, coarseShift); col <= cellFloor(box.x1, coarseShift); col++ {
			turn := 0.0 // what to add to an edge's X to see it from here
			c := col
			if c < 0 {
				c, turn = c+coarseCols, -worldX
			} else if c >= coarseCols {
				c, turn = c-coarseCols, worldX
			}
			e := ix.coarse[row*coarseCols+c]
			if e.kind() == kindBlock {
				ix.inBlock(e, box.moved(-turn), c, row, func(cl *cell) {
					ix.inCell(cl, &s, turn, news, visit)
				})
			}
		}
	}
}

// inBlock calls f for the cells below a coarse one that a window touches.
func (ix *index) inBlock(e entry, box window, col, row int, f func(*cell)) {
	for i := 0; i < 64; i++ {
		mx, my := col<<3+i&7, row<<3+i>>3
		if !box.touches(mx, my, middleShift) {
			continue
		}
		switch m := ix.middle[e.number()+i]; m.kind() {
		case kindCell:
			f(&ix.cells[m.number()])
		case kindFine:
			for j := 0; j < 16; j++ {
				if e := ix.fine[m.number()+j]; e.kind() == kindCell && box.touches(mx<<2+j&3, my<<2+j>>2, fineShift) {
					f(&ix.cells[e.number()])
				}
			}
		}
	}
}

func (ix *index) inCell(c *cell, s *sight, turn float64, news func(c *cell, mask uint16) bool, visit func(p, q point, px, py, d float64)) {
	for _, r := range ix.runs[c.runs : c.runs+uint32(c.nRuns)] {
		if news != nil && !news(c, r.mask) {
			continue
		}
		ps := ix.points[r.start : r.start+uint32(r.n)+1]
		for i := 1; i < len(ps); i++ {
			px, py, d := s.to(float64(ps[i-1].X)+turn, float64(ps[i-1].Y), float64(ps[i].X)+turn, float64(ps[i].Y))
			if d <= s.radius {
				visit(ps[i-1], ps[i], px, py, d)
			}
		}
	}
}

// window is a box in units, perhaps beyond the antimeridian.
type window struct{ x0, y0, x1, y1 float64 }

func (w window) moved(by float64) window { return window{w.x0 + by, w.y0, w.x1 + by, w.y1} }

func (w window) touches(col, row int, shift uint) bool {
	size := float64(int(1) << shift)
	x, y := float64(col)*size-0.5, float64(row)*size-0.5
	return x <= w.x1 && x+size >= w.x0 && y <= w.y1 && y+size >= w.y0
}

func cellFloor(v float64, shift uint) int { return int(floorUnit(v+0.5) >> shift) }

// wrapX brings a place beyond the antimeridian back into the index.
func wrapX(x float64) float64 {
	if x < 0 {
		return x + worldX
	}
	if x >= worldX {
		return x - worldX
	}
	return x
}

// onMap brings a place a little off the map back onto it.
func onMap(x, y float64) (float64, float64) { return wrapX(x), min(max(y, 0), worldY-0.75) }

// metresPerUnit is the length of a unit along the equator.
const metresPerUnit = equatorM * radPerUnit

// sight measures distances from one place.
type sight struct {
	x, y, radius float64
	metresX      float64 // per unit, at the latitude last aimed at
	metresY      float64
}

// aim sets the scales for the middle latitude between the place and a level y.
func (s *sight) aim(y float64) {
	sin, cos := math.Sincos(((s.y+y)/2 - worldY/2) * radPerUnit)
	w := 1 - eccentricity2*sin*sin
	n := metresPerUnit / math.Sqrt(w)
	s.metresX, s.metresY = n*cos, n*(1-eccentricity2)/w
}

// polar is where, in units from a pole, straight scales stop to serve.
const polar = 10 * unitsPerDegree

// to returns the place nearest on the edge from (ax, ay) to (bx, by), and its distance in metres; a distance above the
// radius may be inexact.
func (s *sight) to(ax, ay, bx, by float64) (px, py, d float64) {
	if s.y < polar || s.y > worldY-polar {
		return s.toPolar(ax, ay, bx, by)
	}
	at := *s
	at.aim(s.y)
	px, py, d = at.straight(ax, ay, bx, by)
	if d > s.radius*1.2 { // the scales err by less than a tenth within MaxAccuracyM and the snap distance
		return px, py, d
	}
	for range 2 {
		at.aim(py)
		px, py, d = at.straight(ax, ay, bx, by)
	}
	return px, py, d
}

// straight measures with the scales as they are.
func (s *sight) straight(ax, ay, bx, by float64) (px, py, d float64) {
	ux, uy := (ax-s.x)*s.metresX, (ay-s.y)*s.metresY
	vx, vy := (bx-ax)*s.metresX, (by-ay)*s.metresY
	t := 0.0
	if l := vx*vx + vy*vy; l > 0 {
		t = min(max(-(ux*vx+uy*vy)/l, 0), 1)
	}
	return ax + t*(bx-ax), ay + t*(by-ay), math.Sqrt((ux+t*vx)*(ux+t*vx) + (uy+t*vy)*(uy+t*vy))
}

// toPolar searches along the edge with great-circle distances; few edges are that far north or south.
func (s *sight) toPolar(ax, ay, bx, by float64) (px, py, d float64) {
	lo, hi := 0.0, 1.0
	at := func(t float64) float64 { return s.circle(ax+t*(bx-ax), ay+t*(by-ay)) }
	for range 40 {
		a, b := lo+(hi-lo)/3, hi-(hi-lo)/3
		if at(a) < at(b) {
			hi = b
		} else {
			lo = a
		}
	}
	t := (lo + hi) / 2
	return ax + t*(bx-ax), ay + t*(by-ay), at(t)
}

// circle is the haversine distance, on a sphere of the polar radius of curvature.
func (s *sight) circle(x, y float64) float64 {
	const polarCurvatureM = 6399593.6
	f0, f1 := (s.y-worldY/2)*radPerUnit, (y-worldY/2)*radPerUnit
	a, b := math.Sin((f1-f0)/2), math.Sin((x-s.x)*radPerUnit/2)
	return 2 * polarCurvatureM * math.Asin(math.Sqrt(min(1, a*a+math.Cos(f0)*math.Cos(f1)*b*b)))
}
