package app

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/order"
)

// TestDatabaseWasPutBack: a server that has seen entries published does not go on with a database that lacks them, and does with one that has them.
func TestDatabaseWasPutBack(t *testing.T) {
	url, dir := pgtest.Database(t), t.TempDir()
	open := func(database string) (*App, error) {
		return Open(t.Context(), Config{Dir: dir, Database: database, BaseURL: "http://127.0.0.1:1", PasswordCost: 4, ManualWork: true})
	}
	a, err := open(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	root, err := pgx.Connect(t.Context(), strings.Replace(url, config.Database, "postgres", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close(t.Context())
	older := config.Database + "_older"
	if _, err := root.Exec(t.Context(), "CREATE DATABASE "+older+" TEMPLATE "+config.Database); err != nil {
		t.Fatal(err)
	}
	if a, err = open(url); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Ledger.Append(t.Context(), []byte("an entry that the public has seen")); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if a, err := open(strings.Replace(url, config.Database, older, 1)); !errors.Is(err, ledger.ErrShrank) || !strings.Contains(err.Error(), "later point in time") {
		t.Errorf("the older one: %v", err)
		if err == nil {
			_ = a.Close()
		}
	}
	if a, err = open(url); err != nil {
		t.Fatalf("the newest one: %v", err)
	}
	if _, there, err := a.Ledger.Find(t.Context(), order.LeafID([]byte("an entry that the public has seen"))); err != nil || !there {
		t.Errorf("%v, %v", there, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}
