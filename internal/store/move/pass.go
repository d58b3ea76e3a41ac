package move

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Pass is what one walk over all tables found and wrote.
type Pass struct {
	Number  int     `json:"pass"`
	Read    int64   `json:"read"`    // rows in the folder
	Added   int64   `json:"added"`   // of them, those that the database did not have
	Changed int64   `json:"changed"` // and those that it had otherwise
	Removed int64   `json:"removed"` // rows of the database that the folder does not have
	Left    int64   `json:"left"`    // rows that have to wait for the next pass
	Quiet   bool    `json:"quiet"`   // no server ran
	Seconds float64 `json:"seconds"`
}

// wrote is how many rows were not as they should be.
func (p *Pass) wrote() int64 { return p.Added + p.Changed + p.Removed + p.Left }

// Progress is how far a pass, or the last comparison, has come.
type Progress struct {
	Pass  int // 0 for the last comparison
	Table string
	Rows  int64 // read so far, of all tables
	Total int64 // about as many as there are
}

// copier makes passes.
type copier struct {
	from     *folder
	to       *database
	tables   []*table
	total    int64
	progress func(Progress)
}

// maxGone bounds how many rows that are gone are kept in mind until those that refer to them are gone, too. Others wait for the next pass.
const maxGone = 100_000

// pass makes the database like the folder, as it is now.
func (c *copier) pass(ctx context.Context, number int, quiet bool) (p Pass, err error) {
	p = Pass{Number: number, Quiet: quiet}
	began := time.Now()
	if c.total, err = c.count(ctx); err != nil {
		return p, err
	}
	gone := map[*table][]row{}
	for _, t := range c.tables {
		if gone[t], err = c.passTable(ctx, t, &p); err != nil {
			return p, err
		}
	}
	for _, t := range slices.Backward(c.tables) { // what refers to others goes first
		for batch := range slices.Chunk(gone[t], stretchRows) {
			left, err := c.to.remove(ctx, t, batch)
			if err != nil {
				return p, err
			}
			p.Removed += int64(len(batch) - left)
			p.Left += int64(left)
		}
	}
	p.Seconds = time.Since(began).Seconds()
	return p, nil
}

func (c *copier) count(ctx context.Context) (total int64, err error) {
	for _, t := range c.tables {
		n, err := c.from.count(ctx, t)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// passTable walks over one table, and returns rows that have to go when nothing refers to them any more.
func (c *copier) passTable(ctx context.Context, t *table, p *Pass) (gone []row, err error) {
	ahead := c.readAhead(ctx, t)
	defer ahead.stop()
	var after row
	for {
		var s stretch
		select {
		case s = <-ahead.stretches:
		case <-ctx.Done(): // then nothing may come any more
			return nil, ctx.Err()
		}
		if s.err != nil {
			return nil, s.err
		}
		here, upTo := s.rows, row(nil) // the last stretch goes to the end of the table there
		if !s.last {
			upTo = here[len(here)-1]
		}
		p.Read += int64(len(here))
		for whole := false; !whole; {
			// There may be far more there than here: what lies beyond the limit is compared next.
			const limit = 4 * stretchRows
			there, err := c.to.stretch(ctx, t, after, upTo, limit)
			if err != nil {
				return nil, err
			}
			part := here
			if whole = len(there) < limit; whole {
				here = nil
			} else {
				end := there[len(there)-1]
				n, found := slices.BinarySearchFunc(here, end, t.compareKeys)
				if found {
					n++
				}
				part, here, after = here[:n], here[n:], end
			}
			d := t.compareStretch(part, there)
			if err := c.apply(ctx, t, &d, p, &gone); err != nil {
				return nil, err
			}
		}
		if c.progress != nil {
			c.progress(Progress{p.Number, t.name, p.Read, max(c.total, p.Read)})
		}
		if s.last {
			return gone, nil
		}
		after = upTo
	}
}

func (c *copier) apply(ctx context.Context, t *table, d *difference, p *Pass, gone *[]row) error {
	if len(d.added) > 0 {
		left, err := c.to.write(ctx, t, d.added, true)
		if err != nil {
			return err
		}
		p.Added += int64(len(d.added) - left)
		p.Left += int64(left)
	}
	if len(d.changed) > 0 {
		left, err := c.to.write(ctx, t, d.changed, false)
		if err != nil {
			return err
		}
		p.Changed += int64(len(d.changed) - left)
		p.Left += int64(left)
	}
	if t.referred {
		room := max(0, min(len(d.gone), maxGone-len(*gone)))
		*gone = append(*gone, d.gone[:room]...)
		p.Left += int64(len(d.gone) - room)
		return nil
	}
	left, err := c.to.remove(ctx, t, d.gone)
	p.Removed += int64(len(d.gone) - left)
	p.Left += int64(left)
	return err
}

// stretch is what was read of the folder.
type stretch struct {
	rows []row
	last bool
	err  error
}

// ahead reads the next stretch while the one before is compared.
type ahead struct {
	stretches chan stretch
	stop      func() // ends the reading, and waits for its end
}

func (c *copier) readAhead(ctx context.Context, t *table) ahead {
	ctx, cancel := context.WithCancel(ctx)
	a := ahead{stretches: make(chan stretch)}
	ended := make(chan struct{})
	a.stop = func() { cancel(); <-ended }
	go func() {
		defer close(ended)
		var after row
		for {
			rows, last, err := c.from.stretch(ctx, t, after)
			select {
			case a.stretches <- stretch{rows, last, err}:
			case <-ctx.Done():
				return
			}
			if last || err != nil {
				return
			}
			after = rows[len(rows)-1]
		}
	}()
	return a
}

// Table is a table as it was found, equal, on both sides.
type Table struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"` // of all rows in the order of the key
}

// verify reads both sides anew, each by itself, and holds counts and digests against each other.
func (c *copier) verify(ctx context.Context) (list []Table, err error) {
	var done int64
	for _, t := range c.tables {
		var there Table
		var failed error
		var both sync.WaitGroup
		both.Go(func() {
			there, failed = digest(t, func(after row) ([]row, bool, error) {
				rows, err := c.to.stretch(ctx, t, after, nil, stretchRows)
				return rows, len(rows) < stretchRows, err
			})
		})
		here, err := digest(t, func(after row) ([]row, bool, error) {
			rows, last, err := c.from.stretch(ctx, t, after)
			if done += int64(len(rows)); c.progress != nil {
				c.progress(Progress{0, t.name, done, max(c.total, done)})
			}
			return rows, last, err
		})
		both.Wait()
		if err := errors.Join(err, failed); err != nil {
			return nil, err
		}
		if here != there {
			return nil, fmt.Errorf("move: %s has %d rows with digest %.16s in the data folder, and %d rows with digest %.16s in PostgreSQL: nothing was given over; run the command again, and report it if it comes back",
				t.name, here.Rows, here.SHA256, there.Rows, there.SHA256)
		}
		list = append(list, here)
	}
	return list, nil
}

func digest(t *table, next func(after row) ([]row, bool, error)) (Table, error) {
	h := sha256.New()
	sum := Table{Name: t.name}
	var after row
	var buffer []byte
	for {
		rows, last, err := next(after)
		if err != nil {
			return sum, err
		}
		for _, r := range rows {
			buffer = r.appendTo(buffer[:0])
			h.Write(buffer)
		}
		sum.Rows += int64(len(rows))
		if last {
			sum.SHA256 = hex.EncodeToString(h.Sum(nil))
			return sum, nil
		}
		after = rows[len(rows)-1]
	}
}
