package territory

import (
	"math"
	"slices"
)

// fill turns runs and corners into grid entries and cells.
func (b *builder) fill(runs []edgeRun, cs *corners) error {
	for i, e := range b.ix.coarse {
		if e.kind() == kindUniform {
			b.ix.coarse[i] = entry(cs.coarse[i])
		}
	}
	return b.fillBlocks(runs, cs)
}

func (b *builder) fillBlocks(runs []edgeRun, cs *corners) error {
	ix := b.ix
	x0, y0 := b.places()
	for slot := range ix.middle {
		n := 0
		for n < len(runs) && int(runs[n].cell) == slot {
			n++
		}
		own, at := runs[:n], cs.middle[slot]
		runs = runs[n:]
		if len(own) == 0 {
			if len(at) > 0 {
				ix.middle[slot] = entry(at[0])
			}
			continue
		}
		cx, cy := x0[slot/64]+int32(slot&7)<<middleShift, y0[slot/64]+int32(slot>>3&7)<<middleShift
		edges := uint32(0)
		for _, r := range own {
			edges += r.n
		}
		e, err := b.cell(own, at)
		if err == nil && edges > fineAbove {
			e, err = b.split(e, own, cx, cy)
		}
		if err != nil {
			return err
		}
		ix.middle[slot] = e
	}
	return nil
}

// places gives the south-west corner of every block.
func (b *builder) places() (xs, ys []int32) {
	xs, ys = make([]int32, len(b.ix.middle)/64), make([]int32, len(b.ix.middle)/64)
	for i, e := range b.ix.coarse {
		if e.kind() == kindBlock {
			xs[e.number()/64], ys[e.number()/64] = int32(i%coarseCols)<<coarseShift, int32(i/coarseCols)<<coarseShift
		}
	}
	return xs, ys
}

// cell appends a cell with these runs and these territories at its corner.
func (b *builder) cell(runs []edgeRun, at []uint16) (entry, error) {
	ix := b.ix
	codes := slices.Clone(at)
	for _, r := range runs {
		codes = append(codes, b.sets[b.parts[r.arc]]...)
	}
	slices.Sort(codes)
	codes = slices.Compact(codes)
	if len(codes) > 16 {
		return 0, damaged("more than 16 territories in a cell")
	}
	if len(runs) > math.MaxUint16 {
		return 0, damaged("more than %d runs in a cell", math.MaxUint16)
	}
	c := cell{runs: uint32(len(ix.runs)), codes: uint32(len(ix.cellCodes)), nRuns: uint16(len(runs)), nCodes: uint8(len(codes))}
	c.ref = maskOf(codes, at)
	for _, r := range runs {
		ix.runs = append(ix.runs, run{r.start, uint16(r.n), maskOf(codes, b.sets[b.parts[r.arc]])})
	}
	ix.cellCodes = append(ix.cellCodes, codes...)
	ix.cells = append(ix.cells, c)
	return kindCell | entry(len(ix.cells)-1), nil
}

func maskOf(codes, some []uint16) (m uint16) {
	for i, c := range codes {
		if slices.Contains(some, c) {
			m |= 1 << i
		}
	}
	return m
}

// split replaces the cell made last by a block of fine ones. Their corners follow from the cell itself.
func (b *builder) split(e entry, runs []edgeRun, cx, cy int32) (entry, error) {
	ix := b.ix
	c := ix.cells[e.number()]
	codes := slices.Clone(ix.cellCodes[c.codes:])
	var at [16][]uint16
	for i := range at {
		x, y := float64(cx+int32(i&3)<<fineShift)-0.5, float64(cy+int32(i>>2)<<fineShift)-0.5
		in := ix.within(&c, cx, cy, x, y)
		for k, code := range codes {
			if in&(1<<k) != 0 {
				at[i] = append(at[i], code)
			}
		}
	}
	own := b.fineRuns(runs, cx, cy)
	ix.cells, ix.runs, ix.cellCodes = ix.cells[:e.number()], ix.runs[:c.runs], ix.cellCodes[:c.codes]
	block := kindFine | entry(len(ix.fine))
	ix.fine = append(ix.fine, make([]entry, 16)...)
	for i := range at {
		f := entry(0)
		if len(own[i]) > 0 {
			var err error
			if f, err = b.cell(own[i], at[i]); err != nil {
				return 0, err
			}
		} else if len(at[i]) > 0 {
			f = entry(at[i][0])
		}
		ix.fine[block.number()+i] = f
	}
	return block, nil
}

// fineRuns deals the runs of a middle cell out to its fine ones.
func (b *builder) fineRuns(runs []edgeRun, cx, cy int32) (own [16][]edgeRun) {
	for _, r := range runs {
		for v := r.start; v < r.start+r.n; v++ {
			eachCell(b.points[v], b.points[v+1], fineShift, func(col, row int) {
				dx, dy := col-int(cx>>fineShift), row-int(cy>>fineShift)
				if dx < 0 || dx > 3 || dy < 0 || dy > 3 {
					return
				}
				list := own[dy<<2+dx]
				if n := len(list); n > 0 && list[n-1].arc == r.arc && list[n-1].start+list[n-1].n == v {
					list[n-1].n++
					return
				}
				own[dy<<2+dx] = append(list, edgeRun{0, v, 1, r.arc})
			})
		}
	}
	return own
}
