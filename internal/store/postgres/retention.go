package postgres

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
)

func (t *tx) ForgetOrders(before time.Time, limit int) (int, error) {
	return t.forget(limit, `DELETE FROM orders AS d USING (SELECT device, number FROM orders AS o
		WHERE issued_at < $1 AND settled AND leaf_index IS NOT NULL AND NOT EXISTS (SELECT 1 FROM restriction AS r
			WHERE r.device = o.device AND r.ground_kind = o.ground_kind AND r.ground = o.ground AND r.stage IN (1, 2))
		LIMIT $2) AS v WHERE d.device = v.device AND d.number = v.number`, before.UnixMicro(), limit)
}

func (t *tx) ForgetEvents(before time.Time, limit int) (int, error) {
	return t.forget(limit, `DELETE FROM event AS d USING (SELECT device, number FROM event
		WHERE at < $1 AND device <> decode('00000000000000000000000000000000', 'hex') LIMIT $2) AS v
		WHERE d.device = v.device AND d.number = v.number`, before.UnixMicro(), limit)
}

func (t *tx) ForgetContacts(before time.Time, limit int) (int, error) {
	return t.forget(limit, `UPDATE appeal SET contact = '' WHERE number IN (SELECT number FROM appeal
		WHERE state <> 'open' AND contact <> '' AND answered_at < $1 ORDER BY number LIMIT $2)`, before.UnixMicro(), limit)
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
		{"DELETE FROM event WHERE device = $1", id[:]},
		{"DELETE FROM orders WHERE device = $1 AND settled AND leaf_index IS NOT NULL", number},
		{"UPDATE appeal SET words = '', contact = '', answer = '' WHERE device = $1 AND state <> 'open' AND words || contact || answer <> ''", number},
	} {
		n, err := t.exec(part.query, part.of)
		if err != nil {
			return 0, err
		}
		total += int(n)
	}
	return total, nil
}
