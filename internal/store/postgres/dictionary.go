package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
)

var (
	errBooks      = errors.New("a dictionary of the records cannot be asked")
	errForgotten  = errors.New("the database that is reached now may be another one than when a record was made up")
	errDictionary = errors.New("postgres: a record has a number that is in no dictionary")
)

// maxEntries bounds what is remembered of each kind; past it, it begins anew.
const maxEntries = 1 << 16

// books are the dictionaries as far as this process knows them: what many devices share has a number there, and records have the number.
//
// Entries never change. They are looked up, and made, on a connection of their own and committed at once, whatever becomes of the transaction
// that wants them. So an entry is there before any record that names it, for every snapshot, and what is remembered was never rolled back,
// but for one case: a standby that was promoted may lack the last entries of its former primary, and give their numbers away again. Then
// everything is forgotten: see watch.
type books struct {
	mu       sync.RWMutex
	timeline string // of the primary
	models   dictionary[string, string]
	findings dictionary[string, *record.Finding] // by their bytes
	lots     dictionary[authority.Lot, *authority.Lot]
	revised  atomic.Int64 // how often everything was forgotten
	rows     seen

	asking sync.Mutex
	s      *session
}

type dictionary[K comparable, V any] struct {
	values  map[int64]V
	numbers map[K]int64
}

func (d *dictionary[K, V]) learn(n int64, k K, v V) {
	if d.values == nil || len(d.values) >= maxEntries {
		d.values, d.numbers = make(map[int64]V), make(map[K]int64)
	}
	d.values[n], d.numbers[k] = v, n
}

// watch forgets everything when a connection leads to another primary than those before. The timeline is told by the name of the file
// of the log that is being written (PostgreSQL 15, section 9.27.3).
func (b *books) watch(ctx context.Context, c *pgconn.PgConn) error {
	results, err := c.Exec(ctx, "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)").ReadAll()
	if err != nil || len(results) != 1 || len(results[0].Rows) != 1 {
		return nil // a standby, which refuses it: whoever wants to write will be told by it
	}
	timeline := string(results[0].Rows[0][0])
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timeline != timeline {
		b.timeline = timeline
		b.revised.Add(1)
		b.models, b.findings, b.lots = dictionary[string, string]{}, dictionary[string, *record.Finding]{}, dictionary[authority.Lot, *authority.Lot]{}
	}
	return nil
}

// ask runs one statement on the connection of the books, again when the connection had been lost while nobody used it. found is false
// when there is no row.
func (b *books) ask(ctx context.Context, query string, args []any, into ...any) (found bool, err error) {
	b.asking.Lock()
	defer b.asking.Unlock()
	for attempt := 0; ; attempt++ {
		if err = b.s.connect(ctx); err == nil {
			err = b.s.conn.QueryRow(ctx, query, args...).Scan(into...)
		}
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, pgx.ErrNoRows):
			return false, nil
		case attempt > 0 || sort(err) != lost:
			return false, fmt.Errorf("%w: %w", errBooks, err)
		}
		b.s.drop()
	}
}

// entered finds an entry by its key, and makes it if need be. It answers no row when another transaction has just made it.
func entered(table, by, columns string) string {
	given := make([]string, strings.Count(columns, ",")+1)
	for i := range given {
		given[i] = fmt.Sprintf("$%d", i+1)
	}
	keys := strings.Split(by, ", ")
	same := make([]string, len(keys))
	for i, k := range keys {
		same[i] = k + " = " + given[i]
	}
	values, where := strings.Join(given, ", "), strings.Join(same, " AND ")
	return fmt.Sprintf(`WITH there AS (SELECT number FROM %[1]s WHERE %[4]s),
		new AS (INSERT INTO %[1]s (%[2]s) SELECT %[3]s WHERE NOT EXISTS (SELECT 1 FROM there) ON CONFLICT DO NOTHING RETURNING number)
		SELECT number FROM there UNION ALL SELECT number FROM new`, table, columns, values, where)
}

// enter returns the number of an entry.
func enter[K comparable, V any](ctx context.Context, b *books, d *dictionary[K, V], k K, v V, query string, args ...any) (int64, error) {
	b.mu.RLock()
	n, known := d.numbers[k]
	b.mu.RUnlock()
	if known {
		return n, nil
	}
	for range 10 {
		found, err := b.ask(ctx, query, args, &n)
		if err != nil {
			return 0, err
		}
		if found {
			b.mu.Lock()
			d.learn(n, k, v)
			b.mu.Unlock()
			return n, nil
		}
	}
	return 0, errors.New("postgres: an entry of a dictionary comes and goes")
}

// valueOf returns what a number stands for.
func valueOf[K comparable, V any](ctx context.Context, b *books, d *dictionary[K, V], n int64, query string, into []any, read func() (K, V, error)) (v V, err error) {
	b.mu.RLock()
	v, known := d.values[n]
	b.mu.RUnlock()
	if known {
		return v, nil
	}
	found, err := b.ask(ctx, query, []any{n}, into...)
	if err != nil {
		return v, err
	}
	if !found {
		return v, fmt.Errorf("%w: %d", errDictionary, n)
	}
	k, v, err := read()
	if err == nil {
		b.mu.Lock()
		d.learn(n, k, v)
		b.mu.Unlock()
	}
	return v, err
}

var (
	enterModel   = entered("model", "name", "name")
	enterFinding = entered("finding", "hash", "hash, body")
	enterLot     = entered("lot", "model, market, consignment, consignee, shipped_on", "model, market, consignment, consignee, shipped_on")
)

// numbers are what a device's record has of the dictionaries.
func (b *books) numbers(ctx context.Context, d *authority.Device) (n record.Numbers, err error) {
	if d.Model != "" {
		model, err := enter(ctx, b, &b.models, d.Model, d.Model, enterModel, d.Model)
		if err != nil {
			return n, err
		}
		n.Model = uint64(model)
	}
	f := record.FindingOf(d)
	if f.IsZero() {
		return n, nil
	}
	body, err := f.Pack()
	if err != nil {
		return n, err
	}
	own, err := record.UnpackFinding(body) // in lists that nobody else has
	if err != nil {
		return n, err
	}
	hash := sha256.Sum256(body)
	finding, err := enter(ctx, b, &b.findings, string(body), &own, enterFinding, hash[:], body)
	n.Finding = uint64(finding)
	return n, err
}

// lot returns the number of a lot.
func (b *books) lot(ctx context.Context, l authority.Lot) (int64, error) {
	return enter(ctx, b, &b.lots, l, &l, enterLot, l.Model, string(l.Market), l.Consignment, l.Consignee, int64(l.ShippedOn))
}

func (b *books) modelOf(ctx context.Context, n uint64) (string, error) {
	if n == 0 {
		return "", nil
	}
	var name string
	return valueOf(ctx, b, &b.models, int64(n), "SELECT name FROM model WHERE number = $1", []any{&name}, func() (string, string, error) { return name, name, nil })
}

var nothingFound record.Finding

func (b *books) findingOf(ctx context.Context, n uint64) (*record.Finding, error) {
	if n == 0 {
		return &nothingFound, nil
	}
	var body []byte
	return valueOf(ctx, b, &b.findings, int64(n), "SELECT body FROM finding WHERE number = $1", []any{&body}, func() (string, *record.Finding, error) {
		f, err := record.UnpackFinding(body)
		return string(body), &f, err
	})
}

// lotOf is the lot with a number, nil for 0. Nobody changes it.
func (b *books) lotOf(ctx context.Context, n int64) (*authority.Lot, error) {
	if n == 0 {
		return nil, nil
	}
	l := new(authority.Lot)
	return valueOf(ctx, b, &b.lots, n, "SELECT model, market, consignment, consignee, shipped_on FROM lot WHERE number = $1",
		[]any{&l.Model, &l.Market, &l.Consignment, &l.Consignee, &l.ShippedOn}, func() (authority.Lot, *authority.Lot, error) { return *l, l, nil })
}
