package move

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// A stretch is as much of a table as is compared at once.
const (
	stretchRows  = 10_000
	stretchBytes = 16 << 20 // and the row that goes beyond it
)

// quoted is a name in SQL, of both engines.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func (t *table) names(of []int, collation string) string {
	var list []string
	for _, i := range of {
		name := quoted(t.columns[i].name)
		if t.columns[i].oid == pgtype.TextOID {
			name += collation
		}
		list = append(list, name)
	}
	return strings.Join(list, ", ")
}

func (t *table) all() (list []int) {
	for i := range t.columns {
		list = append(list, i)
	}
	return list
}

// stretchOfFolder reads rows from SQLite, behind the key that its arguments name or from the first one on, and no more than the last one says.
func (t *table) stretchOfFolder(behind bool) string {
	query := "SELECT " + t.names(t.all(), "") + " FROM " + quoted(t.name)
	if behind {
		query += " WHERE (" + t.names(t.key, "") + ") > (" + strings.TrimSuffix(strings.Repeat("?, ", len(t.key)), ", ") + ")"
	}
	return query + " ORDER BY " + t.names(t.key, "") + " LIMIT ?"
}

// folder is the side of SQLite.
type folder struct{ db *sql.DB }

// stretch reads the rows behind a key, or the first ones, and says whether they are the last. The query has ended when it returns, so that
// the server's log is not held up by what is done with the rows.
func (f *folder) stretch(ctx context.Context, t *table, after row) (list []row, last bool, err error) {
	var args []any
	if after != nil {
		for _, i := range t.key {
			args = append(args, after[i])
		}
	}
	rows, err := f.db.QueryContext(ctx, t.stretchOfFolder(after != nil), append(args, stretchRows)...)
	if err != nil {
		return nil, false, fmt.Errorf("move: reading %s: %w", t.name, err)
	}
	defer rows.Close()
	bytes := 0
	into := make([]any, len(t.columns))
	for rows.Next() {
		r := make(row, len(t.columns))
		for i := range r {
			into[i] = &r[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, false, fmt.Errorf("move: reading %s: %w", t.name, err)
		}
		for i, v := range r {
			if b, ok := v.([]byte); ok && b == nil {
				r[i] = []byte{} // an empty blob, which is not NULL
			}
			if !t.columns[i].holds(v) {
				return nil, false, fmt.Errorf("move: %s.%s holds a %T, which PostgreSQL's column does not take", t.name, t.columns[i].name, v)
			}
		}
		if err := t.rewrite(r); err != nil {
			return nil, false, err
		}
		list = append(list, r)
		if bytes += r.size(); bytes > stretchBytes {
			return list, false, nil
		}
	}
	if err := rows.Err(); err != nil {
		return nil, false, fmt.Errorf("move: reading %s: %w", t.name, err)
	}
	return list, len(list) < stretchRows, nil
}

// holds reports whether a value of SQLite is one of PostgreSQL's column.
func (c *column) holds(v any) (ok bool) {
	switch v.(type) {
	case nil:
		return true
	case string:
		return c.oid == pgtype.TextOID
	case []byte:
		return c.oid == pgtype.ByteaOID
	case int64:
		return c.oid != pgtype.TextOID && c.oid != pgtype.ByteaOID
	}
	return false
}

func (f *folder) count(ctx context.Context, t *table) (n int64, err error) {
	if err = f.db.QueryRowContext(ctx, "SELECT count(*) FROM "+quoted(t.name)).Scan(&n); err != nil {
		err = fmt.Errorf("move: counting %s: %w", t.name, err)
	}
	return n, err
}

// given reads how far tables have counted whose numbers are never used again.
func (f *folder) given(ctx context.Context) (map[string]int64, error) {
	far := map[string]int64{}
	there, err := texts(ctx, f.db, "SELECT name FROM sqlite_schema WHERE name = 'sqlite_sequence'")
	if err != nil || len(there) == 0 {
		return far, err
	}
	rows, err := f.db.QueryContext(ctx, "SELECT name, seq FROM sqlite_sequence")
	if err != nil {
		return nil, fmt.Errorf("move: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			return nil, fmt.Errorf("move: %w", err)
		}
		far[name] = n
	}
	return far, rows.Err()
}

// database is the side of PostgreSQL.
type database struct{ conn *pgx.Conn }

// byteOrder makes PostgreSQL order text as SQLite does, whatever the database's language is.
const byteOrder = ` COLLATE "C"`

// stretch reads the rows behind one key and up to another; nil is the beginning, or the end.
func (d *database) stretch(ctx context.Context, t *table, after, upTo row, limit int) (list []row, err error) {
	var args []any
	bound := func(how string, at row) string {
		var holders []string
		for _, i := range t.key {
			args = append(args, t.columns[i].value(at[i]))
			holders = append(holders, fmt.Sprintf("$%d::%s", len(args), types[t.columns[i].oid]))
		}
		return "(" + t.names(t.key, byteOrder) + ") " + how + " (" + strings.Join(holders, ", ") + ")"
	}
	var where []string
	if after != nil {
		where = append(where, bound(">", after))
	}
	if upTo != nil {
		where = append(where, bound("<=", upTo))
	}
	query := "SELECT " + t.names(t.all(), "") + " FROM " + quoted(t.name)
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	query += " ORDER BY " + t.names(t.key, byteOrder)
	if limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", limit)
	}
	rows, err := d.conn.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("move: reading %s from PostgreSQL: %w", t.name, err)
	}
	defer rows.Close()
	for rows.Next() {
		r := make(row, len(t.columns))
		for i, raw := range rows.RawValues() {
			if r[i], err = t.columns[i].decode(raw); err != nil {
				return nil, fmt.Errorf("move: reading %s.%s from PostgreSQL: %w", t.name, t.columns[i].name, err)
			}
		}
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("move: reading %s from PostgreSQL: %w", t.name, err)
	}
	return list, nil
}

// decode reads a value in PostgreSQL's binary format.
func (c *column) decode(raw []byte) (any, error) {
	if raw == nil {
		return nil, nil
	}
	want := map[uint32]int{pgtype.BoolOID: 1, pgtype.Int2OID: 2, pgtype.Int4OID: 4, pgtype.Int8OID: 8}[c.oid]
	if want != 0 && len(raw) != want {
		return nil, fmt.Errorf("a value of %d bytes", len(raw))
	}
	switch c.oid {
	case pgtype.BoolOID:
		return int64(raw[0]), nil
	case pgtype.Int2OID:
		return int64(int16(binary.BigEndian.Uint16(raw))), nil
	case pgtype.Int4OID:
		return int64(int32(binary.BigEndian.Uint32(raw))), nil
	case pgtype.Int8OID:
		return int64(binary.BigEndian.Uint64(raw)), nil
	case pgtype.TextOID:
		return string(raw), nil
	}
	return append([]byte{}, raw...), nil
}

// value is a value of a row as PostgreSQL's driver takes it.
func (c *column) value(v any) any {
	if n, ok := v.(int64); ok && c.oid == pgtype.BoolOID {
		return n != 0
	}
	return v
}
