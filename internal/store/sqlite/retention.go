package sqlite

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/store/table"
)

// ForgetOrders looks no further than the first order that is young enough: they were inserted in the order of time.
func (t *tx) ForgetOrders(before time.Time, limit int) (int, error) {
	return table.Forget(t, limit, `DELETE FROM orders WHERE number IN (SELECT number FROM orders AS o
		WHERE number < coalesce((SELECT number FROM orders WHERE issued_at >= ?1 ORDER BY number LIMIT 1), 9223372036854775807)
			AND issued_at < ?1 AND settled = 1 AND leaf_index IS NOT NULL AND NOT EXISTS (SELECT 1 FROM restriction AS r
				WHERE r.device = o.device AND r.ground_kind = o.ground_kind AND r.ground = o.ground AND r.stage IN (1, 2))
		ORDER BY number LIMIT ?2)`, before.UnixMicro(), limit)
}

func (t *tx) ForgetEvents(before time.Time, limit int) (int, error) {
	return table.Forget(t, limit, `DELETE FROM event WHERE number IN (SELECT number FROM event
		WHERE number < coalesce((SELECT number FROM event WHERE at >= ?1 ORDER BY number LIMIT 1), 9223372036854775807)
			AND at < ?1 AND device <> zeroblob(16) ORDER BY number LIMIT ?2)`, before.UnixMicro(), limit)
}
