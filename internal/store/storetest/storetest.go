// Package storetest is the conformance suite of [authority.Store]: every store runs it, and a store that passes keeps the
// contract that internal/authority/store.go states. A store's own test is:
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) authority.Store { return openEmpty(t) })
//	}
package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// Run runs the suite. open returns a new, empty store and sees to its closing.
func Run(t *testing.T, open func(t *testing.T) authority.Store) {
	for _, group := range []struct {
		name  string
		tests map[string]func(*testing.T, authority.Store)
	}{
		{"device", deviceTests},
		{"restriction", restrictionTests},
		{"order", orderTests},
		{"wave", waveTests},
		{"casework", caseworkTests},
		{"signature", signatureTests},
		{"person", personTests},
		{"transaction", transactionTests},
		{"job", jobTests},
		{"bulk", bulkTests},
		{"retention", retentionTests},
		{"listing", listingTests},
	} {
		for name, test := range group.tests {
			t.Run(group.name+"/"+name, func(t *testing.T) { test(t, open(t)) })
		}
	}
	t.Run("restriction/model", func(t *testing.T) { testModel(t, open(t)) })
}

type txFunc = func(authority.Tx) error

// does runs fn and expects it to succeed.
func does(t *testing.T, s authority.Store, fn txFunc) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

// refuses runs fn and expects the error, and that nothing was written. A nil want stands for any error that is neither
// ErrAbsent nor ErrConflict: a record that breaks a rule.
func refuses(t *testing.T, s authority.Store, want error, fn txFunc) {
	t.Helper()
	before := dump(t, s)
	err := s.Update(context.Background(), fn)
	switch {
	case err == nil:
		t.Fatalf("accepted; want %v", want)
	case want != nil && !errors.Is(err, want):
		t.Fatalf("error %q; want %q", err, want)
	case want == nil && (errors.Is(err, authority.ErrAbsent) || errors.Is(err, authority.ErrConflict)):
		t.Fatalf("error %q; want one that says which rule is broken", err)
	}
	if d := diff(before, dump(t, s)); d != "" {
		t.Fatalf("it was refused and changed something all the same:\n%s", d)
	}
}

// looks runs fn on a view and expects it to succeed.
func looks(t *testing.T, s authority.Store, fn txFunc) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

// got is a single look-up on a view.
func got[T any](t *testing.T, s authority.Store, look func(authority.Tx) (T, error)) T {
	t.Helper()
	var v T
	looks(t, s, func(tx authority.Tx) (err error) {
		v, err = look(tx)
		return err
	})
	return v
}

// missing expects ErrAbsent of a look-up.
func missing[T any](t *testing.T, s authority.Store, look func(authority.Tx) (T, error)) {
	t.Helper()
	err := s.View(context.Background(), func(tx authority.Tx) error {
		_, err := look(tx)
		return err
	})
	if !errors.Is(err, authority.ErrAbsent) {
		t.Fatalf("error %v; want %v", err, authority.ErrAbsent)
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := diff(want, got); d != "" {
		t.Fatalf("%s (- want, + got):\n%s", what, d)
	}
}

func diff(want, got any) string {
	return cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(authority.Device{}, "Revision"))
}
