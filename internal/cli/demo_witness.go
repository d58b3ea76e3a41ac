package cli

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/httpapi"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/witness"
)

const demoOrigin = "demo.bailiwick.example/ledger"

// demoWitness is the demo's own witness: it has a key and a folder of its own and is asked over HTTP, as any other. That it runs
// beside the server makes it worthless as a witness, and fit to show how one works.
type demoWitness struct {
	ledger.Witness
	open   *witness.Witness
	server *http.Server
	served chan error
}

// startDemoWitness makes the ledger's key first, so that the witness knows whose checkpoints to take.
func startDemoWitness(dir string, now func() time.Time) (*demoWitness, error) {
	key, err := ledger.Key(filepath.Join(dir, "ledger"), demoOrigin)
	if err != nil {
		return nil, err
	}
	w, err := witness.Open(witness.Config{Dir: filepath.Join(dir, "witness"), Name: "demo.bailiwick.example/witness", Logs: []string{key}, Now: now})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	d := &demoWitness{open: w, server: httpapi.NewServer(w.Handler(), nil), served: make(chan error, 1)}
	d.Witness = ledger.Witness{URL: "http://" + listener.Addr().String(), Key: w.VerifierKey()}
	go func() { d.served <- d.server.Serve(listener) }()
	return d, nil
}

// stop ends it, after the ledger that needs it.
func (d *demoWitness) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := d.server.Shutdown(ctx)
	if served := <-d.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, d.open.Close())
}
