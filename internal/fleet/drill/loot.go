package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	cosignature "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/cohort"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/order"
)

// loot is what whoever takes over the server has, read from its folder: every record and every key that is there. The officers' keys
// are not.
type loot struct {
	key      note.Signer // the ledger's
	leaves   [][]byte    // the ledger, so far
	devices  map[device.IMEI]*authority.Device
	orders   map[device.ID][]*authority.Order
	policies []*authority.PolicyDocument // newest first
	warrants []*authority.Warrant
	cohorts  map[string]*cohort.Tree // by warrant

	online     quill // the server's own key of officers' metadata
	repository *tufrepo.Repository
	versions   map[string][][]byte // of each role, every version there was
}

// plunder opens a server's folder as its next process would.
func plunder(ctx context.Context, dir string) (_ *loot, err error) {
	l := &loot{devices: map[device.IMEI]*authority.Device{}, orders: map[device.ID][]*authority.Order{}, cohorts: map[string]*cohort.Tree{}}
	if l.online, err = quillIn(filepath.Join(dir, "keys", "online.key")); err != nil {
		return nil, err
	}
	if l.key, err = signerIn(filepath.Join(dir, "ledger", "ledger.key"), note.NewSigner); err != nil {
		return nil, err
	}
	db, err := sqlite.Open(ctx, dir, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.View(ctx, l.read); err != nil {
		return nil, err
	}
	files := ledger.Folder(filepath.Join(dir, "ledger"))
	key, err := files.ReadKey(ctx)
	if err != nil {
		return nil, err
	}
	_, err = ledger.Verify(ctx, files, key, func(_ uint64, leaf []byte) error {
		l.leaves = append(l.leaves, leaf)
		return nil
	})
	return l, err
}

func (l *loot) read(tx authority.Tx) (err error) {
	err = tx.EachDevice(device.ID{}, func(d *authority.Device) error {
		l.devices[d.IMEI] = d
		return nil
	})
	if err != nil {
		return err
	}
	for _, d := range l.devices {
		if l.orders[d.ID], err = tx.OrdersOf(d.ID, 1000); err != nil {
			return err
		}
	}
	if l.policies, err = tx.Policies(100); err != nil {
		return err
	}
	cases, err := tx.Cases(100)
	if err != nil {
		return err
	}
	for _, c := range cases {
		warrants, err := tx.Warrants(c.ID)
		if err != nil {
			return err
		}
		for _, w := range warrants {
			l.cohorts[w.ID] = nil
		}
		l.warrants = append(l.warrants, warrants...)
	}
	return l.readRepository(tx)
}

// signerIn reads the first line of a key file as golang.org/x/mod/sumdb/note writes it.
func signerIn(file string, signer func(string) (note.Signer, error)) (note.Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	secret, _, _ := strings.Cut(string(text), "\n")
	return signer(strings.TrimSpace(secret))
}

// cosigner reads the key of a witness whose folder the attacker has as well.
func cosigner(dir string) (note.Signer, error) {
	return signerIn(filepath.Join(dir, "witness.key"), func(secret string) (note.Signer, error) {
		return cosignature.NewSignerForCosignatureV1(secret)
	})
}

// sent are the orders of one kind on one ground that the honest server sent to a device, oldest first.
func (l *loot) sent(id device.ID, kind order.Kind) (list []*authority.Order) {
	all := l.orders[id]
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Kind == kind {
			list = append(list, all[i])
		}
	}
	return list
}

// warrant is the honest server's warrant by this ground.
func (l *loot) warrant(g order.Ground) (*authority.Warrant, error) {
	for _, w := range l.warrants {
		if w.ID == g.ID {
			return w, nil
		}
	}
	return nil, fmt.Errorf("the store has no warrant %s", g.ID)
}
