package postgres

import (
	"cmp"
	"context"
	"crypto/ecdh"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

// p256Key is a device's key, another one for each number.
func p256Key(t testing.TB, n int) []byte {
	t.Helper()
	seed := sha256.Sum256(fmt.Append(nil, "key ", n))
	private, err := ecdh.P256().NewPrivateKey(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKIXPublicKey(private.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestDeviceRecordIsSmall weighs a fleet with 90 days each, with all indexes, that enrolled in the order of chance, and has then checked in
// for days in the order of ids, as the schedule has it, with a vacuum now and then as autovacuum would have it: what a device takes in service.
func TestDeviceRecordIsSmall(t *testing.T) {
	const n, rounds, batch, most = 40_000, 4, 250, 300
	db := openedAt(t, pgtest.Database(t), Options{})
	c, err := pgx.ConnectConfig(t.Context(), db.config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	fleet := make([]written, n)
	for i, at := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
		d := usual(t, i, 90)
		fleet[at] = rowOf(t, db, d)
	}
	for part := range slices.Chunk(fleet, 100) {
		b := new(pgx.Batch)
		for i := range part {
			b.Queue(insertDevice, part[i].args()...)
		}
		if err := c.SendBatch(t.Context(), b).Close(); err != nil {
			t.Fatal(err)
		}
	}
	size := func(what string) float64 {
		var all, table, keys, imeis int64
		if err := c.QueryRow(t.Context(), `SELECT pg_total_relation_size('device'), pg_relation_size('device'), pg_relation_size('device_pkey'),
			pg_relation_size('device_imei_key')`).Scan(&all, &table, &keys, &imeis); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %.1f bytes a device, %.1f of them rows, %.1f and %.1f keys", what, float64(all)/n, float64(table)/n, float64(keys)/n, float64(imeis)/n)
		return float64(all) / n
	}
	size("enrolled")
	slices.SortFunc(fleet, func(a, b written) int { return cmp.Compare(a.number, b.number) })
	sum := 0
	for _, w := range fleet {
		sum += len(w.record)
	}
	t.Logf("records of %.1f bytes", float64(sum)/n)
	var last float64
	for round := range rounds {
		at := 0
		for part := range slices.Chunk(fleet, batch) {
			var columns deviceColumnsOf
			for i := range part {
				columns.add(&part[i])
			}
			if _, err := c.Exec(t.Context(), setDevices, columns.args()...); err != nil {
				t.Fatal(err)
			}
			if at += len(part); at%(n/10) == 0 { // autovacuum_vacuum_scale_factor is 0.05, and autovacuum comes once a minute
				if _, err := c.Exec(t.Context(), "VACUUM device"); err != nil {
					t.Fatal(err)
				}
			}
		}
		last = size(fmt.Sprint("round ", round+1))
	}
	var updates, hot int64
	for deadline := time.Now().Add(time.Minute); updates < n*rounds; time.Sleep(300 * time.Millisecond) { // a session tells its statistics once a second
		if time.Now().After(deadline) {
			t.Fatalf("%d updates are told of, and %d were made", updates, n*rounds)
		}
		if _, err := c.Exec(t.Context(), "SELECT pg_stat_clear_snapshot()"); err != nil {
			t.Fatal(err)
		}
		if err := c.QueryRow(t.Context(), "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'device'").Scan(&updates, &hot); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d of %d updates touched no index", hot, updates)
	if last > most {
		t.Errorf("%.1f bytes a device; at most %d wanted", last, most)
	}
	if hot < updates*95/100 {
		t.Errorf("only %d of %d updates touched no index", hot, updates)
	}
}
