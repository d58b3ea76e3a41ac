package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/durable"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
)

// markName is the file that says of a data folder that it was put back and has not been started since.
const markName = "restored.json"

// mark is what it holds.
type mark struct {
	RestoredAt time.Time `json:"restored_at"`
	TakenAt    time.Time `json:"taken_at"`
	Records    string    `json:"records"`
	Ledger     *Ledger   `json:"ledger,omitempty"`
	Keys       []File    `json:"keys"`
	CaughtUp   bool      `json:"caught_up"` // the ledger has all that was published, or another one was begun
	Succeeded  bool      `json:"succeeded"` // another one was begun: with another key
}

// ErrNotRestored says that a folder is not one that [Restore] has made and no server has been started on since.
var ErrNotRestored = errors.New("this folder was not put back from a backup, or a server has been started on it since")

// ErrNotReady says what is still to be done before a server may be started on a folder that was put back.
var ErrNotReady = errors.New("this data folder was put back from a backup and cannot be served yet")

func readMark(dir string) (*mark, error) {
	text, err := os.ReadFile(filepath.Join(dir, markName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	m := new(mark)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%s cannot be read, restore the backup anew: %w", filepath.Join(dir, markName), err)
	}
	return m, nil
}

func (m *mark) write(dir string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, markName), append(text, '\n'), 0o600)
}

// Admit lets a server open a data folder: one that was never put back at once, one that was when its ledger has caught up and all its keys
// are those of the backup. Otherwise it fails with ErrNotReady and says what to do. settled is nil for a folder that was never put back;
// for another one it is to be called once the server has opened everything, and from then on the folder is one like any other.
func Admit(dir string) (settled func() error, err error) {
	m, err := readMark(dir)
	if err != nil {
		return nil, err
	}
	behind, err := ledger.Behind(filepath.Join(dir, ledgerFolder))
	switch {
	case err != nil:
		return nil, err
	case m == nil && !behind:
		return nil, nil
	case m == nil:
		return nil, fmt.Errorf("%w: its mark %s is gone; restore the backup anew", ErrNotReady, markName)
	}
	if behind || !m.CaughtUp {
		return nil, m.advice(dir)
	}
	if faults := m.wrongKeys(dir); len(faults) > 0 {
		return nil, fmt.Errorf("%w: put its keys back from where you keep them, mode 0600, or restore a backup that has them:\n  %s",
			ErrNotReady, strings.Join(faults, "\n  "))
	}
	return func() error {
		err := os.Remove(filepath.Join(dir, markName))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return errors.Join(err, durable.SyncFolder(dir))
	}, nil
}

// Restored tells of a folder that was put back, and on which no server has been started since, how its ledger stands.
type Restored struct {
	TakenAt   time.Time // of the backup
	Entries   uint64    // that the ledger of the backup has
	CaughtUp  bool      // a server may be started on it
	Succeeded bool      // another ledger was begun, which has nothing yet
}

// RestoredIn reads it; nil for a folder that was never put back, or has been started since, or whose ledger is in the database.
func RestoredIn(dir string) (*Restored, error) {
	m, err := readMark(dir)
	if err != nil || m == nil || m.Ledger == nil {
		return nil, err
	}
	return &Restored{m.TakenAt, m.Ledger.Entries, m.CaughtUp, m.Succeeded}, nil
}

// advice says what is known of the ledger and what would make it safe to go on.
func (m *mark) advice(dir string) error {
	entries, origin := uint64(0), ""
	if m.Ledger != nil {
		entries, origin = m.Ledger.Entries, m.Ledger.Origin
	}
	return fmt.Errorf("%w: its ledger %s has the size %d, as of %s. If the original has published more since, to go on from here would show the public two histories. Give it one of:\n"+
		"  the newest public files, from the original's ledger/log or a mirror:  bailiwick restore --data %s --ledger PLACE\n"+
		"  the newest checkpoint, when nothing was published after the backup:   bailiwick restore --data %[5]s --checkpoint FILE\n"+
		"  its witnesses, who know how much was published:                       bailiwick restore --data %[5]s --witness URL+VKEY\n"+
		"  the end of that ledger and a new one, which devices of today do not follow: bailiwick restore --data %[5]s --successor NAME",
		ErrNotReady, origin, entries, m.TakenAt.Format(time.RFC3339), dir)
}

// wrongKeys lists the keys that are missing or are not those of the backup.
func (m *mark) wrongKeys(dir string) (faults []string) {
	for _, k := range m.Keys {
		if m.Succeeded && k.Name == ledgerKey {
			continue // it has ended with its ledger
		}
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(k.Name)))
		sum := sha256.Sum256(text)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			faults = append(faults, k.Name+" is missing")
		case err != nil:
			faults = append(faults, fmt.Sprintf("%s: %v", k.Name, err))
		case hex.EncodeToString(sum[:]) != k.SHA256:
			faults = append(faults, k.Name+" is not the one that was there when the backup was made")
		}
	}
	return faults
}
