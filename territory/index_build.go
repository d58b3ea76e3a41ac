package territory

import (
	"cmp"
	"math"
	"slices"
)

// edgeRun is a run in the making: consecutive edges of one arc within a cell.
type edgeRun struct{ slot, start, n, arc uint32 }

// list is a stretch of a builder's codes: where it begins, and in the last eight bits how many there are.
type list uint32

const maxList, maxListCodes = 255, 1 << 24

func (b *builder) listed(l list) []uint16 { return b.codes[l>>8:][:l&maxList] }

// builder lays the grids over the arcs.
type builder struct {
	*arcs
	ix      *index
	runs    []edgeRun // in order of middle slot
	ends    []uint32  // by middle slot: where its runs end
	corners []list    // by middle slot: the territories that hold its lower left corner, ascending
	codes   []uint16  // of corners
	scratch []uint16
	dealt   [16][]edgeRun
}

func buildIndex(a *arcs) (*index, error) {
	b := &builder{arcs: a, ix: &index{codes: a.codes, points: a.points, coarse: make([]entry, coarseCols*coarseRows)}}
	b.layMiddle()
	if err := b.findCorners(); err != nil {
		return nil, err
	}
	n := len(b.runs) + len(b.runs)/4
	b.ix.runs, b.ix.cells, b.ix.cellCodes = make([]run, 0, n), make([]cell, 0, n), make([]uint16, 0, 2*n)
	if err := b.fillBlocks(); err != nil {
		return nil, err
	}
	return b.ix, nil
}

// gridCell is a cell of one of the grids.
type gridCell struct{ col, row int }

func cellAt(p point, shift uint) gridCell { return gridCell{int(p.X >> shift), int(p.Y >> shift)} }

// eachCell calls f with every cell of a grid that the edge may touch, row by row.
func eachCell(p, q point, shift uint, f func(col, row int)) {
	if p.X>>shift == q.X>>shift && p.Y>>shift == q.Y>>shift { // most are short
		if p.X >= 0 && p.X < worldX && p.Y >= 0 && p.Y < worldY {
			f(int(p.X>>shift), int(p.Y>>shift))
		}
		return
	}
	if p.Y > q.Y {
		p, q = q, p
	}
	cols, rows := worldX>>shift, worldY>>shift
	slope := 0.0
	if q.Y > p.Y {
		slope = float64(q.X-p.X) / float64(q.Y-p.Y)
	}
	for row := max(0, int(p.Y)>>shift); row <= min(rows-1, int(q.Y)>>shift); row++ {
		// The part of the edge within the row, a unit wider on all sides.
		x0, x1 := float64(p.X), float64(q.X)
		if slope != 0 {
			low, high := max(float64(row<<shift)-1, float64(p.Y)), min(float64((row+1)<<shift)+1, float64(q.Y))
			x0, x1 = float64(p.X)+(low-float64(p.Y))*slope, float64(p.X)+(high-float64(p.Y))*slope
		}
		first, last := int(floorUnit(min(x0, x1)+0.4))>>shift, int(floorUnit(max(x0, x1)+0.6))>>shift
		for col := max(0, first); col <= min(cols-1, last); col++ {
			f(col, row)
		}
	}
}

// layMiddle makes the coarse entries that need a block, and lists the runs of all middle cells in order of slot.
func (b *builder) layMiddle() {
	ix := b.ix
	runs := make([]edgeRun, 0, len(b.points)/5)
	last := make([]uint32, 0, 64*8192) // by middle slot: the cell's last run, from 1
	for arc := range b.parts {
		nowhere := gridCell{-9, -9}
		inside, current := nowhere, 0 // the cell that holds the vertex before, and the run that reaches it there
		for v := b.starts[arc]; v+1 < b.starts[arc+1]; v++ {
			p, q := b.points[v], b.points[v+1]
			if inside == cellAt(q, middleShift) && runs[current].n < math.MaxUint16 {
				runs[current].n++ // a cell is convex: the edge is in it too
				continue
			}
			inside = nowhere
			eachCell(p, q, middleShift, func(col, row int) {
				c := &ix.coarse[row>>3*coarseCols+col>>3]
				if c.kind() != kindBlock {
					*c = kindBlock | entry(len(last))
					last = append(last, make([]uint32, 64)...)
				}
				slot := c.number() + row&7<<3 + col&7
				run := int(last[slot]) - 1
				if run >= 0 && runs[run].arc == uint32(arc) && runs[run].start+runs[run].n == v && runs[run].n < math.MaxUint16 {
					runs[run].n++
				} else {
					run = len(runs)
					runs = append(runs, edgeRun{uint32(slot), v, 1, uint32(arc)})
					last[slot] = uint32(len(runs))
				}
				if here := (gridCell{col, row}); here == cellAt(q, middleShift) {
					inside, current = here, run
				}
			})
		}
	}
	ix.middle = make([]entry, len(last))
	b.runs, b.ends = bySlot(runs, last), last
}

// bySlot sorts runs by slot, keeping their order within one, and leaves in ends where those of each slot end.
func bySlot(runs []edgeRun, ends []uint32) []edgeRun {
	clear(ends)
	for _, r := range runs {
		ends[r.slot]++
	}
	sum := uint32(0)
	for i, n := range ends {
		ends[i], sum = sum, sum+n
	}
	out := make([]edgeRun, len(runs))
	for _, r := range runs {
		out[ends[r.slot]] = r
		ends[r.slot]++
	}
	return out
}

// crossing is an edge over the lower border of a row of middle cells.
type crossing struct {
	x    float64
	v    uint32
	row  uint16
	part uint16
}

// findCorners sweeps every row of middle cells from west to east.
func (b *builder) findCorners() error {
	all := make([]crossing, 0, len(b.points)/8)
	for arc, part := range b.parts {
		for v := b.starts[arc]; v+1 < b.starts[arc+1]; v++ {
			p, q := b.points[v], b.points[v+1]
			low, high := min(p.Y, q.Y), max(p.Y, q.Y)
			// An edge crosses the line half a unit below row<<middleShift when low < row<<middleShift <= high.
			for row := low>>middleShift + 1; row <= min(middleRows-1, high>>middleShift); row++ {
				y := float64(row<<middleShift) - 0.5
				x := float64(p.X) + (y-float64(p.Y))*float64(q.X-p.X)/float64(q.Y-p.Y)
				all = append(all, crossing{x, v, uint16(row), part})
			}
		}
	}
	slices.SortFunc(all, func(a, c crossing) int { return cmp.Or(cmp.Compare(a.row, c.row), cmp.Compare(a.x, c.x)) })
	b.corners = make([]list, len(b.ix.middle))
	for row := range middleRows {
		n := 0
		for n < len(all) && int(all[n].row) == row {
			n++
		}
		if err := b.sweep(row, all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// sweep follows one row. Borders lie within blocks only, so a coarse cell without one is passed in one step.
func (b *builder) sweep(row int, ahead []crossing) error {
	in := b.scratch[:0] // ascending
	y := float64(row<<middleShift) - 0.5
	var here list
	for coarse := range coarseCols {
		e := &b.ix.coarse[row>>3*coarseCols+coarse]
		for col := coarse << 3; col < (coarse+1)<<3; col++ {
			changed := false
			for len(ahead) > 0 && b.passed(ahead[0], float64(col<<middleShift)-0.5, y) {
				in, changed = toggle(in, b.sets[ahead[0].part]), true
				ahead = ahead[1:]
			}
			if changed {
				if len(in) > maxList || len(b.codes)+len(in) >= maxListCodes {
					return damaged("too many territories in one place")
				}
				here = list(len(b.codes)<<8 | len(in))
				b.codes = append(b.codes, in...)
			}
			if e.kind() != kindBlock {
				if row&7 == 0 && len(in) > 0 {
					*e = entry(in[0])
				}
				break
			}
			b.corners[e.number()+row&7<<3+col&7] = here
		}
	}
	b.scratch = in
	return nil
}

// toggle adds those of set that in lacks, and removes the others. Both are ascending.
func toggle(in, set []uint16) []uint16 {
	for _, code := range set {
		if i, ok := slices.BinarySearch(in, code); ok {
			in = slices.Delete(in, i, i+1)
		} else {
			in = slices.Insert(in, i, code)
		}
	}
	return in
}

// passed reports whether a crossing lies west of x, deciding ties as leftOf does.
func (b *builder) passed(c crossing, x, y float64) bool {
	p, q := b.points[c.v], b.points[c.v+1]
	return leftOf(p, q, x, y) != (q.Y > p.Y)
}
