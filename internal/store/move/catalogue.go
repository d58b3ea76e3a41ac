package move

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
)

// column is one that both sides have.
type column struct {
	name     string
	oid      uint32 // PostgreSQL's type
	identity bool   // PostgreSQL counts it
	rewrite  func([]byte) ([]byte, error)
}

// table is one that both sides have.
type table struct {
	name     string
	columns  []column
	key      []int    // indexes into columns: of a unique key by which both sides are read in order
	triggers bool     // PostgreSQL has triggers on it, which must not fire for what happened long ago
	parents  []string // tables that its rows refer to
	referred bool     // other tables' rows refer to its rows
}

// types are what columns may be: a value is nil, int64, string or []byte on both sides.
var types = map[uint32]string{pgtype.BoolOID: "boolean", pgtype.Int2OID: "bigint", pgtype.Int4OID: "bigint", pgtype.Int8OID: "bigint", pgtype.TextOID: "text", pgtype.ByteaOID: "bytea"}

// catalogue lists the tables to copy, those that are referred to first.
func catalogue(ctx context.Context, from *sql.DB, to *pgx.Conn) ([]*table, error) {
	theirs, err := tablesOf(ctx, to)
	if err != nil {
		return nil, err
	}
	ours, err := texts(ctx, from, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'")
	if err != nil {
		return nil, err
	}
	for _, name := range ours {
		if counted[name] == "" && !slices.ContainsFunc(theirs, func(t *table) bool { return t.name == name }) {
			return nil, fmt.Errorf("move: the table %s of the data folder has no counterpart in PostgreSQL: this program is not whole", name)
		}
	}
	for _, t := range theirs {
		if !slices.Contains(ours, t.name) {
			return nil, fmt.Errorf("move: the table %s of PostgreSQL has no counterpart in the data folder: this program is not whole", t.name)
		}
		if err := t.match(ctx, from); err != nil {
			return nil, err
		}
		if err := t.findKey(ctx, from, to); err != nil {
			return nil, err
		}
	}
	return ordered(theirs)
}

// tablesOf reads the tables of the fleet from PostgreSQL's catalogue, with their columns.
func tablesOf(ctx context.Context, c *pgx.Conn) ([]*table, error) {
	rows, err := c.Query(ctx, `SELECT c.relname, a.attname, a.atttypid, a.attidentity <> '',
			EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal),
			ARRAY (SELECT p.relname::text FROM pg_constraint f JOIN pg_class p ON p.oid = f.confrelid WHERE f.contype = 'f' AND f.conrelid = c.oid),
			EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.confrelid = c.oid)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		ORDER BY c.relname, a.attnum`)
	if err != nil {
		return nil, fmt.Errorf("move: %w", err)
	}
	var list []*table
	var t table
	var col column
	_, err = pgx.ForEachRow(rows, []any{&t.name, &col.name, &col.oid, &col.identity, &t.triggers, &t.parents, &t.referred}, func() error {
		if postgres.ServersOwn(t.name) || counted[t.name] != "" {
			return nil
		}
		if _, known := types[col.oid]; !known {
			return fmt.Errorf("move: %s.%s has a type (%d) that has none to match in a data folder", t.name, col.name, col.oid)
		}
		if len(list) == 0 || list[len(list)-1].name != t.name {
			list = append(list, &table{name: t.name, triggers: t.triggers, parents: slices.Clone(t.parents), referred: t.referred})
		}
		last := list[len(list)-1]
		col.rewrite = rewritten[t.name+"."+col.name]
		last.columns = append(last.columns, col)
		return nil
	})
	return list, err
}

// match holds the columns of the two sides against each other. SQLite may have one more: its row's number, which means nothing elsewhere.
func (t *table) match(ctx context.Context, from *sql.DB) error {
	ours, err := texts(ctx, from, "SELECT name FROM pragma_table_info(?)", t.name)
	if err != nil {
		return err
	}
	number, err := texts(ctx, from, "SELECT name FROM pragma_table_info(?) WHERE pk = 1 AND type = 'INTEGER' AND (SELECT count(*) FROM pragma_table_info(?) WHERE pk > 0) = 1", t.name, t.name)
	if err != nil {
		return err
	}
	for _, c := range t.columns {
		if !slices.Contains(ours, c.name) {
			return fmt.Errorf("move: the data folder has no %s.%s: this program is not whole", t.name, c.name)
		}
	}
	for _, name := range ours {
		if t.column(name) < 0 && !slices.Contains(number, name) && !folderOnly[t.name+"."+name] {
			return fmt.Errorf("move: PostgreSQL has no %s.%s: this program is not whole", t.name, name)
		}
	}
	return nil
}

func (t *table) column(name string) int {
	return slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
}

// findKey chooses among PostgreSQL's unique keys, the primary one first, one in whose order SQLite reads by an index.
func (t *table) findKey(ctx context.Context, from *sql.DB, to *pgx.Conn) error {
	rows, err := to.Query(ctx, `SELECT ARRAY (SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY AS k (number, place)
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number WHERE k.place <= i.indnkeyatts ORDER BY k.place)
		FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = $1 AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
			AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull)
		ORDER BY i.indisprimary DESC, i.indexrelid`, t.name)
	if err != nil {
		return fmt.Errorf("move: %w", err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[[]string])
	if err != nil {
		return fmt.Errorf("move: %w", err)
	}
	for _, names := range keys {
		t.key = nil
		for _, name := range names {
			t.key = append(t.key, t.column(name))
		}
		plan, err := t.plan(ctx, from)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(plan, func(line string) bool { return strings.Contains(line, "TEMP B-TREE") }) {
			return nil
		}
	}
	return fmt.Errorf("move: %s has no key in whose order both sides can be read", t.name)
}

// plan is how SQLite would read a stretch.
func (t *table) plan(ctx context.Context, from *sql.DB) (lines []string, err error) {
	rows, err := from.QueryContext(ctx, "EXPLAIN QUERY PLAN "+t.stretchOfFolder(true), append(make([]any, len(t.key)), 1)...)
	if err != nil {
		return nil, fmt.Errorf("move: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			return nil, fmt.Errorf("move: %w", err)
		}
		lines = append(lines, detail)
	}
	return lines, rows.Err()
}

// ordered puts each table behind those that it refers to.
func ordered(tables []*table) (list []*table, err error) {
	placed := map[string]bool{}
	for len(list) < len(tables) {
		before := len(list)
		for _, t := range tables {
			if !placed[t.name] && !slices.ContainsFunc(t.parents, func(p string) bool { return p != t.name && !placed[p] }) {
				list, placed[t.name] = append(list, t), true
			}
		}
		if len(list) == before {
			return nil, fmt.Errorf("move: tables refer to each other in a circle")
		}
	}
	return list, nil
}

func texts(ctx context.Context, db *sql.DB, query string, args ...any) (list []string, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("move: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, fmt.Errorf("move: %w", err)
		}
		list = append(list, s)
	}
	return list, rows.Err()
}
