package move

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// waits reports whether a row has to wait for another one: it refers to one that is not there yet, others still refer to it, or one
// that is to change or go stands in its way.
func waits(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "23503" || e.Code == "23505")
}

// write puts rows into a table, in transactions of their own, and says how many have to wait for the next pass. New ones are only added,
// which is faster.
func (d *database) write(ctx context.Context, t *table, rows []row, added bool) (left int, err error) {
	put := d.replace
	if added {
		put = d.add
	}
	err = d.once(ctx, t, func(tx pgx.Tx) error { return put(ctx, tx, t, rows) })
	switch {
	case err == nil:
		return 0, nil
	case !waits(err) && len(rows) == 1:
		return 0, fmt.Errorf("move: PostgreSQL does not take %s: %w", t.called(rows[0]), err)
	case waits(err) && len(rows) == 1 && added: // another one took its place meanwhile
		return d.write(ctx, t, rows, false)
	case waits(err) && len(rows) == 1:
		return 1, nil
	case !waits(err) && !refusedRow(err):
		return 0, fmt.Errorf("move: writing %s to PostgreSQL: %w", t.name, err)
	}
	return halves(rows, func(half []row) (int, error) { return d.write(ctx, t, half, added) })
}

// refusedRow reports whether one of the rows is to blame, and not the connection or the server.
func refusedRow(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23"))
}

// halves finds the rows that are to blame.
func halves(rows []row, do func([]row) (int, error)) (left int, err error) {
	for _, half := range [][]row{rows[:len(rows)/2], rows[len(rows)/2:]} {
		n, err := do(half)
		left += n
		if err != nil {
			return left, err
		}
	}
	return left, nil
}

// once runs f in a transaction, in which the table's triggers do not fire: what they would refuse or count was refused or counted when
// the row was written first.
func (d *database) once(ctx context.Context, t *table, f func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, d.conn, func(tx pgx.Tx) error {
		if !t.triggers {
			return f(tx)
		}
		if _, err := tx.Exec(ctx, "ALTER TABLE "+quoted(t.name)+" DISABLE TRIGGER USER"); err != nil {
			return err
		}
		if err := f(tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "ALTER TABLE "+quoted(t.name)+" ENABLE TRIGGER USER")
		return err
	})
}

func (d *database) add(ctx context.Context, tx pgx.Tx, t *table, rows []row) error {
	return t.copyInto(ctx, tx, t.name, rows)
}

// replace puts rows where there may be others of the same key.
func (d *database) replace(ctx context.Context, tx pgx.Tx, t *table, rows []row) error {
	if _, err := tx.Exec(ctx, "CREATE TEMPORARY TABLE incoming (LIKE "+quoted(t.name)+") ON COMMIT DROP"); err != nil {
		return err
	}
	if err := t.copyInto(ctx, tx, "incoming", rows); err != nil {
		return err
	}
	var set []string
	for i, c := range t.columns {
		if !slices.Contains(t.key, i) && !c.identity {
			set = append(set, quoted(c.name)+" = excluded."+quoted(c.name))
		}
	}
	otherwise := "NOTHING"
	if len(set) > 0 {
		otherwise = "UPDATE SET " + strings.Join(set, ", ")
	}
	all := t.names(t.all(), "")
	_, err := tx.Exec(ctx, "INSERT INTO "+quoted(t.name)+" ("+all+") OVERRIDING SYSTEM VALUE SELECT "+all+" FROM incoming ORDER BY "+
		t.names(t.key, byteOrder)+" ON CONFLICT ("+t.names(t.key, "")+") DO "+otherwise)
	return err
}

func (t *table) copyInto(ctx context.Context, tx pgx.Tx, name string, rows []row) error {
	var names []string
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	values := make([]any, len(t.columns))
	_, err := tx.CopyFrom(ctx, pgx.Identifier{name}, names, pgx.CopyFromSlice(len(rows), func(n int) ([]any, error) {
		for i, v := range rows[n] {
			values[i] = t.columns[i].value(v)
		}
		return values, nil
	}))
	return err
}

// remove takes rows away by their keys, and says how many have to wait.
func (d *database) remove(ctx context.Context, t *table, rows []row) (left int, err error) {
	if len(rows) == 0 {
		return 0, nil
	}
	var arrays, same []string
	var args []any
	for n, i := range t.key {
		c := t.columns[i]
		arrays = append(arrays, fmt.Sprintf("$%d::%s[]", n+1, types[c.oid]))
		same = append(same, fmt.Sprintf("t.%s = gone.k%d", quoted(c.name), n))
		args = append(args, c.array(rows, i))
	}
	var aliases []string
	for n := range t.key {
		aliases = append(aliases, fmt.Sprintf("k%d", n))
	}
	query := "DELETE FROM " + quoted(t.name) + " t USING unnest(" + strings.Join(arrays, ", ") + ") AS gone (" + strings.Join(aliases, ", ") +
		") WHERE " + strings.Join(same, " AND ")
	err = d.once(ctx, t, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	})
	switch {
	case err == nil:
		return 0, nil
	case !waits(err):
		return 0, fmt.Errorf("move: removing from %s in PostgreSQL: %w", t.name, err)
	case len(rows) == 1:
		return 1, nil
	}
	return halves(rows, func(half []row) (int, error) { return d.remove(ctx, t, half) })
}

// array is one column of many rows.
func (c *column) array(rows []row, i int) any {
	switch c.oid {
	case pgtype.TextOID:
		return columnOf[string](rows, i)
	case pgtype.ByteaOID:
		return columnOf[[]byte](rows, i)
	}
	return columnOf[int64](rows, i)
}

func columnOf[T any](rows []row, i int) []T {
	list := make([]T, len(rows))
	for n, r := range rows {
		list[n] = r[i].(T)
	}
	return list
}

// sequences lets identities go on behind what was copied, and behind what the folder has given away.
func sequences(ctx context.Context, tx pgx.Tx, tables []*table, given map[string]int64) error {
	for _, t := range tables {
		for _, c := range t.columns {
			if !c.identity {
				continue
			}
			if _, err := tx.Exec(ctx, fmt.Sprintf("SELECT setval(pg_get_serial_sequence($1, $2), greatest(coalesce(max(%[1]s), 0), $3) + 1, false) FROM %[2]s", quoted(c.name), quoted(t.name)),
				quoted(t.name), c.name, given[t.name]); err != nil {
				return fmt.Errorf("move: %s.%s: %w", t.name, c.name, err)
			}
		}
	}
	return nil
}

// sums makes the tables anew that sum others up.
func sums(ctx context.Context, tx pgx.Tx) error {
	for _, name := range slices.Sorted(maps.Keys(counted)) {
		for _, statement := range []string{"DELETE FROM " + quoted(name), counted[name]} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("move: %s: %w", name, err)
			}
		}
	}
	return nil
}
