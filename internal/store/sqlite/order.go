package sqlite

import (
	"errors"

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
	var found int
	err := table.Single(t, "SELECT 1 FROM orders WHERE device = ? AND salt = ?", []any{record.Number(o.Device), o.Salt[:]}, &found)
	switch {
	case err == nil:
		return authority.ErrConflict
	case !errors.Is(err, authority.ErrAbsent):
		return err
	}
	_, err = t.Exec(`INSERT INTO orders (id, device, leaf, salt, kind, ground_kind, ground, issued_at, leaf_index, delivered_at, settled, refusal)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		o.ID[:], record.Number(o.Device), table.Blob(o.Leaf), o.Salt[:], int64(o.Kind), int64(o.Ground.Kind), o.Ground.ID, table.Stamp(o.IssuedAt), index, table.Stamp(o.DeliveredAt),
		o.Settled, o.Refusal)
	return err
}
