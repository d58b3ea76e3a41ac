package sqlite

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
)

// ForgetOrders looks no further than the first order that is young enough: they were inserted in the order of time.
func (t *tx) ForgetOrders(before time.Time, limit int) (int, error) {
	return t.forget(limit, `DELETE FROM orders WHERE number IN (SELECT number FROM orders AS o
		WHERE number < coalesce((SELECT number FROM orders WHERE issued_at >= ?1 ORDER BY number LIMIT 1), 9223372036854775807)
			AND issued_at < ?1 AND settled = 1 AND leaf_index IS NOT NULL AND NOT EXISTS (SELECT 1 FROM restriction AS r
				WHERE r.device = o.device AND r.ground_kind = o.ground_kind AND r.ground = o.ground AND r.stage IN (1, 2))
		ORDER BY number LIMIT ?2)`, before.UnixMicro(), limit)
}

func (t *tx) ForgetEvents(before time.Time, limit int) (int, error) {
	return t.forget(limit, `DELETE FROM event WHERE number IN (SELECT number FROM event
		WHERE number < coalesce((SELECT number FROM event WHERE at >= ?1 ORDER BY number LIMIT 1), 9223372036854775807)
			AND at < ?1 AND device <> zeroblob(16) ORDER BY number LIMIT ?2)`, before.UnixMicro(), limit)
}

func (t *tx) ForgetContacts(before time.Time, limit int) (int, error) {
	return t.forget(limit, `UPDATE appeal SET contact = '' WHERE number IN (SELECT number FROM appeal
		WHERE state <> 'open' AND contact <> '' AND answered_at < ?1 ORDER BY number LIMIT ?2)`, before.UnixMicro(), limit)
}

func (t *tx) forget(limit int, query string, args ...any) (int, error) {
	if err := within(limit); err != nil {
		return 0, err
	}
	n, err := t.exec(query, args...)
	return int(n), err
}

func (t *tx) ForgetHistory(id device.ID) (total int, err error) {
	number := record.Number(id)
	for _, part := range []struct {
		query string
		of    any
	}{
		{"DELETE FROM event WHERE device = ?", id[:]},
		{"DELETE FROM orders WHERE device = ? AND settled = 1 AND leaf_index IS NOT NULL", number},
		{"UPDATE appeal SET words = '', contact = '', answer = '' WHERE device = ? AND state <> 'open' AND words || contact || answer <> ''", number},
	} {
		n, err := t.exec(part.query, part.of)
		if err != nil {
			return 0, err
		}
		total += int(n)
	}
	return total, nil
}
