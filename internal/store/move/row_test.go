package move

import (
	"bytes"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
	"pgregory.net/rapid"
)

// pair has a key of text and number, and a blob that may be NULL.
var pair = &table{name: "pair", key: []int{0, 1},
	columns: []column{{name: "a", oid: pgtype.TextOID}, {name: "b", oid: pgtype.Int8OID}, {name: "c", oid: pgtype.ByteaOID}}}

func drawRows(t *rapid.T, name string) []row {
	rows := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) row {
		r := row{rapid.StringMatching(`[a-cÄ]{0,2}`).Draw(t, "a"), rapid.Int64Range(-2, 2).Draw(t, "b"), nil}
		if rapid.Bool().Draw(t, "there") {
			r[2] = rapid.SliceOfN(rapid.Byte(), 0, 1).Draw(t, "c")
		}
		return r
	}), 0, 12, func(r row) [2]any { return [2]any{r[0], r[1]} }).Draw(t, name)
	slices.SortFunc(rows, pair.compareKeys)
	return rows
}

// TestCompareStretch applies the difference of two random stretches to the one: what comes out is the other.
func TestCompareStretch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		here, there := drawRows(t, "here"), drawRows(t, "there")
		d := pair.compareStretch(here, there)
		var made []row
		for _, r := range there {
			is := func(o row) bool { return pair.compareKeys(o, r) == 0 }
			if i := slices.IndexFunc(d.changed, is); i >= 0 {
				if equal(d.changed[i], r) {
					t.Fatalf("%v did not change", r)
				}
				made = append(made, d.changed[i])
			} else if !slices.ContainsFunc(d.gone, is) {
				made = append(made, r)
			}
		}
		made = append(made, d.added...)
		slices.SortFunc(made, pair.compareKeys)
		if !slices.EqualFunc(made, here, equal) {
			t.Fatalf("%v became %v, not %v", there, made, here)
		}
	})
}

// TestRowsDoNotCollide writes two random stretches as the digest takes them: they come to the same bytes only if they are the same.
func TestRowsDoNotCollide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawRows(t, "a"), drawRows(t, "b")
		bytesOf := func(rows []row) (all []byte) {
			for _, r := range rows {
				all = r.appendTo(all)
			}
			return all
		}
		if bytes.Equal(bytesOf(a), bytesOf(b)) != slices.EqualFunc(a, b, equal) {
			t.Fatalf("%v and %v", a, b)
		}
	})
}
