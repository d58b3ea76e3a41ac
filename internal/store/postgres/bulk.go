package postgres

import (
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
	"github.com/bailiwick-dev/bailiwick/order"
)

// byIndex keeps the planner to indexes for the rest of the transaction. Statistics lag behind tables that a job fills or moves: by them it would
// read the whole of such a table for each page. That is also why the statements below find each row by its key in a subquery of its own (OFFSET 0
// leaves it there), and then by its place, and why their guards are written as no partial index has them: any other way to the same rows may look
// good one day, and take a minute for a page.
func (t *tx) byIndex() error {
	if t.indexed {
		return nil
	}
	t.indexed = true
	_, err := t.Exec("SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)")
	return err
}

// hits runs a statement that writes many rows and returns the positions, from 1, of those that it hit.
func (t *tx) hits(n int, query string, args ...any) ([]bool, error) {
	hit := make([]bool, n)
	if n == 0 {
		return hit, nil
	}
	if err := t.byIndex(); err != nil {
		return nil, err
	}
	err := t.send(true, query, args, func(r pgx.Rows) error {
		var at int64
		if err := r.Scan(&at); err != nil {
			return err
		}
		hit[at-1] = true
		return nil
	})
	return hit, err
}

func (t *tx) LiftAllIfActive(g order.Ground, ids []device.ID, at time.Time, cause order.Cause) ([]bool, error) {
	list := make([]int64, len(ids))
	for i := range ids {
		list[i] = record.Number(ids[i])
	}
	return t.hits(len(ids), `UPDATE restriction AS r SET stage = 3, lifted_at = $4, cause = $5, appealing = false
		FROM unnest($1::bigint[]) WITH ORDINALITY AS v(id, n)
			CROSS JOIN LATERAL (SELECT k.ctid AS spot FROM restriction AS k WHERE k.device = v.id AND k.ground_kind = $2 AND k.ground = $3 OFFSET 0) AS k
		WHERE r.ctid = k.spot AND r.stage BETWEEN 1 AND 2 AND NOT r.appealing AND (r.stage = 2 OR r.wave IS NULL)
		RETURNING v.n`, list, int64(g.Kind), g.ID, table.Stamp(at), int64(cause))
}

// NoticeAllIfFree: what an INSERT returns has no place for the position of a row in the list, so that it is found by its key.
func (t *tx) NoticeAllIfFree(list []*restriction.Restriction) ([]bool, error) {
	type key struct {
		device int64
		kind   int16
		ground string
	}
	var c orderColumnsOf
	var territories, references []string
	var authorities [][]byte
	places := make(map[key]int, len(list))
	for i, r := range list {
		c.key(r.Device, r.Ground)
		places[key{c.device[i], c.groundKind[i], c.ground[i]}] = i
		territories, references, authorities = append(territories, string(r.Territory)), append(references, r.Reference), append(authorities, r.Authority[:])
		c.times[0], c.times[1] = append(c.times[0], table.Stamp(r.NoticedAt)), append(c.times[1], table.Stamp(r.Deadline))
	}
	hit := make([]bool, len(list))
	if len(list) == 0 {
		return hit, nil
	}
	if err := t.byIndex(); err != nil {
		return nil, err
	}
	err := t.send(true, table.NoticeMany, []any{c.device, c.groundKind, c.ground, territories, authorities, references, c.times[0], c.times[1]},
		func(r pgx.Rows) error {
			var k key
			if err := r.Scan(&k.device, &k.kind, &k.ground); err != nil {
				return err
			}
			hit[places[k]] = true
			return nil
		})
	return hit, err
}

func (t *tx) LockAllIfNoticed(locks []authority.Lock) ([]bool, error) {
	var c orderColumnsOf
	for i := range locks {
		l := &locks[i]
		c.key(l.Device, l.Ground)
		c.times[0], c.times[1], c.times[2] = append(c.times[0], table.Stamp(l.LockedAt)), append(c.times[1], table.Stamp(l.EffectAt)), append(c.times[2], table.Stamp(l.EndsAt))
	}
	return t.hits(len(locks), `UPDATE restriction AS r SET stage = 2, locked_at = v.locked, effect_at = v.effect, ends_at = v.ends
		FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
			WITH ORDINALITY AS v(id, kind, ground, locked, effect, ends, n)
			CROSS JOIN LATERAL (SELECT k.ctid AS spot FROM restriction AS k WHERE k.device = v.id AND k.ground_kind = v.kind AND k.ground = v.ground OFFSET 0) AS k
		WHERE r.ctid = k.spot AND r.stage + 0 = 1 AND NOT r.appealing AND r.deadline <= v.effect
		RETURNING v.n`, c.device, c.groundKind, c.ground, c.times[0], c.times[1], c.times[2])
}

// orderColumnsOf are many rows as columns.
type orderColumnsOf struct {
	device           []int64
	id, leaf, salt   [][]byte
	kind, groundKind []int16
	ground, refusal  []string
	settled          []bool
	times            [3][]*int64
}

func (c *orderColumnsOf) key(id device.ID, g order.Ground) {
	c.device, c.groundKind, c.ground = append(c.device, record.Number(id)), append(c.groundKind, int16(g.Kind)), append(c.ground, g.ID)
}

// InsertOrders: rows are inserted in the order of the list, which gives them their numbers.
func (t *tx) InsertOrders(list []*authority.Order) error {
	if len(list) == 0 {
		return nil
	}
	if err := t.byIndex(); err != nil {
		return err
	}
	var c orderColumnsOf
	for _, o := range list {
		c.key(o.Device, o.Ground)
		c.id, c.leaf, c.salt = append(c.id, o.ID[:]), append(c.leaf, table.Blob(o.Leaf)), append(c.salt, o.Salt[:])
		c.kind, c.refusal, c.settled = append(c.kind, int16(o.Kind)), append(c.refusal, o.Refusal), append(c.settled, o.Settled)
		var index *int64
		if o.Sequenced {
			n, err := table.Count("ledger index", o.Index)
			if err != nil {
				return err
			}
			index = &n
		}
		c.times[0], c.times[1], c.times[2] = append(c.times[0], table.Stamp(o.IssuedAt)), append(c.times[1], index), append(c.times[2], table.Stamp(o.DeliveredAt))
	}
	if err := t.formerOrders(list, &c); err != nil {
		return err
	}
	_, err := t.Exec(`INSERT INTO orders (id, device, leaf, salt, kind, ground_kind, ground, issued_at, leaf_index, delivered_at, settled, refusal)
		SELECT v.id, v.device, v.leaf, v.salt, v.kind, v.ground_kind, v.ground, v.issued, v.leaf_index, v.delivered, v.settled, v.refusal
		FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[], $5::smallint[], $6::smallint[], $7::text[], $8::bigint[], $9::bigint[],
			$10::bigint[], $11::boolean[], $12::text[])
			WITH ORDINALITY AS v(id, device, leaf, salt, kind, ground_kind, ground, issued, leaf_index, delivered, settled, refusal, n) ORDER BY v.n`,
		c.id, c.device, c.leaf, c.salt, c.kind, c.groundKind, c.ground, c.times[0], c.times[1], c.times[2], c.settled, c.refusal)
	return err
}

// formerOrders looks at what the devices of new orders have already, and among the new ones: none may have the id or the salt of another one of its device,
// and what is alone on its ground replaces nothing.
func (t *tx) formerOrders(list []*authority.Order, c *orderColumnsOf) error {
	type of struct {
		device device.ID
		bytes  [32]byte
	}
	type on struct {
		device device.ID
		ground order.Ground
	}
	open, conflict := make(map[order.ID]bool), false
	ids, salts, beside := make(map[of]bool, len(list)), make(map[of]bool, len(list)), make(map[on]int, len(list))
	for _, o := range list {
		id, salt := of{o.Device, o.ID}, of{o.Device, o.Salt}
		conflict = conflict || ids[id] || salts[salt]
		ids[id], salts[salt] = true, true
		beside[on{o.Device, o.Ground}]++
	}
	err := t.send(false, `SELECT v.n, o.id = v.id OR o.salt = v.salt, o.settled IS NOT TRUE AND o.ground_kind = v.ground_kind AND o.ground = v.ground
		FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::smallint[], $5::text[]) WITH ORDINALITY AS v(id, device, salt, ground_kind, ground, n)
			CROSS JOIN LATERAL (SELECT * FROM orders AS k WHERE k.device = v.device OFFSET 0) AS o`,
		[]any{c.id, c.device, c.salt, c.groundKind, c.ground}, func(r pgx.Rows) error {
			var at int64
			var taken, waits bool
			if err := r.Scan(&at, &taken, &waits); err != nil {
				return err
			}
			conflict = conflict || taken
			if waits {
				open[list[at-1].ID] = true
			}
			return nil
		})
	if err == nil && conflict {
		err = authority.ErrConflict
	}
	t.only = make(map[order.ID]bool, len(list))
	for _, o := range list {
		if !open[o.ID] && beside[on{o.Device, o.Ground}] == 1 {
			t.only[o.ID] = true
		}
	}
	return err
}

func (t *tx) SettleReplaced(list []*authority.Order) error {
	list = slices.DeleteFunc(slices.Clone(list), func(o *authority.Order) bool { return t.only[o.ID] })
	if len(list) == 0 {
		return nil
	}
	if err := t.byIndex(); err != nil {
		return err
	}
	ids, devices := make([][]byte, len(list)), make([]int64, len(list))
	for i, o := range list {
		ids[i], devices[i] = o.ID[:], record.Number(o.Device)
	}
	_, err := t.Exec(`UPDATE orders AS o SET settled = true FROM unnest($1::bytea[], $2::bigint[]) AS v(id, device)
			CROSS JOIN LATERAL (SELECT p.ctid AS spot FROM orders AS p WHERE p.device = v.device OFFSET 0) AS p
			CROSS JOIN LATERAL (SELECT * FROM orders AS k WHERE k.device = v.device AND k.id = v.id OFFSET 0) AS k
		WHERE o.ctid = p.spot AND o.ground_kind = k.ground_kind AND o.ground = k.ground AND o.settled IS NOT TRUE
			AND (o.issued_at, o.number) < (k.issued_at, k.number) AND (k.kind = 3 OR o.kind <> 3)`, ids, devices)
	return err
}

func (t *tx) AddEvents(list []authority.Event) error {
	if len(list) == 0 {
		return nil
	}
	var c orderColumnsOf
	devices := make([][]byte, len(list)) // whole: the fleet's own events have a device of zeros
	var kinds, cases, actors, details []string
	for i := range list {
		e := &list[i]
		devices[i] = e.Device[:]
		c.groundKind, c.ground = append(c.groundKind, int16(e.Ground.Kind)), append(c.ground, e.Ground.ID)
		c.times[0] = append(c.times[0], table.Stamp(e.At))
		kinds, cases, actors, details = append(kinds, e.Kind), append(cases, e.Case), append(actors, e.Actor), append(details, e.Detail)
	}
	_, err := t.Exec(`INSERT INTO event (device, at, kind, ground_kind, ground, case_id, actor, detail)
		SELECT v.device, v.at, v.kind, v.ground_kind, v.ground, v.case_id, v.actor, v.detail
		FROM unnest($1::bytea[], $2::bigint[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[], $8::text[])
			WITH ORDINALITY AS v(device, at, kind, ground_kind, ground, case_id, actor, detail, n) ORDER BY v.n`,
		devices, c.times[0], kinds, c.groundKind, c.ground, cases, actors, details)
	return err
}

func (t *tx) SequenceAllIfPending(places []authority.Place) ([]bool, error) {
	devices, ids, indexes := make([]int64, len(places)), make([][]byte, len(places)), make([]int64, len(places))
	for i := range places {
		n, err := table.Count("ledger index", places[i].Index)
		if err != nil {
			return nil, err
		}
		devices[i], ids[i], indexes[i] = record.Number(places[i].Device), places[i].ID[:], n
	}
	return t.hits(len(places), `UPDATE orders AS o SET leaf_index = v.leaf_index FROM unnest($1::bigint[], $2::bytea[], $3::bigint[]) WITH ORDINALITY AS v(device, id, leaf_index, n)
			CROSS JOIN LATERAL (SELECT k.ctid AS spot FROM orders AS k WHERE k.device = v.device AND k.id = v.id OFFSET 0) AS k
		WHERE o.ctid = k.spot AND coalesce(o.leaf_index, -1) = -1 RETURNING v.n`, devices, ids, indexes)
}
