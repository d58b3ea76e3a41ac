package territory

import (
	"math"
	"math/bits"
	"slices"
)

// MaxAccuracyM bounds the radius, in metres, that LocateWithin looks at.
const MaxAccuracyM = 100_000

// WGS 84.
const (
	equatorM      = 6378137.0
	eccentricity2 = 6.69437999014e-3
	radPerUnit    = math.Pi / 180 / unitsPerDegree
)

// LocateWithin appends to dst every territory that a circle of accuracyM metres around a place touches, the
// centre's first if it is known, then by rank; none twice. It answers from the distance to the borders themselves (on
// the WGS 84 ellipsoid, within 0.1 %), across the antimeridian and at the poles too.
//
// A negative radius or NaN counts as 0. A radius above MaxAccuracyM is answered as MaxAccuracyM: such a fix says next
// to nothing, and the caller should not take it for one. What is not a place has no territory.
func LocateWithin(dst []Code, lat, lon, accuracyM float64) []Code {
	ix, err := loadBorders()
	if err != nil {
		return dst
	}
	x, y, ok := toUnits(lat, lon)
	if !ok {
		return dst
	}
	return ix.appendWithin(dst, x, y, accuracyM)
}

func (ix *index) appendWithin(dst []Code, x, y, accuracyM float64) []Code {
	centre := ix.at(x, y)
	if centre != 0 {
		dst = append(dst, ix.codes[centre])
	}
	if !(accuracyM > 0) {
		return dst
	}
	var room [16]uint16
	found := ix.touched(append(room[:0], centre), x, y, math.Min(accuracyM, MaxAccuracyM))[1:]
	slices.Sort(found)
	for _, n := range found {
		dst = append(dst, ix.codes[n])
	}
	return dst
}

// touched appends the numbers of the territories that the circle touches and that found does not hold yet. The open
// sea near coasts is shared out by distance; where the circle touches it, every territory in reach counts.
func (ix *index) touched(found []uint16, x, y, radius float64) []uint16 {
	open := ix.drawnAt(x, y) == 0
	news := func(c *cell, mask uint16) bool {
		for _, n := range ix.cellCodes[c.codes : c.codes+uint32(c.nCodes)] {
			if !slices.Contains(found, n) {
				return true
			}
		}
		return !open && bits.OnesCount16(mask) == 1 // perhaps a coast
	}
	visit := func(p, q point, px, py, _ float64) {
		a, b := ix.sides(p, q, wrapX(px), py)
		open = open || min(a, b) == 0
		for _, n := range [2]uint16{a, b} {
			if n != 0 && !slices.Contains(found, n) {
				found = append(found, n)
			}
		}
	}
	ix.eachNear(x, y, radius, news, visit)
	if open {
		ix.eachNear(x, y, radius+SnapM, news, func(p, q point, px, py, d float64) {
			if a, b := ix.sides(p, q, wrapX(px), py); min(a, b) == 0 {
				visit(p, q, px, py, d)
			}
		})
	}
	return found
}

// sides returns the codes just to either side of an edge, near (x, y) on it; 0 where the snap distance would have to
// decide.
func (ix *index) sides(p, q point, x, y float64) (uint16, uint16) {
	dx, dy := float64(q.X-p.X), float64(q.Y-p.Y)
	n := math.Hypot(dx, dy)
	// A hundredth of a unit, 14 cm: clear of rounding, and closer than any second border.
	dx, dy = dx/n*0.01, dy/n*0.01
	// Step back from the ends, where other borders begin.
	x, y = inward(x, float64(p.X), float64(q.X), dx), inward(y, float64(p.Y), float64(q.Y), dy)
	return ix.drawnAt(onMap(x-dy, y+dx)), ix.drawnAt(onMap(x+dy, y-dx))
}

func inward(v, a, b, step float64) float64 {
	lo, hi := min(a, b)+math.Abs(step)*4, max(a, b)-math.Abs(step)*4
	if lo > hi {
		return (a + b) / 2
	}
	return min(max(v, lo), hi)
}
