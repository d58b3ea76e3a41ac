package postgres

import (
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
	n, err := t.Exec(`INSERT INTO orders (id, device, leaf, salt, kind, ground_kind, ground, issued_at, leaf_index, delivered_at,
		settled, refusal) SELECT $1::bytea, $2::bigint, $3::bytea, $4::bytea, $5::smallint, $6::smallint, $7::text, $8::bigint, $9::bigint,
			$10::bigint, $11::boolean, $12::text
		WHERE NOT EXISTS (SELECT 1 FROM orders WHERE device = $2 AND (salt = $4 OR id = $1))`,
		o.ID[:], record.Number(o.Device), table.Blob(o.Leaf), o.Salt[:], int64(o.Kind), int64(o.Ground.Kind), o.Ground.ID, table.Stamp(o.IssuedAt), index, table.Stamp(o.DeliveredAt),
		o.Settled, o.Refusal)
	if err == nil && n == 0 {
		err = authority.ErrConflict
	}
	return err
}
