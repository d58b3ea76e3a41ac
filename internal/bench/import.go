package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/custody"
)

// importRows reads a file of production records into the store, checked and durable. Beside it the same rows go into a bare table of the same
// schema with the same settings, already parsed.
func importRows(ctx context.Context, s *session) (Row, error) {
	dir, remove, err := s.scratch("import")
	if err != nil {
		return Row{}, err
	}
	defer remove()
	n := pick(s, 1_000_000, 200_000)
	s.Progress.Stage("importing", 0)
	file := productionFile(n)
	a, err := openApp(ctx, dir, "", time.Now)
	if err != nil {
		return Row{}, err
	}
	begun := time.Now()
	err = importFile(ctx, a.Service, file)
	took := time.Since(begun)
	if err = errors.Join(err, a.Close()); err != nil {
		return Row{}, err
	}
	bare, inserted, err := bareInserts(ctx, dir)
	if err == nil && inserted != n {
		err = fmt.Errorf("%d of %d records are in the store", inserted, n)
	}
	return Row{Value: float64(n) / took.Seconds(), Bound: bare, Note: fmt.Sprintf("%s rows, SQLite; parsed, checked and durable", thousands(n))}, err
}

// importFile imports a file as `bailiwick custody import` has a server do it: in parts, each of which is durable with the place behind it.
func importFile(ctx context.Context, service *authority.Service, file []byte) error {
	clerk := &authority.Officer{Name: "clerk", Role: authority.RoleAdmin}
	sum := sha256.Sum256(file)
	j, err := service.BeginImport(ctx, clerk, authority.ImportFile{Name: "made.csv", SHA256: hex.EncodeToString(sum[:]), Size: int64(len(file))})
	if err != nil {
		return err
	}
	var place authority.ImportPlace
	err = custody.Scan(ctx, bytes.NewReader(file), func(block *custody.Block) error {
		rows := make([]authority.Production, len(block.Records))
		for i, r := range block.Records {
			rows[i] = authority.Production(r)
		}
		end := authority.ImportPlace(block.End)
		j, err = service.ImportRows(ctx, clerk, j.ID, place, end, rows, len(block.Faults))
		place = end
		return err
	})
	if err == nil && j.State != authority.JobDone {
		err = fmt.Errorf("the import is %s: %w", j.State, j.Err())
	}
	return err
}

// productionFile is a CSV of n records, in the order of IMEIs as a factory writes them.
func productionFile(n int) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(custody.Header) // a buffer takes everything
	for i := range n {
		lot := i / 1000
		_ = w.Write([]string{string(imei(i)), fmt.Sprintf("R58M%08X", uint32(i*2654435761)), "Lantern P", "DE", fmt.Sprintf("SHIP-%05d", lot),
			fmt.Sprintf("CONSIGNEE-%02d", lot%50), "2026-06-01"})
	}
	w.Flush()
	return b.Bytes()
}

// bareInserts puts the rows of the store's table, as they are in it, into a table of the same schema: rows a second, and how many.
func bareInserts(ctx context.Context, dir string) (rate float64, n int, err error) {
	from, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: fileOf(dir)}).String()+"?mode=ro")
	if err != nil {
		return 0, 0, err
	}
	defer from.Close()
	schema, err := column(ctx, from, "SELECT sql FROM sqlite_schema WHERE tbl_name = 'production' AND sql IS NOT NULL AND type IN ('table', 'index') ORDER BY type = 'index'")
	if err != nil {
		return 0, 0, err
	}
	rows, width, err := contents(ctx, from)
	if err != nil {
		return 0, 0, err
	}
	to, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: filepath.Join(dir, "bare.db")}).String()+
		"?_journal_mode=WAL&_synchronous=FULL&_txlock=immediate&_pragma=wal_autocheckpoint(0)&_pragma=cache_size(-65536)")
	if err != nil {
		return 0, 0, err
	}
	defer to.Close()
	to.SetMaxOpenConns(1)
	for _, statement := range schema {
		if _, err := to.ExecContext(ctx, statement); err != nil {
			return 0, 0, err
		}
	}
	begun := time.Now()
	for part := 0; part < len(rows); part += fillBatch {
		if err := insertBare(ctx, to, rows[part:min(part+fillBatch, len(rows))], width); err != nil {
			return 0, 0, err
		}
	}
	return float64(len(rows)) / time.Since(begun).Seconds(), len(rows), nil
}

func insertBare(ctx context.Context, db *sql.DB, rows [][]any, width int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	statement, err := tx.PrepareContext(ctx, "INSERT INTO production VALUES (?"+strings.Repeat(", ?", width-1)+")")
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	for _, row := range rows {
		if _, err := statement.ExecContext(ctx, row...); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

func column(ctx context.Context, db *sql.DB, query string) (texts []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, rows.Err()
}

// contents are the rows of the table as the store wrote them.
func contents(ctx context.Context, db *sql.DB) (all [][]any, width int, err error) {
	rows, err := db.QueryContext(ctx, "SELECT * FROM production")
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, 0, err
	}
	for rows.Next() {
		row, into := make([]any, len(names)), make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, 0, err
		}
		all = append(all, row)
	}
	return all, len(names), rows.Err()
}
