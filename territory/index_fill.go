package territory

import (
	"math"
	"slices"
)

// fillBlocks turns runs and corners into grid entries and cells.
func (b *builder) fillBlocks() error {
	for i, e := range b.ix.coarse {
		if e.kind() == kindBlock {
			for j := range 64 {
				cx, cy := int32(i%coarseCols<<3+j&7)<<middleShift, int32(i/coarseCols<<3+j>>3)<<middleShift
				if err := b.fillMiddle(e.number()+j, cx, cy); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// fillMiddle makes one middle entry. (cx, cy) is its first unit column and row.
func (b *builder) fillMiddle(slot int, cx, cy int32) error {
	at := b.listed(b.corners[slot])
	own := b.runsOf(slot)
	if len(own) == 0 {
		if len(at) > 0 {
			b.ix.middle[slot] = entry(at[0])
		}
		return nil
	}
	edges := uint32(0)
	for _, r := range own {
		edges += r.n
	}
	e, err := entry(0), error(nil)
	if edges > fineAbove {
		e, err = b.split(own, at, cx, cy)
	} else {
		e, err = b.cell(own, at)
	}
	b.ix.middle[slot] = e
	return err
}

// runsOf returns the runs of a middle cell.
func (b *builder) runsOf(slot int) []edgeRun {
	start := uint32(0)
	if slot > 0 {
		start = b.ends[slot-1]
	}
	return b.runs[start:b.ends[slot]]
}

// cell appends a cell with these runs and these territories at its corner.
func (b *builder) cell(runs []edgeRun, at []uint16) (entry, error) {
	ix := b.ix
	codes := append(b.scratch[:0], at...)
	for i, r := range runs {
		if i == 0 || b.parts[r.arc] != b.parts[runs[i-1].arc] {
			codes = append(codes, b.sets[b.parts[r.arc]]...)
		}
	}
	slices.Sort(codes)
	b.scratch = codes
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
	for _, c := range some {
		m |= 1 << slices.Index(codes, c)
	}
	return m
}

// split makes a block of fine cells. Each corner follows from the cell below or to the left of it, which holds all
// edges on the way.
func (b *builder) split(runs []edgeRun, at []uint16, cx, cy int32) (entry, error) {
	ix := b.ix
	block := kindFine | entry(len(ix.fine))
	ix.fine = append(ix.fine, make([]entry, 16)...)
	b.deal(runs, cx, cy)
	var rowRoom, room [16]uint16
	rowStart := append(rowRoom[:0], at...)
	for row := range 4 {
		here := append(room[:0], rowStart...)
		for col := range 4 {
			x, y := cx+int32(col)<<fineShift, cy+int32(row)<<fineShift
			own := b.dealt[row<<2+col]
			if len(own) == 0 {
				if len(here) > 0 {
					ix.fine[block.number()+row<<2+col] = entry(here[0])
				}
				continue
			}
			e, err := b.cell(own, here)
			if err != nil {
				return 0, err
			}
			ix.fine[block.number()+row<<2+col] = e
			if col == 0 {
				rowStart = ix.cornerFrom(rowStart[:0], e, x, y, 0, 1<<fineShift)
			}
			here = ix.cornerFrom(here[:0], e, x, y, 1<<fineShift, 0)
		}
	}
	return block, nil
}

// cornerFrom appends the territories that hold another corner of a cell, dx and dy units from its first.
func (ix *index) cornerFrom(to []uint16, e entry, cx, cy, dx, dy int32) []uint16 {
	c := &ix.cells[e.number()]
	in := ix.within(c, cx, cy, float64(cx+dx)-0.5, float64(cy+dy)-0.5)
	for i, code := range ix.cellCodes[c.codes : c.codes+uint32(c.nCodes)] {
		if in&(1<<i) != 0 {
			to = append(to, code)
		}
	}
	return to
}

// deal gives the runs of a middle cell out to its fine ones.
func (b *builder) deal(runs []edgeRun, cx, cy int32) {
	for i := range b.dealt {
		b.dealt[i] = b.dealt[i][:0]
	}
	for _, r := range runs {
		for v := r.start; v < r.start+r.n; v++ {
			eachCell(b.points[v], b.points[v+1], fineShift, func(col, row int) {
				dx, dy := col-int(cx>>fineShift), row-int(cy>>fineShift)
				if dx < 0 || dx > 3 || dy < 0 || dy > 3 {
					return
				}
				own := &b.dealt[dy<<2+dx]
				if n := len(*own); n > 0 && (*own)[n-1].arc == r.arc && (*own)[n-1].start+(*own)[n-1].n == v {
					(*own)[n-1].n++
					return
				}
				*own = append(*own, edgeRun{0, v, 1, r.arc})
			})
		}
	}
}
