package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

var transactionTests = map[string]func(*testing.T, authority.Store){
	"an error leaves no trace": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		mine := errors.New("mine")
		refuses(t, s, mine, func(tx authority.Tx) error { return errors.Join(writeMuch(tx), mine) })
	},

	"a panic leaves no trace": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		refuses(t, s, nil, func(tx authority.Tx) error {
			if err := writeMuch(tx); err != nil {
				return err
			}
			panic("on purpose")
		})
	},

	"an ended goroutine leaves no trace": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		before := dump(t, s)
		done := make(chan struct{})
		go func() { // a store may run fn on the caller's goroutine or on its own
			defer close(done)
			_ = s.Update(context.Background(), func(tx authority.Tx) error {
				_ = writeMuch(tx)
				runtime.Goexit()
				return nil
			})
		}()
		<-done
		same(t, "content", dump(t, s), before)
		does(t, s, writeMuch)
	},

	"others in the batch are kept": testNeighbours,

	"a refused write leaves the others": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		does(t, s, func(tx authority.Tx) error {
			if err := tx.NoticeIfFree(notice(1, cuba)); err != nil {
				return err
			}
			if err := tx.InsertDevice(newDevice(1)); !errors.Is(err, authority.ErrConflict) {
				return fmt.Errorf("conflict expected, not %v", err)
			}
			if err := tx.LiftIfActive(deviceID(1), crimea, start, order.ByRule); !errors.Is(err, authority.ErrAbsent) {
				return fmt.Errorf("absence expected, not %v", err)
			}
			return tx.NoticeIfFree(notice(1, crimea))
		})
		same(t, "restrictions", len(dump(t, s).Restrictions), 2)
	},

	"a view does not write": func(t *testing.T, s authority.Store) {
		before := dump(t, s)
		err := s.View(context.Background(), func(tx authority.Tx) error { return tx.InsertDevice(newDevice(1)) })
		if err == nil {
			t.Fatal("a view wrote")
		}
		same(t, "content", dump(t, s), before)
	},

	"a view is one moment": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		looks(t, s, func(tx authority.Tx) error {
			before, err := dumpTx(tx)
			if err != nil {
				return err
			}
			if err := s.Update(context.Background(), writeMuch); err != nil {
				return err
			}
			after, err := dumpTx(tx)
			same(t, "the same view, after an update", after, before)
			return err
		})
		same(t, "a new view", len(dump(t, s).Restrictions), 1)
	},

	"a view returns its error": func(t *testing.T, s authority.Store) {
		mine := errors.New("mine")
		if err := s.View(context.Background(), func(authority.Tx) error { return mine }); !errors.Is(err, mine) {
			t.Fatal(err)
		}
	},

	"a cancelled context": func(t *testing.T, s authority.Store) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for name, run := range map[string]func(context.Context, func(authority.Tx) error) error{"update": s.Update, "view": s.View} {
			ran := false
			err := run(ctx, func(authority.Tx) error { ran = true; return nil })
			if !errors.Is(err, context.Canceled) || ran {
				t.Errorf("%s: ran %v, %v", name, ran, err)
			}
		}
	},

	"first wins":      testFirstWins,
	"no lost updates": testCounting,
}

// writeMuch writes to several tables.
func writeMuch(tx authority.Tx) error {
	_, number := tx.NextNumber("case")
	return errors.Join(number, tx.NoticeIfFree(notice(1, cuba)), tx.InsertOrder(newOrder(1, 1, order.Notice, cuba, start)),
		tx.AddEvent(authority.Event{Device: deviceID(1), At: start, Kind: "noticed"}), tx.InsertDevice(newDevice(77)),
		tx.InsertCase(newCase("case-0001")))
}

// testNeighbours: of many concurrent updates a third fails and a third panics; exactly the rest is kept.
func testNeighbours(t *testing.T, s authority.Store) {
	const n = 300
	mine := errors.New("mine")
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			err := s.Update(context.Background(), func(tx authority.Tx) error {
				if err := tx.InsertDevice(newDevice(i + 1)); err != nil {
					return err
				}
				switch i % 3 {
				case 1:
					return mine
				case 2:
					panic("on purpose")
				}
				return nil
			})
			if i%3 == 0 && err != nil || i%3 == 1 && !errors.Is(err, mine) || i%3 == 2 && (err == nil || errors.Is(err, mine)) {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	group.Wait()
	devices := dump(t, s).Devices
	for _, d := range devices {
		if n := int(d.ID[7]) | int(d.ID[6])<<8; (n-1)%3 != 0 {
			t.Errorf("%v was refused and is there", d.ID)
		}
	}
	same(t, "kept", len(devices), n/3)
}

// testFirstWins: of many who want the same transition exactly one gets it.
func testFirstWins(t *testing.T, s authority.Store) {
	enrolled(t, s, 1)
	for name, step := range map[string]txFunc{
		"1 notice": func(tx authority.Tx) error { return tx.NoticeIfFree(notice(1, cuba)) },
		"2 order":  func(tx authority.Tx) error { return tx.InsertOrder(newOrder(1, 1, order.Notice, cuba, start)) },
		"3 check-in": func(tx authority.Tx) error {
			d, err := tx.Device(deviceID(1))
			if err == nil {
				d.Sequence = 1
				err = tx.UpdateDeviceIfNewer(d, 0)
			}
			return err
		},
	} {
		var group sync.WaitGroup
		won := make(chan struct{}, 64)
		for range cap(won) {
			group.Go(func() {
				switch err := s.Update(context.Background(), step); {
				case err == nil:
					won <- struct{}{}
				case !errors.Is(err, authority.ErrConflict):
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		group.Wait()
		same(t, name, len(won), 1)
	}
}

// testCounting: read, add one, write, from many goroutines, beside views that never see the count go back.
func testCounting(t *testing.T, s authority.Store) {
	const workers, each = 16, 25
	enrolled(t, s, 1)
	stop := make(chan struct{})
	var views, group sync.WaitGroup
	for range 4 {
		views.Go(func() {
			last := uint64(0)
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := s.View(context.Background(), func(tx authority.Tx) error {
					d, err := tx.Device(deviceID(1))
					if err == nil && (d.Unlocks < last || d.Unlocks != d.Sequence) {
						err = fmt.Errorf("%d after %d, beside %d", d.Unlocks, last, d.Sequence)
					}
					if err == nil {
						last = d.Unlocks
					}
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range workers {
		group.Go(func() {
			for range each {
				if err := s.Update(context.Background(), func(tx authority.Tx) error {
					d, err := tx.Device(deviceID(1))
					if err != nil {
						return err
					}
					d.Sequence++
					if err := tx.UpdateDeviceIfNewer(d, d.Sequence-1); err != nil {
						return err
					}
					d.Unlocks++
					return tx.PutDevice(d)
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	close(stop)
	views.Wait()
	d := got(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.Device(deviceID(1)) })
	same(t, "counts", [2]uint64{d.Sequence, d.Unlocks}, [2]uint64{workers * each, workers * each})
}
