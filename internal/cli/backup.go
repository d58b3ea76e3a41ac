package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/bailiwick-dev/bailiwick/internal/backup"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/web"
)

type backupCommand struct {
	Data           string   `help:"Data folder of the server, which may run." default:"./bailiwick-data" type:"path"`
	Keys           string   `help:"Folder with the keys, as for serve; keys in the data folder when left out." type:"path" placeholder:"DIR"`
	Output         string   `short:"o" help:"File to write; it must not be there." required:"" type:"path" placeholder:"FILE"`
	Recipient      []string `help:"age recipient (age1…) who can read the backup; may be repeated." placeholder:"AGE"`
	PassphraseFile string   `help:"File whose first line is a passphrase that opens the backup, instead of a recipient." type:"existingfile" placeholder:"FILE"`
	WithKeys       bool     `help:"The keys, too. Only encrypted: with --recipient or --passphrase-file."`
	JSON           bool     `name:"json" help:"Write the manifest as JSON, without the list of files."`
}

func (backupCommand) Help() string {
	return `Copies records and ledger into one file while the server goes on: the records at one instant, and after them the ledger, which so is never behind them. Put it back
with bailiwick restore.

Keys are left out: whoever has them can sign as this authority, and a backup travels. Keep them apart, or take them along with --with-keys in a backup that is
encrypted. A backup holds IMEIs, serial numbers and appeals: encrypt it, or treat it as you treat the data folder.

When records and ledger are in PostgreSQL, back the database up with its own means (archiving, or pg_dump), and the keys with this: they are all that is left.

Examples:
  bailiwick backup --data /var/lib/bailiwick -o bailiwick-2026-11-22.backup
  bailiwick backup --data /var/lib/bailiwick -o full.backup --with-keys --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
  bailiwick backup --data /var/lib/bailiwick -o full.backup --with-keys --passphrase-file passphrase.txt`
}

func (c *backupCommand) Run(ctx context.Context, env Environment) error {
	to, err := c.recipients()
	if err != nil {
		return err
	}
	bar := newAmount(env, "backup")
	m, err := backup.Take(ctx, backup.Source{Dir: c.Data, Keys: c.Keys, File: c.Output, Recipients: to, WithKeys: c.WithKeys, Program: version(), Now: env.Now, Progress: bar.add})
	bar.end()
	if errors.Is(err, backup.ErrKeysInClear) {
		return usageError{fmt.Errorf("--with-keys: %w (--recipient, --passphrase-file)", err)}
	} else if err != nil {
		return err
	}
	if len(to) == 0 {
		fmt.Fprintf(env.Stderr, "warning: %s is not encrypted, and may hold IMEIs, serial numbers and appeals.\n  Guard it as you guard the data folder, or encrypt it: --recipient or --passphrase-file.\n", c.Output)
	}
	if c.JSON {
		brief := *m
		brief.Files = nil
		return writeJSON(env.Stdout, brief)
	}
	var bytes int64
	for _, f := range m.Files {
		bytes += f.Bytes
	}
	w := env.Stdout
	fmt.Fprintf(w, "backup    %s\ntaken at  %s\nrecords   %s\n", c.Output, m.TakenAt.Format(time.RFC3339), whereRecordsAre(m.Records))
	if m.Ledger != nil {
		fmt.Fprintf(w, "ledger    %s, %s\n", m.Ledger.Origin, web.Count(int(m.Ledger.Entries), "entry", "entries"))
	}
	fmt.Fprintf(w, "files     %d, %.1f MB\n", len(m.Files), float64(bytes)/1e6)
	if m.Inside {
		fmt.Fprintf(w, "keys      %d, encrypted with the rest\n", len(m.Keys))
	} else {
		fmt.Fprintf(w, "keys      left out; keep these apart: %s\n", names(m.Keys))
	}
	if m.Records == "database" {
		fmt.Fprintln(w, "\nRecords and ledger are in PostgreSQL and not in this file: back it up with its own means. An older copy of it must not be served once\nmore has been published, see docs/operations.md, PostgreSQL: Backup.")
	}
	return nil
}

func whereRecordsAre(records string) string {
	if records == "database" {
		return "in PostgreSQL, not in this file"
	}
	return "inside, at one instant"
}

func names(files []backup.File) string {
	var list []string
	for _, f := range files {
		list = append(list, f.Name)
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func (c *backupCommand) recipients() (list []age.Recipient, err error) {
	if c.PassphraseFile != "" {
		if len(c.Recipient) > 0 {
			return nil, usageError{errors.New("--passphrase-file and --recipient: an age file has the one or the other")}
		}
		phrase, err := passphraseFile(c.PassphraseFile)
		if err == nil && len([]rune(string(phrase))) < leastPassphrase {
			err = fmt.Errorf("a passphrase has at least %d characters", leastPassphrase)
		}
		if err != nil {
			return nil, err
		}
		r, err := age.NewScryptRecipient(string(phrase))
		return []age.Recipient{r}, err
	}
	for _, text := range c.Recipient {
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return nil, usageError{fmt.Errorf("--recipient %s: %w (age-keygen makes an identity and tells its recipient)", text, err)}
		}
		list = append(list, r)
	}
	return list, nil
}

type restoreCommand struct {
	File           string   `arg:"" optional:"" help:"Backup to put back; left out when the folder was put back already and only its ledger has to catch up." type:"existingfile"`
	Data           string   `help:"Folder to put it into: a new one." required:"" type:"path" placeholder:"NEWDIR"`
	Identity       string   `help:"File with the age identity that opens the backup." type:"existingfile" placeholder:"FILE"`
	PassphraseFile string   `help:"File whose first line is the passphrase that opens the backup." type:"existingfile" placeholder:"FILE"`
	Ledger         string   `help:"URL or folder with the newest public files of the ledger: the original's ledger/log, or a mirror." placeholder:"PLACE"`
	Checkpoint     []string `help:"File with a signed checkpoint that somebody noted, and that must be contained; may be repeated." type:"existingfile" placeholder:"FILE"`
	Witness        []string `help:"Witness to ask how much was published, as its URL, a plus sign and its verifier key; may be repeated." sep:"none" placeholder:"URL+VKEY"`
	Successor      string   `help:"Name of a new ledger, when nobody knows how far the old one was published. Devices of today follow no order of it." placeholder:"NAME"`
	JSON           bool     `name:"json" help:"Write JSON."`
}

func (restoreCommand) Help() string {
	return `Puts a backup back into a new folder, and verifies it: all sums, the records by SQLite's own check, the ledger entry by entry.

A server is not started on it before it is known that the ledger has everything that was published: going on from an older state would sign a second history, which
anybody can prove. Say how far it was published, now or later:
  --ledger      the newest public files: the folder ledger/log of the original,
                or a mirror. They are verified, and the ledger is built of them.
  --checkpoint  the newest checkpoint, when nothing was published after the
                backup was made; or one more that the files have to contain.
  --witness     witnesses, who know how much they have cosigned. Name a quorum.
  --successor   nobody knows: begin another ledger. Devices that enrolled before
                follow no order of it: locks end by their dates, codes work.

The server that the backup is from must never run again.

Examples:
  bailiwick restore bailiwick.backup --data /var/lib/bailiwick-new --ledger /mnt/old-disk/bailiwick/ledger/log
  bailiwick restore bailiwick.backup --data ./restored
  bailiwick restore --data ./restored --ledger https://mirror.example.org/ledger/ --witness https://w1.example.org+w1.example.org+1a2b3c4d+BeFg
  bailiwick restore full.backup --data ./restored --passphrase-file passphrase.txt --checkpoint newest-checkpoint.txt`
}

// restored is the outcome as JSON.
type restored struct {
	Data     string           `json:"data"`
	TakenAt  *time.Time       `json:"taken_at,omitempty"`
	CaughtUp bool             `json:"caught_up"`
	Entries  uint64           `json:"entries"`
	Key      string           `json:"ledger_key,omitempty"` // of a successor
	Missing  string           `json:"missing,omitempty"`    // what is still to be done
	Manifest *backup.Manifest `json:"manifest,omitempty"`
}

func (c *restoreCommand) Run(ctx context.Context, env Environment) error {
	report := restored{Data: c.Data}
	newest, err := c.newest()
	if err != nil {
		return err
	}
	if c.File != "" {
		with, err := c.identities()
		if err != nil {
			return err
		}
		bar := newAmount(env, "restore")
		m, err := backup.Restore(ctx, backup.Target{File: c.File, Dir: c.Data, Identities: with, Now: env.Now, Progress: bar.add})
		bar.end()
		if err != nil {
			return err
		}
		m.Files = nil
		report.Manifest, report.TakenAt = m, &m.TakenAt
		if !c.JSON {
			fmt.Fprintf(env.Stdout, "%s is put back into %s, and whole.\n", c.File, c.Data)
		}
	}
	if c.Successor != "" {
		report.Key, err = backup.Succeed(ctx, c.Data, c.Successor)
	} else {
		report.Entries, err = backup.CatchUp(ctx, newest)
	}
	if err != nil && !(errors.Is(err, backup.ErrUnknown) && c.File != "") {
		return err
	}
	if _, err := backup.Admit(c.Data); err != nil {
		report.Missing = err.Error()
	}
	report.CaughtUp = err == nil
	return c.tell(env, report)
}

func (c *restoreCommand) tell(env Environment, r restored) error {
	if c.JSON {
		return writeJSON(env.Stdout, r)
	}
	w := env.Stdout
	switch {
	case r.Key != "":
		fmt.Fprintf(w, "A new ledger begins, with the verifier key\n\n    %s\n\nAll orders that the records know enter it at the next start. The old one is kept in %s.\n", r.Key, filepath.Join(c.Data, "ledger-ended"))
	case r.CaughtUp && r.Entries > 0:
		fmt.Fprintf(w, "The ledger has %s and goes on from there.\n", web.Count(int(r.Entries), "entry", "entries"))
	}
	if r.Missing != "" {
		fmt.Fprintf(w, "\nNot ready to be served: %s\n", r.Missing)
	} else {
		fmt.Fprintf(w, "Start it with bailiwick serve --data %s. The server that the backup is from must not run any more.\n", c.Data)
	}
	return nil
}

func (c *restoreCommand) newest() (n backup.Newest, err error) {
	n.Dir, n.Place = c.Data, c.Ledger
	for _, name := range c.Checkpoint {
		text, err := os.ReadFile(name)
		if err != nil {
			return n, err
		}
		n.Checkpoints = append(n.Checkpoints, text)
	}
	for _, text := range c.Witness {
		w, err := ledger.ParseWitness(text)
		if err != nil {
			return n, usageError{err}
		}
		n.Witnesses = append(n.Witnesses, w)
	}
	if c.Successor != "" && (c.Ledger != "" || len(c.Checkpoint)+len(c.Witness) > 0) {
		return n, usageError{errors.New("--successor: it is for when nobody knows how far the ledger was published; leave out --ledger, --checkpoint and --witness")}
	}
	return n, nil
}

func (c *restoreCommand) identities() ([]age.Identity, error) {
	switch {
	case c.Identity != "":
		f, err := os.Open(c.Identity)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		list, err := age.ParseIdentities(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Identity, err)
		}
		return list, nil
	case c.PassphraseFile != "":
		phrase, err := passphraseFile(c.PassphraseFile)
		if err != nil {
			return nil, err
		}
		i, err := age.NewScryptIdentity(string(phrase))
		return []age.Identity{i}, err
	}
	return nil, nil
}

// amount is a bar without an end: how much was copied so far.
type amount struct {
	bars *mpb.Progress
	bar  *mpb.Bar
}

func newAmount(env Environment, what string) *amount {
	a := &amount{}
	if env.Terminal {
		a.bars = mpb.New(mpb.WithOutput(env.Stderr), mpb.WithAutoRefresh())
		a.bar = a.bars.New(0, mpb.SpinnerStyle(), mpb.PrependDecorators(decor.Name(what+" ")), mpb.AppendDecorators(decor.CurrentKibiByte("% .1f")))
	}
	return a
}

func (a *amount) add(_ string, bytes int64) {
	if a.bar != nil {
		a.bar.IncrInt64(bytes)
	}
}

func (a *amount) end() {
	if a.bars != nil {
		a.bar.SetTotal(-1, true)
		a.bars.Wait()
	}
}
