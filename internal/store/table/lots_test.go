package table

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// TestMergeLots: however records are spread over lots, pages have all of them by IMEI, and do not read a consignment anew for each page.
func TestMergeLots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lots := rapid.IntRange(0, 40).Draw(t, "lots")
		var all []Lotted
		for n := range rapid.IntRange(0, 400).Draw(t, "records") {
			if lots == 0 {
				break
			}
			lot := rapid.IntRange(1, lots).Draw(t, "lot")
			if rapid.Bool().Draw(t, "in a row") && n > 0 {
				lot = int(all[n-1].Lot)
			}
			all = append(all, Lotted{Production: authority.Production{Serial: fmt.Sprint(n)}, Number: int64(3 * n), Lot: int64(lot)})
		}
		limit := rapid.IntRange(1, 60).Draw(t, "limit")
		var listed []authority.Production
		for after := int64(-1); ; {
			page, err := MergeLots(lots, limit, after, func(after int64, n int) (rows []Lotted, err error) {
				given := map[int64]int{}
				for _, r := range all {
					if r.Number > after && given[r.Lot] < n {
						given[r.Lot]++
						rows = append(rows, r)
					}
				}
				slices.SortFunc(rows, func(a, b Lotted) int { return cmp.Or(cmp.Compare(a.Lot, b.Lot), cmp.Compare(a.Number, b.Number)) })
				if most := 4*limit + 9*lots; lots > 1 && len(rows) > most {
					t.Fatalf("%d rows are read at once for a page of %d", len(rows), limit)
				}
				return rows, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			listed = append(listed, page...)
			if len(page) < limit {
				break
			}
			after = all[len(listed)-1].Number
		}
		if len(listed) != len(all) {
			t.Fatalf("%d of %d records", len(listed), len(all))
		}
		for i := range all {
			if listed[i] != all[i].Production {
				t.Fatalf("record %d is %v", i, listed[i].Serial)
			}
		}
	})
}
