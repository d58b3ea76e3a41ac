package table

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
)

func (t Tx) ForgetContacts(before time.Time, limit int) (int, error) {
	return Forget(t, limit, `UPDATE appeal SET contact = '' WHERE number IN (SELECT number FROM appeal
		WHERE state <> 'open' AND contact <> '' AND answered_at < $1 ORDER BY number LIMIT $2)`, before.UnixMicro(), limit)
}

// Forget runs a statement that deletes or empties at most limit rows, and returns how many they were.
func Forget(e Engine, limit int, query string, args ...any) (int, error) {
	if err := Within(limit); err != nil {
		return 0, err
	}
	n, err := e.Exec(query, args...)
	return int(n), err
}

func (t Tx) ForgetHistory(id device.ID) (total int, err error) {
	number := record.Number(id)
	for _, part := range []struct {
		query string
		of    any
	}{
		{"DELETE FROM event WHERE device = $1", id[:]},
		{"DELETE FROM orders WHERE device = $1 AND settled = true AND leaf_index IS NOT NULL", number},
		{"UPDATE appeal SET words = '', contact = '', answer = '' WHERE device = $1 AND state <> 'open' AND words || contact || answer <> ''", number},
	} {
		n, err := t.Exec(part.query, part.of)
		if err != nil {
			return 0, err
		}
		total += int(n)
	}
	return total, nil
}
