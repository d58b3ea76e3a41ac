package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// ErrNotOrder is for a leaf that is no order, or one that can be read in two ways. It wraps the order.Fault.
var ErrNotOrder = errors.New("ledger: a leaf is no order")

// Line is what the public counts orders by.
type Line struct {
	Day       territory.Day
	Ground    order.Ground
	Territory territory.Code
	Kind      order.Kind
	Cause     order.Cause
}

// Counted is a line and how many orders there are of it.
type Counted struct {
	Line
	Orders int
}

// Tally counts a ledger's orders from its leaves alone. Its zero value has counted none.
type Tally struct {
	Orders int
	ByKind map[order.Kind]int
	lines  map[Line]int
}

// Add counts one leaf. It has the form of Auditor.Audit's visit, and fails with ErrNotOrder.
func (t *Tally) Add(index uint64, leaf []byte) error {
	l, err := order.ParseLeaf(leaf)
	if err != nil {
		return fmt.Errorf("%w: entry %d: %w", ErrNotOrder, index, err)
	}
	if t.lines == nil {
		t.lines, t.ByKind = make(map[Line]int), make(map[order.Kind]int)
	}
	t.Orders++
	t.ByKind[l.Kind]++
	t.lines[Line{territory.DayOf(l.IssuedAt), l.Ground, l.Territory, l.Kind, l.Cause}]++
	return nil
}

// Lines returns the counts by day, ground, territory, kind and cause, in that order.
func (t *Tally) Lines() []Counted {
	lines := make([]Counted, 0, len(t.lines))
	for line, n := range t.lines {
		lines = append(lines, Counted{line, n})
	}
	slices.SortFunc(lines, func(a, b Counted) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Ground.Kind, b.Ground.Kind), cmp.Compare(a.Ground.ID, b.Ground.ID),
			cmp.Compare(a.Territory, b.Territory), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Cause, b.Cause))
	})
	return lines
}
