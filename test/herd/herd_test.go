// Package herd shows that a whole fleet that comes online at once is absorbed.
package herd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

const (
	times      = 20 // how many times its rate a fleet comes at
	mostPlain  = 4000
	leastPlain = 1000
	locked     = 100
	enrolling  = 50
	attempts   = 25 // that a device may need; it is told to come back at least a second later each time
)

// A fleet whose devices call at a twentieth of what the server can do comes online all at once, behind one address, while locked devices
// wait for their lifts and new devices enrol. Everybody is served within a bounded number of attempts, lifts and enrolments at the first or
// nearly so; nothing that was acknowledged is lost; the server answers people meanwhile, and its memory stays bounded.
func TestAWholeFleetComesOnlineAtOnce(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, func() (records, error) { return sqlite.Open(context.Background(), dir, sqlite.Options{}) })
	capacity := w.capacity()
	// In a second of its own rate the fleet makes capacity/times calls. What comes at once is 20 seconds of that rate, and as much again.
	n := min(max(int(capacity/times*times*2), leastPlain), mostPlain)
	t.Logf("capacity %.0f check-ins/s, %d plain check-ins at once", capacity, n)
	w.absorbs(t, n, func() {}, func() {})
}

// The same with a database that answers each question 10 ms late on the way there and as much on the way back, so that every check-in holds its
// place for longer than the server wants it to.
func TestAWholeFleetAtASlowDatabase(t *testing.T) {
	cluster, err := pgtest.Start()
	must(t, err)
	t.Cleanup(func() { must(t, cluster.Stop()) })
	config, err := pgx.ParseConfig(cluster.Database(t))
	must(t, err)
	lag, err := cluster.Lag()
	must(t, err)
	t.Cleanup(lag.Stop)
	w := newWorld(t, func() (records, error) {
		return postgres.Open(context.Background(), lag.URL(config.Database), postgres.Options{})
	})
	w.absorbs(t, leastPlain, func() { lag.By(10 * time.Millisecond) }, func() { lag.By(0) })
}

// absorbs has n devices that bring nothing new come at once, with the others among them; just before, trouble begins, and when all
// were served it is calm again.
func (w *world) absorbs(t *testing.T, n int, trouble, calm func()) {
	plain, restricted := w.enrolled(0, n), w.locked(n, locked)
	fresh := w.fresh(enrolling)
	trouble()

	var (
		herd   sync.WaitGroup
		served atomic.Int64 // plain check-ins so far
		start  = make(chan struct{})
		told   = make([]fate, n)
		lifted = make([]fate, locked)
		joined = make([]fate, enrolling)
	)
	for i, id := range plain {
		herd.Go(func() {
			<-start
			told[i] = w.insist(w.crowd, protocol.PathCheckIn, evidence.MediaType, func() []byte { return w.sign(id, 1, nil) })
			served.Add(1)
		})
	}
	for i, id := range restricted {
		herd.Go(func() {
			<-start
			lifted[i] = w.insist(w.own, protocol.PathCheckIn, evidence.MediaType, func() []byte { return w.sign(id, 1, inLock) })
			lifted[i].after = int(served.Load())
		})
	}
	for i, token := range fresh {
		herd.Go(func() {
			<-start
			joined[i] = w.insist(w.own, protocol.PathEnrol, protocol.MediaTypeEnrol, func() []byte { return token })
			joined[i].after = int(served.Load())
		})
	}
	done := make(chan struct{})
	peak := w.watch(done)
	close(start)
	herd.Wait()
	close(done)
	most := <-peak
	calm()

	all := slices.Concat(told, lifted, joined)
	for _, f := range all {
		if f.err != nil {
			t.Fatalf("after %d attempts: %v", f.attempts, f.err)
		}
	}
	shed, worst := 0, 0
	for _, f := range told {
		shed, worst = shed+f.attempts-1, max(worst, f.attempts)
	}
	t.Logf("plain check-ins were turned away %d times, the unluckiest %d times; at most %d MiB in use", shed, worst-1, most>>20)
	if shed < n/2 {
		t.Errorf("only %d of %d plain check-ins were turned away: this is no herd", shed, n)
	}
	w.wantFirst(t, "a lift", lifted, n)
	w.wantFirst(t, "an enrolment", joined, n)
	for i, f := range lifted {
		a, err := protocol.ParseCheckInAnswer(f.body)
		if err != nil || len(a.Orders) != 1 {
			t.Fatalf("locked device %d got %+v, %v", i, a, err)
		}
		if leaf, err := order.ParseLeaf(a.Orders[0].Leaf); err != nil || leaf.Kind != order.Lift {
			t.Fatalf("locked device %d got %+v, %v", i, leaf, err)
		}
	}
	if most > 1<<30 {
		t.Errorf("%d MiB were in use", most>>20)
	}
	w.restart(t)
	for _, id := range slices.Concat(plain, restricted) {
		if d := w.device(id); d.Sequence != 1 {
			t.Fatalf("an acknowledged check-in was lost: the record's sequence is %d", d.Sequence)
		}
	}
}

// wantFirst checks that these were served at the first attempts, and before most of the crowd.
func (w *world) wantFirst(t *testing.T, what string, fates []fate, crowd int) {
	t.Helper()
	var after []int
	for _, f := range fates {
		if f.attempts > 3 {
			t.Errorf("%s took %d attempts", what, f.attempts)
		}
		after = append(after, f.after)
	}
	slices.Sort(after)
	t.Logf("half of those who wait for %s were served after %d plain check-ins of %d, all after %d", what, after[len(after)/2], crowd, after[len(after)-1])
	if after[len(after)/2] > crowd/2 {
		t.Errorf("half of those who wait for %s were served after %d plain check-ins of %d", what, after[len(after)/2], crowd)
	}
}

// fate is how one device fared.
type fate struct {
	attempts int
	after    int // plain check-ins that were served before
	body     []byte
	err      error
}

// insist calls until it is served, and comes back when the server says.
func (w *world) insist(c *http.Client, path, mediaType string, token func() []byte) (f fate) {
	body := token()
	for f.attempts = 1; f.attempts <= attempts; f.attempts++ {
		r, err := c.Post(w.server.URL+path, mediaType, bytes.NewReader(body))
		if err != nil {
			f.err = err
			return f
		}
		f.body, err = io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			f.err = err
			return f
		}
		if r.StatusCode == http.StatusOK {
			return f
		}
		wait, err := strconv.Atoi(r.Header.Get("Retry-After"))
		if r.StatusCode != http.StatusServiceUnavailable || err != nil || wait < 1 || wait > 3600 {
			f.err = errors.New(r.Status + ": " + string(f.body))
			return f
		}
		time.Sleep(time.Duration(wait) * time.Second)
	}
	f.err = errors.New("turned away too often")
	return f
}

// watch asks for a page like people do, and looks at memory, until done; then it sends the most that was in use.
func (w *world) watch(done <-chan struct{}) <-chan uint64 {
	out := make(chan uint64, 1)
	go func() {
		most, tick := uint64(0), time.NewTicker(100*time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				out <- most
				return
			case <-tick.C:
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse+m.StackInuse)
			for _, path := range []string{"/healthz", "/v1/openapi.json"} {
				r, err := w.own.Get(w.server.URL + path)
				if err != nil {
					w.t.Error(err)
					continue
				}
				if r.StatusCode != http.StatusOK {
					w.t.Errorf("%s: %s", path, r.Status)
				}
				r.Body.Close()
			}
		}
	}()
	return out
}

// capacity is how many check-ins a second the server makes durable when nobody is turned away.
func (w *world) capacity() float64 {
	const each, callers = 20, 32
	ids := w.enrolled(1<<20, callers)
	tokens := make([][][]byte, callers)
	for i := range tokens {
		for n := range each {
			tokens[i] = append(tokens[i], w.sign(ids[i], uint64(n+1), nil))
		}
	}
	began := time.Now()
	var wait sync.WaitGroup
	for i := range tokens {
		wait.Go(func() {
			for _, token := range tokens[i] {
				if f := w.insist(w.crowd, protocol.PathCheckIn, evidence.MediaType, func() []byte { return token }); f.err != nil {
					w.t.Error(f.err)
				}
			}
		})
	}
	wait.Wait()
	return each * callers / time.Since(began).Seconds()
}

var inLock = []evidence.GroundState{{Ground: cuba, Stage: order.Locked}}
