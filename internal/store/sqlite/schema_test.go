package sqlite

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// byRule is how SQLite says that a CHECK or a trigger refuses something.
var byRule = regexp.MustCompile("onstraint|(restriction|metadata|target|cohort|warrant): ")

// TestSchemaHoldsTheCharter goes past every guard, with SQL, at the file itself.
func TestSchemaHoldsTheCharter(t *testing.T) {
	db := opened(t, Options{})
	pool := file(t, db)
	run := func(query string) error {
		_, err := pool.ExecContext(t.Context(), query)
		return err
	}
	const (
		dayLong = "86400000000"
		device1 = `161`
		of1     = " WHERE device = " + device1 + " AND ground = "
	)
	must := func(query string) {
		t.Helper()
		if err := run(query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	restriction := func(ground, columns, values string) string {
		return `INSERT INTO restriction (device, ground_kind, ground, round, territory, authority, reference, noticed_at, shown_days, applied,
			applied_note, ` + columns + `) VALUES (` + device1 + `, 1, '` + ground + `', 1, 'CU', zeroblob(32), 'R', 0, 0, 0, '', ` + values + `)`
	}
	must(`INSERT INTO device (number, rest, imei, place, record) VALUES (` + device1 + `, zeroblob(8), 35000000000000, '', zeroblob(9))`)
	week := "7 * " + dayLong
	for _, ground := range []string{"noticed", "appealed", "locked", "holds", "final", "ended"} {
		must(restriction(ground, "stage, deadline, cause, appealing", "1, "+week+", 0, 0"))
	}
	must("UPDATE restriction SET appealing = 1" + of1 + "'appealed'")
	times := ", locked_at = 0, effect_at = deadline, ends_at = deadline + " + dayLong
	must("UPDATE restriction SET stage = 2" + times + of1 + "'locked'")
	must("UPDATE restriction SET stage = 2, applied = 2" + times + of1 + "'holds'")
	must("UPDATE restriction SET stage = 3, lifted_at = 1, cause = 2" + of1 + "'final'")
	must("UPDATE restriction SET stage = 3, lifted_at = 1, cause = 4" + of1 + "'ended'")
	must("INSERT INTO cases VALUES ('case-1', '', '', 'open', 'kim', 0, '', '', NULL)")
	must("INSERT INTO warrant VALUES ('warrant-1', 'case-1', '', 'kim', 0, NULL, NULL, 100, NULL, x'', 0, '')")
	must("INSERT INTO warrant VALUES ('warrant-2', 'case-1', '', 'kim', 0, NULL, NULL, 100, NULL, x'05', 0, '')")
	must("INSERT INTO metadata VALUES ('root', 1, x'7b7d')")
	must("INSERT INTO target VALUES ('policy/a.yaml', zeroblob(32), x'01')")
	must("INSERT INTO cohort VALUES ('warrant-2', zeroblob(32), zeroblob(8))")

	again := "stage = 1, cause = 0, lifted_at = NULL"
	back := "stage = 1, locked_at = NULL, effect_at = NULL, ends_at = NULL"
	for name, query := range map[string]string{
		"C3 notice of six days":                  restriction("x", "stage, deadline, cause, appealing", "1, 6 * "+dayLong+", 0, 0"),
		"C3 a lock without a notice":             restriction("x", "stage, deadline, cause, appealing", "0, "+week+", 0, 0"),
		"C3 a date that moves earlier":           "UPDATE restriction SET noticed_at = -" + dayLong + ", deadline = deadline - 1" + of1 + "'noticed'",
		"C3 a lock before the deadline":          "UPDATE restriction SET stage = 2" + times + ", effect_at = deadline - 1" + of1 + "'noticed'",
		"C8 a lock without an end":               "UPDATE restriction SET stage = 2, locked_at = 0, effect_at = deadline" + of1 + "'noticed'",
		"C8 a lock that ends as it begins":       "UPDATE restriction SET stage = 2" + times + ", ends_at = deadline" + of1 + "'noticed'",
		"C8 a lock of 731 days":                  "UPDATE restriction SET stage = 2, locked_at = 0, effect_at = deadline, ends_at = deadline + 731 * " + dayLong + of1 + "'noticed'",
		"a lock while an appeal is open":         "UPDATE restriction SET stage = 2" + times + of1 + "'appealed'",
		"back to noticed without an appeal":      "UPDATE restriction SET " + back + of1 + "'locked'",
		"back to noticed by the old date":        "UPDATE restriction SET appealing = 1, " + back + of1 + "'locked'",
		"back to noticed from a lock that holds": "UPDATE restriction SET appealing = 1, deadline = deadline + 1, " + back + of1 + "'holds'",
		"C9 a lift without a cause":              "UPDATE restriction SET stage = 3, lifted_at = 1" + of1 + "'locked'",
		"C9 again after a final lift":            "UPDATE restriction SET round = 2, " + again + of1 + "'final'",
		"again without a new round":              "UPDATE restriction SET " + again + of1 + "'ended'",
		"straight from lifted to locked":         "UPDATE restriction SET stage = 2, cause = 0, lifted_at = NULL" + times + of1 + "'ended'",
		"C7 one officer twice":                   "UPDATE warrant SET countersign_by = 'kim', countersign_at = 1, hash = zeroblob(32), document = x'01' WHERE id = 'warrant-1'",
		"C7 countersigned without a hash":        "UPDATE warrant SET countersign_by = 'lee', countersign_at = 1 WHERE id = 'warrant-1'",
		"C8 a hold of 91 days":                   "UPDATE warrant SET countersign_by = 'lee', countersign_at = 1, hash = zeroblob(32), document = x'01', ends_at = 91 * " + dayLong + " WHERE id = 'warrant-1'",
		"C7 another text than was drafted":       "UPDATE warrant SET document = x'06' WHERE id = 'warrant-2'",
		"C7 other devices than were drafted":     "UPDATE cohort SET devices = zeroblob(16)",
		"C7 other signatures than published":     "UPDATE metadata SET document = x'7b'",
		"C7 another file than was published":     "UPDATE target SET data = x'02'",
		"an order that nobody got":               "INSERT INTO orders (id, device, leaf, salt, kind, ground_kind, ground, issued_at, delivered_at, settled, refusal) VALUES (zeroblob(32), " + device1 + ", x'01', zeroblob(32), 1, 1, 'cuba', 0, 1, 0, '')",
		"a kind of order that is none":           "INSERT INTO orders (id, device, leaf, salt, kind, ground_kind, ground, issued_at, settled, refusal) VALUES (zeroblob(32), " + device1 + ", x'01', zeroblob(32), 4, 1, 'cuba', 0, 0, '')",
		"a device that forgets its number":       "UPDATE device SET imei = -1",
		"a device gone under its restriction":    "DELETE FROM device",
	} {
		if err := run(query); err == nil {
			t.Errorf("%s was stored", name)
		} else if !byRule.MatchString(err.Error()) {
			t.Errorf("%s: refused for another reason: %v", name, err)
		}
	}
	must("UPDATE restriction SET round = 2, " + again + of1 + "'ended'")
	must("UPDATE restriction SET appealing = 1, deadline = deadline + 1, " + back + of1 + "'locked'")
}

// TestDeviceIsSmall weighs a fleet in a real file as it is after three months: enrolled in no order, and grown by check-ins in the order of
// the schedule, which is what leaves room in pages. Production records are weighed apart.
func TestDeviceIsSmall(t *testing.T) {
	const n, most, mostMade = 20_000, 300, 60
	db := opened(t, Options{LogBytes: 1 << 30})
	pool := file(t, db)
	size := func() int {
		var pages, free, page int
		if err := pool.QueryRow("SELECT (SELECT page_count FROM pragma_page_count), (SELECT freelist_count FROM pragma_freelist_count), "+
			"(SELECT page_size FROM pragma_page_size)").Scan(&pages, &free, &page); err != nil {
			t.Fatal(err)
		}
		return (pages - free) * page
	}
	put := func(order []int, write func(authority.Tx, int) error) {
		for chunk := range slices.Chunk(order, 500) {
			if err := db.Update(t.Context(), func(tx authority.Tx) error {
				for _, i := range chunk {
					if err := write(tx, i); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := size()
	schedule := make([]int, n)
	for i := range schedule {
		schedule[i] = i
	}
	put(schedule, func(tx authority.Tx, i int) error { return tx.InsertDevice(usual(i, 0)) }) // ids are spread
	slices.SortFunc(schedule, func(a, b int) int { x, y := fleetID(a), fleetID(b); return bytes.Compare(x[:], y[:]) })
	for days := 9; days <= 90; days += 9 {
		put(schedule, func(tx authority.Tx, i int) error { return tx.PutDevice(usual(i, days)) })
	}
	grown := size()
	put(schedule, func(tx authority.Tx, i int) error {
		return tx.PutProduction([]authority.Production{{IMEI: usual(i, 0).IMEI, Serial: "R58M1234567", Model: "Model A5", Market: "DE",
			Consignment: fmt.Sprint("C-", i%40), Consignee: "Nord GmbH", ShippedOn: 20_600}})
	})
	each, made := (grown-before)/n, (size()-grown)/n
	t.Logf("%d bytes a device with 90 days, indexes and dictionaries included; %d more for its production record", each, made)
	if each > most || made > mostMade {
		t.Errorf("%d bytes a device and %d for its production record; at most %d and %d wanted", each, made, most, mostMade)
	}
}
