package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
)

// Newest is what an operator knows of the newest state of the ledger that was published.
type Newest struct {
	Dir         string           // the folder that Restore has made
	Place       string           // URL or folder with the newest public files; the backup's own when empty
	Checkpoints [][]byte         // signed checkpoints that others have: all of them must be in it
	Witnesses   []ledger.Witness // asked how much they have cosigned
}

// ErrUnknown says that nothing was given by which the newest state of the ledger could be known.
var ErrUnknown = errors.New("nobody has said how far the ledger was published")

// CatchUp builds the ledger of a folder that was put back from the newest public files, when they have all that was ever published as far
// as what it is given can tell, and lets the folder be served. It fails with ErrUnknown, ErrNotRestored, and with the errors of
// ledger.Contains; then nothing has changed. It returns how many entries there are.
func CatchUp(ctx context.Context, n Newest) (entries uint64, err error) {
	m, err := readMark(n.Dir)
	switch {
	case err != nil:
		return 0, err
	case m == nil:
		return 0, fmt.Errorf("%w: %s", ErrNotRestored, n.Dir)
	case m.Ledger == nil || m.CaughtUp:
		return 0, nil
	case n.Place == "" && len(n.Checkpoints) == 0 && len(n.Witnesses) == 0:
		return 0, ErrUnknown
	}
	source := ledger.Copied(filepath.Join(n.Dir, copyFolder))
	if n.Place != "" {
		if err := ended(ctx, n.Place); err != nil {
			return 0, err
		}
		if source, err = ledger.Find(n.Place); err != nil {
			return 0, err
		}
	}
	known := append([][]byte{[]byte(m.Ledger.Signed)}, n.Checkpoints...)
	c, err := ledger.Contains(ctx, source, m.Ledger.Key, known)
	switch {
	case errors.Is(err, ledger.ErrShrank):
		return 0, fmt.Errorf("these public files are not the newest: %w; find newer ones", err)
	case err != nil:
		return 0, err
	}
	if err := ask(ctx, n.Witnesses, c); err != nil {
		return 0, err
	}
	if err := ledger.Rebuild(ctx, filepath.Join(n.Dir, ledgerFolder), source, m.Ledger.Key, c); err != nil {
		return 0, err
	}
	m.CaughtUp = true
	if err := m.write(n.Dir); err != nil {
		return 0, err
	}
	return c.Entries, os.RemoveAll(filepath.Join(n.Dir, copyFolder))
}

// ask fails unless all witnesses answer and none has cosigned more than there is. One that knows nothing of the ledger proves nothing.
func ask(ctx context.Context, witnesses []ledger.Witness, c ledger.Contained) error {
	for _, w := range witnesses {
		size, err := ledger.WitnessKnows(ctx, w, c.Signed)
		if err != nil {
			return fmt.Errorf("%w\n  Leave a witness out only when you know that the others are a quorum", err)
		}
		if size > c.Entries {
			return fmt.Errorf("%w: %d, and the witness %s has cosigned %d: find newer public files and give them with --ledger", ledger.ErrShrank, c.Entries, w.URL, size)
		}
	}
	return nil
}

// ended fails when the server whose public files are at place still runs: it would go on with the same ledger.
func ended(ctx context.Context, place string) error {
	u, err := url.Parse(place)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.ResolveReference(&url.URL{Path: "/healthz"}).String(), nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return fmt.Errorf("%s cannot be reached: %w", u.Host, err)
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 16))
		if answer.StatusCode == http.StatusOK && string(text) == "ok\n" {
			return fmt.Errorf("a server answers at %s and goes on with this ledger: two servers with one ledger would fork it. Stop it for good, then give its ledger/log or a mirror", u.Host)
		}
		return nil
	}
	for _, below := range []string{"", "..", "ledger"} { // place may be the data folder, the ledger's, or log/ in that
		running, err := ledger.InUse(filepath.Join(place, below))
		if err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
		if running {
			return fmt.Errorf("a server runs on %s and goes on with this ledger: two servers with one ledger would fork it. Stop it for good first", place)
		}
	}
	return nil
}

// Succeed ends the ledger of a folder that was put back and begins another one under a new name and key, when nobody can say how far the
// old one was published. All orders that the records know are pending then, and enter the new one at the next start. The copy of the old
// ledger stays in the folder, for whoever has to prove what is in it. Devices that were told of the old ledger follow no order of the new one.
func Succeed(ctx context.Context, dir, origin string) (logKey string, err error) {
	m, err := readMark(dir)
	switch {
	case err != nil:
		return "", err
	case m == nil:
		return "", fmt.Errorf("%w: %s", ErrNotRestored, dir)
	case m.Ledger == nil:
		return "", errors.New("the ledger of this folder is in the database: begin another one there")
	case m.CaughtUp:
		return "", errors.New("the ledger of this folder can go on: it needs no successor")
	case strings.EqualFold(origin, m.Ledger.Origin):
		return "", fmt.Errorf("the successor needs another name than %s: who has seen that one would take it for a fork", origin)
	}
	if m.Records == "file" {
		if err := sqlite.Unsequence(ctx, filepath.Join(dir, sqlite.FileName)); err != nil {
			return "", err
		}
	}
	old := filepath.Join(dir, filepath.FromSlash(ledgerKey))
	if err := os.Remove(old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	folder := filepath.Join(dir, ledgerFolder)
	if logKey, err = ledger.Key(folder, origin); err != nil {
		return "", err
	}
	err = os.Rename(filepath.Join(dir, copyFolder), filepath.Join(dir, "ledger-ended"))
	if err != nil && !errors.Is(err, os.ErrNotExist) { // an earlier call that was cut short may have come so far
		return "", err
	}
	if err := ledger.Unmark(folder); err != nil { // what lets the folder be served is said last: cut short before it, this can be called again
		return "", err
	}
	m.CaughtUp, m.Succeeded = true, true
	return logKey, m.write(dir)
}
