package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/escrow"
	"github.com/bailiwick-dev/bailiwick/internal/qr"
)

type escrowCommand struct {
	Split  escrowSplitCommand  `cmd:"" help:"Split a server's unlock master into shares for people to keep."`
	Verify escrowVerifyCommand `cmd:"" help:"Check shares, without joining them."`
	Join   escrowJoinCommand   `cmd:"" help:"Join shares to a kit that makes unlock codes without a server."`
	Unlock escrowUnlockCommand `cmd:"" help:"Make the code for one locked screen, with a kit."`
	Batch  escrowBatchCommand  `cmd:"" help:"Make the codes for a list of locked screens, with a kit."`
	Serve  escrowServeCommand  `cmd:"" help:"Serve a page on this machine on which volunteers make codes, with a kit."`
}

func (escrowCommand) Help() string {
	return `The way out when the maker is gone: any K of N people together unlock every phone of a server, with no server, database or network. Nothing can be
locked this way. docs/operations.md says who should hold shares.

Examples:
  bailiwick escrow split --data ./bailiwick-data -k 3 -n 5 --server trust.example.com -o ./shares
  bailiwick escrow verify ./shares/share-1-of-5.txt
  bailiwick escrow join share-1.txt share-4.txt share-5.png -o kit.age
  bailiwick escrow serve --kit kit.age`
}

// masterFile is where a server keeps the unlock master; see package app.
const masterFile = "keys/unlock-master.key"

type escrowSplitCommand struct {
	Data   string `help:"The server's data folder, whose unlock master is split." required:"" type:"path" placeholder:"DIR"`
	K      int    `name:"threshold" short:"k" help:"How many shares open the escrow together, at least 2." required:"" placeholder:"K"`
	N      int    `name:"shares" short:"n" help:"How many shares to make, at most 32." required:"" placeholder:"N"`
	Server string `help:"Whose phones the shares unlock, as their holders will read it." required:"" placeholder:"NAME"`
	Out    string `short:"o" help:"Folder for the shares; made if it is not there. Existing files are never replaced." required:"" type:"path" placeholder:"DIR"`
	QR     bool   `name:"qr" help:"Write each share as a QR code, too (PNG)."`
	JSON   bool   `name:"json" help:"Say as JSON what was made. The shares themselves are only in their files."`
}

func (escrowSplitCommand) Help() string {
	return `Writes one text per share, to be printed, checked and handed out; then delete the files. The shares are joined again before the command says that it is
done. The master is never printed, stays where it is, and the server goes on as before.

Examples:
  bailiwick escrow split --data ./bailiwick-data -k 3 -n 5 --server trust.example.com -o ./shares
  bailiwick escrow split --data ./bailiwick-data -k 2 -n 3 --server trust.example.com -o ./shares --qr`
}

func (c *escrowSplitCommand) Run(env Environment) error {
	master, err := readMaster(c.Data)
	if err != nil {
		return err
	}
	shares, err := escrow.Split(master, c.K, c.N, env.Now(), c.Server, rand.Reader)
	if errors.Is(err, escrow.ErrSettings) {
		return usageError{err}
	} else if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Out, 0o700); err != nil {
		return err
	}
	var files []string
	for _, s := range shares {
		written, err := c.write(s)
		files = append(files, written...)
		if err != nil {
			for _, file := range files {
				_ = os.Remove(file)
			}
			return fmt.Errorf("no share was left behind: %w", err)
		}
	}
	if err := joinFiles(files, master, c.K); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(env.Stdout, map[string]any{"escrow": shares[0].Escrow(), "threshold": c.K, "shares": c.N, "server": c.Server,
			"made": shares[0].Made.Format(time.DateOnly), "files": files})
	}
	fmt.Fprintf(env.Stdout, "Escrow %s of %s: any %d of %d shares unlock every phone. They were read back and joined.\n", shares[0].Escrow(), c.Server, c.K, c.N)
	for _, file := range files {
		fmt.Fprintln(env.Stdout, "  ", file)
	}
	fmt.Fprintln(env.Stdout, "Print each, check the paper with bailiwick escrow verify, hand them to different people, and delete the files.")
	return nil
}

// write writes one share, and its QR code, and names the files; those that it made when it fails, too.
func (c *escrowSplitCommand) write(s *escrow.Share) (files []string, err error) {
	name := filepath.Join(c.Out, fmt.Sprintf("share-%d-of-%d", s.Index, s.N))
	contents := map[string][]byte{name + ".txt": []byte(s.Text())}
	if c.QR {
		if contents[name+".png"], err = qr.PNG(s.QRText()); err != nil {
			return nil, err
		}
	}
	for _, file := range []string{name + ".txt", name + ".png"} {
		data, wanted := contents[file]
		if !wanted {
			continue
		}
		if err := writeSecret(file, data); err != nil {
			return files, err
		}
		files = append(files, file)
	}
	return files, nil
}

// joinFiles reads shares back from the disk, and joins the last ones that it takes: what is handed out is what was tried.
func joinFiles(files []string, master [32]byte, k int) error {
	seen := make(map[int]bool)
	var shares []*escrow.Share
	for _, file := range files {
		s, err := readShare(file)
		if err != nil {
			return err
		}
		if !seen[s.Index] {
			shares, seen[s.Index] = append(shares, s), true
		}
	}
	joined, err := escrow.Join(shares[len(shares)-k:])
	if err == nil && joined != master {
		err = errors.New("the shares on the disk do not join to the master")
	}
	return err
}

// writeSecret writes a new file that its owner alone may read, durably; it replaces none.
func writeSecret(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already, and secrets are never replaced: choose another name, or move it away", name)
	} else if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(name)
	}
	return err
}

// readMaster reads the unlock master of a server. It makes none.
func readMaster(data string) (master [32]byte, err error) {
	file := filepath.Join(data, filepath.FromSlash(masterFile))
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return master, fmt.Errorf("there is no unlock master at %s: --data is the folder that bailiwick serve runs on", file)
	} else if err != nil {
		return master, err
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != len(master) {
		return master, fmt.Errorf("%s does not hold 64 hexadecimal digits: restore it from your backup", file)
	}
	return [32]byte(raw), nil
}

// readShare reads a share from a text as printed or typed, or from a picture of its QR code. Errors name the file.
func readShare(file string) (*escrow.Share, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, qr.MaxBytes+1))
	if err != nil {
		return nil, err
	}
	text := string(data)
	if bytes.HasPrefix(data, []byte("\x89PNG")) || bytes.HasPrefix(data, []byte("\xff\xd8\xff")) {
		if text, err = qr.Read(data); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	s, err := escrow.ParseShare(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

func readShares(files []string) ([]*escrow.Share, error) {
	var shares []*escrow.Share
	var faults []error
	for _, file := range files {
		s, err := readShare(file)
		if err == nil {
			// Alone first, so that the error names the file whose share was changed.
			if err = escrow.Check([]*escrow.Share{s}); err != nil {
				err = fmt.Errorf("%s: %w", file, err)
			}
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		shares = append(shares, s)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return shares, escrow.Check(shares)
}

type escrowVerifyCommand struct {
	Shares []string `arg:"" name:"share" help:"Texts of shares as printed or typed, or pictures of their QR codes." type:"path"`
	Data   string   `help:"Also compare with the unlock master in this data folder; takes as many shares as join." type:"path" placeholder:"DIR"`
	JSON   bool     `name:"json" help:"Print JSON."`
}

func (escrowVerifyCommand) Help() string {
	return `Names the line that is mistyped and the share that was changed or belongs to another escrow. Nothing is joined, and nothing secret is printed.

Examples:
  bailiwick escrow verify share-2-of-5.txt
  bailiwick escrow verify share-1.txt share-2.txt share-3.png --data ./bailiwick-data`
}

type verifiedShare struct {
	File   string `json:"file"`
	Escrow string `json:"escrow"`
	Index  int    `json:"index"`
	K      int    `json:"threshold"`
	N      int    `json:"shares"`
	Made   string `json:"made"`
	Server string `json:"server"`
}

func (c *escrowVerifyCommand) Run(env Environment) error {
	shares, err := readShares(c.Shares)
	if err != nil {
		return err
	}
	if c.Data != "" {
		master, err := readMaster(c.Data)
		if err != nil {
			return err
		}
		if joined, err := escrow.Join(shares); err != nil {
			return err
		} else if joined != master {
			return fmt.Errorf("these shares are sound, but not of the unlock master in %s: it was replaced since, or they are another server's", c.Data)
		}
	}
	var list []verifiedShare
	for i, s := range shares {
		list = append(list, verifiedShare{c.Shares[i], s.Escrow(), s.Index, s.K, s.N, s.Made.Format(time.DateOnly), s.Server})
	}
	if c.JSON {
		return writeJSON(env.Stdout, list)
	}
	for _, s := range list {
		fmt.Fprintf(env.Stdout, "%s: sound. Share %d of %d of escrow %s, made %s for %s.\n", s.File, s.Index, s.N, s.Escrow, s.Made, oneLine(s.Server))
	}
	if missing := list[0].K - len(list); missing > 0 {
		fmt.Fprintf(env.Stdout, "It takes %d more to join.\n", missing)
	} else {
		fmt.Fprintln(env.Stdout, "These are enough to join.")
	}
	if c.Data != "" {
		fmt.Fprintln(env.Stdout, "They join to the unlock master of this server.")
	}
	return nil
}

type escrowJoinCommand struct {
	Shares []string `arg:"" name:"share" help:"Texts of shares as printed or typed, or pictures of their QR codes." type:"path"`
	Out    string   `short:"o" help:"The kit to write. An existing file is never replaced." required:"" type:"path" placeholder:"KIT"`
	JSON   bool     `name:"json" help:"Say as JSON what was made."`
}

func (escrowJoinCommand) Help() string {
	return `Asks for a passphrase of at least 12 characters, twice, or reads it from standard input, and encrypts the kit with it (an age file). With the kit and the
passphrase, codes for every phone can be made: keep them apart, on a machine without a network.

Examples:
  bailiwick escrow join share-1.txt share-4.txt share-5.png -o kit.age`
}

func (c *escrowJoinCommand) Run(ctx context.Context, env Environment) error {
	shares, err := readShares(c.Shares)
	if err != nil {
		return err
	}
	kit, err := escrow.NewKit(shares)
	if err != nil {
		return err
	}
	ask := passwords(ctx, env)
	phrase, err := ask("Passphrase for the kit: ")
	if err != nil {
		return err
	}
	again, err := ask("The same again: ")
	if err != nil {
		return err
	}
	if phrase != again {
		return errors.New("the two passphrases differ; nothing was written")
	}
	var sealed bytes.Buffer
	if err := kit.Seal(&sealed, phrase); err != nil {
		return err
	}
	if _, err := escrow.OpenKit(bytes.NewReader(sealed.Bytes()), phrase); err != nil {
		return fmt.Errorf("the kit cannot be read back: %w", err)
	}
	if err := writeSecret(c.Out, sealed.Bytes()); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(env.Stdout, map[string]string{"kit": c.Out, "escrow": kit.Escrow, "server": kit.Server, "made": kit.Made.Format(time.DateOnly)})
	}
	_, err = fmt.Fprintf(env.Stdout, "%s unlocks every phone of %s (escrow %s). It was read back.\nMake codes with: bailiwick escrow serve --kit %s\n", c.Out, kit.Server, kit.Escrow, c.Out)
	return err
}
