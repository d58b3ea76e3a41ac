package postgres

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
)

// call is a light update in a lane's batch. Whoever moves claimed from 0 owns what becomes of it: the lane, or the caller, who gave up.
type call struct {
	id      device.ID
	claimed atomic.Bool
	loaded  chan struct{} // closed when what follows is there

	err error         // why it could not be read
	row *storedDevice // nil when there is no such device, or another transaction has it
	own *standing     // of a device that had restrictions

	batch  *sync.WaitGroup // to be told when fn has returned
	put    *written        // to be written; nil for nothing
	answer chan outcome    // holds one; only for those that write
}

// light runs fn on the record of one device, read and written together with those of others. Anything else that fn asks for outgrows
// it: then it leaves no trace, and runs again in a transaction of its own.
func (db *DB) light(ctx context.Context, fn func(authority.Tx) error) outcome {
	l := &light{db: db}
	l.ready()
	l.ctx, l.books = ctx, &db.books
	defer l.leave() // also when fn ends its goroutine
	err := protected(fn, l)
	l.over = true
	if l.call == nil || l.call.row == nil || err != nil || l.outgrown {
		l.rest()
	}
	l.leave()
	switch {
	case l.fault != nil && l.given:
		return outcome{err: l.fault}
	case l.fault != nil:
		return outcomeOf(l.fault)
	case l.outgrown:
		return outcome{outgrown: true}
	case err != nil:
		return outcome{err: err}
	case l.swap != nil:
		return l.settle()
	case l.call == nil || l.call.put == nil:
		return outcome{}
	}
	return <-l.call.answer
}

// light is the Tx of a light update. What it does not know how to do, the embedded tx refuses, which has no session, and notes.
type light struct {
	tx
	db    *DB
	call  *call
	fault error // why the record could not be read
	given bool  // it is the caller who gave up
	left  bool

	swap    *exchange // in place of a call: a record that was read before is written, and nothing else asked
	swapped uint64    // its revision
}

// rest forgets what was to be written.
func (l *light) rest() {
	if l.call != nil {
		l.call.put = nil
	}
}

// leave tells the lane that fn has returned.
func (l *light) leave() {
	if l.call == nil || l.left {
		return
	}
	l.left = true
	if !l.over { // fn ended its goroutine
		l.over = true
		l.rest()
	}
	if l.call.batch != nil {
		l.call.batch.Done()
	}
}

// at joins a lane with a device, and reports whether its record is at hand.
func (l *light) at(id device.ID) error {
	switch {
	case l.over || l.outgrown || l.swap != nil || l.call != nil && l.call.id != id:
		return l.usable()
	case l.fault != nil:
		return l.fault
	case l.call == nil:
		return l.join(id)
	}
	return nil
}

func (l *light) join(id device.ID) error {
	c := &call{id: id, loaded: make(chan struct{}), answer: make(chan outcome, 1)}
	select {
	case l.db.arrivals <- c:
	case <-l.ctx.Done():
		l.fault, l.given = l.ctx.Err(), true
		return l.fault
	}
	select {
	case <-c.loaded:
	case <-l.ctx.Done():
		if c.claimed.CompareAndSwap(false, true) {
			l.fault, l.given = l.ctx.Err(), true
			return l.fault
		}
		<-c.loaded
	}
	if c.err != nil {
		l.fault = c.err
		return unavailable(c.err)
	}
	l.call = c
	return nil
}

func (l *light) Device(id device.ID) (*authority.Device, error) {
	if err := l.at(id); err != nil {
		return nil, err
	}
	switch {
	case l.call.row == nil || l.call.put != nil:
		return l.tx.Device(id)
	}
	d, err := l.device(l.call.row)
	l.asked(err)
	return d, err
}

// asked notes that the books could not be asked.
func (l *light) asked(err error) {
	if err != nil && l.cause != nil {
		l.fault = l.cause
	}
}

func (l *light) UpdateDeviceIfNewer(d *authority.Device, was uint64) error {
	if d.Revision != 0 && l.call == nil && l.swap == nil && l.fault == nil && !l.over && !l.outgrown {
		return l.exchange(d, was)
	}
	return l.write(d, func(stored *storedDevice) error {
		sequence, err := record.Sequence(stored.record)
		if err == nil && (sequence != was || !l.books.rows.still(d, stored)) {
			err = authority.ErrConflict
		}
		return err
	})
}

func (l *light) PutDevice(d *authority.Device) error {
	return l.write(d, func(*storedDevice) error { return nil })
}

// write keeps the record to be written with the batch. The row is locked by then, so that a guard that holds here holds at the commit.
func (l *light) write(d *authority.Device, guard func(*storedDevice) error) error {
	if err := l.at(d.ID); err != nil {
		return err
	}
	stored := l.call.row
	switch {
	case stored == nil || l.call.put != nil:
		return l.usable() // notes that it was outgrown
	}
	if err := guard(stored); err != nil {
		return err
	}
	row, err := l.written(d)
	if err != nil {
		l.asked(err)
		return err
	}
	if row.imei != stored.imei {
		return l.usable()
	}
	l.call.put = &row
	return nil
}

// lane owns a connection, on which it reads, hands out and commits batches of light updates.
type lane struct {
	db    *DB
	s     *session
	later []*call // came while the same device was in the batch
}

func (l *lane) run() {
	defer l.s.drop()
	for {
		batch := l.gather()
		if batch == nil {
			return
		}
		l.serve(batch)
	}
}

// gather waits for a call and takes those that wait behind it; each device once.
func (l *lane) gather() map[device.ID]*call {
	batch := make(map[device.ID]*call, 16)
	waited := l.later
	l.later = nil
	for _, c := range waited {
		l.put(batch, c)
	}
	for len(batch) == 0 {
		select {
		case c := <-l.db.arrivals:
			l.put(batch, c)
		case <-l.db.stop:
			return nil
		}
	}
	for len(batch) < l.db.opts.MaxBatch {
		select {
		case c := <-l.db.arrivals:
			l.put(batch, c)
			continue
		default:
		}
		break
	}
	return batch
}

func (l *lane) put(batch map[device.ID]*call, c *call) {
	if batch[c.id] != nil {
		l.later = append(l.later, c)
	} else if c.claimed.CompareAndSwap(false, true) {
		batch[c.id] = c
	}
}

// serve reads the records of a batch and locks them, waits until all functions have returned, and commits.
func (l *lane) serve(batch map[device.ID]*call) {
	ctx, cancel := l.db.longest(context.Background())
	defer cancel()
	defer l.s.tidy(ctx)
	err := l.s.ready(ctx)
	if err == nil {
		err = l.load(ctx, batch)
	}
	if err == nil {
		err = l.loadStanding(ctx, batch)
	}
	var running sync.WaitGroup
	for _, c := range batch {
		if c.err = err; err == nil {
			running.Add(1)
			c.batch = &running
		}
		close(c.loaded)
	}
	if err != nil {
		return
	}
	running.Wait()
	l.db.updates.Add(int64(len(batch)))
	var columns deviceColumnsOf
	var writing []*call
	for _, c := range batch {
		if c.put != nil {
			writing = append(writing, c)
		}
	}
	slices.SortFunc(writing, func(a, b *call) int { return bytes.Compare(a.id[:], b.id[:]) }) // neighbours in the index, one after the other
	for _, c := range writing {
		columns.add(c.put)
	}
	if len(writing) == 0 {
		return
	}
	last := new(pgx.Batch)
	last.Queue(setDevices, columns.args()...)
	o := l.db.commit(l.s, ctx, last)
	if o.err != nil && !o.again && !isUnavailable(o.err) {
		o = outcome{outgrown: true} // one of them breaks a rule: let each find out for itself
	}
	for _, c := range writing {
		c.answer <- o
	}
}

const loadDevices = "SELECT " + deviceColumns + " FROM device AS d WHERE d.number = ANY($1) ORDER BY d.number" + ownRow + " SKIP LOCKED"

// load reads in one round trip what a plain check-in asks for. After that nothing of these devices can change but here. A device that
// another transaction has, perhaps that of a server that stands still, is left out: who wants it waits by itself, not the whole batch.
func (l *lane) load(ctx context.Context, batch map[device.ID]*call) error {
	numbers := make([]int64, 0, len(batch))
	for id := range batch {
		numbers = append(numbers, record.Number(id))
	}
	slices.Sort(numbers)
	b := new(pgx.Batch)
	b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	l.s.file(b)
	b.Queue(loadDevices, numbers).Query(func(rows pgx.Rows) error {
		return read(rows, func(r pgx.Rows) error {
			row, err := scanDevice(r)
			if err != nil {
				return err
			}
			id, err := row.id()
			if c := batch[id]; c != nil { // nil when another device has that number
				c.row = row
			}
			return err
		})
	})
	return l.s.conn.SendBatch(ctx, b).Close()
}

const setDevices = `UPDATE device AS d SET place = v.place, record = v.record
	FROM unnest($1::bigint[], $2::text[], $3::bytea[]) AS v(number, place, record) WHERE d.number = v.number`

// deviceColumnsOf are many rows as columns.
type deviceColumnsOf struct {
	numbers []int64
	places  []string
	records [][]byte
}

func (v *deviceColumnsOf) add(w *written) {
	v.numbers, v.places, v.records = append(v.numbers, w.number), append(v.places, w.place), append(v.records, w.record)
}

func (v *deviceColumnsOf) args() []any { return []any{v.numbers, v.places, v.records} }
