package authority

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// reportCache keeps what was counted so far, so that each leaf is read once.
type reportCache struct {
	mu     sync.Mutex
	size   uint64 // leaves counted
	lines  map[PublicCount]int
	byKind map[order.Kind]int
	unread int
}

// PublicReport counts the ledger's published leaves, and nothing else: anyone who reads the ledger can count them again.
func (s *Service) PublicReport(ctx context.Context) (*PublicReport, error) {
	c := &s.report
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lines == nil {
		c.lines, c.byKind = make(map[PublicCount]int), make(map[order.Kind]int)
	}
	checkpoint, err := s.cfg.Ledger.Checkpoint(ctx)
	if err != nil {
		return nil, ErrLedgerUnavailable.because(err)
	}
	size, err := sizeOf(checkpoint)
	if err != nil {
		return nil, ErrLedgerUnavailable.because(err)
	}
	if size > c.size {
		err := s.cfg.Ledger.Entries(ctx, c.size, size, func(_ uint64, leaf []byte) error {
			c.count(leaf)
			c.size++
			return nil
		})
		if err != nil {
			return nil, ErrLedgerUnavailable.because(err)
		}
	}
	return &PublicReport{
		Origin: s.cfg.Trust.Origin, Size: c.size, Checkpoint: string(checkpoint), CountedAt: s.now(), Unread: c.unread,
		ByKind: maps.Clone(c.byKind), Lines: c.sorted(),
	}, nil
}

// sizeOf reads the tree size off a checkpoint's second line (C2SP tlog-checkpoint), so that text and counts are of one moment.
func sizeOf(checkpoint []byte) (uint64, error) {
	lines := strings.SplitN(string(checkpoint), "\n", 3)
	if len(lines) < 3 {
		return 0, errors.New("the ledger's checkpoint has no size")
	}
	return strconv.ParseUint(lines[1], 10, 64)
}

func (c *reportCache) count(leaf []byte) {
	l, err := order.ParseLeaf(leaf)
	if err != nil {
		c.unread++
		return
	}
	c.byKind[l.Kind]++
	c.lines[PublicCount{Kind: l.Kind, Ground: l.Ground, Territory: l.Territory, Day: territory.DayOf(l.IssuedAt), Cause: l.Cause}]++
}

// sorted lists the counts by day, ground, territory, kind and cause.
func (c *reportCache) sorted() []PublicCount {
	list := make([]PublicCount, 0, len(c.lines))
	for line, n := range c.lines {
		line.Orders = n
		list = append(list, line)
	}
	slices.SortFunc(list, func(a, b PublicCount) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Ground.Kind, b.Ground.Kind), cmp.Compare(a.Ground.ID, b.Ground.ID),
			cmp.Compare(a.Territory, b.Territory), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Cause, b.Cause))
	})
	return list
}
