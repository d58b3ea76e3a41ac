package move

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

// BenchmarkMove moves a fleet that nobody uses meanwhile, each device with an event. Its bound is COPY alone, of the same devices from memory
// into a table without indexes, on the same connection: a pass also reads SQLite, looks at what is there, and keeps the indexes.
func BenchmarkMove(b *testing.B) {
	const devices = 100_000
	f := &fleet{t: b, dir: b.TempDir()}
	f.serve()
	for n := 0; n < devices; n += 1000 {
		f.enrol(n, n+1000)
	}
	f.stop()
	for b.Loop() {
		url := pgtest.Database(b)
		var passes []Pass
		opts := f.options(url, nil)
		opts.Passed = func(p Pass) { passes = append(passes, p) }
		began := time.Now()
		if err := copyOnly(b, opts); err != nil {
			b.Fatal(err)
		}
		compared := time.Since(began)
		for _, p := range passes {
			compared -= time.Duration(p.Seconds * float64(time.Second))
		}
		bare := bareCopy(b, f, url)
		rate := float64(passes[0].Read) / passes[0].Seconds
		b.ReportMetric(rate, "rows_first/s")
		b.ReportMetric(float64(passes[1].Read)/passes[1].Seconds, "rows_again/s")
		b.ReportMetric(float64(passes[0].Read)/compared.Seconds(), "rows_compared/s")
		b.ReportMetric(rate/bare, "of_bare_copy")
	}
}

// copyOnly makes two passes and compares, and gives nothing over.
func copyOnly(b *testing.B, opts Options) error {
	r, end := begun(b, opts)
	defer end()
	return r.copying(b.Context(), func(c *copier) error {
		for range 2 {
			if err := r.pass(b.Context(), c, true); err != nil {
				return err
			}
		}
		_, err := c.verify(b.Context())
		return err
	})
}

// bareCopy is how many devices a second COPY takes that are in memory already.
func bareCopy(b *testing.B, f *fleet, url string) float64 {
	r, end := begun(b, f.options(url, nil))
	defer end()
	var rate float64
	if err := r.copying(b.Context(), func(c *copier) error {
		t := c.tables[0]
		for _, other := range c.tables {
			if other.name == "device" {
				t = other
			}
		}
		var rows []row
		for last := false; !last; {
			var after row
			if len(rows) > 0 {
				after = rows[len(rows)-1]
			}
			more, end, err := c.from.stretch(b.Context(), t, after)
			if err != nil {
				return err
			}
			rows, last = append(rows, more...), end
		}
		return pgx.BeginFunc(b.Context(), c.to.conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(b.Context(), "CREATE TABLE bare (LIKE device)"); err != nil {
				return err
			}
			began := time.Now()
			if err := t.copyInto(b.Context(), tx, "bare", rows); err != nil {
				return err
			}
			rate = float64(len(rows)) / time.Since(began).Seconds()
			_, err := tx.Exec(context.WithoutCancel(b.Context()), "DROP TABLE bare")
			return err
		})
	}); err != nil {
		b.Fatal(err)
	}
	return rate
}
