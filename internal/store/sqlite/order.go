package sqlite

import (
	"zombiezen.com/go/sqlite"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
)

func (t *tx) InsertOrder(o *authority.Order) error {
	var index any
	if o.Sequenced {
		n, err := table.Count("ledger index", o.Index)
		if err != nil {
			return err
		}
		index = n
	}
	var taken, open bool // open: an order of the device waits on the same ground
	err := t.each(func(st *sqlite.Stmt) error {
		taken, open = taken || st.ColumnInt64(0) != 0, open || st.ColumnInt64(1) != 0
		return nil
	}, "SELECT salt = ?2 OR id = ?3, settled = 0 AND ground_kind = ?4 AND ground = ?5 FROM orders WHERE device = ?1",
		record.Number(o.Device), o.Salt[:], o.ID[:], int64(o.Ground.Kind), o.Ground.ID)
	if err == nil && taken {
		err = authority.ErrConflict
	}
	if err != nil {
		return err
	}
	if t.only != nil && !open {
		t.only[o.ID] = true
	}
	_, err = t.Exec(`INSERT INTO orders (id, device, leaf, salt, kind, ground_kind, ground, issued_at, leaf_index, delivered_at, settled, refusal)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		o.ID[:], record.Number(o.Device), table.Blob(o.Leaf), o.Salt[:], int64(o.Kind), int64(o.Ground.Kind), o.Ground.ID, table.Stamp(o.IssuedAt), index, table.Stamp(o.DeliveredAt),
		o.Settled, o.Refusal)
	if err == nil && !t.grown[record.Number(o.Device)] {
		_, err = t.Exec("UPDATE device SET revision = revision + 1 WHERE number = ?", record.Number(o.Device))
	}
	return err
}
