package app

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestRecordsStayWhereTheyAre: a data folder goes with its records, wherever they are, and records with their ledger.
func TestRecordsStayWhereTheyAre(t *testing.T) {
	url, inFolder, inDatabase, elsewhere := pgtest.Database(t), t.TempDir(), t.TempDir(), t.TempDir()
	open := func(dir, database string) error {
		a, err := Open(t.Context(), Config{Dir: dir, Database: database, BaseURL: "http://127.0.0.1:1", Origin: filepath.Base(filepath.Dir(dir)) + ".example/ledger", PasswordCost: 4})
		if err != nil {
			return err
		}
		err = a.store.Update(context.Background(), func(tx authority.Tx) error { _, err := tx.NextNumber("starts"); return err })
		if e := a.Close(); err == nil {
			err = e
		}
		return err
	}
	for _, tc := range []struct{ what, dir, database, says string }{
		{"a folder", inFolder, "", ""},
		{"its records are in it", inFolder, url, "leave out --database"},
		{"a database", inDatabase, url, ""},
		{"once more", inDatabase, url, ""},
		{"its records are in the database", inDatabase, "", "name it with --database"},
		{"without the keys", t.TempDir(), url, "Copy the folder keys"},
		{"another database", elsewhere, pgtest.Database(t), ""},
		{"another ledger's", elsewhere, url, "belong to the ledger"},
		{"an address that is none", inDatabase, "postgres://user:secret@/%zz", "write it as postgres://"},
	} {
		err := open(tc.dir, tc.database)
		if (err == nil) != (tc.says == "") || err != nil && (!strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v", tc.what, err)
		}
	}
}
