package territory

import (
	"cmp"
	"math"
	"slices"
)

// edgeRun is a run in the making: consecutive edges of one arc within a cell.
type edgeRun struct{ cell, start, n, arc uint32 }

// builder lays the grids over the arcs.
type builder struct {
	*arcs
	ix *index
}

func buildIndex(a *arcs) (*index, error) {
	b := &builder{a, &index{codes: a.codes, points: a.points, coarse: make([]entry, coarseCols*coarseRows)}}
	runs := b.layMiddle()
	corners := b.corners()
	if err := b.fill(runs, corners); err != nil {
		return nil, err
	}
	return b.ix, nil
}

// eachEdge calls f with every edge that lies on the map, in order; v is its first vertex.
func (b *builder) eachEdge(f func(arc, v uint32, p, q point)) {
	for arc := range b.parts {
		for v := b.starts[arc]; v+1 < b.starts[arc+1]; v++ {
			f(uint32(arc), v, b.points[v], b.points[v+1])
		}
	}
}

// eachCell calls f with every cell of a grid that the edge may touch, row by row.
func eachCell(p, q point, shift uint, f func(col, row int)) {
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

// layMiddle makes the coarse entries that need a block, and lists the runs of all middle cells in order of cell.
func (b *builder) layMiddle() []edgeRun {
	ix := b.ix
	var runs []edgeRun
	var last []int32 // by middle slot: the cell's last run, from 1
	b.eachEdge(func(arc, v uint32, p, q point) {
		eachCell(p, q, middleShift, func(col, row int) {
			c := &ix.coarse[row>>3*coarseCols+col>>3]
			if c.kind() != kindBlock {
				*c = kindBlock | entry(len(last))
				last = append(last, make([]int32, 64)...)
			}
			slot := c.number() + row&7<<3 + col&7
			if l := last[slot]; l > 0 {
				if r := &runs[l-1]; r.arc == arc && r.start+r.n == v && r.n < math.MaxUint16 {
					r.n++
					return
				}
			}
			runs = append(runs, edgeRun{uint32(slot), v, 1, arc})
			last[slot] = int32(len(runs))
		})
	})
	ix.middle = make([]entry, len(last))
	slices.SortStableFunc(runs, func(a, c edgeRun) int { return cmp.Compare(a.cell, c.cell) })
	return runs
}

// corner says which territories hold the lower left corner of a middle cell, ascending.
type corners struct {
	coarse []uint16   // by coarse cell: the first in rank at its corner
	middle [][]uint16 // by middle slot
}

// crossing is an edge over the lower border of a row.
type crossing struct {
	x    float64
	v    uint32
	part uint16
}

// corners sweeps every row of middle cells from west to east.
func (b *builder) corners() *corners {
	rows := make([][]crossing, middleRows)
	b.eachEdge(func(arc, v uint32, p, q point) {
		low, high := min(p.Y, q.Y), max(p.Y, q.Y)
		// An edge crosses the line half a unit below row<<middleShift when low < row<<middleShift <= high.
		for row := max(0, (low>>middleShift)+1); row <= min(middleRows-1, high>>middleShift); row++ {
			y := float64(row<<middleShift) - 0.5
			x := float64(p.X) + (y-float64(p.Y))*float64(q.X-p.X)/float64(q.Y-p.Y)
			rows[row] = append(rows[row], crossing{x, v, b.parts[arc]})
		}
	})
	cs := &corners{make([]uint16, coarseCols*coarseRows), make([][]uint16, len(b.ix.middle))}
	for row, list := range rows {
		slices.SortFunc(list, func(a, c crossing) int { return cmp.Compare(a.x, c.x) })
		b.sweep(row, list, cs)
	}
	return cs
}

func (b *builder) sweep(row int, list []crossing, cs *corners) {
	var in []uint16 // ascending
	y := float64(row<<middleShift) - 0.5
	var kept []uint16
	changed := true
	for col := range middleCols {
		x := float64(col<<middleShift) - 0.5
		for len(list) > 0 && b.passed(list[0], x, y) {
			for _, code := range b.sets[list[0].part] {
				if i, ok := slices.BinarySearch(in, code); ok {
					in = slices.Delete(in, i, i+1)
				} else {
					in = slices.Insert(in, i, code)
				}
			}
			list, changed = list[1:], true
		}
		at := row>>3*coarseCols + col>>3
		if row&7 == 0 && col&7 == 0 && len(in) > 0 {
			cs.coarse[at] = in[0]
		}
		if e := b.ix.coarse[at]; e.kind() == kindBlock {
			if changed {
				kept, changed = slices.Clone(in), false
			}
			cs.middle[e.number()+row&7<<3+col&7] = kept
		}
	}
}

// passed reports whether a crossing lies west of x, deciding ties as leftOf does.
func (b *builder) passed(c crossing, x, y float64) bool {
	p, q := b.points[c.v], b.points[c.v+1]
	return leftOf(p, q, x, y) != (q.Y > p.Y)
}
