package authority_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/internal/verifier"
	"github.com/bailiwick-dev/bailiwick/order"
)

// BenchmarkSequenceRows measures how fast pending orders get their index, durable in store and ledger both, when many are
// pending at once, as after a release.
func BenchmarkSequenceRows(b *testing.B) {
	const pending = 1 << 16
	now := time.Date(2021, 9, 6, 9, 0, 0, 0, time.UTC)
	store, err := sqlite.Open(ctx, b.TempDir(), sqlite.Options{})
	must(b, err)
	defer func() { must(b, store.Close()) }()
	l, err := ledger.Open(ctx, b.TempDir(), ledger.Options{Origin: "ledger.example/bench"})
	must(b, err)
	defer func() { must(b, l.Close(ctx)) }()
	v, err := verifier.New(nil, verifier.NewEpochs([32]byte{1}))
	must(b, err)
	s, err := authority.New(authority.Config{Store: store, Ledger: l, Verifier: v, Now: func() time.Time { return now },
		EpochSecret: [32]byte{1}, UnlockMaster: [32]byte{2}, PasswordCost: 4})
	must(b, err)
	_, err = s.Sequence(ctx)
	must(b, err)
	next := uint64(1)
	var spent time.Duration
	for rounds := 1; b.Loop(); rounds++ {
		b.StopTimer()
		insertPending(b, store, next, pending, now)
		next += pending
		b.StartTimer()
		begun := time.Now()
		n, err := s.Sequence(ctx)
		must(b, err)
		spent += time.Since(begun)
		if n != pending {
			b.Fatalf("sequenced %d of %d", n, pending)
		}
		b.ReportMetric(float64(rounds*pending)/spent.Seconds(), "orders/s")
	}
}

// insertPending gives n new devices a pending order each.
func insertPending(b *testing.B, store authority.Store, from uint64, n int, now time.Time) {
	for done := 0; done < n; done += 1 << 12 {
		must(b, store.Update(ctx, func(tx authority.Tx) error {
			for i := range uint64(1 << 12) {
				var id device.ID
				binary.BigEndian.PutUint64(id[:], (from+uint64(done)+i)*0x9e3779b97f4a7c15)
				binary.BigEndian.PutUint64(id[8:], from+uint64(done)+i)
				d := &authority.Device{ID: id, IMEI: imeiOf(from + uint64(done) + i), EnrolledAt: now}
				if err := tx.InsertDevice(d); err != nil {
					return err
				}
				o := &authority.Order{Device: id, Kind: order.Lift, Ground: cuba, IssuedAt: now}
				copy(o.Salt[:], id[:])
				leaf, err := order.Leaf{Kind: order.Lift, Ground: cuba, Territory: "CU", Authority: [32]byte{1}, IssuedAt: now,
					Cause: order.ByRule, Commitment: order.Commit(o.Salt, id)}.Marshal()
				if err != nil {
					return err
				}
				o.Leaf, o.ID = leaf, order.LeafID(leaf)
				if err := tx.InsertOrder(o); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

// imeiOf makes an IMEI of the n-th device, with its check digit.
func imeiOf(n uint64) device.IMEI {
	body := []byte("00000000000000")
	for i := len(body) - 1; n > 0; i-- {
		body[i] = byte('0' + n%10)
		n /= 10
	}
	return device.IMEI(string(body) + string(device.CheckDigit(string(body))))
}
