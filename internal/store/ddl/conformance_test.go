package ddl

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
	"github.com/bailiwick-dev/bailiwick/internal/store/storetest"
	"github.com/bailiwick-dev/bailiwick/order"
)

// plain is the DDL of an engine as PostgreSQL takes it.
func plain(t *testing.T, engine Engine) string {
	t.Helper()
	return strings.Replace(schemaOf(t, engine).SQL, " USING HASH", "", 1)
}

// laidOut opens a store on tables that an engine's DDL made.
func laidOut(t *testing.T, text string) *postgres.DB {
	t.Helper()
	url := pgtest.Database(t)
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.PgConn().Exec(t.Context(), text).ReadAll()
	if err := c.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(t.Context(), url, postgres.Options{Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// TestConformance: on tables as YugabyteDB and CockroachDB have them the store keeps its contract. It shows that nothing which it counts on is
// lost in the layout, and nothing of the engines themselves. The tables for Citus lack triggers and keys that the store counts on, as their
// exceptions say, so that it does not keep the contract there.
func TestConformance(t *testing.T) {
	for _, engine := range []Engine{Yugabyte, Cockroach} {
		text := plain(t, engine)
		t.Run(string(engine), func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) authority.Store { return laidOut(t, text) })
		})
	}
}

// TestTwoReleasesOfOneDevice: two transactions that rest on their guards lift the two restrictions of one device at the same time, each on a
// state from before the other. Whichever way restrictions are counted, the device counts as lifted afterwards.
func TestTwoReleasesOfOneDevice(t *testing.T) {
	for _, engine := range []Engine{Postgres, Yugabyte, Cockroach} {
		t.Run(string(engine), func(t *testing.T) { twoReleases(t, laidOut(t, plain(t, engine))) })
	}
}

func twoReleases(t *testing.T, db *postgres.DB) {
	at := time.Unix(1_790_000_000, 0).UTC()
	id := device.ID{1}
	grounds := [2]order.Ground{{Kind: order.Warrant, ID: "warrant-1"}, {Kind: order.Warrant, ID: "warrant-2"}}
	err := db.Update(t.Context(), func(tx authority.Tx) error {
		return tx.InsertDevice(&authority.Device{ID: id, IMEI: "350000000000006", Key: []byte{0x30}, EnrolledAt: at})
	})
	for _, g := range grounds {
		if err == nil {
			err = db.Update(t.Context(), func(tx authority.Tx) error {
				return tx.NoticeIfFree(&restriction.Restriction{Device: id, Ground: g, NoticedAt: at, Deadline: at.Add(order.MinNotice)})
			})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	var begun [2]sync.Once
	var looked, running sync.WaitGroup
	looked.Add(2)
	for i, g := range grounds {
		running.Go(func() {
			err := db.Update(authority.WithGuardsOnly(t.Context()), func(tx authority.Tx) error {
				if _, err := tx.ActiveOn(g, device.ID{}, 1); err != nil { // what this transaction sees is fixed from here on
					return err
				}
				begun[i].Do(looked.Done)
				looked.Wait()
				hit, err := tx.LiftAllIfActive(g, []device.ID{id}, at.Add(time.Hour), order.ByCase)
				if err == nil && !hit[0] {
					t.Errorf("%s was not lifted", g.ID)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	err = db.View(t.Context(), func(tx authority.Tx) error {
		d, err := tx.Device(id)
		if err == nil && d.Stage != order.Lifted {
			t.Errorf("without restrictions the device counts as %v", d.Stage)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
