package sqlite

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/order"
)

// scanner is a row, of one or of many.
type scanner interface{ Scan(into ...any) error }

// stamp is the column of a time: microseconds, or NULL for the zero time.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// when reads what stamp wrote.
type when struct{ t *time.Time }

func (w when) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*w.t = time.Time{}
	case int64:
		*w.t = time.UnixMicro(v).UTC()
	default:
		return fmt.Errorf("%T is no time", v)
	}
	return nil
}

// fixed reads a blob of exactly the length of its target.
type fixed struct{ b []byte }

func (f fixed) Scan(v any) error {
	b, ok := v.([]byte)
	if !ok || len(b) != len(f.b) {
		return fmt.Errorf("a blob of %d bytes is expected", len(f.b))
	}
	copy(f.b, b)
	return nil
}

// maybe is fixed for a column that may be NULL, which stands for zeros.
type maybe struct{ b []byte }

func (m maybe) Scan(v any) error {
	if v == nil {
		clear(m.b)
		return nil
	}
	return fixed(m).Scan(v)
}

// identity and rest read the two halves of a device's ID.
type identity struct{ id *device.ID }

func (i identity) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("%v is no number of a device", v)
	}
	var err error
	*i.id, err = record.ID(n, i.id[8:])
	return err
}

type rest struct{ id *device.ID }

func (r rest) Scan(v any) error { return fixed{r.id[8:]}.Scan(v) }

// orNull is the column of a hash that is not there yet.
func orNull(h *[32]byte) any {
	if *h == [32]byte{} {
		return nil
	}
	return h[:]
}

// blob is the column of bytes that may be nil: an empty blob, not NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// counter reads and writes a uint64 as SQLite's signed integer.
type counter struct{ n *uint64 }

func (c counter) Scan(v any) error {
	n, ok := v.(int64)
	if !ok || n < 0 {
		return fmt.Errorf("%v is no count", v)
	}
	*c.n = uint64(n)
	return nil
}

func count(what string, n uint64) (int64, error) {
	if n > math.MaxInt64 {
		return 0, fmt.Errorf("sqlite: %s %d is out of range", what, n)
	}
	return int64(n), nil
}

// texts is the column of a list: JSON, and empty for an empty one.
func texts[T any](list []T) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	b, err := json.Marshal(list)
	return string(b), err
}

func readTexts[T any](s string) ([]T, error) {
	if s == "" {
		return nil, nil
	}
	var list []T
	err := json.Unmarshal([]byte(s), &list)
	return list, err
}

// within checks the limit of a list.
func within(limit int) error {
	if limit < 1 {
		return fmt.Errorf("sqlite: a list has a limit of at least 1, not %d", limit)
	}
	return nil
}

func key(parts ...any) []any { return parts }

func ground(g order.Ground) (kind int64, id string) { return int64(g.Kind), g.ID }
