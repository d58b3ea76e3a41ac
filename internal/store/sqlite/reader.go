package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/bailiwick-dev/bailiwick/internal/durable"
)

// OpenReader opens the records in dir for a second process that only reads, beside a server that runs on them: in WAL mode neither
// waits for the other. What one query reads is one state of the records; a query that stays open for long lets the log grow. The
// records have to be of this program's schema. [fs.ErrNotExist] where there are none.
func OpenReader(ctx context.Context, dir string) (*sql.DB, error) {
	path, err := filepath.Abs(filepath.Join(dir, FileName))
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("sqlite: no records: %w", err)
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	db, err := sql.Open("sqlite", u.String()+"?mode=ro&_query_only=1&_busy_timeout=5000&_dqs=0&_defensive=1&_pragma=temp_store(MEMORY)&_pragma=cache_size(-65536)")
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if err := current(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// current refuses records of another schema than this program's.
func current(ctx context.Context, db *sql.DB) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	var version, application int
	if err := db.QueryRowContext(ctx, "SELECT (SELECT user_version FROM pragma_user_version), (SELECT application_id FROM pragma_application_id)").
		Scan(&version, &application); err != nil {
		return fmt.Errorf("sqlite: this is no database that can be read: %w", err)
	}
	switch {
	case application != applicationID:
		return fmt.Errorf("sqlite: the file is another program's (application id %#x)", application)
	case version < len(names):
		return fmt.Errorf("sqlite: the records have schema %d, this program's is %d: start this release's server on them once, and come back", version, len(names))
	case version > len(names):
		return fmt.Errorf("sqlite: the records have schema %d, this program knows %d; use a newer release", version, len(names))
	}
	return nil
}

// Folder is a data folder that this process holds, so that no server runs on it.
type Folder struct {
	dir  string
	lock *os.File
}

// Hold takes the data folder, or fails with ErrLocked while another process has it. Close gives it back; so does the process's end.
func Hold(dir string) (*Folder, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	return &Folder{dir, lock}, nil
}

// Settle takes the write-ahead log back into the file, so that the file alone holds the records. Nobody may have them open.
func (f *Folder) Settle(ctx context.Context) error {
	path := filepath.Join(f.dir, FileName)
	db, err := sql.Open("sqlite", dsn(path, ""))
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	var busy, frames, copied int
	err = db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &copied)
	if err == nil && busy != 0 {
		err = errLogInUse
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("sqlite: cannot take the log back into %s: %w", path, err)
	}
	return nil
}

// PutAway gives the settled records another name, and makes it durable.
func (f *Folder) PutAway(name string) error {
	path := filepath.Join(f.dir, FileName)
	for _, rest := range []string{"-wal", "-shm"} { // empty, after Settle; a reader may have left them
		if info, err := os.Stat(path + rest); err == nil && rest == "-wal" && info.Size() > 0 {
			return fmt.Errorf("sqlite: %s%s still holds records; nothing was renamed", path, rest)
		}
		if err := os.Remove(path + rest); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sqlite: %w", err)
		}
	}
	if err := os.Rename(path, filepath.Join(f.dir, name)); err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	return durable.SyncFolder(f.dir)
}

// WriteMark writes a small file into the folder, whole or not at all, and makes it durable.
func (f *Folder) WriteMark(name, text string) error {
	path := filepath.Join(f.dir, name)
	if err := durable.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("sqlite: writing %s: %w", path, err)
	}
	return nil
}

// Close gives the folder back.
func (f *Folder) Close() error { return f.lock.Close() }
