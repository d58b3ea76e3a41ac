package table

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Stamp is the column of a time: microseconds, or NULL for the zero time.
func Stamp(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	n := t.UnixMicro()
	return &n
}

// When reads what Stamp wrote.
func When(t *time.Time) sql.Scanner { return when{t} }

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

// Fixed reads a blob of exactly the length of its target.
func Fixed(b []byte) sql.Scanner { return fixed{b} }

type fixed struct{ b []byte }

func (f fixed) Scan(v any) error {
	b, ok := v.([]byte)
	if !ok || len(b) != len(f.b) {
		return fmt.Errorf("a blob of %d bytes is expected", len(f.b))
	}
	copy(f.b, b)
	return nil
}

// Maybe is Fixed for a column that may be NULL, which stands for zeros.
func Maybe(b []byte) sql.Scanner { return maybe{b} }

type maybe struct{ b []byte }

func (m maybe) Scan(v any) error {
	if v == nil {
		clear(m.b)
		return nil
	}
	return fixed(m).Scan(v)
}

// Identity reads the number of a device into the first half of its ID.
func Identity(id *device.ID) sql.Scanner { return identity{id} }

type identity struct{ id *device.ID }

func (i identity) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("%T is no number of a device", v)
	}
	id, err := record.ID(n, i.id[8:])
	*i.id = id
	return err
}

// Rest reads the other half.
func Rest(id *device.ID) sql.Scanner { return fixed{id[8:]} }

// Counter reads a uint64 that Count made a signed integer of.
func Counter(n *uint64) sql.Scanner { return counter{n} }

type counter struct{ n *uint64 }

func (c counter) Scan(v any) error {
	n, ok := v.(int64)
	if !ok || n < 0 {
		return fmt.Errorf("%v is no count", v)
	}
	*c.n = uint64(n)
	return nil
}

// Count is the column of a number up to 2^63-1; the error says what is larger.
func Count(what string, n uint64) (int64, error) {
	if n > math.MaxInt64 {
		return 0, fmt.Errorf("%s %d is out of range", what, n)
	}
	return int64(n), nil
}

// Blob is the column of bytes that may be nil: an empty blob, not NULL.
func Blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Texts is the column of a list: JSON, and empty for an empty one.
func Texts[T any](list []T) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	b, err := json.Marshal(list)
	return string(b), err
}

// ReadTexts reads what Texts wrote.
func ReadTexts[T any](s string) ([]T, error) {
	if s == "" {
		return nil, nil
	}
	var list []T
	err := json.Unmarshal([]byte(s), &list)
	return list, err
}

// Within checks the limit of a list.
func Within(limit int) error {
	if limit < 1 {
		return fmt.Errorf("store: a list has a limit of at least 1, not %d", limit)
	}
	return nil
}

// Behind is the least number of a device behind the given one, whose ID is zero for the beginning. There is none behind the last.
func Behind(id device.ID) (number int64, more bool) {
	number = record.Number(id)
	if id.IsZero() {
		return number, true
	}
	if number == math.MaxInt64 {
		return 0, false
	}
	return number + 1, true
}

// One is the key of a restriction: device, kind of ground, ground.
func One(id device.ID, g order.Ground) []any { return key(record.Number(id), int64(g.Kind), g.ID) }

func key(parts ...any) []any { return parts }
