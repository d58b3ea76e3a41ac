package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
)

// signFlags are those of every command that signs a proposal.
type signFlags struct {
	Proposal        string   `arg:"" help:"The proposal."`
	Key             string   `help:"Your private key." required:"" type:"existingfile" placeholder:"FILE"`
	Out             string   `short:"o" help:"File to write; the proposal itself when left out, with your signature added. - is standard output." placeholder:"FILE"`
	PassphraseFile  string   `help:"File whose first line is the passphrase of the key; it is asked for when left out." type:"existingfile" placeholder:"FILE"`
	With            []string `help:"Another copy of the proposal, signed by others meanwhile: its signatures are taken over. May be repeated." sep:"none" placeholder:"FILE"`
	Yes             bool     `help:"Do not ask whether to sign."`
	OtherRepository bool     `help:"Sign although the proposal does not lead on from what this key signed before."`
	JSON            bool     `name:"json" help:"Write JSON; needs --yes."`
}

// policyAids are flags that help to explain a policy proposal.
type policyAids struct {
	Against      string `help:"Where the policy in force is, if the proposal does not carry it: a file, a server or a folder with targets/." placeholder:"FILE|URL"`
	ForeignFiles bool   `help:"Accept borders and messages that are not those of this program."`
}

type officerSignCommand struct {
	signFlags
	policyAids
}

func (officerSignCommand) Help() string {
	return `Shows in words what is signed, computes again what follows from what, asks, and adds your signature to the file. It needs no
network: take the proposal to the machine with your key, and the signed file back. Officers may sign one after the other, or copies at
the same time, which --with or bailiwick officer merge puts together.

bailiwick policy sign and bailiwick warrant sign do the same for their kinds of proposal, and refuse others.

Examples:
  bailiwick officer sign founding.json --key ada.key
  bailiwick officer sign proposal.json --key ada.key --passphrase-file passphrase.txt --yes
  bailiwick officer sign proposal.json --key bela.key --with from-ada.json -o both.json`
}

func (c *officerSignCommand) Run(ctx context.Context, env Environment) error {
	return c.sign(ctx, env, aids{c.Against, c.ForeignFiles}, nil)
}

// signAnswer is a signature as JSON.
type signAnswer struct {
	File     string        `json:"file"`
	SignedBy signerView    `json:"signed_by"`
	Proposal *proposalView `json:"proposal"`
}

// sign shows a proposal, asks, and signs it. more looks at the proposal before that, if there is more to look at.
func (c *signFlags) sign(ctx context.Context, env Environment, a aids, more func(*tufrepo.Proposal) error) error {
	if c.JSON && !c.Yes {
		return usageError{errors.New("--json answers a program, which cannot be asked: give --yes as well")}
	}
	p, err := readProposal(env, c.Proposal)
	if err != nil {
		return err
	}
	for _, name := range c.With {
		if p, err = mergeWith(env, p, name); err != nil {
			return err
		}
	}
	if more != nil {
		if err := more(p); err != nil {
			return err
		}
	}
	before, err := examine(ctx, c.Proposal, p, a)
	if err != nil {
		return err
	}
	if err := before.timely(env.Now()); err != nil {
		return err
	}
	if !c.JSON {
		before.write(env.Stdout)
		fmt.Fprintln(env.Stdout)
	}
	ask := newPrompter(ctx, env)
	if !c.Yes {
		if err := ask.confirm("Sign this?"); err != nil {
			return err
		}
	}
	key, err := c.key(ask)
	if err != nil {
		return err
	}
	if err := c.signAs(env, p, key); err != nil {
		return err
	}
	out := c.Out
	if out == "" {
		out = c.Proposal
	}
	if err := writeProposal(env, out, p); err != nil || out == "-" {
		return err
	}
	return c.told(ctx, env, out, p, key.Public(), a)
}

// timely refuses a proposal that no server could take any more, or not yet: its dates follow from when it was made.
func (v *proposalView) timely(now time.Time) error {
	if v.Created.After(now.Add(24 * time.Hour)) {
		return fmt.Errorf("%s was made on %s, which has not come yet\n  Look at the clock of this machine, and of the one on which it was made", v.File, v.Created.Format(time.DateOnly))
	}
	for _, part := range v.Parts {
		if part.Expires.Before(now) {
			return fmt.Errorf("%s is too old: signatures on it would have expired on %s (%s)\n  Have the proposal made anew", v.File, part.Expires.Format(time.DateOnly), partText[part.Role])
		}
	}
	if v.Warrant != nil && v.Warrant.ID != "" && v.Warrant.Ends.Before(now) {
		return fmt.Errorf("%s is too old: the hold would have ended on %s\n  Draft a new warrant", v.File, v.Warrant.Ends.Format(time.DateOnly))
	}
	return nil
}

// signAs holds the proposal to what this key signed before, signs it, and remembers it.
func (c *signFlags) signAs(env Environment, p *tufrepo.Proposal, key *tufrepo.Key) error {
	known, err := readKnownRoots(env)
	if err != nil {
		return err
	}
	first, err := known.hold(key.Public(), p)
	if errors.Is(err, errOtherRepository) && c.OtherRepository {
		err = nil
	}
	if err != nil {
		return err
	}
	if err := p.Sign(key); err != nil {
		return err
	}
	if err := known.note(env, key.Public(), p); err != nil {
		return err
	}
	if first && !c.JSON {
		fmt.Fprintln(env.Stderr, "This is the first signature with this key on this machine: compare the officers' key ids with each of them (bailiwick officer show FILE).")
	}
	return nil
}

func (c *signFlags) key(ask *prompter) (*tufrepo.Key, error) {
	return tufrepo.ReadKey(c.Key, func() ([]byte, error) {
		if c.PassphraseFile != "" {
			return passphraseFile(c.PassphraseFile)
		}
		phrase, err := ask.secret("Passphrase of " + filepath.Base(c.Key) + ": ")
		return []byte(phrase), err
	})
}

func (c *signFlags) told(ctx context.Context, env Environment, out string, p *tufrepo.Proposal, key tufrepo.PublicKey, a aids) error {
	v, err := examine(ctx, out, p, a)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(env.Stdout, signAnswer{out, signerView{key.Name(), key.ID()}, v})
	}
	fmt.Fprintf(env.Stdout, "\nSigned by %s: %s\n\n", key.Name(), out)
	v.writeSignatures(env.Stdout)
	return nil
}

// mergeWith takes over the signatures of another copy.
func mergeWith(env Environment, p *tufrepo.Proposal, name string) (*tufrepo.Proposal, error) {
	other, err := readProposal(env, name)
	if err != nil {
		return nil, err
	}
	merged, err := tufrepo.MergeSignatures(p, other)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return merged, nil
}

type officerMergeCommand struct {
	Files []string `arg:"" name:"proposal" help:"Copies of one proposal, each signed by somebody else." type:"existingfile"`
	Out   string   `short:"o" help:"File to write." required:"" placeholder:"FILE"`
	JSON  bool     `name:"json" help:"Write JSON."`
	policyAids
}

func (officerMergeCommand) Help() string {
	return `Examples:
  bailiwick officer merge from-ada.json from-bela.json -o signed.json`
}

func (c *officerMergeCommand) Run(ctx context.Context, env Environment) error {
	if len(c.Files) < 2 {
		return usageError{errors.New("name at least two copies of the proposal")}
	}
	if _, err := os.Lstat(c.Out); err == nil {
		return fmt.Errorf("%s is there already; choose another name with -o", c.Out)
	}
	p, err := readProposal(env, c.Files[0])
	if err != nil {
		return err
	}
	for _, name := range c.Files[1:] {
		if p, err = mergeWith(env, p, name); err != nil {
			return err
		}
	}
	if err := writeProposal(env, c.Out, p); err != nil || c.Out == "-" {
		return err
	}
	v, err := examine(ctx, c.Out, p, aids{c.Against, c.ForeignFiles})
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(env.Stdout, v)
	}
	v.writeSignatures(env.Stdout)
	return nil
}
