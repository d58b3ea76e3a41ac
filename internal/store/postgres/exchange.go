package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
)

// seenRows bounds how many rows are remembered as they were read: for all check-ins that can be under way, and then some.
const seenRows = 1 << 14

// seen remembers the rows that views have read lately, by the revision that they were given: a number of this process, which grows with each
// reading. A record is still of a revision when its row is what was read then, every column of it.
type seen struct {
	last atomic.Uint64
	rows [seenRows]atomic.Pointer[sight]
}

type sight struct {
	revision uint64
	row      *storedDevice // nobody changes it
}

func (s *seen) note(row *storedDevice) uint64 {
	n := s.last.Add(1)
	s.rows[n%seenRows].Store(&sight{n, row})
	return n
}

// at returns what was read then; nil when that is forgotten, or was written since by this server.
func (s *seen) at(revision uint64) *storedDevice {
	if found := s.rows[revision%seenRows].Load(); found != nil && found.revision == revision {
		return found.row
	}
	return nil
}

// used forgets a revision whose successor was written.
func (s *seen) used(revision uint64) {
	at := &s.rows[revision%seenRows]
	if found := at.Load(); found != nil && found.revision == revision {
		at.CompareAndSwap(found, nil)
	}
}

// still reports whether a row that this transaction has to itself is of the revision that d says, if it says one.
func (s *seen) still(d *authority.Device, row *storedDevice) bool {
	if d.Revision == 0 {
		return true
	}
	was := s.at(d.Revision)
	return was != nil && was.same(row)
}

func (s *storedDevice) same(o *storedDevice) bool {
	return s.number == o.number && s.imei == o.imei && s.lot == o.lot && s.stage == o.stage && s.place == o.place &&
		bytes.Equal(s.rest, o.rest) && bytes.Equal(s.record, o.record)
}

// exchange is a light update of one record that an earlier view has read: nothing is left to be asked, so that it is one guarded write.
type exchange struct {
	was     *storedDevice
	put     written
	revised int64 // how often the books had been forgotten when put was made up
	claimed atomic.Bool
	answer  chan outcome // holds one
}

// exchange makes the update one that is written without being read again.
func (l *light) exchange(d *authority.Device, was uint64) error {
	row := l.books.rows.at(d.Revision)
	if row == nil || row.number != record.Number(d.ID) || !bytes.Equal(row.rest, record.Rest(d.ID)) {
		return authority.ErrConflict
	}
	if sequence, err := record.Sequence(row.record); err != nil || sequence != was {
		return errors.Join(err, authority.ErrConflict)
	}
	revised := l.books.revised.Load() // before the numbers of dictionaries are looked up
	put, err := l.written(d)
	if err != nil {
		l.asked(err)
		return err
	}
	if put.imei != row.imei {
		return l.usable()
	}
	l.swap, l.swapped = &exchange{was: row, put: put, revised: revised, answer: make(chan outcome, 1)}, d.Revision
	return nil
}

// settle has the exchange of a function that has returned made.
func (l *light) settle() outcome {
	x := l.swap
	select {
	case l.db.exchanges <- x:
	case <-l.ctx.Done():
		return outcome{err: l.ctx.Err()}
	}
	var o outcome
	select {
	case o = <-x.answer:
	case <-l.ctx.Done():
		if x.claimed.CompareAndSwap(false, true) {
			return outcome{err: l.ctx.Err()}
		}
		o = <-x.answer
	}
	if o.err == nil && !o.again && !o.outgrown {
		l.books.rows.used(l.swapped)
	}
	return o
}

// exchanger owns a connection, on which it makes batches of exchanges, each in one round trip.
type exchanger struct {
	db    *DB
	s     *session
	later []*exchange // of devices that were in the batch already
}

func (e *exchanger) run() {
	defer e.s.drop()
	for {
		batch := e.gather()
		if batch == nil {
			return
		}
		e.serve(batch)
	}
}

// gather waits for an exchange and takes those that wait behind it, in the order of keys, so that neighbours in the index are written one
// after the other and two batches meet in one order; each device once.
func (e *exchanger) gather() []*exchange {
	batch := make([]*exchange, 0, e.db.opts.MaxBatch)
	take := func(x *exchange, waited bool) {
		if waited || x.claimed.CompareAndSwap(false, true) {
			batch = append(batch, x)
		}
	}
	for _, x := range e.later {
		take(x, true)
	}
	e.later = e.later[:0]
	for len(batch) == 0 {
		select {
		case x := <-e.db.exchanges:
			take(x, false)
		case <-e.db.stop:
			return nil
		}
	}
	for more := true; more && len(batch) < e.db.opts.MaxBatch; {
		select {
		case x := <-e.db.exchanges:
			take(x, false)
		default:
			more = false
		}
	}
	slices.SortStableFunc(batch, func(a, b *exchange) int { return cmp.Compare(a.put.number, b.put.number) })
	each := batch[:0]
	for _, x := range batch {
		if n := len(each); n > 0 && each[n-1].put.number == x.put.number {
			e.later = append(e.later, x)
		} else {
			each = append(each, x)
		}
	}
	return each
}

// A batch is written as a whole or not at all, so that the receipt of its transaction tells of each of them; and not at all when this server
// is fenced, which nobody could look at before the COMMIT that is sent along. Dividing by nothing ends the transaction when a row is not the
// one that was read, or the receipt not ours. IS NOT DISTINCT FROM is an equality that no index is used for: rows are found by their number.
const exchangeDevices = `WITH filed AS (UPDATE receipt SET number = $3 WHERE server = $1 AND slot = $2 AND fenced_at IS NULL RETURNING 1),
	done AS (UPDATE device AS d SET place = v.place, record = v.record
		FROM unnest($4::bigint[], $5::bytea[], $6::bigint[], $7::integer[], $8::smallint[], $9::text[], $10::bytea[], $11::text[], $12::bytea[])
			AS v(number, rest, imei, lot, stage, was_place, was, place, record)
		WHERE d.number = v.number AND d.rest = v.rest AND d.imei IS NOT DISTINCT FROM v.imei AND d.lot = v.lot AND d.stage = v.stage
			AND d.place IS NOT DISTINCT FROM v.was_place AND d.record = v.was
		RETURNING 1)
	SELECT 1 / (CASE WHEN (SELECT count(*) FROM done) = $13::bigint AND EXISTS (SELECT 1 FROM filed) THEN 1 ELSE 0 END)`

// fileWith queues exchangeDevices, which is its own receipt.
func (s *session) fileWith(b *pgx.Batch, batch []*exchange) {
	s.number++
	n := len(batch)
	numbers, rests, imeis, lots, stages := make([]int64, n), make([][]byte, n), make([]int64, n), make([]int32, n), make([]int16, n)
	places, was, next, records := make([]string, n), make([][]byte, n), make([]string, n), make([][]byte, n)
	for i, x := range batch {
		numbers[i], rests[i], imeis[i], lots[i], stages[i] = x.was.number, x.was.rest, x.was.imei, x.was.lot, x.was.stage
		places[i], was[i], next[i], records[i] = x.was.place, x.was.record, x.put.place, x.put.record
	}
	b.Queue(exchangeDevices, s.server, s.slot, s.number, numbers, rests, imeis, lots, stages, places, was, next, records, int64(n))
}

// serve writes a batch.
func (e *exchanger) serve(batch []*exchange) {
	ctx, cancel := e.db.longest(context.Background())
	defer cancel()
	defer e.s.tidy(ctx)
	if err := e.s.ready(ctx); err != nil {
		answer(batch, outcomeOf(err))
		return
	}
	if batch = e.current(batch); len(batch) == 0 {
		return
	}
	e.db.updates.Add(int64(len(batch)))
	b := new(pgx.Batch)
	b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	e.s.fileWith(b, batch)
	o, moved := e.made(ctx, b)
	if moved {
		e.s.tidy(ctx)
		e.carefully(ctx, batch)
		return
	}
	answer(batch, o)
}

// made commits, and reports whether nothing was written because a row was not as it had been read, another transaction has it, or this
// server is fenced.
func (e *exchanger) made(ctx context.Context, b *pgx.Batch) (o outcome, moved bool) {
	o = e.db.commit(e.s, ctx, b)
	var refusal *pgconn.PgError
	if errors.As(o.err, &refusal) && (refusal.Code == divisionByZero || refusal.Code == lockNotAvailable) {
		return o, true
	}
	if o.err != nil && !o.again && !isUnavailable(o.err) {
		o = outcome{outgrown: true} // one of them breaks a rule: let each find out for itself
	}
	return o, false
}

const (
	divisionByZero   = "22012"
	lockNotAvailable = "55P03"
)

// current leaves those out whose records name entries of dictionaries that were forgotten since: they are made up anew.
func (e *exchanger) current(batch []*exchange) []*exchange {
	revised := e.db.books.revised.Load()
	return slices.DeleteFunc(batch, func(x *exchange) bool {
		if x.revised != revised {
			x.answer <- outcome{err: errForgotten, again: true}
		}
		return x.revised != revised
	})
}

// carefully looks at the rows of a batch, locked, and writes those that are as they were read. The others have a transaction of their own
// find out, or wait, by themselves: a server that stands still with some devices locked holds up nobody else.
func (e *exchanger) carefully(ctx context.Context, batch []*exchange) {
	numbers := make([]int64, len(batch))
	for i, x := range batch {
		numbers[i] = x.was.number
	}
	now := make(map[int64]*storedDevice, len(batch))
	b := new(pgx.Batch)
	b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	e.s.file(b)
	b.Queue(loadDevices, numbers).Query(func(rows pgx.Rows) error {
		return read(rows, func(r pgx.Rows) error {
			row, err := scanDevice(r)
			now[row.number] = row
			return err
		})
	})
	if err := e.s.hurt(e.s.conn.SendBatch(ctx, b).Close()); err != nil {
		answer(batch, outcomeOf(err))
		return
	}
	var columns deviceColumnsOf
	var writing []*exchange
	for _, x := range batch {
		if row := now[x.was.number]; row == nil || !row.same(x.was) {
			x.answer <- outcome{outgrown: true}
			continue
		}
		columns.add(&x.put)
		writing = append(writing, x)
	}
	if len(writing) == 0 {
		return
	}
	last := new(pgx.Batch)
	last.Queue(setDevices, columns.args()...)
	o, moved := e.made(ctx, last)
	if moved { // a rule of the schema divides or waits: none does
		o = outcome{outgrown: true}
	}
	answer(writing, o)
}

func answer(batch []*exchange, o outcome) {
	for _, x := range batch {
		x.answer <- o
	}
}
