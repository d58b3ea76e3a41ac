package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/bailiwick-dev/bailiwick/internal/backup"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/ddl"
	"github.com/bailiwick-dev/bailiwick/internal/store/move"
)

type storeCommand struct {
	DDL  storeDDLCommand  `cmd:"" name:"ddl" help:"Print the tables of the PostgreSQL store, for PostgreSQL or an engine that spreads them."`
	Copy storeCopyCommand `cmd:"" help:"Move a fleet from its data folder to PostgreSQL while devices go on checking in."`
}

func (storeCommand) Help() string {
	return `Examples:
  bailiwick store copy --data /var/lib/bailiwick --to postgres://bailiwick@db.example.com/bailiwick --wait
  bailiwick store ddl --engine citus`
}

type storeDDLCommand struct {
	Engine string `help:"postgres, citus, yugabyte or cockroach." enum:"postgres,citus,yugabyte,cockroach" default:"postgres"`
	JSON   bool   `name:"json" help:"Print the layout and the exceptions with it, as JSON."`
}

func (storeDDLCommand) Help() string {
	return `A server makes its tables by itself; this is for those who make them by hand, with a role of their own. A server that finds them made needs no right to
make any. The layouts for Citus, YugabyteDB and CockroachDB were never run by the project: docs/operations.md says what differs there, and what a server
lacks to run on them.

Examples:
  bailiwick store ddl | psql --set ON_ERROR_STOP=1 postgres://owner@db.example.com/bailiwick
  bailiwick store ddl --engine citus > citus.sql
  bailiwick store ddl --engine cockroach --json`
}

func (c *storeDDLCommand) Run(env Environment) error {
	schema, err := ddl.Of(ddl.Engine(c.Engine))
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(env.Stdout, schema)
	}
	_, err = io.WriteString(env.Stdout, schema.SQL)
	return err
}

type storeCopyCommand struct {
	Data string `help:"Data folder whose records are to be moved." default:"./bailiwick-data" type:"path"`
	To   string `help:"Empty PostgreSQL database, as a URL. A password belongs in PGPASSWORD or ~/.pgpass." required:"" placeholder:"URL"`
	Wait bool   `help:"Go on copying what changes until the server is stopped, instead of asking."`
	JSON bool   `name:"json" help:"Print the report as JSON."`
}

func (storeCopyCommand) Help() string {
	return `The server goes on running on the data folder while its records are copied, and devices notice nothing. When little is left, the server has to be
stopped: the command then copies the rest, compares both sides, and gives the fleet over to the database. Until the server is started again with
--database, devices get no answer, and come back by themselves.

Stop the command whenever you like, or lose the machine: run it again, and it goes on. Until it says that the fleet was moved the data folder stays
what it was; afterwards no server starts on it without --database. Ledger and keys stay in the data folder.

Run it as the user that the server runs as, on the same machine.

Examples:
  bailiwick store copy --data /var/lib/bailiwick --to postgres://bailiwick@db.example.com/bailiwick
  bailiwick store copy --data /var/lib/bailiwick --to postgres://bailiwick@db.example.com/bailiwick --wait --json`
}

func (c *storeCopyCommand) Run(ctx context.Context, env Environment) error {
	if holdsPassword(c.To) {
		return usageError{errors.New("--to holds a password, which others on this machine can read: put it into PGPASSWORD or ~/.pgpass")}
	}
	if _, err := backup.Admit(c.Data); err != nil { // what may not be served may not be moved either
		return err
	}
	key, err := ledger.PublicKey(filepath.Join(c.Data, "ledger"))
	if err != nil {
		return fmt.Errorf("%s is no data folder of a server: %w", c.Data, err)
	}
	show := &copyProgress{ctx: ctx, env: env}
	report, err := move.Run(ctx, move.Options{
		Dir: c.Data, URL: c.To, Ledger: key, Now: env.Now(), Progress: show.progress, Passed: show.passed, Stop: c.stop(ctx, env, show),
	})
	show.end()
	if err != nil {
		return err
	}
	next := fmt.Sprintf("bailiwick serve --data %s --database %s", shellWord(c.Data), shellWord(c.To))
	if c.JSON {
		return writeJSON(env.Stdout, struct {
			*move.Report
			Next string `json:"next"`
		}{report, next})
	}
	var rows int64
	for _, t := range report.Tables {
		rows += t.Rows
	}
	fmt.Fprintf(env.Stdout, "The fleet was moved: %d rows of %d tables are the same on both sides.\nThe former records are in %s, for your archive; no server starts on them any more.\n\nStart the server, with the flags that it had and --database:\n\n    %s\n",
		rows, len(report.Tables), filepath.Join(c.Data, move.PutAway), next)
	return nil
}

var passwordWord = regexp.MustCompile(`(^|\s)(ssl)?password\s*=`)

// holdsPassword reports whether a database's address, as a URL or in libpq's words, has a password in it.
func holdsPassword(address string) bool {
	there, err := url.Parse(address)
	if err != nil || there.Scheme == "" {
		return passwordWord.MatchString(address)
	}
	_, secret := there.User.Password()
	return secret || there.Query().Has("password") || there.Query().Has("sslpassword")
}

// stop asks for the server's end, or waits for it.
func (c *storeCopyCommand) stop(ctx context.Context, env Environment, show *copyProgress) func(context.Context, error) error {
	asked := false
	prompt := newPrompter(ctx, env)
	return func(ctx context.Context, held error) error {
		show.end()
		if !c.Wait {
			if _, err := prompt.line("Little is left to copy. Stop the server now, then press Enter: "); err != nil {
				return fmt.Errorf("%w\n  Stop the server and run this command again, or run it with --wait and stop the server then. What was copied stays copied", held)
			}
			return nil
		}
		if !asked {
			asked = true
			fmt.Fprintf(env.Stderr, "Little is left to copy. Stop the server now; until then what changes is copied as it comes.\n")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
			return nil
		}
	}
}

// shellWord quotes a word for a shell when it has to be.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// copyProgress shows how far a pass is: a bar on a terminal, a line for each pass everywhere.
type copyProgress struct {
	ctx  context.Context
	env  Environment
	bars *mpb.Progress
	bar  *mpb.Bar
}

func (p *copyProgress) progress(at move.Progress) {
	if !p.env.Terminal {
		return
	}
	if p.bars == nil {
		name := fmt.Sprintf("pass %d", at.Pass)
		if at.Pass == 0 {
			name = "comparing"
		}
		p.bars = mpb.NewWithContext(p.ctx, mpb.WithOutput(p.env.Stderr), mpb.WithWidth(48))
		p.bar = p.bars.AddBar(at.Total, mpb.BarRemoveOnComplete(), mpb.PrependDecorators(decor.Name(name, decor.WC{W: 10})),
			mpb.AppendDecorators(decor.CountersNoUnit("%d of %d rows", decor.WCSyncSpace), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)))
	}
	p.bar.SetTotal(at.Total, false)
	p.bar.SetCurrent(at.Rows)
}

func (p *copyProgress) passed(at move.Pass) {
	p.end()
	if at.Number > 3 && !at.Quiet { // while it waits for the server's end there may be very many
		return
	}
	what := "beside the server"
	if at.Quiet {
		what = "without a server"
	}
	fmt.Fprintf(p.env.Stderr, "pass %d, %s: %d rows read, %d added, %d changed, %d removed in %.1f s\n", at.Number, what, at.Read, at.Added, at.Changed, at.Removed, at.Seconds)
}

// end takes the bar down.
func (p *copyProgress) end() {
	if p.bars != nil {
		p.bar.Abort(true)
		p.bars.Wait()
		p.bars, p.bar = nil, nil
	}
}
