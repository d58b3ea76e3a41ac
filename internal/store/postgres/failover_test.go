package postgres

import (
	"sync"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

// TestStandbyTakesOver: under load of two servers the primary dies without a word, and its synchronous standby is promoted. Every update that
// was acknowledged is there, none is there twice, and nobody was turned away: callers wait, the servers follow by the hosts in their address,
// and ask the receipts what became of commits whose answers were lost.
func TestStandbyTakesOver(t *testing.T) {
	const workers = 10
	primary := cluster(t)
	url := primary.Database(t)
	standby, err := primary.Standby()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Stop(); err != nil {
			t.Error(err)
		}
	})
	hosts := pgtest.Hosts(url, primary, standby)
	s := spreadOver(t, hosts, 2, Options{Patience: 60 * time.Second, Lease: time.Second})
	y := newTally(t, s.servers[0], workers)
	second := &tally{name: "second-", db: s.servers[1], devices: workers, acknowledged: y.acknowledged, tried: y.tried}
	term := leads(t, s.servers[1])
	stop := make(chan struct{})
	var group sync.WaitGroup
	for n := range workers {
		group.Go(func() { y.work(t, n, stop) })
		group.Go(func() { second.work(t, workers-1-n, stop) })
	}
	time.Sleep(500 * time.Millisecond)
	began := time.Now()
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	if err := standby.Promote(); err != nil {
		t.Fatal(err)
	}
	if err := s.servers[0].Update(t.Context(), event(1, 1)); err != nil {
		t.Fatal(err)
	}
	t.Logf("updates go on %v after the primary's death", time.Since(began).Round(time.Millisecond))
	time.Sleep(500 * time.Millisecond)
	close(stop)
	group.Wait()
	if y.refused.Load()+second.refused.Load() != 0 {
		t.Errorf("%d and %d were turned away", y.refused.Load(), second.refused.Load())
	}
	for n := range workers {
		if d, err := deviceOf(t, s.servers[0], n); err != nil || int64(d.Sequence) != y.acknowledged[n].Load() || d.Unlocks != d.Sequence {
			t.Errorf("device %d: %d there, %d acknowledged, %v", n, d.Sequence, y.acknowledged[n].Load(), err)
		}
	}
	there := make(map[string]int)
	for _, e := range events(t, s.servers[1]) {
		there[e.Kind]++
	}
	for _, who := range []*tally{y, second} {
		who.events.Range(func(name, _ any) bool {
			if there[name.(string)] != 1 {
				t.Errorf("%s is there %d times", name, there[name.(string)])
			}
			return true
		})
	}
	for _, db := range s.servers {
		if db.Stats().Retried == 0 {
			t.Error("nothing was tried again")
		}
	}
	if !closed(term.Lost()) { // it was faster than its lease
		if err := term.Update(t.Context(), insertSeries("led")); err != nil {
			t.Error(err)
		}
		if err := term.Resign(); err != nil {
			t.Error(err)
		}
	}
	if next := leads(t, s.servers[0]); next.Number <= term.Number {
		t.Errorf("term %d after %d", next.Number, term.Number)
	}
}

// TestPromotedWithoutTheLastCommits: a standby that was not waited for lacks the last commits, the servers' entries and the entries of the
// dictionaries among them, and gives the numbers of these away again. A server that goes on there mixes nothing up.
func TestPromotedWithoutTheLastCommits(t *testing.T) {
	primary := cluster(t)
	url := primary.Database(t)
	root := rootOf(t, url)
	before := openedAt(t, url, Options{})
	newTally(t, before, 1)
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	standby, err := primary.Standby()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Stop(); err != nil {
			t.Error(err)
		}
	})
	root("ALTER SYSTEM RESET synchronous_standby_names")
	root("SELECT pg_reload_conf()")
	if err := standby.Kill(); err != nil { // it hears nothing from here on
		t.Fatal(err)
	}
	db := openedAt(t, pgtest.Hosts(url, primary, standby), Options{Patience: 30 * time.Second})
	set := func(model string) {
		t.Helper()
		if err := db.Update(t.Context(), withModel(model)); err != nil {
			t.Fatal(err)
		}
	}
	set("lost")
	registered := db.member.current.Load()
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := standby.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := standby.Promote(); err != nil {
		t.Fatal(err)
	}
	set("other") // has the number that "lost" had
	set("lost")
	if d, err := deviceOf(t, db, 0); err != nil || d.Model != "lost" {
		t.Errorf("%+v, %v", d, err)
	}
	fresh := openedAt(t, standby.URL(databaseOf(t, url)), Options{})
	if d, err := deviceOf(t, fresh, 0); err != nil || d.Model != "lost" {
		t.Errorf("for another server it is %+v, %v", d, err)
	}
	if now := db.member.current.Load(); now == registered {
		t.Error("it goes on under a number that the new primary never heard of")
	}
}
