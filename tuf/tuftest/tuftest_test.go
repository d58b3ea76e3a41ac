package tuftest_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

func date() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func story(o tuftest.Options) *tuftest.Repository {
	o.Now = date()
	r := tuftest.New(o)
	r.Add(tuf.Warrant, tuf.WarrantPath("w-1"), []byte("warrant"))
	r.Publish(date())
	r.Rotate(date(), tuftest.Rotation{Add: 1, Remove: 1, Online: true, Threshold: 3})
	r.Drop(tuf.Warrant, tuf.WarrantPath("w-1"))
	r.Publish(date().Add(time.Hour))
	r.Refresh(date().Add(2 * time.Hour))
	return r
}

// The same options and steps make the same bytes, and other seeds other ones.
func TestDeterministic(t *testing.T) {
	for _, o := range []tuftest.Options{{Seed: "a"}, {Seed: "a", ECDSA: true, Officers: 5}} {
		one, two := story(o), story(o)
		if !reflect.DeepEqual(one.Update(0), two.Update(0)) {
			t.Errorf("%+v: two runs differ", o)
		}
		for _, f := range tuftest.Faults() {
			if tuftest.Possible(f, tuf.Root) && !reflect.DeepEqual(one.Break(f, tuf.Root).Update(0), two.Break(f, tuf.Root).Update(0)) {
				t.Errorf("%+v: two runs of %s differ", o, f)
			}
		}
		o.Seed = "b"
		if reflect.DeepEqual(one.Update(0), story(o).Update(0)) {
			t.Errorf("%+v: another seed makes the same", o)
		}
	}
}

// What is done to a copy, broken or not, is not done to the repository: it goes on, and devices follow.
func TestCopies(t *testing.T) {
	r := story(tuftest.Options{Seed: "a"})
	before := r.Update(0)
	for _, role := range []string{tuf.Root, tuf.Timestamp, tuf.Snapshot, tuf.Targets, tuf.Policy, tuf.Warrant} {
		for _, f := range tuftest.Faults() {
			if !tuftest.Possible(f, role) {
				continue
			}
			if broken := r.Break(f, role); reflect.DeepEqual(broken.Update(0), before) {
				t.Errorf("%s in %s changes nothing", f, role)
			}
		}
	}
	c := r.Clone()
	c.Edit(tuf.Snapshot, func(signed map[string]any) { clear(signed) })
	c.Add(tuf.Policy, "policy/x", nil)
	if !reflect.DeepEqual(r.Update(0), before) {
		t.Error("a copy changed the repository")
	}
	trusted, err := tuf.Open(r.Root(1))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		next, _, err := trusted.Apply(r.Update(trusted.Versions().Root), date().Add(3*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if next.Versions() != r.Versions() {
			t.Fatalf("versions %+v, want %+v", next.Versions(), r.Versions())
		}
		trusted = next
		r.Rotate(date().Add(2*time.Hour), tuftest.Rotation{Add: 1})
	}
}

func TestImpossible(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a usurped timestamp was made")
		}
	}()
	tuftest.New(tuftest.Options{Now: date()}).Break(tuftest.Usurped, tuf.Timestamp)
}
