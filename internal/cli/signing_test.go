package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/policies"
)

// desk is an officer's machine: a folder, a home and a clock.
type desk struct {
	t    *testing.T
	home string
	now  time.Time
}

func (d *desk) run(want int, args ...string) (stdout, stderr string) {
	d.t.Helper()
	var out, faults bytes.Buffer
	status := Main(context.Background(), args, Environment{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &faults, Now: func() time.Time { return d.now },
		Getenv: func(name string) string {
			if name == "XDG_CONFIG_HOME" {
				return d.home
			}
			return ""
		},
	})
	if status != want {
		d.t.Fatalf("%v ends with %d, want %d:\n%s%s", args, status, want, out.String(), faults.String())
	}
	return out.String(), faults.String()
}

// publishTo puts a proposal in force in a folder, as a server would that serves it.
func publishTo(t *testing.T, folder string, r *tufrepo.Repository, proposal string, online *tufrepo.Key, now time.Time) *tufrepo.Repository {
	t.Helper()
	data, err := os.ReadFile(proposal)
	if err != nil {
		t.Fatal(err)
	}
	p, err := tufrepo.ParseProposal(data)
	if err != nil {
		t.Fatal(err)
	}
	next, err := r.Accept(p, online, now)
	if err != nil {
		t.Fatal(err)
	}
	v, err := next.Versions()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"metadata/timestamp.json": next.Timestamp, fmt.Sprintf("metadata/%d.snapshot.json", v.Snapshot): next.Snapshot,
		fmt.Sprintf("metadata/%d.targets.json", v.Targets): next.Targets, fmt.Sprintf("metadata/%d.policy.json", v.Policy): next.Policy,
		fmt.Sprintf("metadata/%d.warrant.json", v.Warrant): next.Warrant}
	for i, root := range next.Roots {
		files[fmt.Sprintf("metadata/%d.root.json", i+1)] = root
	}
	listed, err := next.Listed("policy")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range p.Files() {
		dir, name, _ := strings.Cut(f.Path, "/")
		files[fmt.Sprintf("targets/%s/%x.%s", dir, listed[f.Path].SHA256, name)] = f.Data
	}
	for name, data := range files {
		file := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return next
}

// TestOfficersWithoutANetwork: from a folder with a copy of the public files, officers propose, compare and sign; what has expired is told and renewed,
// what was damaged is refused, and a repository of somebody else is not taken for the one that they signed under.
func TestOfficersWithoutANetwork(t *testing.T) {
	t.Chdir(t.TempDir())
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	d := &desk{t, t.TempDir(), now}
	for _, name := range []string{"ada", "bela", "online", "eve"} {
		d.run(exitOK, "officer", "key", "--name", name, "--plain", "-o", name+".key")
	}
	online, err := tufrepo.ReadKey("online.key", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string][]byte{"first.yaml": policies.Terms202109, "second.yaml": policies.Current} {
		if err := os.WriteFile(name, source, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sign := func(proposal string, officers ...string) {
		t.Helper()
		for _, o := range officers {
			d.run(exitOK, "officer", "sign", proposal, "--key", o+".key", "--yes")
		}
	}
	d.run(exitOK, "officer", "root", "--officer", "ada.pub", "--officer", "bela.pub", "--online", "online.pub", "-o", "founding.json")
	sign("founding.json", "ada", "bela")
	r := publishTo(t, "copy", nil, "founding.json", online, now)
	d.run(exitOK, "policy", "propose", "first.yaml", "--from", "copy", "-o", "first.json")
	sign("first.json", "ada", "bela")
	r = publishTo(t, "copy", r, "first.json", online, now)

	out, _ := d.run(exitOK, "policy", "diff", "second.yaml", "--from", "copy", "--json")
	var difference policyDifference
	if err := json.Unmarshal([]byte(out), &difference); err != nil || difference.Old.ID != "terms-2021-09" || difference.New.ID != "terms-2026-11" || len(difference.Changes) == 0 {
		t.Fatalf("%+v, %v", difference, err)
	}
	d.run(exitOK, "policy", "propose", "second.yaml", "--from", "copy", "-o", "second.json")

	// A forger founds a repository with Ada's public key in it, in which a harsher policy is in force already: beside it the proposal looks harmless.
	d.run(exitOK, "officer", "root", "--officer", "ada.pub", "--officer", "eve.pub", "--online", "online.pub", "-o", "forged.json")
	forger := &desk{t, t.TempDir(), now}
	forger.run(exitOK, "officer", "sign", "forged.json", "--key", "ada.key", "--yes") // stands for a signature that the forger could get elsewhere
	forger.run(exitOK, "officer", "sign", "forged.json", "--key", "eve.key", "--yes")
	publishTo(t, "forgery", nil, "forged.json", online, now)
	forger.run(exitOK, "policy", "propose", "second.yaml", "--from", "forgery", "-o", "harmless.json")
	_, faults := d.run(exitFailure, "policy", "sign", "harmless.json", "--key", "ada.key", "--yes")
	if !strings.Contains(faults, "does not lead on from any officers' root that you signed under") {
		t.Error(faults)
	}
	d.run(exitOK, "policy", "sign", "harmless.json", "--key", "ada.key", "--yes", "--other-repository", "-o", "knowingly.json")

	// Damage to the copy is found, whatever is damaged.
	for _, name := range []string{"metadata/2.policy.json", "metadata/1.root.json", "metadata/timestamp.json"} {
		file := filepath.Join("copy", name)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, bytes.Replace(data, []byte(`"version":`), []byte(`"version":1`), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		d.run(exitFailure, "officer", "show", "copy")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	// 401 days later the policies' signatures have expired: it is told, and renewed from the very same copy.
	d.now = now.AddDate(0, 0, 401)
	out, _ = d.run(exitOK, "officer", "show", "copy")
	if !strings.Contains(out, "EXPIRED: officers renew it with bailiwick policy propose --renew") {
		t.Error(out)
	}
	if _, faults = d.run(exitFailure, "policy", "sign", "second.json", "--key", "ada.key", "--yes"); !strings.Contains(faults, "is too old: signatures on it would have expired on 2027-12-27") {
		t.Error(faults)
	}
	d.run(exitOK, "policy", "propose", "--renew", "--from", "copy", "-o", "renewal.json")
	d.now = now
	if _, faults = d.run(exitFailure, "policy", "sign", "renewal.json", "--key", "ada.key", "--yes"); !strings.Contains(faults, "which has not come yet") {
		t.Error(faults)
	}
	d.now = now.AddDate(0, 0, 401)
	sign("renewal.json", "bela", "ada")
	v, err := r.Sound()
	if err != nil {
		t.Fatal(err)
	}
	if v, err = v.Refresh(online, d.now); err != nil {
		t.Fatal(err)
	}
	publishTo(t, "copy", v.Repository(), "renewal.json", online, d.now)
	if out, _ = d.run(exitOK, "officer", "show", "copy"); strings.Contains(out, "EXPIRED: officers renew it with bailiwick policy") || !strings.Contains(out, "EXPIRED: the next warrant renews it") {
		t.Error(out)
	}
	d.run(exitOK, "warrant", "renew", "--from", "copy", "-o", "warrants.json")
	sign("warrants.json", "ada", "bela")
}
