package tamper

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

// One table of officers' metadata with a fault, before the two that must refuse them: the device, which trusts the honest ones before,
// and the server, which would publish or serve them. What other clients make of them is in package tuf (go-tuf) and test/interop (tuf-js).
func TestMetadataAlike(t *testing.T) {
	all := []string{tuf.Root, tuf.Timestamp, tuf.Snapshot, tuf.Targets, tuf.Policy, tuf.Warrant}
	officers := []string{tuf.Root, tuf.Targets, tuf.Policy, tuf.Warrant}
	unsound, foreign := []error{tufrepo.ErrRepository}, []error{tufrepo.ErrRepository, tufrepo.ErrOfficers}
	for name, tc := range map[string]struct {
		fault  tuftest.Fault
		roles  []string
		device tuf.Fault
		server []error // one of them
	}{
		"too few signatures":           {tuftest.OneSignature, all, tuf.ErrSignatures, unsound},
		"one signature twice":          {tuftest.SignerTwice, all, tuf.ErrMalformed, unsound},
		"one key under two names":      {tuftest.KeyTwice, officers, tuf.ErrSignatures, foreign},
		"one officer is to be enough":  {tuftest.ThresholdOne, officers, tuf.ErrThreshold, foreign},
		"the server among officers":    {tuftest.OnlineKey, officers, tuf.ErrThreshold, foreign},
		"expired":                      {tuftest.Expired, []string{tuf.Root, tuf.Timestamp, tuf.Snapshot, tuf.Targets}, tuf.ErrExpired, []error{tufrepo.ErrExpired}},
		"too large":                    {tuftest.Oversized, all, tuf.ErrOversized, []error{tufrepo.ErrTooLarge}},
		"new officers by themselves":   {tuftest.Usurped, []string{tuf.Root}, tuf.ErrSignatures, unsound},
		"new officers without knowing": {tuftest.Disowned, []string{tuf.Root}, tuf.ErrSignatures, unsound},
		"a root left out":              {tuftest.RootGap, []string{tuf.Root}, tuf.ErrRootGap, unsound},
		// A set of older metadata is sound by itself, and the server has its own versions in the store, which nothing overwrites.
		"rolled back": {tuftest.Lower, []string{tuf.Timestamp, tuf.Snapshot, tuf.Policy, tuf.Warrant}, tuf.ErrRolledBack, nil},
	} {
		t.Run(name, func(t *testing.T) {
			honest := tuftest.New(tuftest.Options{Seed: "tamper", Now: now})
			honest.Publish(now)
			for _, role := range tc.roles {
				broken := honest.Break(tc.fault, role)
				if got := refusedByDevice(t, honest, broken.Update(1)); got != tc.device {
					t.Errorf("%s: the device says %q, want %q", role, got, tc.device)
				}
				err := repositoryOf(broken.Update(0)).Verify(now.Add(time.Second))
				named := func(want error) bool { return errors.Is(err, want) }
				if len(tc.server) == 0 && err != nil || len(tc.server) > 0 && !slices.ContainsFunc(tc.server, named) {
					t.Errorf("%s: the server says %v, want one of %v", role, err, tc.server)
				}
			}
		})
	}
}

// What is a hundred megabytes is refused by its size, wherever it comes in.
func TestHundredMegabytes(t *testing.T) {
	honest := tuftest.New(tuftest.Options{Seed: "tamper", Now: now})
	u := honest.Update(1)
	u.Policy = bytes.Repeat([]byte(" "), 100<<20)
	if got := refusedByDevice(t, honest, u); got != tuf.ErrOversized {
		t.Errorf("the device says %q", got)
	}
	whole := honest.Update(0)
	whole.Policy = u.Policy
	if err := repositoryOf(whole).Verify(now); !errors.Is(err, tufrepo.ErrTooLarge) {
		t.Errorf("the server says %v", err)
	}
	if _, err := tufrepo.ParseProposal(u.Policy); !errors.Is(err, tufrepo.ErrTooLarge) {
		t.Errorf("of a proposal the officer's tool says %v", err)
	}
}

// refusedByDevice is the name by which a device that trusts the honest metadata refuses an update.
func refusedByDevice(t *testing.T, honest *tuftest.Repository, u tuf.Update) tuf.Fault {
	t.Helper()
	trusted, err := tuf.Open(honest.Root(1))
	if err != nil {
		t.Fatal(err)
	}
	if trusted, _, err = trusted.Apply(honest.Update(1), now); err != nil {
		t.Fatal(err)
	}
	_, _, err = trusted.Apply(u, now.Add(time.Second))
	return tuf.FaultOf(err)
}

func repositoryOf(u tuf.Update) *tufrepo.Repository {
	return &tufrepo.Repository{Roots: u.Roots, Targets: u.Targets, Policy: u.Policy, Warrant: u.Warrant, Snapshot: u.Snapshot, Timestamp: u.Timestamp}
}
