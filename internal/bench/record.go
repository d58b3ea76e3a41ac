package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // reads how large tables are

	"github.com/bailiwick-dev/bailiwick/internal/fleet/load"
	"github.com/bailiwick-dev/bailiwick/internal/fleet/people"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// recordSizes is what a device takes in a store, bytes.
type recordSizes struct {
	devices              int
	record               float64 // its record with the history, indices and dictionaries included
	production, timeline float64 // beside it
	checkIns             int
}

// recordBegins is when the measured fleet begins: with the sample policy, and far from the dates on which it has to be looked at again.
var recordBegins = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// recordSizes lets a fleet live through 90 days of real check-ins in a store of its own and looks how large it has become. It is measured
// once for each store.
func (s *session) recordSizes(ctx context.Context, kind string) (*recordSizes, error) {
	if sizes := s.sizes[kind]; sizes != nil {
		return sizes, nil
	}
	database := ""
	if kind == "postgres" {
		address, drop, err := s.database(ctx)
		if err != nil {
			return nil, err
		}
		database = address
		defer func() { _ = drop() }()
	}
	dir, remove, err := s.scratch("record")
	if err != nil {
		return nil, err
	}
	defer remove()
	sizes := &recordSizes{devices: pick(s, 10_000, 1500)}
	if err := sizes.live(ctx, s, dir, database, 0); err != nil { // nothing but the schema
		return nil, err
	}
	empty, err := tablesOf(ctx, dir, database)
	if err != nil {
		return nil, err
	}
	if err := sizes.live(ctx, s, dir, database, sizes.devices); err != nil {
		return nil, err
	}
	tables, err := tablesOf(ctx, dir, database)
	if err != nil {
		return nil, err
	}
	sizes.add(tables, empty)
	s.sizes[kind] = sizes
	return sizes, nil
}

// live enrols n devices and has them check in on each of 90 days, in the order of IDs.
func (r *recordSizes) live(ctx context.Context, s *session, dir, database string, n int) error {
	var at atomic.Int64
	at.Store(recordBegins.Unix())
	a, err := openApp(ctx, dir, database, func() time.Time { return time.Unix(at.Load(), 0) })
	if err != nil {
		return err
	}
	if n == 0 {
		return a.Close()
	}
	t := load.Local(a.Handler())
	s.Progress.Stage("90 days of check-ins", n*(history+1))
	devices, facts, err := load.Enrol(ctx, t, n, seed, enrolling, func() { s.Progress.Step(1) })
	if err != nil {
		return errors.Join(err, a.Close())
	}
	for i, d := range devices {
		d.Person = people.New(seed, uint64(i), territory.DayOf(recordBegins))
		d.BeginEmpty(territory.DayOf(recordBegins))
	}
	for range history {
		at.Add(24 * 60 * 60)
		today, met := load.Meet(ctx, t)
		if met != nil {
			err = met
			break
		}
		facts.Epoch, facts.Metadata, facts.Now = today.Epoch, today.Metadata, func() time.Time { return time.Unix(at.Load(), 0) }
		tokens, signed := load.Sign(ctx, devices, len(devices), facts, seed, nil)
		if signed != nil {
			err = signed
			break
		}
		result := load.Fire(ctx, t, tokens.All, load.Plan{Connections: introducing})
		r.checkIns += result.Accepted
		s.Progress.Step(result.Sent)
		if err = errors.Join(refusals(result, 0), vacuum(ctx, database)); err != nil {
			break
		}
	}
	return errors.Join(err, a.Close())
}

// vacuum does what PostgreSQL's autovacuum does by itself several times a day to a table that is rewritten every day: here a day takes no time.
func vacuum(ctx context.Context, database string) error {
	if database == "" {
		return ctx.Err()
	}
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "VACUUM")
	return errors.Join(err, conn.Close(ctx))
}

// What tables hold that is not the device's record. A table that is not named here counts as a part of it.
var (
	productionTables = []string{"production", "lot", "production_lot", "consignment"}
	timelineTables   = []string{"event", "restriction", "orders", "appeal", "wave"}
	officeTables     = []string{"cases", "warrant", "policy", "metadata", "target", "cohort", "officer", "session", "series", "number", "job", "jobs",
		"lease", "server", "servers", "ledger", "migration", "sqlite_schema", "sqlite_stat1", "sqlite_stat4"}
)

func (r *recordSizes) add(tables, empty map[string]int64) {
	for table, bytes := range tables {
		each := float64(bytes-empty[table]) / float64(r.devices)
		switch {
		case slices.Contains(productionTables, table):
			r.production += each
		case slices.Contains(timelineTables, table):
			r.timeline += each
		case !slices.Contains(officeTables, table) && !strings.HasPrefix(table, "ledger_") && !strings.HasPrefix(table, "river_"):
			r.record += each
		}
	}
}

// tablesOf is how many bytes each table takes with its indices, by name.
func tablesOf(ctx context.Context, dir, database string) (map[string]int64, error) {
	if database != "" {
		return postgresTables(ctx, database)
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: fileOf(dir)}).String()+"?mode=ro")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, `SELECT coalesce(m.tbl_name, s.name), sum(s.pgsize) FROM dbstat('main', 1) s LEFT JOIN sqlite_schema m ON m.name = s.name GROUP BY 1`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	tables := map[string]int64{}
	for rows.Next() {
		var name string
		var bytes int64
		if err := rows.Scan(&name, &bytes); err != nil {
			return nil, err
		}
		tables[name] = bytes
	}
	return tables, rows.Err()
}

func postgresTables(ctx context.Context, database string) (map[string]int64, error) {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, `SELECT c.relname::text, pg_total_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')`)
	if err != nil {
		return nil, err
	}
	tables := map[string]int64{}
	var name string
	var bytes int64
	_, err = pgx.ForEachRow(rows, []any{&name, &bytes}, func() error {
		tables[name] += bytes
		return nil
	})
	return tables, err
}

func (r *recordSizes) row(how string) Row {
	return Row{Value: r.record, Bound: 300, Note: fmt.Sprintf("%s devices after %s real check-ins in 90 days, indices included%s; beside it %.0f bytes of production records and %.0f of time line; %s",
		thousands(r.devices), thousands(r.checkIns), how, r.production, r.timeline, people.Distribution)}
}

func recordBytes(ctx context.Context, s *session) (Row, error) {
	sizes, err := s.recordSizes(ctx, "")
	if err != nil {
		return Row{}, err
	}
	return sizes.row(""), nil
}

func recordBytesPostgres(ctx context.Context, s *session) (Row, error) {
	sizes, err := s.recordSizes(ctx, "postgres")
	if err != nil {
		return Row{}, err
	}
	return sizes.row(", vacuumed every day"), nil
}
