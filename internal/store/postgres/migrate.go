package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed migrations/*.sql
var migrations embed.FS

// firstStep is the number of the first migration here: what the SQLite store did in its steps up to this one.
const firstStep = 4

// silence is the time after which a server counts as gone when nobody has set another one.
const silence = 6 * time.Second

var errOlder = errors.New("servers of an earlier release run on this database")

// migrate brings the database to the newest schema: in one transaction, but for records that have to be brought over, a stretch in each
// (compact.go). The table schema_step holds the steps that ran; it is locked meanwhile, so that of two servers that start at once one waits
// for the other.
func migrate(ctx context.Context, c *pgx.Conn, steps fs.FS, p *passage) error {
	if current, err := isCurrent(ctx, c, steps); current || err != nil {
		return err
	}
	const attempts = 10
	began := time.Now()
	var older error // what it waits for
	for i := 0; ; i++ {
		more, err := migrateOnce(ctx, c, steps, p)
		if err != nil {
			p.forget()
		}
		if more && err == nil {
			i = 0
			continue
		}
		if older != nil && err != nil && ctx.Err() != nil {
			return fmt.Errorf("%w (%w)", older, ctx.Err())
		}
		if errors.Is(err, errOlder) && time.Since(began) < 4*silence/3 { // perhaps it is gone and has not been silent for long enough
			select {
			case <-ctx.Done():
				return fmt.Errorf("%w (%w)", err, ctx.Err())
			case <-time.After(silence / 12):
			}
			i, older = 0, err
			continue
		}
		var e *pgconn.PgError
		// Two that make the very first table at the same time: one of them meets a name that has just come to be.
		if i < attempts && errors.As(err, &e) && (e.Code == "23505" || e.Code == "42P07" || again(err)) {
			continue
		}
		return err
	}
}

// migrateOnce goes as far as one transaction should, and reports whether there is more to do.
func migrateOnce(ctx context.Context, c *pgx.Conn, steps fs.FS, p *passage) (more bool, err error) {
	err = pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		more = false
		if err := ours(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, stepsTable); err != nil {
			return fmt.Errorf("postgres: cannot make tables: %w (the role needs CREATE on the schema)", err)
		}
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
		if _, err := tx.Exec(ctx, "LOCK TABLE schema_step IN ACCESS EXCLUSIVE MODE"); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
		var version int
		if err := tx.QueryRow(ctx, "SELECT coalesce(max(number), 0) FROM schema_step").Scan(&version); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
		names, err := fs.Glob(steps, "migrations/*.sql")
		if err != nil {
			return err
		}
		switch newest := firstStep + len(names) - 1; {
		case version > newest:
			return fmt.Errorf("postgres: %w", schemaMismatch(version, newest))
		case version < newest:
			if err := alone(ctx, tx, version); err != nil {
				return err
			}
		}
		for i, name := range names {
			number, err := strconv.Atoi(strings.TrimPrefix(name, "migrations/")[:4])
			if err != nil || number != firstStep+i {
				return fmt.Errorf("postgres: %s is not step %d", name, firstStep+i)
			}
			if number > version {
				if more, err = step(ctx, tx, steps, name, number, p); more || err != nil {
					return err
				}
			}
		}
		return nil
	})
	return more, err
}

// newestStep is the schema that a program with these steps knows.
func newestStep(steps fs.FS) (int, error) {
	names, err := fs.Glob(steps, "migrations/*.sql")
	return firstStep + len(names) - 1, err
}

func schemaMismatch(there, known int) error {
	advice := "start this server again"
	if there > known {
		advice = "use a newer release"
	}
	return fmt.Errorf("%w: they have schema %d, this program knows %d; %s", ErrSchema, there, known, advice)
}

// alone sees to it that no server of an earlier release works with the records while their schema changes under it, or afterwards. Those that live are
// named, to be stopped; the others are fenced, and what they may have left under way is waited for.
func alone(ctx context.Context, tx pgx.Tx, version int) error {
	query := fmt.Sprintf("SELECT holder, number FROM server WHERE seen_at > clock_timestamp() - %d * interval '1 ms'", silence.Milliseconds())
	switch {
	case version < firstStep:
		return nil
	case version < compactStep: // which takes their lease away
		var begun bool
		if err := tx.QueryRow(ctx, "SELECT to_regclass('lease') IS NULL").Scan(&begun); err != nil || begun {
			return err
		}
		query = "SELECT holder, term FROM lease WHERE expires_at > clock_timestamp()"
	default: // one that is silent must not renew its row in the very moment in which it is taken for gone
		if _, err := tx.Exec(ctx, "LOCK TABLE server IN SHARE ROW EXCLUSIVE MODE"); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
	}
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	var living []string
	var holder string
	var number int64
	if _, err := pgx.ForEachRow(rows, []any{&holder, &number}, func() error { living = append(living, holder); return nil }); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if len(living) > 0 {
		return fmt.Errorf("postgres: %w (%s): stop them first; this one brings the records to a newer schema, which they do not know", errOlder, strings.Join(living, "; "))
	}
	if version < compactStep {
		return nil
	}
	// One that is silent may only be paused. What it begins when it wakes up must not be written, not even before another server finds its row.
	for _, statement := range []string{"UPDATE receipt SET fenced_at = clock_timestamp() WHERE fenced_at IS NULL", "DELETE FROM server"} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
	}
	return nil
}

// ours refuses a schema with tables of another program, so that they are not mixed with ours.
func ours(ctx context.Context, tx pgx.Tx) error {
	var schema *string
	var tables int
	var known bool
	err := tx.QueryRow(ctx, `SELECT current_schema(), count(*), coalesce(bool_or(tablename = 'schema_step'), false)
		FROM pg_tables WHERE schemaname = current_schema()`).Scan(&schema, &tables, &known)
	switch {
	case err != nil:
		return fmt.Errorf("postgres: %w", err)
	case schema == nil:
		return errors.New("postgres: no schema to keep records in: the search_path of this role names none that is there")
	case tables > 0 && !known:
		return fmt.Errorf("postgres: the schema %s holds tables of another program; use a database of its own", *schema)
	}
	return nil
}

// step runs a step, or as much of it as one transaction should.
func step(ctx context.Context, tx pgx.Tx, steps fs.FS, name string, number int, p *passage) (more bool, err error) {
	b, err := fs.ReadFile(steps, name)
	if err != nil {
		return false, err
	}
	source := string(b)
	if number == compactStep {
		if source, more, err = compact(ctx, tx, source, p); more || err != nil {
			return more, err
		}
	}
	if err := run(ctx, tx, source); err != nil {
		return false, fmt.Errorf("postgres: %s: %w", name, err)
	}
	if _, err := tx.Exec(ctx, "INSERT INTO schema_step (number, name) VALUES ($1, $2)", number, strings.TrimPrefix(name, "migrations/")); err != nil {
		return false, fmt.Errorf("postgres: %s: %w", name, err)
	}
	return false, nil
}

// run runs many statements: without arguments a text of them runs as it is.
func run(ctx context.Context, tx pgx.Tx, source string) error {
	_, err := tx.Conn().PgConn().Exec(ctx, source).ReadAll()
	return err
}
