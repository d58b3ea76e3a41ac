package app_test

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/witness"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

// Devices are told the witnesses that the ledger is published with, and a quorum of more than half of them when nobody says otherwise.
func TestDevicesAreToldOfWitnesses(t *testing.T) {
	dir := t.TempDir()
	key, err := ledger.Key(filepath.Join(dir, "ledger"), "trust.example/ledger")
	if err != nil {
		t.Fatal(err)
	}
	var list []ledger.Witness
	for _, name := range []string{"witness.example/a", "witness.example/b", "witness.example/c"} {
		w, err := witness.Open(witness.Config{Dir: t.TempDir(), Name: name, Logs: []string{key}})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(w.Handler())
		t.Cleanup(func() { server.Close(); _ = w.Close() })
		list = append(list, ledger.Witness{URL: server.URL, Key: w.VerifierKey()})
	}
	a := opened(t, func(c *app.Config) { c.Dir, c.Witnesses = dir, list })
	trust := a.Trust()
	if len(trust.Witnesses) != 3 || trust.Quorum != 2 || trust.LogKey != key || trust.Validate() != nil {
		t.Errorf("%+v", trust)
	}
	verifier, err := proof.New(trust.Origin, trust.LogKey, trust.Witnesses, trust.Quorum)
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) string {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)
		r.RemoteAddr = "127.0.0.1:1" // the metrics are for this machine
		a.Handler().ServeHTTP(w, r)
		return w.Body.String()
	}
	if _, err := verifier.Checkpoint([]byte(get("/ledger/checkpoint"))); err != nil {
		t.Error(err)
	}
	if got := get("/ledger/key"); got != key+"\n" {
		t.Errorf("/ledger/key is %q", got)
	}
	if text := get("/metrics"); !strings.Contains(text, `bailiwick_witness_requests_total{outcome="cosigned",witness="http://127.0.0.1:`) {
		t.Error("the metrics count no cosignature")
	}
	plain := opened(t, func(*app.Config) {}).Trust()
	if plain.Quorum != 0 || len(plain.Witnesses) != 0 {
		t.Errorf("without witnesses: %+v", plain)
	}
}
