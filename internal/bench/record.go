package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // reads how large tables are

	"github.com/bailiwick-dev/bailiwick/internal/fleet/load"
	"github.com/bailiwick-dev/bailiwick/internal/fleet/people"
)

// recordSizes is what a device takes in a store, bytes.
type recordSizes struct {
	devices, rounds, checkIns int
	record                    float64 // its record with the history, indices included
	production                float64 // beside it
	shared                    int64   // of tables that do not grow with the fleet, all in all
}

// recordSizes has a fleet with 90 days of history check in for some rounds, in the order of IDs as the schedule has it, and looks how large its
// tables have become. It is measured once for each store.
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
	sizes := &recordSizes{devices: pick(s, 100_000, 25_000), rounds: pick(s, 5, 2)}
	if err := sizes.live(ctx, s, dir, database); err != nil {
		return nil, err
	}
	tables, err := tablesOf(ctx, dir, database)
	if err != nil {
		return nil, err
	}
	sizes.add(tables)
	s.sizes[kind] = sizes
	return sizes, nil
}

// vacuums is how often a table that is rewritten once is vacuumed meanwhile: autovacuum begins when a twentieth of it is dead, and here takes
// half of the day's chances.
const vacuums = 10

// few requests are under way while a fleet is weighed: a page of a fleet of this size is written to some times a day, not a second.
const few = 64

// live makes the fleet and lets it check in.
func (r *recordSizes) live(ctx context.Context, s *session, dir, database string) error {
	f, err := s.populate(ctx, dir, database, r.devices)
	if err != nil {
		return err
	}
	w, err := s.enter(ctx, dir, database, f, r.devices)
	if err != nil {
		return err
	}
	return errors.Join(r.rewrite(ctx, s, w, database), w.leave())
}

func (r *recordSizes) rewrite(ctx context.Context, s *session, w *world, database string) error {
	for range r.rounds {
		tokens, err := w.sign(ctx, s, r.devices)
		if err != nil {
			return err
		}
		s.Progress.Stage("checking in", len(tokens))
		for part := range slices.Chunk(tokens, max(1, len(tokens)/vacuums)) {
			result := load.Fire(ctx, load.Local(w.app.Handler()), part, load.Plan{Connections: few, Pause: pause})
			r.checkIns += result.Accepted
			s.Progress.Step(result.Sent)
			if err := errors.Join(s.refusals(result, mostTurnedAway), vacuum(ctx, database)); err != nil {
				return err
			}
		}
	}
	return nil
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
	_, err = conn.Exec(ctx, "VACUUM device")
	return errors.Join(err, conn.Close(ctx))
}

// What tables hold that is not the device's record. A table that is not named here counts as a part of it.
var (
	productionTables = []string{"production", "lot", "production_lot", "consignment"}
	sharedTables     = []string{"model", "finding", "population", "receipt", "server", "leader", "series"} // as large for any fleet
	otherTables      = []string{"event", "restriction", "orders", "appeal", "wave", "cases", "warrant", "policy", "metadata", "target", "cohort", "officer",
		"session", "job", "ledger", "belongs", "schema_step", "sqlite_schema", "sqlite_stat1", "sqlite_stat4", "sqlite_sequence"}
)

func (r *recordSizes) add(tables map[string]int64) {
	for table, bytes := range tables {
		each := float64(bytes) / float64(r.devices)
		switch {
		case slices.Contains(productionTables, table):
			r.production += each
		case slices.Contains(sharedTables, table):
			r.shared += bytes
		case !slices.Contains(otherTables, table) && !strings.HasPrefix(table, "ledger_") && !strings.HasPrefix(table, "river_"):
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
	return Row{Value: r.record, Bound: 300, Note: fmt.Sprintf(`%s devices with 90 days of history, after %d rounds of check-ins (%s of them)%s; indices included; beside it %.0f bytes of production records, and %s of tables that do not grow with the fleet; %s`,
		thousands(r.devices), r.rounds, thousands(r.checkIns), how, r.production, bytesText(float64(r.shared)), people.Distribution)}
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
	return sizes.row(fmt.Sprintf(", vacuumed %d times in each, TOAST included", vacuums)), nil
}
