package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
)

type officerKeyCommand struct {
	Name           string `help:"The officer's name, as everybody will read it beside each signature." required:"" placeholder:"NAME"`
	Type           string `help:"ed25519, or es256 for hardware that knows nothing else." enum:"ed25519,es256" default:"ed25519"`
	Out            string `short:"o" help:"File for the private key; the public key is written beside it, with the ending .pub. NAME.key when left out." type:"path" placeholder:"FILE"`
	PassphraseFile string `help:"File whose first line is the passphrase; it is asked for twice when left out." type:"existingfile" placeholder:"FILE"`
	Plain          bool   `help:"Do not encrypt the key: for a disk or a stick that is encrypted itself."`
	JSON           bool   `name:"json" help:"Write JSON."`
}

func (officerKeyCommand) Help() string {
	return `Makes the key with which an officer signs policies and warrants. Make it on your own machine, best on one without a network, and keep it
there: nobody else needs it, the server least of all. Hand the .pub file to the other officers, and read its key id to them by telephone.

It is not the account on a server (bailiwick officer add): an account may look and propose, only signatures with keys put a
policy or a warrant in force.

Examples:
  bailiwick officer key --name "Ada Adams" -o ada.key
  bailiwick officer key --name "Ada Adams" -o ada.key --type es256 --passphrase-file passphrase.txt
  bailiwick officer show ada.pub`
}

// leastPassphrase is as many characters as a password has.
const leastPassphrase = 10

// keyAnswer is a key as JSON.
type keyAnswer struct {
	What    string `json:"what"` // public-key, private-key
	Name    string `json:"name"`
	Type    string `json:"type,omitempty"`
	KeyID   string `json:"key_id,omitempty"`
	Sealed  bool   `json:"encrypted,omitempty"`
	Private string `json:"private_key_file,omitempty"`
	Public  string `json:"public_key_file,omitempty"`
}

func (c *officerKeyCommand) Run(ctx context.Context, env Environment) error {
	if c.Plain && c.PassphraseFile != "" {
		return usageError{errors.New("--plain and --passphrase-file: a key is encrypted or it is not")}
	}
	private, public := c.files()
	for _, name := range []string{private, public} {
		if _, err := os.Lstat(name); err == nil {
			return fmt.Errorf("%s is there already, and a key is never overwritten\n  Choose another name with -o", name)
		}
	}
	key, err := tufrepo.NewKey(tufrepo.Kind(c.Type), c.Name, rand.Reader)
	if err != nil {
		return err
	}
	data, err := key.MarshalPlain()
	if !c.Plain && err == nil {
		var phrase []byte
		if phrase, err = c.passphrase(ctx, env); err == nil {
			data, err = key.Marshal(phrase)
		}
	}
	if err != nil {
		return err
	}
	if err := tufrepo.WriteKey(private, data); err != nil {
		return err
	}
	if err := writeNew(public, key.Public().Marshal(), 0o644); err != nil {
		return errors.Join(err, os.Remove(private)) // half a pair is of no use
	}
	if c.JSON {
		return writeJSON(env.Stdout, keyAnswer{"private-key", c.Name, c.Type, key.Public().ID(), !c.Plain, private, public})
	}
	fmt.Fprintf(env.Stdout, "private key  %s   keep it, and a copy in another place; nobody can make it again\npublic key   %s   hand it to the other officers\n", private, public)
	fmt.Fprintf(env.Stdout, "\n%s, %s, key id\n%s\n\nRead the key id to the other officers by telephone when they have the file.\n", c.Name, c.Type, groups(key.Public().ID()))
	return nil
}

// files are the names of the two files.
func (c *officerKeyCommand) files() (private, public string) {
	private = c.Out
	if private == "" {
		private = strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_' {
				return unicode.ToLower(r)
			}
			return '-'
		}, strings.TrimSpace(c.Name)) + ".key"
	}
	return private, strings.TrimSuffix(private, ".key") + ".pub"
}

func (c *officerKeyCommand) passphrase(ctx context.Context, env Environment) ([]byte, error) {
	if c.PassphraseFile != "" {
		phrase, err := passphraseFile(c.PassphraseFile)
		if err == nil && len([]rune(string(phrase))) < leastPassphrase {
			err = fmt.Errorf("a passphrase has at least %d characters", leastPassphrase)
		}
		return phrase, err
	}
	ask := newPrompter(ctx, env)
	first, err := ask.secret("Passphrase for the new key: ")
	if err != nil {
		return nil, err
	}
	if len([]rune(first)) < leastPassphrase {
		return nil, fmt.Errorf("a passphrase has at least %d characters", leastPassphrase)
	}
	again, err := ask.secret("Once more: ")
	if err != nil {
		return nil, err
	}
	if first != again {
		return nil, errors.New("the two passphrases differ; nothing was written")
	}
	return []byte(first), nil
}

// groups writes a key id in two lines of eight groups of four digits, as two people compare it by telephone.
func groups(id string) string {
	var b strings.Builder
	for i := 0; i < len(id); i += 4 {
		switch {
		case i == len(id)/2:
			b.WriteString("\n  ")
		case i == 0:
			b.WriteString("  ")
		default:
			b.WriteByte(' ')
		}
		b.WriteString(id[i:min(i+4, len(id))])
	}
	return b.String()
}

// writeNew writes a file that is not there yet, durably.
func writeNew(name string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already; choose another name", name)
	} else if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// replaceFile writes a file whole or not at all, in the place of one that may be there.
func replaceFile(name string, data []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".bailiwick-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
