package sqlite

import (
	"context"
	"errors"
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// A view sees the records as they were when it first read, whatever it read first and reads then, and in whatever order.
func TestAViewSeesOneState(t *testing.T) {
	known, other, later := usual(1, 20), usual(2, 20), usual(3, 20)
	sequence := func(id device.ID) func(authority.Tx) (any, error) {
		return func(tx authority.Tx) (any, error) {
			d, err := tx.Device(id)
			switch {
			case errors.Is(err, authority.ErrAbsent):
				return nil, nil
			case err != nil:
				return nil, err
			}
			return d.Sequence, nil
		}
	}
	looks := map[string]func(authority.Tx) (any, error){
		"known": sequence(known.ID), "other": sequence(other.ID), "absent": sequence(later.ID),
		"count": func(tx authority.Tx) (any, error) { return tx.CountDevices() },
	}
	for first := range looks {
		for second := range looks {
			t.Run(first+" then "+second, func(t *testing.T) {
				db := opened(t, Options{Readers: 1})
				inserted(t, db, known)
				inserted(t, db, other)
				err := db.View(t.Context(), func(tx authority.Tx) error {
					if _, err := looks[first](tx); err != nil {
						return err
					}
					changed := make(chan error)
					go func() { changed <- changeAll(db, later, known.ID, other.ID) }()
					if err := <-changed; err != nil {
						return err
					}
					for range 2 {
						got, err := looks[second](tx)
						want := map[string]any{"known": known.Sequence, "other": other.Sequence, "absent": nil, "count": 2}[second]
						if err != nil || got != want {
							t.Errorf("%v, not %v (%v)", got, want, err)
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				err = db.View(t.Context(), func(tx authority.Tx) error {
					d, err := tx.Device(known.ID)
					if err == nil && d.Sequence != known.Sequence+1 {
						t.Errorf("the next view sees sequence %d", d.Sequence)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// changeAll adds a device and counts up the sequence of others.
func changeAll(db *DB, more *authority.Device, others ...device.ID) error {
	return db.Update(context.Background(), func(tx authority.Tx) error {
		if err := tx.InsertDevice(more); err != nil {
			return err
		}
		for _, id := range others {
			d, err := tx.Device(id)
			if err != nil {
				return err
			}
			d.Sequence++
			if err := tx.PutDevice(d); err != nil {
				return err
			}
		}
		return nil
	})
}

// What a view leaves standing does not keep the log from being begun anew.
func TestAViewThatIsOverHoldsNothing(t *testing.T) {
	db := opened(t, Options{})
	inserted(t, db, usual(1, 20))
	for _, look := range []func(authority.Tx) error{
		func(tx authority.Tx) error { _, err := tx.Device(usual(1, 0).ID); return err },
		func(tx authority.Tx) error { return errors.Join(look(tx), look(tx)) },
		func(tx authority.Tx) error { panic("in a view") },
	} {
		func() {
			defer func() { _ = recover() }()
			if err := db.View(t.Context(), look); err != nil {
				t.Error(err)
			}
		}()
		r := restart{mode: "TRUNCATE", done: make(chan error, 1)}
		db.writer.restart <- r
		if err := <-r.done; err != nil {
			t.Error(err)
		}
	}
}

func look(tx authority.Tx) error {
	if _, err := tx.Device(usual(1, 0).ID); err != nil {
		return err
	}
	_, err := tx.StageCounts()
	return err
}
