package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const (
	fleet   = 100_000
	waiters = 256
)

func fleetID(n int) (id device.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(n)*0x9e3779b97f4a7c15) // spread over the whole key space
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func fleetDevice(n int) *authority.Device {
	body := fmt.Sprintf("35%012d", n)
	return &authority.Device{ID: fleetID(n), IMEI: device.IMEI(body + string(device.CheckDigit(body))), Serial: "R58M123ABCD",
		Model: "Model A5", Key: make([]byte, 91), Days: []territory.DayRecord{{Day: 20000, Territory: "DE", Percent: 97, Agree: 3}}}
}

// rowOf is a device as the store writes it.
func rowOf(t testing.TB, db *DB, d *authority.Device) written {
	t.Helper()
	w, err := (&tx{ctx: t.Context(), books: &db.books}).written(d)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// withFleet puts the fleet in past the store, with COPY's speed.
func withFleet(b testing.TB, opts Options) *DB {
	db := opened(b, opts)
	conn, err := pgx.ConnectConfig(b.Context(), db.config)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	for from := 0; from < fleet; from += 5000 {
		batch := new(pgx.Batch)
		for n := from; n < from+5000; n++ {
			d := fleetDevice(n)
			row := rowOf(b, db, d)
			batch.Queue(insertDevice, row.args()...)
		}
		if err := conn.SendBatch(b.Context(), batch).Close(); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := conn.Exec(b.Context(), "VACUUM ANALYZE device"); err != nil {
		b.Fatal(err)
	}
	return db
}

func checkIn(n int) func(authority.Tx) error {
	id := fleetID(n)
	return func(tx authority.Tx) error {
		d, err := tx.Device(id)
		if err != nil {
			return err
		}
		d.Sequence++
		d.LastSeen = time.Unix(1_790_000_000, 0)
		return tx.UpdateDeviceIfNewer(d, d.Sequence-1)
	}
}

// BenchmarkCheckIns is the store's part of check-ins, 256 at a time: view the device, as appraising the evidence needs it; then read it
// again and replace its record if nobody was faster. The bounds are measured in the same run, on one connection and without anybody
// waiting: rows replaced in sorted batches of 500, and one by one with a commit each.
func BenchmarkCheckIns(b *testing.B) {
	for _, lanes := range []int{1, 2, 3, 4} {
		b.Run(fmt.Sprint("lanes=", lanes), func(b *testing.B) { benchmarkCheckIns(b, Options{Lanes: lanes}, (*DB).Update) })
	}
	b.Run("alone", func(b *testing.B) { // what it would be without light updates
		benchmarkCheckIns(b, Options{Writers: 16}, func(db *DB, ctx context.Context, fn func(authority.Tx) error) error {
			return db.repeatedly(ctx, func() outcome { return db.whole(ctx, fn) })
		})
	})
}

func benchmarkCheckIns(b *testing.B, opts Options, update func(*DB, context.Context, func(authority.Tx) error) error) {
	db := withFleet(b, opts)
	batch, single := boundBatches(b, db), boundSingle(b, db)
	var next, slowest atomic.Int64
	before := db.Stats()
	b.ResetTimer()
	var group sync.WaitGroup
	for range waiters {
		group.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				n := int(i) * 7919 % fleet
				began := time.Now()
				err := db.View(context.Background(), func(tx authority.Tx) error { _, err := tx.Device(fleetID(n)); return err })
				if err == nil {
					err = update(db, context.Background(), checkIn(n))
				}
				if err != nil {
					b.Error(err)
					return
				}
				for took := int64(time.Since(began)); ; {
					worst := slowest.Load()
					if took <= worst || slowest.CompareAndSwap(worst, took) {
						break
					}
				}
			}
		})
	}
	group.Wait()
	rate := float64(b.N) / b.Elapsed().Seconds()
	after := db.Stats()
	b.ReportMetric(rate, "check-ins/s")
	b.ReportMetric(rate/batch, "of-batch-bound")
	b.ReportMetric(rate/single, "times-single-rows")
	b.ReportMetric(float64(after.Updates-before.Updates)/max(1, float64(after.Batches-before.Batches)), "updates/commit")
	b.ReportMetric(float64(slowest.Load())/1e6, "slowest-ms")
}

// boundBatches is rows a second when one caller replaces 500 with each statement.
func boundBatches(b *testing.B, db *DB) float64 {
	conn, err := pgx.ConnectConfig(b.Context(), db.config)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	const batches, each = 40, 500
	began := time.Now()
	for i := range batches {
		var columns deviceColumnsOf
		for j := range each {
			n := (i*each + j) * 7919 % fleet
			row := rowOf(b, db, fleetDevice(n))
			columns.add(&row)
		}
		if _, err := conn.Exec(b.Context(), setDevices, columns.args()...); err != nil {
			b.Fatal(err)
		}
	}
	return batches * each / time.Since(began).Seconds()
}

// boundSingle is rows a second when one caller replaces them one by one, each durable before the next.
func boundSingle(b *testing.B, db *DB) float64 {
	conn, err := pgx.ConnectConfig(b.Context(), db.config)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	const n = 1000
	began := time.Now()
	for i := range n {
		d := fleetDevice(i * 7919 % fleet)
		row := rowOf(b, db, d)
		if _, err := conn.Exec(b.Context(), setDevice, row.args()...); err != nil {
			b.Fatal(err)
		}
	}
	return n / time.Since(began).Seconds()
}
