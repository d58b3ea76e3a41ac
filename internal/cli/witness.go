package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/bailiwick-dev/bailiwick/internal/witness"
)

type witnessCommand struct {
	Folder string   `help:"Folder of its key and state; made if need be." default:"./bailiwick-witness" type:"path" placeholder:"DIR"`
	Listen string   `help:"Address and port to listen on." default:"127.0.0.1:8471" placeholder:"HOST:PORT"`
	Name   string   `help:"Its name, a URL without scheme by custom; HOSTNAME/witness at the first start when left out, and for life." placeholder:"NAME"`
	Log    []string `help:"Verifier key of a ledger to witness, as its /ledger/key shows it; may be repeated." sep:"none" required:"" placeholder:"VKEY"`
}

func (witnessCommand) Help() string {
	return `Cosigns the checkpoints of the ledgers that it is given, each only when it continues the last one that it cosigned (C2SP tlog-witness). A ledger that
needs its cosignature cannot show two histories. Run it apart from the ledger, under somebody else's authority: that is what makes it worth anything.

It prints its verifier key, which the server takes with --witness and everybody else needs to count its cosignatures. Its folder must never be put back to an
older state: begin anew with a new key instead.

Examples:
  bailiwick witness --log trust.example.com/ledger+1a2b3c4d+AbCd
  bailiwick witness --folder /var/lib/witness --listen 127.0.0.1:8471 --name witness.example.org/w1 --log trust.example.com/ledger+1a2b3c4d+AbCd`
}

func (c *witnessCommand) Run(ctx context.Context, env Environment) (err error) {
	logger := slog.New(slog.NewTextHandler(env.Stderr, nil))
	w, err := witness.Open(witness.Config{Dir: c.Folder, Name: c.Name, Logs: c.Log, Now: env.Now, Logger: logger})
	if errors.Is(err, witness.ErrKey) && c.Name == "" {
		if _, statErr := os.Stat(c.Folder + "/witness.key"); errors.Is(statErr, os.ErrNotExist) {
			host, hostErr := os.Hostname()
			if hostErr != nil {
				return fmt.Errorf("the witness needs a --name: %w", hostErr)
			}
			w, err = witness.Open(witness.Config{Dir: c.Folder, Name: host + "/witness", Logs: c.Log, Now: env.Now, Logger: logger})
		}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w (choose another with --listen)", c.Listen, err)
	}
	fmt.Fprintf(env.Stdout, "The witness %s is up. Its verifier key:\n\n    %s\n\nA server takes it with\n\n    --witness 'http://%s+%s'\n",
		w.Name(), w.VerifierKey(), listener.Addr(), w.VerifierKey())
	return servePage(ctx, listener, w.Handler())
}
