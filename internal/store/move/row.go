package move

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"strings"
)

// row is the values of a table's columns, in their order: nil, int64 (of booleans, too), string or []byte.
type row []any

// compareKeys tells which of two rows comes first: numbers by value, text and bytes byte by byte.
func (t *table) compareKeys(a, b row) int {
	for _, i := range t.key {
		if c := compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// compare orders two values of one column of a key. Both sides hold what matches types, so that they are of the same kind.
func compare(a, b any) int {
	switch a := a.(type) {
	case int64:
		return cmp.Compare(a, b.(int64))
	case string:
		return strings.Compare(a, b.(string))
	default:
		return bytes.Compare(a.([]byte), b.([]byte))
	}
}

// equal reports whether two rows say the same.
func equal(a, b row) bool {
	for i, v := range a {
		if x, ok := v.([]byte); ok {
			if y, ok := b[i].([]byte); !ok || !bytes.Equal(x, y) {
				return false
			}
			continue
		}
		if _, ok := b[i].([]byte); ok || v != b[i] {
			return false
		}
	}
	return true
}

// size is about how much memory a row takes.
func (r row) size() (n int) {
	for _, v := range r {
		n += 32
		switch v := v.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		}
	}
	return n
}

// appendTo writes a row so that no two rows come to the same bytes: each value with its kind and length.
func (r row) appendTo(b []byte) []byte {
	for _, v := range r {
		switch v := v.(type) {
		case nil:
			b = append(b, 0)
		case int64:
			b = binary.BigEndian.AppendUint64(append(b, 1), uint64(v))
		case string:
			b = append(binary.BigEndian.AppendUint32(append(b, 2), uint32(len(v))), v...)
		case []byte:
			b = append(binary.BigEndian.AppendUint32(append(b, 3), uint32(len(v))), v...)
		}
	}
	return b
}

// called is how an error names a row.
func (t *table) called(r row) string {
	var parts []string
	for _, i := range t.key {
		if b, ok := r[i].([]byte); ok {
			parts = append(parts, fmt.Sprintf("%s %x", t.columns[i].name, b))
		} else {
			parts = append(parts, fmt.Sprintf("%s %v", t.columns[i].name, r[i]))
		}
	}
	return t.name + " with " + strings.Join(parts, ", ")
}

// difference is what has to be written so that there becomes as here, of the same stretch of a table.
type difference struct {
	added, changed []row // as they are here
	gone           []row // as they are there
}

// compareStretch walks over both in the order of keys.
func (t *table) compareStretch(here, there []row) (d difference) {
	for len(here) > 0 || len(there) > 0 {
		order := 0
		switch {
		case len(there) == 0:
			order = -1
		case len(here) == 0:
			order = 1
		default:
			order = t.compareKeys(here[0], there[0])
		}
		switch {
		case order < 0:
			d.added, here = append(d.added, here[0]), here[1:]
		case order > 0:
			d.gone, there = append(d.gone, there[0]), there[1:]
		default:
			if !equal(here[0], there[0]) {
				d.changed = append(d.changed, here[0])
			}
			here, there = here[1:], there[1:]
		}
	}
	return d
}
