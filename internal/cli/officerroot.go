package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
)

type officerRootCommand struct {
	Officer   []string `help:"Public key file of a first officer; repeated." type:"existingfile" sep:"none" placeholder:"FILE"`
	Add       []string `help:"Public key file of an officer who joins; may be repeated." type:"existingfile" sep:"none" placeholder:"FILE"`
	Remove    []string `help:"Officer who leaves: their name, key id or public key file; may be repeated." sep:"none" placeholder:"OFFICER"`
	Threshold int      `help:"How many officers must sign everything; at least 2. 2 at first, and as before later." placeholder:"N"`
	Server    string   `help:"The server, whose online key is taken, and what is in force." placeholder:"URL"`
	From      string   `help:"Folder with a copy of the server's metadata/, instead of --server." type:"existingdir" placeholder:"DIR"`
	Online    string   `help:"Public key file of the server's online key: at first instead of --server, later to change it." type:"existingfile" placeholder:"FILE"`
	Renew     bool     `help:"Change nobody, but sign everything anew, because it would expire."`
	Out       string   `short:"o" help:"File for the proposal." required:"" placeholder:"FILE"`
	JSON      bool     `name:"json" help:"Write JSON."`
}

func (officerRootCommand) Help() string {
	return `Writes a proposal: nothing changes until enough officers have signed it (bailiwick officer sign) and somebody with the role admin
has published it (bailiwick officer publish). The first time it says who the officers are; later who joins and who leaves. A change
needs enough of the officers before and enough of those after it, so that nobody is put in their place.

Examples:
  bailiwick officer root --officer ada.pub --officer bela.pub --officer cleo.pub --threshold 2 --server https://trust.example.com -o founding.json
  bailiwick officer root --server https://trust.example.com --add dora.pub --remove "Ada Adams" -o change.json
  bailiwick officer root --server https://trust.example.com --renew -o renewal.json`
}

func (c *officerRootCommand) Run(ctx context.Context, env Environment) error {
	if c.Server != "" && c.From != "" {
		return usageError{errors.New("--server and --from: what is in force comes from one of them")}
	}
	if len(c.Officer) > 0 && len(c.Add)+len(c.Remove) > 0 {
		return usageError{errors.New("--officer names the first officers; later changes are --add and --remove")}
	}
	if c.Threshold != 0 && c.Threshold < 2 {
		return usageError{fmt.Errorf("--threshold %d: nothing is signed by fewer than two", c.Threshold)}
	}
	propose := c.change
	if len(c.Officer) > 0 {
		propose = c.found
	}
	p, err := propose(ctx, env)
	if err != nil {
		return err
	}
	return wrote(ctx, env, c.Out, p, c.JSON)
}

// wrote writes a new proposal and says what is in it.
func wrote(ctx context.Context, env Environment, out string, p *tufrepo.Proposal, asJSON bool) error {
	data, err := p.Marshal()
	if err != nil {
		return err
	}
	if err := writeNew(out, data, modeOf(p)); err != nil {
		return err
	}
	v, err := examine(ctx, out, p, aids{})
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(env.Stdout, v)
	}
	v.write(env.Stdout)
	return nil
}

func (c *officerRootCommand) found(ctx context.Context, env Environment) (*tufrepo.Proposal, error) {
	officers, err := publicKeys(c.Officer)
	if err != nil {
		return nil, err
	}
	var online tufrepo.PublicKey
	switch {
	case c.Online != "":
		online, err = readPublicKey(c.Online)
	case c.Server != "":
		online, err = onlineKeyOf(ctx, c.Server)
	default:
		err = usageError{errors.New("the first root names the server's online key, too: give --server, or --online with its public key file")}
	}
	if err != nil {
		return nil, err
	}
	return tufrepo.Found(tufrepo.FoundingTerms{Officers: officers, Threshold: max(c.Threshold, 2), Online: online, Now: env.Now()})
}

func publicKeys(files []string) ([]tufrepo.PublicKey, error) {
	var keys []tufrepo.PublicKey
	for _, name := range files {
		key, err := readPublicKey(name)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (c *officerRootCommand) change(ctx context.Context, env Environment) (*tufrepo.Proposal, error) {
	if len(c.Add)+len(c.Remove) == 0 && c.Threshold == 0 && c.Online == "" && !c.Renew {
		return nil, usageError{errors.New("name the first officers with --officer, or what changes with --add, --remove, --threshold, --online or --renew")}
	}
	r, err := presentRepository(ctx, env, c.Server, c.From)
	if err != nil {
		return nil, err
	}
	change := tufrepo.Changes{Threshold: c.Threshold, Now: env.Now()}
	if change.Add, err = publicKeys(c.Add); err != nil {
		return nil, err
	}
	officers, err := r.Officers()
	if err != nil {
		return nil, err
	}
	for _, who := range c.Remove {
		gone, err := officerNamed(officers, who)
		if err != nil {
			return nil, err
		}
		change.Remove = append(change.Remove, gone)
	}
	if c.Online != "" {
		if change.Online, err = readPublicKey(c.Online); err != nil {
			return nil, err
		}
	}
	return r.ProposeOfficers(change)
}

// presentRepository reads what is in force from a server or a folder. Roles that have expired are what a proposal renews.
func presentRepository(ctx context.Context, env Environment, server, folder string) (*tufrepo.Repository, error) {
	r, _, err := presentSource(ctx, env, server, folder)
	return r, err
}

func presentSource(ctx context.Context, env Environment, server, folder string) (*tufrepo.Repository, *source, error) {
	from := server
	if folder != "" {
		from = folder
	}
	if from == "" {
		kept, err := readLogin(env)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
		if from = kept.Server; from == "" {
			return nil, nil, usageError{errors.New("say where to read what is in force: --server, or --from with a folder that has a copy of its metadata/")}
		}
	}
	s, err := openSource(ctx, from)
	if err != nil {
		return nil, nil, err
	}
	r, err := s.repository(env.Now())
	if err != nil && !errors.Is(err, tufrepo.ErrExpired) {
		return nil, nil, err
	}
	return r, s, nil
}

// officerNamed finds an officer by name, key id, its beginning, or public key file.
func officerNamed(officers []tufrepo.PublicKey, who string) (tufrepo.PublicKey, error) {
	id := strings.ToLower(strings.Join(strings.Fields(who), ""))
	var found []tufrepo.PublicKey
	names := make([]string, len(officers))
	for i, o := range officers {
		names[i] = o.Name()
		if o.Name() == who || len(id) >= 8 && strings.HasPrefix(o.ID(), id) {
			found = append(found, o)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	if len(found) == 0 {
		if key, err := readPublicKey(who); err == nil {
			return key, nil
		}
	}
	return tufrepo.PublicKey{}, fmt.Errorf("%q names %d of the officers: they are %s; give a name, a key id or a public key file", who, len(found), strings.Join(names, ", "))
}

type officerPublishCommand struct{ publishFlags }

func (officerPublishCommand) Help() string {
	return `The server checks everything again. Founding, and every change of officers, is for administrators.

Examples:
  bailiwick officer publish founding.json`
}

func (c *officerPublishCommand) Run(ctx context.Context, env Environment) error {
	return c.publish(ctx, env, tufrepo.Founding, tufrepo.Officers)
}
