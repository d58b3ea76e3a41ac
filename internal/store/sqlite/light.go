package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
	"github.com/bailiwick-dev/bailiwick/order"
)

// lightRow is the row that a light update wants written, if the revision of the stored one is still what it read.
type lightRow struct {
	number, revision int64
	rest             []byte
	imei             int64
	packed           []byte
	place            string
}

// Most rows keep their place; of the others, the index has to be written.
const (
	ifSame      = " WHERE number = ?1 AND revision = ?2 AND rest = ?3 AND imei = ?4"
	setRecordIf = "UPDATE device SET revision = ?2 + 1, record = ?5" + ifSame + " AND place = ?6"
	setPlaceIf  = "UPDATE device SET revision = ?2 + 1, record = ?5, place = ?6" + ifSame
)

// errAgain is the answer to a light update whose device changed after it was read.
var errAgain = errors.New("sqlite: the device has changed meanwhile")

// writeRows writes the rows of light updates in the order of their keys, so that neighbours are written one after the other.
func (w *writer) writeRows() {
	slices.SortFunc(w.light, func(a, b *request) int {
		switch {
		case a.row.number < b.row.number:
			return -1
		case a.row.number > b.row.number:
			return 1
		}
		return 0
	})
	t := (&tx{s: w.s, writes: true, saved: true}).ready()
	for i, r := range w.light {
		w.light[i] = nil
		if w.broken != nil {
			continue
		}
		row, n := r.row, int64(0)
		for _, set := range []string{setRecordIf, setPlaceIf} {
			if n == 0 && r.err == nil {
				n, r.err = t.Exec(set, row.number, row.revision, row.rest, row.imei, row.packed, row.place)
			}
		}
		if r.err == nil && n == 0 {
			r.err = errAgain
		}
		w.broken = t.broken
	}
	w.light = w.light[:0]
}

// outcome is what became of a light update: done, to be tried again, or else outgrown.
type outcome struct {
	done, again bool
	err         error
}

// light runs fn beside the writer, on the record of one device: see the package comment.
func (db *DB) light(ctx context.Context, fn func(authority.Tx) error) outcome {
	l := &light{tx: tx{writes: true, books: &db.books}, db: db, ctx: ctx}
	l.ready()
	defer l.end() // also when fn ends its goroutine
	err := protected(fn, l)
	l.end()
	switch {
	case l.outgrown:
		return outcome{}
	case l.stale:
		return outcome{again: true}
	case l.fault != nil:
		return outcome{done: true, err: l.fault}
	case err != nil || l.row == nil:
		return outcome{done: true, err: err}
	}
	err = db.submit(ctx, &request{row: l.row, answer: make(chan error, 1)})
	if errors.Is(err, errAgain) {
		return outcome{again: l.given} // else it is of an earlier transaction, and no better the second time
	}
	return outcome{done: true, err: err}
}

func protected(fn func(authority.Tx) error, t authority.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("sqlite: the update panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(t)
}

// light is the Tx of a light update. What it does not know how to do, the embedded tx refuses, which has no session, and notes.
type light struct {
	tx
	db    *DB
	ctx   context.Context
	fault error // why nothing could be read
	stale bool  // the device changed while fn looked at it

	id       device.ID // what the update is about; zero before it asked for a device
	there    bool      // there is such a device
	given    bool      // fn has its record
	stored   held
	sequence uint64
	row      *lightRow // nil for nothing to write

	snapshot tx // of the device's restrictions and orders, as long as it has a session
}

// end closes the snapshot. fn has returned, or ended its goroutine.
func (l *light) end() {
	l.over = true
	if s := l.snapshot.s; s != nil {
		l.snapshot.s, l.snapshot.over = nil, true
		_, _ = s.exec("ROLLBACK") // nothing was written; it only ends the snapshot
		l.db.readers.put(s)
	}
}

// about reports whether the update is, or can be, about the device.
func (l *light) about(id device.ID) error {
	switch {
	case l.fault != nil && !l.over:
		return l.fault
	case l.over || l.outgrown || !l.id.IsZero() && l.id != id || id.IsZero():
		return l.usable()
	}
	return nil
}

func (l *light) Device(id device.ID) (*authority.Device, error) {
	if err := l.about(id); err != nil {
		return nil, err
	}
	switch {
	case l.given:
		return l.tx.Device(id)
	case l.row != nil:
		return nil, l.usable()
	case !l.id.IsZero() && !l.there:
		return nil, authority.ErrAbsent
	}
	s, err := l.db.reader(l.ctx)
	if err != nil {
		l.fault = err
		return nil, err
	}
	defer func() { l.db.readers.put(s) }()
	t := (&tx{s: s, books: l.books}).ready()
	d, stored, err := t.deviceBy(deviceByID, record.Number(id), record.Rest(id))
	switch {
	case errors.Is(err, authority.ErrAbsent):
		l.id = id
		return nil, err
	case err != nil:
		l.fault = err
		return nil, err
	}
	l.id, l.there, l.given, l.stored, l.sequence = id, true, true, stored, d.Sequence
	return d, nil
}

// at is a snapshot in which the device is as fn has it. Whatever of its restrictions and orders changes later makes the revision grow, so
// that the row is not written.
func (l *light) at(id device.ID) (*tx, error) {
	if err := l.about(id); err != nil {
		return nil, err
	}
	if !l.given {
		return nil, l.usable()
	}
	if l.snapshot.s != nil {
		return &l.snapshot, nil
	}
	s, err := l.db.reader(l.ctx)
	if err != nil {
		l.fault = err
		return nil, err
	}
	l.snapshot = tx{s: s, books: l.books}
	l.snapshot.ready()
	if _, err := s.exec("BEGIN"); err != nil {
		l.fault = unavailable(err)
		return nil, l.fault
	}
	var revision int64
	if err := table.Single(&l.snapshot, "SELECT revision FROM device WHERE number = ?", []any{l.stored.number}, &revision); err != nil || revision != l.stored.revision {
		l.stale = true
		return nil, errAgain
	}
	return &l.snapshot, nil
}

// unrestricted reports whether the device at hand never had a restriction.
func (l *light) unrestricted(id device.ID) bool {
	return l.given && l.id == id && !l.over && !l.outgrown && order.Stage(l.stored.stage) == order.Observed
}

func (l *light) Restrictions(id device.ID) ([]*restriction.Restriction, error) {
	if l.unrestricted(id) {
		return nil, nil
	}
	t, err := l.at(id)
	if err != nil {
		return nil, err
	}
	return t.Restrictions(id)
}

func (l *light) Restriction(id device.ID, g order.Ground) (*restriction.Restriction, error) {
	if l.unrestricted(id) {
		return nil, authority.ErrAbsent
	}
	t, err := l.at(id)
	if err != nil {
		return nil, err
	}
	return t.Restriction(id, g)
}

func (l *light) Deliverable(id device.ID) ([]*authority.Order, error) {
	t, err := l.at(id)
	if err != nil {
		return nil, err
	}
	return t.Deliverable(id)
}

func (l *light) OrdersOf(id device.ID, limit int) ([]*authority.Order, error) {
	t, err := l.at(id)
	if err != nil {
		return nil, err
	}
	return t.OrdersOf(id, limit)
}

// ReportApplied mostly says what is known.
func (l *light) ReportApplied(id device.ID, g order.Ground, stage order.Stage, shownDays int, at time.Time, note string) error {
	r, err := l.Restriction(id, g)
	if err != nil {
		return err
	}
	if r.Applied == stage && r.ShownDays == shownDays && r.AppliedNote == note && !r.AppliedAt.IsZero() {
		return nil
	}
	return l.tx.ReportApplied(id, g, stage, shownDays, at, note)
}

// UpdateDeviceIfNewer goes without reading the device where d says of which revision it is.
func (l *light) UpdateDeviceIfNewer(d *authority.Device, was uint64) error {
	if err := l.about(d.ID); err != nil {
		return err
	}
	switch {
	case !l.given && d.Revision == 0:
		return l.usable()
	case !l.given && d.Revision <= math.MaxInt64:
		return l.write(d, int64(d.Revision))
	case l.given && (l.sequence != was || d.Revision != 0 && d.Revision != uint64(l.stored.revision)):
		return authority.ErrConflict
	}
	return l.PutDevice(d)
}

func (l *light) PutDevice(d *authority.Device) error {
	if err := l.about(d.ID); err != nil {
		return err
	}
	if !l.given {
		return l.usable() // notes that it was outgrown
	}
	return l.write(d, l.stored.revision)
}

// write keeps the row for the writer.
func (l *light) write(d *authority.Device, revision int64) error {
	if l.row != nil {
		return l.usable()
	}
	imei, err := record.IMEINumber(d.IMEI)
	if err != nil {
		return err
	}
	packed := make([]byte, 0, 256)
	numbers, packed, known, err := l.books.numbers(d, packed)
	if err != nil {
		return err
	}
	if !known {
		return l.usable()
	}
	if packed, err = record.Append(packed[:0], d, numbers); err != nil {
		return err
	}
	l.id = d.ID
	l.row = &lightRow{record.Number(d.ID), revision, bytes.Clone(record.Rest(d.ID)), imei, packed, string(record.Place(d))}
	return nil
}
