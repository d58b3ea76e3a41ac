package territory

import "math/bits"

// The index is a set of arcs: chains of points, each with the set of territories that one enters or leaves by
// crossing it. Which territories hold a place follows from counting crossings on any path from a point whose
// answer is known; the path here is an L to the lower left corner of the place's grid cell, whose answer is kept. The
// first in rank wins, so overlapping claims and enclaves without holes need no geometry of their own.
//
// Three grids lie above each other, of 1, 1/8 and 1/32 degree. A cell without borders answers at once.
const (
	unitsPerDegree = 8192 // one unit is 13.6 m of latitude
	worldX         = 360 * unitsPerDegree
	worldY         = 180 * unitsPerDegree

	coarseShift = 13 // 1°
	middleShift = 10 // 1/8°
	fineShift   = 8  // 1/32°

	coarseCols, coarseRows = 360, 180
	middleCols, middleRows = 360 * 8, 180 * 8

	fineAbove = 32 // a middle cell with more edges than this is split
)

// point is a vertex in index units.
type point struct{ X, Y int32 }

// run is a stretch of consecutive edges of one arc within a cell.
type run struct {
	start uint32 // first vertex
	n     uint16 // number of edges
	mask  uint16 // the cell's territories that these edges part
}

// cell is a grid cell that borders cross.
type cell struct {
	runs, codes uint32 // first of its runs and of its codes
	nRuns       uint16
	ref         uint16 // the territories that hold the lower left corner
	nCodes      uint8
}

// entry is what a grid holds for one of its cells: a kind and a number.
type entry uint32

const (
	kindUniform entry = iota << 30 // a code
	kindBlock                      // the first of 64 middle entries
	kindFine                       // the first of 16 fine entries
	kindCell                       // a cell
	kindMask    entry = 3 << 30
)

func (e entry) kind() entry { return e & kindMask }
func (e entry) number() int { return int(e &^ kindMask) }

type index struct {
	codes     []Code  // by number; 0 is Unknown, the rest in order of rank
	points    []point // of all arcs, one after the other
	coarse    []entry // coarseRows × coarseCols, from the south-west
	middle    []entry // blocks of 8 × 8
	fine      []entry // blocks of 4 × 4
	cells     []cell
	runs      []run
	cellCodes []uint16 // ascending within a cell
}

// entryAt returns the smallest grid cell that holds a place, and its size as a shift. Cells begin half a unit
// below a multiple of their size, so that no vertex lies on an edge of one.
func (ix *index) entryAt(xi, yi int32) (entry, uint) {
	e := ix.coarse[int(yi>>coarseShift)*coarseCols+int(xi>>coarseShift)]
	if e.kind() != kindBlock {
		return e, coarseShift
	}
	e = ix.middle[e.number()+int(yi>>middleShift&7)<<3+int(xi>>middleShift&7)]
	if e.kind() != kindFine {
		return e, middleShift
	}
	return ix.fine[e.number()+int(yi>>fineShift&3)<<2+int(xi>>fineShift&3)], fineShift
}

// cellOf returns the unit column or row that holds a coordinate.
func cellOf(v float64, world int32) int32 {
	i := int32(v + 0.5)
	if i >= world {
		i -= world // within half a unit of the antimeridian
	}
	return i
}

// at returns the number of the code at a place in units: drawnAt, or else the nearest within the snap distance.
func (ix *index) at(x, y float64) uint16 {
	if n := ix.drawnAt(x, y); n != 0 {
		return n
	}
	return ix.nearest(x, y, SnapM)
}

// drawnAt returns the number of the code whose borders hold a place, 0 if there is none.
func (ix *index) drawnAt(x, y float64) uint16 {
	xi, yi := cellOf(x, worldX), cellOf(y, worldY)
	e, shift := ix.entryAt(xi, yi)
	if e.kind() == kindUniform {
		return uint16(e.number())
	}
	if x > float64(xi)+1 {
		x -= worldX
	}
	c := &ix.cells[e.number()]
	if in := ix.within(c, xi>>shift<<shift, yi>>shift<<shift, x, y); in != 0 {
		return ix.cellCodes[c.codes+uint32(bits.TrailingZeros16(in))]
	}
	return 0
}

// within returns which of the cell's territories hold (x, y). cx, cy is the cell's first unit column and row.
func (ix *index) within(c *cell, cx, cy int32, x, y float64) uint16 {
	in := c.ref
	left, low := float64(cx)-0.5, float64(cy)-0.5
	yi := floorUnit(y)
	for _, r := range ix.runs[c.runs : c.runs+uint32(c.nRuns)] {
		ps := ix.points[r.start : r.start+uint32(r.n)+1]
		p := ps[0]
		for _, q := range ps[1:] {
			level, upright := (p.Y > yi) != (q.Y > yi), (p.X >= cx) != (q.X >= cx)
			if level || upright {
				turn := leftOf(p, q, left, y)
				if level && turn != leftOf(p, q, x, y) {
					in ^= r.mask
				}
				if upright && turn != leftOf(p, q, left, low) {
					in ^= r.mask
				}
			}
			p = q
		}
	}
	return in
}

// floorUnit rounds down, also just below zero.
func floorUnit(v float64) int32 {
	i := int32(v)
	if float64(i) > v {
		i--
	}
	return i
}

// leftOf reports whether (x, y) lies to the left of the line from p to q. Every decision about an edge uses it, so
// that ties fall the same way each time.
func leftOf(p, q point, x, y float64) bool {
	return float64(q.X-p.X)*(y-float64(p.Y)) > float64(q.Y-p.Y)*(x-float64(p.X))
}
