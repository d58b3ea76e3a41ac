package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/witness"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
)

// desk is a witness that can be switched off.
type desk struct {
	ledger.Witness
	down atomic.Bool
}

func newDesk(t testing.TB, name, logKey string) *desk {
	t.Helper()
	w, err := witness.Open(witness.Config{Dir: t.TempDir(), Name: name, Logs: []string{logKey}})
	if err != nil {
		t.Fatal(err)
	}
	d := new(desk)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if d.down.Load() {
			http.Error(rw, "out for lunch", http.StatusServiceUnavailable)
			return
		}
		w.Handler().ServeHTTP(rw, r)
	}))
	t.Cleanup(func() { server.Close(); _ = w.Close() })
	d.Witness = ledger.Witness{URL: server.URL, Key: w.VerifierKey()}
	return d
}

func newKey(t testing.TB, dir string) string {
	t.Helper()
	key, err := ledger.Key(dir, origin)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Every proof carries a quorum, and one witness of three may be away; with two away nothing is published until one is back.
func TestNothingWithoutQuorum(t *testing.T) {
	inBoth(t, func(t *testing.T, p *place) {
		key := newKey(t, p.dir)
		var desks []*desk
		opts := ledger.Options{Origin: origin}
		var keys []string
		for i := range 3 {
			d := newDesk(t, fmt.Sprintf("witness.example/w%d", i), key)
			desks, opts.Witnesses, keys = append(desks, d), append(opts.Witnesses, d.Witness), append(keys, d.Key)
		}
		var mu sync.Mutex
		failures := map[string]int{}
		successes := 0
		opts.Witnessed = func(w ledger.Witness, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failures[w.URL]++
			} else {
				successes++
			}
		}
		l := p.openWith(t, opts)
		verifier, err := proof.New(origin, key, keys, 2)
		if err != nil {
			t.Fatal(err)
		}
		check := func(n int) {
			t.Helper()
			index, err := l.Append(t.Context(), leaf(n))
			if err != nil {
				t.Fatal(err)
			}
			text, err := l.Proof(t.Context(), index)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := verifier.Verify(leaf(n), text); err != nil || got.Witnesses < 2 {
				t.Fatalf("%+v, %v", got, err)
			}
		}
		check(0)
		desks[1].down.Store(true)
		check(1)
		check(2)

		desks[2].down.Store(true)
		if _, err := l.Append(whenSequenced(t, l, 4), leaf(3)); !errors.Is(err, ledger.ErrWitnesses) {
			t.Fatalf("appended without a quorum: %v", err)
		}
		if size, err := l.Size(t.Context()); err != nil || size != 3 {
			t.Errorf("published %d without a quorum, %v", size, err)
		}
		if _, err := l.Proof(t.Context(), 3); !errors.Is(err, ledger.ErrNoEntry) {
			t.Errorf("proved without a quorum: %v", err)
		}
		desks[2].down.Store(false)
		check(4)
		if size, err := l.Size(t.Context()); err != nil || size != 5 {
			t.Errorf("the delayed entry is not published: %d, %v", size, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if failures[opts.Witnesses[1].URL] == 0 || failures[opts.Witnesses[0].URL] != 0 || successes == 0 {
			t.Errorf("counted %d and %v", successes, failures)
		}
	})
}

// A ledger that gets witnesses later publishes its last checkpoint anew, with their cosignatures, for the orders that it has.
func TestWitnessesComeLater(t *testing.T) {
	inBoth(t, func(t *testing.T, p *place) {
		l := p.open(t)
		if _, err := l.AppendBatch(t.Context(), leaves(0, 300)); err != nil {
			t.Fatal(err)
		}
		p.close(t, l)
		d := newDesk(t, "witness.example/late", l.LogKey())
		verifier, err := proof.New(origin, l.LogKey(), []string{d.Key}, 1)
		if err != nil {
			t.Fatal(err)
		}
		opts := ledger.Options{Origin: origin, Witnesses: []ledger.Witness{d.Witness}}
		for _, n := range []int{300, 301} { // and once more, with nothing to publish anew
			l = p.openWith(t, opts)
			text, err := l.Proof(t.Context(), 17)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := verifier.Verify(leaf(17), text); err != nil {
				t.Error(err)
			}
			if _, err := l.Append(t.Context(), leaf(n)); err != nil {
				t.Error(err)
			}
			p.close(t, l)
		}
		// A ledger that had its quorum opens while the witness is away, with what is published.
		d.down.Store(true)
		l = p.openWith(t, opts)
		if size, err := l.Size(t.Context()); err != nil || size != 302 {
			t.Errorf("%d, %v", size, err)
		}
	})
}

// A server that died while its witness was away starts without it, gives out nothing that has no quorum, and publishes what waited when
// the witness is back.
func TestStartWithoutWitness(t *testing.T) {
	dir := t.TempDir()
	d := newDesk(t, "witness.example/w1", newKey(t, dir))
	opts := ledger.Options{Origin: origin, Witnesses: []ledger.Witness{d.Witness}}
	l, err := ledger.Open(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), leaf(0)); err != nil {
		t.Fatal(err)
	}
	soon := func(d time.Duration) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		t.Cleanup(cancel)
		return ctx
	}
	d.down.Store(true)
	if _, err := l.Append(whenSequenced(t, l, 2), leaf(1)); !errors.Is(err, ledger.ErrWitnesses) {
		t.Fatalf("appended: %v", err)
	}
	if err := l.Close(soon(300 * time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("closed with an entry that waits: %v", err)
	}
	if l, err = ledger.Open(soon(3*time.Second), dir, opts); err != nil {
		t.Fatalf("the server cannot start: %v", err)
	}
	defer closeLedger(t, l)
	if size, err := l.Size(t.Context()); err != nil || size != 1 {
		t.Errorf("%d entries are published, %v", size, err)
	}
	d.down.Store(false)
	if _, err := l.Append(t.Context(), leaf(2)); err != nil {
		t.Fatal(err)
	}
	if index, found, err := l.Find(t.Context(), order.LeafID(leaf(1))); err != nil || !found || index != 1 {
		t.Errorf("the entry that waited: %d, %v, %v", index, found, err)
	}
}

// A witness that remembers more than the ledger has was shown another ledger, or this one lost its end: nothing is cosigned.
func TestWitnessRemembersMore(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	key := newKey(t, dir)
	copyFolder(t, dir, copied)
	d := newDesk(t, "witness.example/w1", key)
	opts := ledger.Options{Origin: origin, Witnesses: []ledger.Witness{d.Witness}}
	l, err := ledger.Open(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.AppendBatch(t.Context(), leaves(0, 3)); err != nil {
		t.Fatal(err)
	}
	closeLedger(t, l)
	if l, err := ledger.Open(t.Context(), copied, opts); !errors.Is(err, ledger.ErrWitnesses) {
		t.Errorf("a second ledger under the same key is published: %v", err)
		closeLedger(t, l)
	}
}

// Witnesses whose answers are no cosignatures, or never end, do not pass for one.
func TestWitnessesThatLie(t *testing.T) {
	dir := t.TempDir()
	d := newDesk(t, "witness.example/w1", newKey(t, dir))
	var asked atomic.Int64
	for name, answer := range map[string]http.HandlerFunc{
		"empty":   func(http.ResponseWriter, *http.Request) {},
		"garbage": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "\u2014 witness.example/w1 AAAA") },
		"endless": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, neverEnds{}) },
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, d.URL+"/add-checkpoint", http.StatusTemporaryRedirect)
		},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); answer(w, r) }))
		opts := ledger.Options{Origin: origin, Witnesses: []ledger.Witness{{URL: server.URL, Key: d.Key}}}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if l, err := ledger.Open(ctx, t.TempDir(), opts); !errors.Is(err, ledger.ErrWitnesses) {
			t.Errorf("%s: %v", name, err)
			closeLedger(t, l)
		}
		cancel()
		server.Close()
	}
	if asked.Load() < 4 {
		t.Errorf("only %d requests", asked.Load())
	}
}

type neverEnds struct{}

func (neverEnds) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'A'
	}
	return len(p), nil
}

func TestParseWitness(t *testing.T) {
	const key = "witness.example/w1+1a2b3c4d+BEfQ+/6kz"
	for text, want := range map[string]ledger.Witness{
		"https://witness.example/sub/+" + key: {URL: "https://witness.example/sub/", Key: key},
		"http://127.0.0.1:8471+" + key:        {URL: "http://127.0.0.1:8471", Key: key},
		key:                                   {},
		"https://witness.example":             {},
		"https://witness.example+key":         {},
		"ftp://witness.example+" + key:        {},
		"":                                    {},
	} {
		got, err := ledger.ParseWitness(text)
		if got != want || (err == nil) != (want != ledger.Witness{}) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for n, want := range []int{0, 1, 2, 2, 3, 3} {
		if got := ledger.Majority(n); got != want {
			t.Errorf("more than half of %d is %d", n, got)
		}
	}
}

func TestOpenRefusesWitnesses(t *testing.T) {
	dir := t.TempDir()
	key := newKey(t, dir)
	d := newDesk(t, "witness.example/w1", key)
	twin := ledger.Witness{URL: "http://127.0.0.1:1", Key: d.Key}
	for name, opts := range map[string]ledger.Options{
		"one key twice":    {Witnesses: []ledger.Witness{d.Witness, twin}},
		"one place twice":  {Witnesses: []ledger.Witness{d.Witness, {URL: d.URL, Key: newDesk(t, "witness.example/w2", key).Key}}},
		"quorum too high":  {Witnesses: []ledger.Witness{d.Witness}, Quorum: 2},
		"quorum of nobody": {Quorum: 1},
		"no key":           {Witnesses: []ledger.Witness{{URL: d.URL}}},
		"itself":           {Witnesses: []ledger.Witness{{URL: d.URL, Key: key}}},
	} {
		opts.Origin = origin
		if _, err := ledger.Open(t.Context(), dir, opts); !errors.Is(err, ledger.ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to+"/ledger.key", 0o600); err != nil { // CopyFS loses the bits of group and others only
		t.Fatal(err)
	}
}
