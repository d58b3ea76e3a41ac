package postgres

import (
	"context"
	"reflect"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
)

// View implements authority.Store. A view that finds all readers busy waits for one until its context ends. One that only looks at one
// device shares a statement with others that do; when it then asks for more it gets a snapshot of its own, in which that device has to
// be the same still, or fn runs again.
func (db *DB) View(ctx context.Context, fn func(authority.Tx) error) error {
	if err := db.enter(ctx); err != nil {
		return err
	}
	defer db.leave()
	return db.repeatedly(ctx, func() outcome { return db.view(ctx, fn) })
}

func (db *DB) view(ctx context.Context, fn func(authority.Tx) error) outcome {
	v := &viewing{db: db}
	v.ready()
	v.ctx, v.before, v.books = ctx, v.start, &db.books
	defer v.finish()
	err := fn(v)
	v.over = true
	switch {
	case ctx.Err() != nil && v.cause != nil:
		return outcome{err: ctx.Err()}
	case v.moved:
		return outcome{err: errOutgrown, again: true}
	case v.cause != nil && isUnavailable(v.broken):
		return outcomeOf(v.cause)
	}
	return outcome{err: err}
}

// viewing is the Tx of a view. Its transaction begins with the second look, or with the first if that is not at one device.
type viewing struct {
	tx
	db    *DB
	seen  *look // what was looked at before it began
	moved bool  // and is not the same any more
}

// start takes a connection and begins. It tries again by itself while nothing has been read.
func (v *viewing) start() error {
	select {
	case v.s = <-v.db.readers:
	case <-v.ctx.Done():
		return v.ctx.Err()
	}
	for attempt := 0; ; attempt++ {
		err := v.s.ready(v.ctx)
		if err == nil {
			_, err = v.s.conn.Exec(v.ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
		}
		if err == nil {
			break
		}
		v.s.drop()
		if attempt > 0 || sort(err) != lost { // a connection may have been lost while nobody used it
			return err
		}
	}
	if v.seen == nil {
		return nil
	}
	now := new(storedDevice)
	err := v.s.conn.QueryRow(v.ctx, selectDevice, record.Number(v.seen.id), record.Rest(v.seen.id)).Scan(now.columns()...)
	switch {
	case err == pgx.ErrNoRows && v.seen.row == nil:
		return nil
	case err != nil && err != pgx.ErrNoRows:
		return err
	}
	v.moved = err != nil || !reflect.DeepEqual(now, v.seen.row)
	if v.moved {
		return errOutgrown
	}
	return nil
}

// finish ends the snapshot; nothing was written.
func (v *viewing) finish() {
	v.over = true
	if v.s != nil {
		v.s.tidy(context.WithoutCancel(v.ctx))
		v.db.readers <- v.s
	}
}

// Device looks together with others when it is the first look.
func (v *viewing) Device(id device.ID) (*authority.Device, error) {
	if v.over || v.before == nil || v.seen != nil {
		return v.tx.Device(id)
	}
	k := &look{id: id, done: make(chan struct{})}
	select {
	case v.db.looks <- k:
	case <-v.ctx.Done():
		return nil, v.ctx.Err()
	}
	select {
	case <-k.done:
	case <-v.ctx.Done():
		return nil, v.ctx.Err()
	}
	switch {
	case k.err != nil:
		return nil, v.failed(k.err)
	case k.row == nil:
		v.seen = k
		return nil, authority.ErrAbsent
	}
	v.seen = k
	d, err := v.device(k.row)
	if err == nil {
		d.Revision = v.books.rows.note(k.row)
	}
	return d, err
}

// look is a view of one device on its way.
type look struct {
	id   device.ID
	done chan struct{} // closed when what follows is there
	row  *storedDevice // nil when there is no such device; not changed any more
	err  error
}

// looker owns a connection, on which it reads devices for many at once.
type looker struct {
	db *DB
	s  *session
}

func (l *looker) run() {
	defer l.s.drop()
	for {
		var batch []*look
		select {
		case k := <-l.db.looks:
			batch = append(batch, k)
		case <-l.db.stop:
			return
		}
		for len(batch) < l.db.opts.MaxBatch {
			select {
			case k := <-l.db.looks:
				batch = append(batch, k)
				continue
			default:
			}
			break
		}
		l.answer(batch)
	}
}

func (l *looker) answer(batch []*look) {
	ctx, cancel := l.db.longest(context.Background())
	defer cancel()
	found, err := l.read(ctx, batch)
	if err != nil && sort(err) == lost { // perhaps while nobody used it
		l.s.drop()
		found, err = l.read(ctx, batch)
	}
	for _, k := range batch {
		k.row, k.err = found[k.id], err
		close(k.done)
	}
}

func (l *looker) read(ctx context.Context, batch []*look) (map[device.ID]*storedDevice, error) {
	if err := l.s.ready(ctx); err != nil {
		return nil, err
	}
	numbers := make([]int64, len(batch))
	for i, k := range batch {
		numbers[i] = record.Number(k.id)
	}
	cursor, err := l.s.conn.Query(ctx, "SELECT "+deviceColumns+" FROM device AS d WHERE d.number = ANY($1)", numbers)
	if err != nil {
		return nil, err
	}
	found := make(map[device.ID]*storedDevice, len(batch))
	err = read(cursor, func(r pgx.Rows) error {
		row, err := scanDevice(r)
		if err != nil {
			return err
		}
		id, err := row.id()
		found[id] = row
		return err
	})
	return found, err
}
