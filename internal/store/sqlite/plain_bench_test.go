package sqlite

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// BenchmarkPlain is the store's part of plain check-ins, 256 at a time, in the order of the schedule: a view that reads the device, an ES256
// check, which is what a check-in does then, and the record written by its revision. It reports processor time without that of the check. The server
// has two goroutines more at once than processors:
//
//	taskset -c 0 env GOMAXPROCS=3 go test -run - -bench Plain -benchtime 40000x ./internal/store/sqlite
func BenchmarkPlain(b *testing.B) {
	db := withFleet(b, Options{}, fleet)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("evidence"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	check := func() {
		if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
			b.Error("a good signature was refused")
		}
	}
	start := processor(b)
	for range 5000 {
		check()
	}
	bare := (processor(b) - start) / 5000
	var next atomic.Int64
	before := db.Stats()
	var group sync.WaitGroup
	start = processor(b)
	b.ResetTimer()
	for range waiters {
		group.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := plain(db, int(i), check); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	after := db.Stats()
	each := (processor(b) - start) / time.Duration(b.N)
	b.ReportMetric(float64(bare)/1e3, "bare-µs")
	b.ReportMetric(float64(each-bare)/1e3, "store-µs")
	b.ReportMetric(float64(after.Updates-before.Updates)/float64(after.Batches-before.Batches), "updates/commit")
}

func plain(db *DB, i int, check func()) error {
	var d *authority.Device
	err := db.View(context.Background(), func(tx authority.Tx) (err error) {
		d, err = tx.Device(scheduled(i, fleet))
		return err
	})
	if err != nil {
		return err
	}
	check()
	d.Sequence++
	d.LastSeen = time.Unix(1_790_000_000, 0)
	return db.Update(context.Background(), func(tx authority.Tx) error { return tx.UpdateDeviceIfNewer(d, d.Sequence-1) })
}
