package table

import (
	"cmp"
	"slices"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// Lotted is a production record with the numbers of its IMEI and its lot.
type Lotted struct {
	authority.Production
	Number, Lot int64
}

// MergeLots lists the production records of so many lots behind the number of an IMEI, by IMEI. read gives the next n of each lot behind a number,
// each lot's in order. It asks for few of each when there are many, and again where they do not suffice.
func MergeLots(lots, limit int, after int64, read func(after int64, n int) ([]Lotted, error)) (list []authority.Production, err error) {
	n := limit
	if lots > 1 {
		n = min(limit, 4*limit/lots+8)
	}
	for lots > 0 && len(list) < limit {
		rows, err := read(after, n)
		if err != nil {
			return nil, err
		}
		// Behind the last one of a lot that gave n there may be others of it; before the least of these nothing is missing.
		given, last, more := make(map[int64]int, lots), int64(0), false
		for _, r := range rows {
			if given[r.Lot]++; given[r.Lot] == n && (!more || r.Number < last) {
				last, more = r.Number, true
			}
		}
		slices.SortFunc(rows, func(a, b Lotted) int { return cmp.Compare(a.Number, b.Number) })
		for _, r := range rows {
			if more && r.Number > last || len(list) == limit {
				break
			}
			list, after = append(list, r.Production), r.Number
		}
		if !more {
			break
		}
	}
	return list, nil
}
