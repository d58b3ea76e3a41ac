package move

import (
	"fmt"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
)

// Where the two engines keep the same thing differently, on purpose. Everything else is the same on both sides, by name and value.

// counted are tables that only sum others up. They are not copied but made anew.
var counted = map[string]string{
	"population": "INSERT INTO population (place, stage, devices) SELECT place, stage, count(*) FROM device GROUP BY place, stage",
}

// folderOnly are columns that mean something to SQLite's store alone: PostgreSQL has row versions of its own.
var folderOnly = map[string]bool{"device.revision": true}

// rewritten are columns whose value PostgreSQL's store writes in another form.
var rewritten = map[string]func([]byte) ([]byte, error){"device.record": smaller}

// smaller writes a device's record with its key in the form that takes less room, and more time to read.
func smaller(kept []byte) ([]byte, error) {
	var d authority.Device
	numbers, err := record.Unpack(kept, &d)
	if err != nil {
		return nil, err
	}
	return record.AppendSmall(nil, &d, numbers)
}

// rewrite brings a row of the folder into the form that the database has.
func (t *table) rewrite(r row) error {
	for i, c := range t.columns {
		if c.rewrite == nil || r[i] == nil {
			continue
		}
		b, err := c.rewrite(r[i].([]byte))
		if err != nil {
			return fmt.Errorf("move: %s: its %s cannot be read: %w", t.called(r), c.name, err)
		}
		r[i] = b
	}
	return nil
}
