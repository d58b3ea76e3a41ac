package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

type officerShowCommand struct {
	Files          []string `arg:"" optional:"" name:"file" help:"Key files, public keys, proposals, or folders with a copy of a server's metadata/."`
	Server         string   `help:"Show who signs on this server, and until when." placeholder:"URL"`
	PassphraseFile string   `help:"File whose first line opens encrypted private keys, so that their key id can be shown." type:"existingfile" placeholder:"FILE"`
	JSON           bool     `name:"json" help:"Write JSON."`
	policyAids
}

func (officerShowCommand) Help() string {
	return `Says what a file is, and checks it: every signature, every hash, and what follows from what. Key ids are in groups of four digits, to be read
aloud. It ends with 1 when something does not hold; that signatures are still missing is no fault.

Examples:
  bailiwick officer show ada.pub bela.pub
  bailiwick officer show proposal.json
  bailiwick officer show --server https://trust.example.com`
}

// shown is anything that show can show.
type shown interface{ write(io.Writer) }

func (c *officerShowCommand) Run(ctx context.Context, env Environment) error {
	if len(c.Files) == 0 && c.Server == "" {
		return usageError{errors.New("name a file, or a server with --server")}
	}
	var all []shown
	for _, name := range c.Files {
		s, err := c.file(ctx, env, name)
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	if c.Server != "" {
		s, err := showRepository(ctx, env, c.Server)
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	if c.JSON {
		return writeJSON(env.Stdout, all)
	}
	for i, s := range all {
		if i > 0 {
			fmt.Fprintln(env.Stdout)
		}
		s.write(env.Stdout)
	}
	return nil
}

func (c *officerShowCommand) file(ctx context.Context, env Environment, name string) (shown, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return showRepository(ctx, env, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch head = bytes.TrimSpace(head[:n]); {
	case bytes.HasPrefix(head, []byte("-----BEGIN BAILIWICK PUBLIC KEY")):
		key, err := readPublicKey(name)
		if err != nil {
			return nil, err
		}
		return &keyView{keyAnswer{What: "public-key", Name: key.Name(), Type: string(key.Kind()), KeyID: key.ID(), Public: name}}, nil
	case bytes.HasPrefix(head, []byte("-----BEGIN")):
		return c.privateKey(name, bytes.Contains(head, []byte("ENCRYPTED")))
	case bytes.HasPrefix(head, []byte("{")):
		p, err := readProposal(env, name)
		if err != nil {
			return nil, err
		}
		return examine(ctx, name, p, aids{c.Against, c.ForeignFiles})
	}
	return nil, fmt.Errorf("%s is neither a key nor a proposal", name)
}

// privateKey shows a private key as far as it can be opened.
func (c *officerShowCommand) privateKey(name string, sealed bool) (shown, error) {
	if sealed && c.PassphraseFile == "" {
		return &keyView{keyAnswer{What: "private-key", Sealed: true, Private: name}}, nil
	}
	key, err := tufrepo.ReadKey(name, func() ([]byte, error) { return passphraseFile(c.PassphraseFile) })
	if err != nil {
		return nil, err
	}
	p := key.Public()
	return &keyView{keyAnswer{"private-key", p.Name(), string(p.Kind()), p.ID(), sealed, name, ""}}, nil
}

// readPublicKey reads a public key file.
func readPublicKey(name string) (tufrepo.PublicKey, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return tufrepo.PublicKey{}, err
	}
	key, err := tufrepo.ParsePublicKey(data)
	if err != nil {
		return key, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}

type keyView struct{ keyAnswer }

func (k *keyView) write(w io.Writer) {
	switch {
	case k.What == "public-key":
		fmt.Fprintf(w, "%s: the public key of %s, %s\n%s\n", k.Public, k.Name, k.Type, groups(k.KeyID))
	case k.KeyID == "":
		fmt.Fprintf(w, "%s: an encrypted private key; its key id is shown with --passphrase-file\n", k.Private)
	default:
		note := "NOT encrypted"
		if k.Sealed {
			note = "encrypted; the passphrase opens it"
		}
		fmt.Fprintf(w, "%s: the private key of %s, %s, %s\n%s\n", k.Private, k.Name, k.Type, note, groups(k.KeyID))
	}
}

// repositoryView is who signs on a server, and until when.
type repositoryView struct {
	What  string `json:"what"` // repository
	From  string `json:"from"`
	Sound bool   `json:"sound"` // every signature was checked; what has ended is told by roles
	*termsView
	Roles []roleView `json:"roles"`
}

type roleView struct {
	Role    string       `json:"role"`
	Version uint64       `json:"version"`
	Expires time.Time    `json:"expires"`
	Days    int          `json:"days_left"` // negative when it has expired
	Signed  []signerView `json:"signed"`
}

// nearDays is how long before its end a role that officers sign is worth a warning.
const nearDays = 30

func showRepository(ctx context.Context, env Environment, from string) (*repositoryView, error) {
	source, err := openSource(ctx, from)
	if err != nil {
		return nil, err
	}
	now := env.Now()
	r, err := source.repository(now)
	if err != nil && !errors.Is(err, tufrepo.ErrExpired) {
		return nil, err
	}
	v := &repositoryView{What: "repository", From: source.name, Sound: true}
	officers, err := r.Officers()
	if err != nil {
		return nil, err
	}
	threshold, err := r.Threshold(tuf.Root)
	if err != nil {
		return nil, err
	}
	online, err := r.Online()
	if err != nil {
		return nil, err
	}
	v.termsView = termsOf(tufrepo.Terms{Officers: officers, Threshold: threshold, Online: online})
	versions, err := r.Versions()
	if err != nil {
		return nil, err
	}
	for _, role := range []struct {
		name    string
		version uint64
	}{{tuf.Root, versions.Root}, {tuf.Targets, versions.Targets}, {tuf.Policy, versions.Policy}, {tuf.Warrant, versions.Warrant},
		{tuf.Snapshot, versions.Snapshot}, {tuf.Timestamp, versions.Timestamp}} {
		expires, err := r.Expires(role.name)
		if err != nil {
			return nil, err
		}
		view := roleView{role.name, role.version, expires, int(expires.Sub(now).Hours() / 24), []signerView{{online.Name(), online.ID()}}}
		if expires.Before(now) {
			view.Days = min(view.Days, -1)
		}
		if role.name != tuf.Snapshot && role.name != tuf.Timestamp {
			signed, err := r.SignedBy(role.name)
			if err != nil {
				return nil, err
			}
			view.Signed = signersOf(signed)
		}
		v.Roles = append(v.Roles, view)
	}
	return v, nil
}

// repositoryPart says what a role is for.
var repositoryPart = map[string]string{tuf.Root: "officers (root)", tuf.Targets: "delegation (targets)", tuf.Policy: "policies", tuf.Warrant: "warrants",
	tuf.Snapshot: "snapshot", tuf.Timestamp: "timestamp"}

func (v *repositoryView) write(w io.Writer) {
	fmt.Fprintf(w, "%s: %d of these officers sign\n", v.From, v.Threshold)
	for _, o := range v.Officers {
		fmt.Fprintf(w, "\n  %s\n%s\n", o.Name, groups(o.KeyID))
	}
	fmt.Fprintf(w, "\n  %s   (the server's own key, which can say only what is the latest)\n%s\n\n", v.Online.Name, groups(v.Online.KeyID))
	for _, r := range v.Roles {
		note := ""
		near := r.Role != tuf.Snapshot && r.Role != tuf.Timestamp
		switch {
		case r.Days < 0:
			note = "   EXPIRED: " + renew[r.Role]
		case near && r.Days < nearDays:
			note = fmt.Sprintf("   in %d days: %s", r.Days, renew[r.Role])
		}
		fmt.Fprintf(w, "%-22s version %d, until %s, signed by %s%s\n", repositoryPart[r.Role], r.Version, r.Expires.Format(time.DateOnly), namesOf(r.Signed), note)
	}
}

// renew says what to do when a role ends.
var renew = map[string]string{
	tuf.Root:      "officers renew it with bailiwick officer root --renew",
	tuf.Targets:   "officers renew it with bailiwick officer root --renew",
	tuf.Policy:    "officers renew it with bailiwick policy propose --renew",
	tuf.Warrant:   "the next warrant renews it, or bailiwick warrant renew",
	tuf.Snapshot:  "the server signs it anew while it runs",
	tuf.Timestamp: "the server signs it anew while it runs",
}
