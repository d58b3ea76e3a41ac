package postgres

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/store/table"
)

func (t *tx) ForgetOrders(before time.Time, limit int) (int, error) {
	return table.Forget(t, limit, `DELETE FROM orders AS d USING (SELECT device, number FROM orders AS o
		WHERE issued_at < $1 AND settled AND leaf_index IS NOT NULL AND NOT EXISTS (SELECT 1 FROM restriction AS r
			WHERE r.device = o.device AND r.ground_kind = o.ground_kind AND r.ground = o.ground AND r.stage IN (1, 2))
		LIMIT $2) AS v WHERE d.device = v.device AND d.number = v.number`, before.UnixMicro(), limit)
}

func (t *tx) ForgetEvents(before time.Time, limit int) (int, error) {
	return table.Forget(t, limit, `DELETE FROM event AS d USING (SELECT device, number FROM event
		WHERE at < $1 AND device <> decode('00000000000000000000000000000000', 'hex') LIMIT $2) AS v
		WHERE d.device = v.device AND d.number = v.number`, before.UnixMicro(), limit)
}
