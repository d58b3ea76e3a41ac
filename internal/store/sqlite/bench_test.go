package sqlite

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
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

func withFleet(b *testing.B, opts Options, fleet int) *DB {
	db := opened(b, opts)
	for from := 0; from < fleet; from += 10_000 {
		err := db.Update(context.Background(), func(tx authority.Tx) error {
			for n := from; n < min(from+10_000, fleet); n++ {
				if err := tx.InsertDevice(usual(n, 60)); err != nil {
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
// time, in the order of the schedule and in no order. The bounds are measured in the same run: the same statements in transactions of 500 on
// one connection, without anybody waiting; and bare syncs of a small write.
func BenchmarkCheckIns(b *testing.B) {
	for _, by := range []struct {
		name string
		next func(i, fleet int) device.ID
	}{{"schedule", scheduled}, {"random", func(i, fleet int) device.ID { return fleetID(i * 7919 % fleet) }}} {
		b.Run(by.name, func(b *testing.B) { benchCheckIns(b, fleet, by.next) })
	}
}

// scheduled is the i-th device in the order of IDs: fleetID spreads them by a Weyl sequence, so that steps of a Fibonacci number are
// neighbours.
func scheduled(i, fleet int) device.ID { return fleetID(i * 75_025 % fleet) }

func benchCheckIns(b *testing.B, fleet int, id func(i, fleet int) device.ID) {
	db := withFleet(b, Options{}, fleet)
	batch := boundBatches(b, db)
	syncs := boundSyncs(b)
	var next atomic.Int64
	took := make([]time.Duration, b.N)
	before := db.Stats()
	var group sync.WaitGroup
	cpu := processor(b)
	b.ResetTimer()
	for range waiters {
		group.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				began := time.Now()
				if err := db.Update(context.Background(), checkIn(id(int(i), fleet))); err != nil {
					b.Error(err)
					return
				}
				took[i-1] = time.Since(began)
			}
		})
	}
	group.Wait()
	b.StopTimer()
	rate := float64(b.N) / b.Elapsed().Seconds()
	after := db.Stats()
	slices.Sort(took)
	b.ReportMetric(rate, "updates/s")
	b.ReportMetric(float64(processor(b)-cpu)/float64(b.N)/1e3, "cpu-µs/update")
	b.ReportMetric(rate/batch, "of-batch-bound")
	b.ReportMetric(rate/syncs, "of-bare-syncs")
	b.ReportMetric(float64(after.Updates-before.Updates)/float64(after.Batches-before.Batches), "updates/commit")
	b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
	b.ReportMetric(float64(took[len(took)-1])/1e6, "slowest-ms")
}

// processor is what this process has used of processors' time.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func checkIn(id device.ID) func(authority.Tx) error {
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
				if err := checkIn(fleetID((i*each + j) * 7919 % fleet))(tx); err != nil {
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

// BenchmarkScan decodes all records of a fleet, in parts that are read side by side, as a share of reading the bytes of the file.
func BenchmarkScan(b *testing.B) {
	db := withFleet(b, Options{}, fleet)
	for _, parts := range []int{1, 2} {
		b.Run(fmt.Sprint(parts, " at once"), func(b *testing.B) {
			for b.Loop() {
				var group sync.WaitGroup
				var seen atomic.Int64
				for part := range parts {
					group.Go(func() {
						var from, to device.ID
						binary.BigEndian.PutUint64(from[:], uint64(part)<<63)
						if part+1 < parts {
							binary.BigEndian.PutUint64(to[:], uint64(part+1)<<63)
						}
						n := int64(0)
						if err := db.View(context.Background(), func(tx authority.Tx) error {
							return tx.ScanDevices(from, to, func(*authority.Device) error { n++; return nil })
						}); err != nil {
							b.Error(err)
						}
						seen.Add(n)
					})
				}
				group.Wait()
				if seen.Load() != fleet {
					b.Fatalf("%d devices", seen.Load())
				}
			}
			scanned := fleet * float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(scanned/1e6, "M-records/s")
			began := time.Now()
			file, err := os.ReadFile(db.path)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(scanned*float64(len(file))/fleet/(float64(len(file))/time.Since(began).Seconds()), "of-reading-the-file")
		})
	}
}

// BenchmarkLinger compares how long a batch waits for those who were in the last one.
func BenchmarkLinger(b *testing.B) {
	for _, linger := range []time.Duration{0, 200 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond} {
		for _, callers := range []int{1, 16, waiters} {
			b.Run(fmt.Sprintf("%v/%d", linger, callers), func(b *testing.B) {
				db := withFleet(b, Options{Linger: linger}, fleet)
				var next atomic.Int64
				before := db.Stats()
				b.ResetTimer()
				var group sync.WaitGroup
				for range callers {
					group.Go(func() {
						for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
							if err := db.Update(context.Background(), checkIn(fleetID(int(i)*7919%fleet))); err != nil {
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
