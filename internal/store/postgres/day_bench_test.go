package postgres

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// aDay is a fleet on a cluster of its own: each row as it is, and as its next check-in leaves it.
type aDay struct {
	*testing.B
	c         *pgx.Conn
	dsn       string
	now, next []written
}

func newDay(b *testing.B, n int) *aDay {
	b.Helper()
	cluster, err := pgtest.Start("wal_compression = on", "max_wal_size = '16GB'", "checkpoint_timeout = '1h'", "shared_buffers = '1GB'", "autovacuum = off")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			b.Error(err)
		}
	})
	d := &aDay{B: b, dsn: cluster.Database(b)}
	db := openedAt(b, d.dsn, Options{})
	if d.c, err = pgx.ConnectConfig(b.Context(), db.config); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.c.Close(context.Background()) })
	d.exec("SET statement_timeout = 0")
	order := rand.New(rand.NewPCG(1, 2)).Perm(n) // they enrol as they come, and check in by their ids
	for part := range slices.Chunk(order, 500) {
		batch := new(pgx.Batch)
		for _, i := range part {
			device := usual(b, i, 90)
			row := rowOf(b, db, device)
			batch.Queue(insertDevice, row.args()...)
			device.Sequence++
			device.LastSeen = device.LastSeen.Add(24*time.Hour + time.Duration(i%1000)*time.Second)
			last := device.Days[len(device.Days)-1]
			last.Day++
			device.Days = append(slices.Clone(device.Days[1:]), territory.DayRecord{Day: last.Day, Territory: last.Territory, Percent: last.Percent, Agree: last.Agree})
			d.now, d.next = append(d.now, row), append(d.next, rowOf(b, db, device))
		}
		if err := d.c.SendBatch(b.Context(), batch).Close(); err != nil {
			b.Fatal(err)
		}
	}
	byNumber := func(x, y written) int { return cmp.Compare(x.number, y.number) }
	slices.SortFunc(d.now, byNumber)
	slices.SortFunc(d.next, byNumber)
	d.exec("VACUUM (FREEZE, ANALYZE) device")
	return d
}

func (d *aDay) exec(query string, args ...any) {
	d.Helper()
	if _, err := d.c.Exec(d.Context(), query, args...); err != nil {
		d.Fatal(err)
	}
}

func (d *aDay) number(query string) (n int64) {
	d.Helper()
	if err := d.c.QueryRow(d.Context(), query).Scan(&n); err != nil {
		d.Fatal(err)
	}
	return n
}

const written0 = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"

// checkIns writes a stretch of the fleet as its next check-ins leave it, 32 in a commit, and returns how many bytes of the log that took.
func (d *aDay) checkIns(from, to int) int64 {
	d.Helper()
	before := d.number(written0)
	for part := range slices.Chunk(d.next[from:to], 32) {
		var columns deviceColumnsOf
		for i := range part {
			columns.add(&part[i])
		}
		d.exec(setDevices, columns.args()...)
	}
	for i := from; i < to; i++ {
		d.now[i], d.next[i] = d.next[i], d.now[i]
	}
	return d.number(written0) - before
}

// run runs one of PostgreSQL's programs and returns how long it took.
func (d *aDay) run(name string, args ...string) time.Duration {
	d.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if path, err := exec.LookPath(name); err == nil {
		found = []string{path}
	}
	if len(found) == 0 {
		d.Fatalf("%s is missing: install PostgreSQL, or let scripts/test do it", name)
	}
	began := time.Now()
	if out, err := exec.Command(slices.Max(found), args...).CombinedOutput(); err != nil {
		d.Fatalf("%s: %v\n%s", name, err, out)
	}
	return time.Since(began)
}

// BenchmarkDay is what docs/operations.md counts a fleet of 10⁸ from: bytes of the log for a check-in by how much of the fleet checks in between two
// checkpoints, since the first change of a page after each is written with the whole page; and seconds of a vacuum, of a dump, of its restore and
// of a base backup, for a million devices each.
func BenchmarkDay(b *testing.B) {
	const n = 200_000
	d := newDay(b, n)
	b.ResetTimer()
	million := func(took time.Duration) float64 { return took.Seconds() / n * 1e6 }
	at := 0
	for _, share := range []int{100, 48, 24, 12, 4, 1} { // a share of the fleet between two checkpoints
		if share == 1 {
			at = 0
		}
		d.exec("CHECKPOINT")
		log := d.checkIns(at, at+n/share)
		b.ReportMetric(float64(log)/float64(n/share), fmt.Sprintf("B/check-in-1/%d-of-fleet", share))
		at = (at + n/share) % (n - n/4)
	}
	d.exec("VACUUM device")
	log := d.checkIns(0, n/20)
	b.ReportMetric(float64(log)/(n/20), "B/check-in-without-pages")
	began := time.Now()
	d.exec("VACUUM device")
	b.ReportMetric(million(time.Since(began)), "vacuum-s/million")
	size := d.number("SELECT pg_total_relation_size('device')")
	b.ReportMetric(float64(size)/n, "B/device")

	dump := filepath.Join(b.TempDir(), "dump")
	b.ReportMetric(million(d.run("pg_dump", "--format=custom", "--file", dump, d.dsn)), "dump-s/million")
	info, err := os.Stat(dump)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/n, "dump-B/device")
	d.exec("CREATE DATABASE again")
	to, err := pgx.ParseConfig(d.dsn)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(million(d.run("pg_restore", "--no-owner", "--host", to.Host, "--username", to.User, "--dbname", "again", dump)), "restore-s/million")
	all := d.number("SELECT sum(pg_database_size(oid))::bigint FROM pg_database")
	took := d.run("pg_basebackup", "--host", to.Host, "--username", to.User, "--pgdata", filepath.Join(b.TempDir(), "base"), "--wal-method=stream", "--checkpoint=fast")
	b.ReportMetric(float64(all)/1e6/took.Seconds(), "basebackup-MB/s")
}
