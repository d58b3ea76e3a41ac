package ledger

import (
	"cmp"
	"context"
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

	next         uint64                  // index of the entry that is to come
	newer, older map[commitment]struct{} // the commitments that were read last
	reused       error                   // the first one that occurred twice
}

// commitment is the first half of a leaf's: enough to tell 2^40 of them apart.
type commitment [16]byte

// rememberedSalts is how many orders are looked back for a commitment that occurs twice, at least; twice as many at most, which
// takes about 100 MB.
const rememberedSalts = 1 << 20

// Audit lets an auditor read what is new, and counts it. Besides the auditor's errors it fails with order.ErrSaltReused when one of the
// last million orders before has the same commitment: everybody can see then that the two are for one device.
func (t *Tally) Audit(ctx context.Context, a *Auditor) (Audited, error) {
	found, err := a.Audit(ctx, t.Add)
	if err != nil {
		return found, err
	}
	return found, t.reused
}

// Add counts one leaf. It has the form of Auditor.Audit's visit, and fails with ErrNotOrder. An auditor that begins again has it
// begin again.
func (t *Tally) Add(index uint64, leaf []byte) error {
	l, err := order.ParseLeaf(leaf)
	if err != nil {
		return fmt.Errorf("%w: entry %d: %w", ErrNotOrder, index, err)
	}
	if index < t.next {
		*t = Tally{}
	}
	t.next = index + 1
	t.remember(index, commitment(l.Commitment[:]))
	if t.lines == nil {
		t.lines, t.ByKind = make(map[Line]int), make(map[order.Kind]int)
	}
	t.Orders++
	t.ByKind[l.Kind]++
	t.lines[Line{territory.DayOf(l.IssuedAt), l.Ground, l.Territory, l.Kind, l.Cause}]++
	return nil
}

// remember finds a commitment that occurs twice.
func (t *Tally) remember(index uint64, c commitment) {
	_, newer := t.newer[c]
	_, older := t.older[c]
	if (newer || older) && t.reused == nil {
		t.reused = fmt.Errorf("ledger: entry %d has the commitment of an earlier order: %w", index, order.ErrSaltReused)
	}
	if t.newer == nil || len(t.newer) >= rememberedSalts {
		t.older, t.newer = t.newer, make(map[commitment]struct{})
	}
	t.newer[c] = struct{}{}
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
