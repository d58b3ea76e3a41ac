package sqlite

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

func withFleet(b *testing.B, opts Options) *DB {
	db := opened(b, opts)
	for from := 0; from < fleet; from += 10_000 {
		err := db.Update(context.Background(), func(tx authority.Tx) error {
			for n := from; n < from+10_000; n++ {
				body := fmt.Sprintf("35%012d", n)
				d := &authority.Device{ID: fleetID(n), IMEI: device.IMEI(body + string(device.CheckDigit(body))), Serial: "R58M123ABCD",
					Model: "Model A5", Key: make([]byte, 91), Days: []territory.DayRecord{{Day: 20000, Territory: "DE", Percent: 97, Agree: 3}}}
				if err := tx.InsertDevice(d); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return db
}

// BenchmarkCheckIns is the store's part of check-ins: read the device, replace its record if nobody was faster, 256 at a
// time. The bounds are measured in the same run: the same statements in transactions of 500 on one connection, without
// anybody waiting; and bare syncs of a small write.
func BenchmarkCheckIns(b *testing.B) {
	db := withFleet(b, Options{})
	batch := boundBatches(b, db)
	syncs := boundSyncs(b)
	var next, slowest atomic.Int64
	before := db.Stats()
	b.ResetTimer()
	var group sync.WaitGroup
	for range waiters {
		group.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				began := time.Now()
				if err := db.Update(context.Background(), checkIn(int(i)*7919%fleet)); err != nil {
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
	b.ReportMetric(rate, "updates/s")
	b.ReportMetric(rate/batch, "of-batch-bound")
	b.ReportMetric(rate/syncs, "of-bare-syncs")
	b.ReportMetric(float64(after.Updates-before.Updates)/float64(after.Batches-before.Batches), "updates/commit")
	b.ReportMetric(float64(slowest.Load())/1e6, "slowest-ms")
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

// boundBatches is updates a second when one caller puts 500 into each transaction.
func boundBatches(b *testing.B, db *DB) float64 {
	const batches, each = 40, 500
	began := time.Now()
	for i := range batches {
		err := db.Update(context.Background(), func(tx authority.Tx) error {
			for j := range each {
				if err := checkIn((i*each + j) * 7919 % fleet)(tx); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return batches * each / time.Since(began).Seconds()
}

// boundSyncs is how many small appends a second this disk makes durable one by one.
func boundSyncs(b *testing.B) float64 {
	f, err := os.Create(filepath.Join(b.TempDir(), "syncs"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const n = 300
	began := time.Now()
	for range n {
		if _, err := f.Write(make([]byte, 400)); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return n / time.Since(began).Seconds()
}

// BenchmarkLinger compares how long a batch waits for those who were in the last one.
func BenchmarkLinger(b *testing.B) {
	for _, linger := range []time.Duration{0, 200 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond} {
		for _, callers := range []int{1, 16, waiters} {
			b.Run(fmt.Sprintf("%v/%d", linger, callers), func(b *testing.B) {
				db := withFleet(b, Options{Linger: linger})
				var next atomic.Int64
				before := db.Stats()
				b.ResetTimer()
				var group sync.WaitGroup
				for range callers {
					group.Go(func() {
						for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
							if err := db.Update(context.Background(), checkIn(int(i)*7919%fleet)); err != nil {
								b.Error(err)
							}
						}
					})
				}
				group.Wait()
				after := db.Stats()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
				b.ReportMetric(float64(after.Updates-before.Updates)/float64(after.Batches-before.Batches), "updates/commit")
			})
		}
	}
}
