package sqlite

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"zombiezen.com/go/sqlite"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// books are the dictionaries as far as the process knows them: what many devices share has a number there, and records have the number.
//
// Entries never change, nobody deletes one (decision 14 says how many there can be), and numbers are never used again, so whoever reads an
// entry may remember what its number stands for, in a snapshot or before a commit that fails. Which number something has is remembered by the
// writer alone, after the commit: an entry may have been made in a transaction that is rolled back.
type books struct {
	models   dictionary[string, string]
	findings dictionary[string, *record.Finding] // by their bytes
	lots     dictionary[authority.Lot, *authority.Lot]
}

// maxEntries bounds what is remembered; past it, it begins anew.
const maxEntries = 1 << 16

type dictionary[K comparable, V any] struct {
	mu      sync.RWMutex
	values  map[int64]V
	numbers map[K]int64
}

func (d *dictionary[K, V]) value(n int64) (V, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	v, ok := d.values[n]
	return v, ok
}

func (d *dictionary[K, V]) number(k K) (int64, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	n, ok := d.numbers[k]
	return n, ok
}

func (d *dictionary[K, V]) see(n int64, v V) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.values == nil || len(d.values) >= maxEntries {
		d.values = make(map[int64]V)
	}
	d.values[n] = v
}

func (d *dictionary[K, V]) learn(k K, n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.numbers == nil || len(d.numbers) >= maxEntries {
		d.numbers = make(map[K]int64)
	}
	d.numbers[k] = n
}

var errDictionary = errors.New("sqlite: a record has a number that is in no dictionary")

// valueOf is what a number stands for.
func valueOf[K comparable, V any](t *tx, d *dictionary[K, V], n int64, query string, scan func(row) (V, error)) (v V, err error) {
	if v, ok := d.value(n); ok {
		return v, nil
	}
	found := false
	err = t.each(func(st *sqlite.Stmt) (err error) {
		found = true
		v, err = scan(row{st})
		return err
	}, query, n)
	if err == nil && !found {
		err = fmt.Errorf("%w: %d", errDictionary, n)
	}
	if err == nil {
		d.see(n, v)
	}
	return v, err
}

// numberIn is the number of something, which gets one if need be.
func numberIn[K comparable, V any](t *tx, d *dictionary[K, V], k K, query, insert string, args ...any) (n int64, err error) {
	if n, ok := d.number(k); ok {
		return n, nil
	}
	err = table.Single(t, query, args, &n)
	if errors.Is(err, authority.ErrAbsent) {
		n, err = table.Insert(t, insert, args...)
	}
	if err == nil {
		t.learned = append(t.learned, func() { d.learn(k, n) })
	}
	return n, err
}

func (t *tx) model(n uint64) (string, error) {
	if n == 0 {
		return "", nil
	}
	return valueOf(t, &t.books.models, int64(n), "SELECT name FROM model WHERE number = ?", func(r row) (name string, err error) {
		return name, r.Scan(&name)
	})
}

var nothingFound record.Finding

func (t *tx) finding(n uint64) (*record.Finding, error) {
	if n == 0 {
		return &nothingFound, nil
	}
	return valueOf(t, &t.books.findings, int64(n), "SELECT body FROM finding WHERE number = ?", func(r row) (*record.Finding, error) {
		var body []byte
		if err := r.Scan(&body); err != nil {
			return nil, err
		}
		f, err := record.UnpackFinding(body)
		return &f, err
	})
}

// lot is the one with a number, nil for 0. Nobody changes it.
func (t *tx) lot(n int64) (*authority.Lot, error) {
	if n == 0 {
		return nil, nil
	}
	return valueOf(t, &t.books.lots, n, "SELECT model, market, consignment, consignee, shipped_on FROM lot WHERE number = ?", func(r row) (*authority.Lot, error) {
		l := new(authority.Lot)
		var market string
		err := r.Scan(&l.Model, &market, &l.Consignment, &l.Consignee, &l.ShippedOn)
		l.Market = territory.Code(market)
		return l, err
	})
}

func (t *tx) lotNumber(l authority.Lot) (int64, error) {
	return numberIn(t, &t.books.lots, l,
		"SELECT number FROM lot WHERE model = ? AND market = ? AND consignment = ? AND consignee = ? AND shipped_on = ?",
		"INSERT INTO lot (model, market, consignment, consignee, shipped_on) VALUES (?, ?, ?, ?, ?) RETURNING number",
		l.Model, string(l.Market), l.Consignment, l.Consignee, int64(l.ShippedOn))
}

// numbers are what a device's record has in place of its model and its finding, as far as they are known. It uses scratch, and returns it.
func (b *books) numbers(d *authority.Device, scratch []byte) (n record.Numbers, _ []byte, known bool, err error) {
	model, finding := int64(0), int64(0)
	known = true
	if d.Model != "" {
		model, known = b.models.number(d.Model)
	}
	f := record.FindingOf(d)
	if scratch, err = f.Append(scratch[:0]); err != nil {
		return n, scratch, false, err
	}
	if known && !f.IsZero() {
		finding, known = b.findings.number(string(scratch)) // which copies nothing
	}
	return record.Numbers{Model: uint64(model), Finding: uint64(finding)}, scratch, known, nil
}

// numbers are those of the books, with new entries for what has none.
func (t *tx) numbers(d *authority.Device) (record.Numbers, error) {
	n, body, known, err := t.books.numbers(d, t.scratch)
	if t.scratch = body; known || err != nil {
		return n, err
	}
	if d.Model != "" {
		model, err := numberIn(t, &t.books.models, d.Model, "SELECT number FROM model WHERE name = ?", "INSERT INTO model (name) VALUES (?) RETURNING number", d.Model)
		if err != nil {
			return n, err
		}
		n.Model = uint64(model)
	}
	if f := record.FindingOf(d); f.IsZero() {
		return n, nil
	}
	sum := sha256.Sum256(body)
	number, err := numberIn(t, &t.books.findings, string(body), "SELECT number FROM finding WHERE hash = ? AND body = ?",
		"INSERT INTO finding (hash, body) VALUES (?, ?) RETURNING number", sum[:], body)
	n.Finding = uint64(number)
	return n, err
}
