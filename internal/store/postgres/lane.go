package postgres

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

// call is a light update in a lane's batch. Whoever moves claimed from 0 owns what becomes of it: the lane, or the caller, who gave up.
type call struct {
	id      device.ID
	claimed atomic.Bool
	loaded  chan struct{} // closed when what follows is there

	err error         // why it could not be read
	row *storedDevice // nil when there is no such device, or another transaction has it

	batch  *sync.WaitGroup // to be told when fn has returned
	put    *deviceRow      // to be written; nil for nothing
	answer chan outcome    // holds one; only for those that write
}

// light runs fn on the record of one device, read and written together with those of others. Anything else that fn asks for outgrows
// it: then it leaves no trace, and runs again in a transaction of its own.
func (db *DB) light(ctx context.Context, fn func(authority.Tx) error) outcome {
	l := &light{db: db, ctx: ctx}
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
	case l.call == nil || l.call.put == nil:
		return outcome{}
	}
	return <-l.call.answer
}

// light is the Tx of a light update. What it does not know how to do, the embedded tx refuses, which has no session, and notes.
type light struct {
	tx
	db    *DB
	ctx   context.Context
	call  *call
	fault error // why the record could not be read
	given bool  // it is the caller who gave up
	left  bool
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
	case l.over || l.outgrown || l.call != nil && l.call.id != id:
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
	return l.call.row.device()
}

// unrestricted reports whether the device at hand never had a restriction.
func (l *light) unrestricted(id device.ID) bool {
	return !l.over && !l.outgrown && l.call != nil && l.call.id == id && l.call.row != nil && order.Stage(l.call.row.stage) == order.Observed
}

func (l *light) Restrictions(id device.ID) ([]*restriction.Restriction, error) {
	if l.unrestricted(id) {
		return nil, nil
	}
	return l.tx.Restrictions(id)
}

func (l *light) Restriction(id device.ID, g order.Ground) (*restriction.Restriction, error) {
	if l.unrestricted(id) {
		return nil, authority.ErrAbsent
	}
	return l.tx.Restriction(id, g)
}

func (l *light) UpdateDeviceIfNewer(d *authority.Device, was uint64) error {
	return l.write(d, func(stored *storedDevice) error {
		if uint64(stored.sequence) != was {
			return authority.ErrConflict
		}
		return nil
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
	case stored == nil || l.call.put != nil || stored.imei != string(d.IMEI) || stored.serial != d.Serial || stored.model != d.Model:
		return l.usable() // notes that it was outgrown
	}
	if err := guard(stored); err != nil {
		return err
	}
	row, err := rowOf(d)
	if err != nil {
		return err
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
		columns.add(c.id, c.put)
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

const loadDevices = "SELECT " + deviceColumns + devicesMade + " WHERE d.id = ANY($1) ORDER BY d.id" + ownRow + " SKIP LOCKED"

// load reads in one round trip what a plain check-in asks for. After that nothing of these devices can change but here. A device that
// another transaction has, perhaps that of a server that stands still, is left out: who wants it waits by itself, not the whole batch.
func (l *lane) load(ctx context.Context, batch map[device.ID]*call) error {
	ids := make([][]byte, 0, len(batch))
	for id := range batch {
		ids = append(ids, id[:])
	}
	b := new(pgx.Batch)
	b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	l.s.file(b)
	b.Queue(loadDevices, ids).Query(func(rows pgx.Rows) error {
		return read(rows, func(r pgx.Rows) error {
			row := new(storedDevice)
			if err := r.Scan(row.columns()...); err != nil {
				return err
			}
			batch[device.ID(row.id)].row = row
			return nil
		})
	})
	return l.s.conn.SendBatch(ctx, b).Close()
}

const setDevices = "UPDATE device AS d SET (" + restColumns + `) = ROW(v.sequence, v.unlocks, v.enrolled_at, v.last_seen, v.decided_at,
	v.attestation, v.key_ceiling, v.boot, v.verdict, v.clock_doubt, v.activation_day, v.activation_mixed, v.attestation_key, v.days, v.policy,
	v.software, v.place, v.verdict_rule, v.reasons, v.licences, v.activation)
	FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::smallint[], $8::smallint[],
		$9::smallint[], $10::smallint[], $11::boolean[], $12::integer[], $13::boolean[], $14::bytea[], $15::bytea[], $16::bytea[],
		$17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[]) AS v(id, ` + restColumns + ") WHERE d.id = v.id"

// deviceColumnsOf are many rows as columns, in the order of restColumns, behind the ids.
type deviceColumnsOf struct {
	id, key, days, policy                    [][]byte
	sequence, unlocks                        []int64
	enrolled, seen, decided                  []*int64
	attestation, ceiling, boot, verdict      []int16
	doubt                                    []bool
	day                                      []*int32
	mixed                                    []*bool
	software, place, rule, reasons, licences []string
	activation                               []pgtype.Text
}

func (v *deviceColumnsOf) add(id device.ID, r *deviceRow) {
	v.id, v.key, v.days, v.policy = append(v.id, id[:]), append(v.key, r.key), append(v.days, r.days), append(v.policy, r.policy)
	v.sequence, v.unlocks = append(v.sequence, r.sequence), append(v.unlocks, r.unlocks)
	v.enrolled, v.seen, v.decided = append(v.enrolled, r.enrolled), append(v.seen, r.seen), append(v.decided, r.decided)
	v.attestation, v.ceiling = append(v.attestation, r.attestation), append(v.ceiling, r.ceiling)
	v.boot, v.verdict, v.doubt = append(v.boot, r.boot), append(v.verdict, r.verdict), append(v.doubt, r.doubt)
	v.day, v.mixed = append(v.day, r.activationDay), append(v.mixed, r.mixed)
	v.software, v.place, v.rule = append(v.software, r.software), append(v.place, r.place), append(v.rule, r.rule)
	v.reasons, v.licences = append(v.reasons, r.reasons), append(v.licences, r.licences)
	var activation pgtype.Text
	if r.activation != nil {
		activation = pgtype.Text{String: *r.activation, Valid: true}
	}
	v.activation = append(v.activation, activation)
}

func (v *deviceColumnsOf) args() []any {
	return []any{v.id, v.sequence, v.unlocks, v.enrolled, v.seen, v.decided, v.attestation, v.ceiling, v.boot, v.verdict, v.doubt,
		v.day, v.mixed, v.key, v.days, v.policy, v.software, v.place, v.rule, v.reasons, v.licences, v.activation}
}
