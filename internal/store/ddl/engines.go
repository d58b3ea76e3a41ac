package ddl

import (
	"fmt"
	"regexp"
	"strings"
)

// tables is how each table is spread, on every engine; a table comes behind those that it refers to.
var tables = []Table{
	{"device", ByDevice, "number"},
	{"wave", Reference, ""},
	{"job", Reference, ""},
	{"restriction", ByDevice, "device"},
	{"orders", ByDevice, "device"},
	{"appeal", ByDevice, "device"},
	{"event", Distributed, "device"}, // whose device is its whole id, and may be none
	{"production", Distributed, "imei"},
	{"model", Reference, ""},
	{"finding", Reference, ""},
	{"lot", Reference, ""},
	{"cases", Reference, ""},
	{"warrant", Reference, ""},
	{"cohort", Reference, ""},
	{"policy", Reference, ""},
	{"metadata", Reference, ""},
	{"target", Reference, ""},
	{"officer", Reference, ""},
	{"session", Reference, ""},
	{"population", Local, ""},
	{"series", Local, ""},
	{"server", Local, ""},
	{"receipt", Local, ""},
	{"leader", Local, ""},
	{"ledger", Local, ""},
	{"ledger_tile", Local, ""},
	{"ledger_bundle", Local, ""},
	{"belongs", Local, ""},
	{"schema_step", Local, ""},
}

const (
	uniqueByChance = "The number is random or counted by a sequence, so that no two rows have it; nothing but the constraint is lost"
	claimed        = "Two enrolments of one IMEI at the same instant could both succeed: the IMEI has to be claimed first in a table that is spread by it, which the store does not do"
	countedByHand  = "The counts by place and stage (population) have to be summed up from the table instead, which the store does not do"
	lookedUp       = "The ledger gives an index once, to the entry that has it; the constraint was a second lock on that door"
)

// citusExceptions: on Citus a unique constraint holds within a shard, so it has to contain the column by which the table is spread, and
// triggers on spread tables run on the workers.
var citusExceptions = []Exception{
	{"device", "device_imei_key", "an index that is not unique", claimed},
	{"orders", "orders_leaf_index", "an index that is not unique", lookedUp},
	{"appeal", "appeal_pkey", "a primary key of device and number", uniqueByChance},
	{"device", "device_added", "nothing: a trigger on a shard must not write to another table", countedByHand},
	{"device", "device_gone", "nothing, likewise", countedByHand},
	{"device", "device_moved", "nothing, likewise", countedByHand},
	{"restriction", "restriction_noticed", "nothing, likewise",
		"The column device.stage has to be kept by the statement that moves a restriction; the store leaves it to the trigger, so that this has to come first"},
	{"restriction", "restriction_moved", "nothing, likewise", "As restriction_noticed"},
}

// citusChanges makes place for the layout.
const citusChanges = `-- What Citus cannot keep as it is written: see the list at the top.
ALTER TABLE device DROP CONSTRAINT device_imei_key;
CREATE INDEX device_imei ON device (imei);
DROP INDEX orders_leaf_index;
CREATE INDEX orders_leaf_index ON orders (leaf_index) WHERE leaf_index IS NOT NULL;
ALTER TABLE appeal DROP CONSTRAINT appeal_pkey;
ALTER TABLE appeal ADD CONSTRAINT appeal_pkey PRIMARY KEY (device, number);
CREATE INDEX appeal_number ON appeal (number);
DROP TRIGGER device_added ON device;
DROP TRIGGER device_gone ON device;
DROP TRIGGER device_moved ON device;
DROP TRIGGER restriction_noticed ON restriction;
DROP TRIGGER restriction_moved ON restriction;

`

// citusLayout spreads the tables.
func citusLayout(tables []Table) string {
	var b strings.Builder
	b.WriteString(citusChanges)
	b.WriteString("-- The triggers that are left look at one row and write nothing, so that they are safe on workers.\nSET citus.enable_unsafe_triggers TO on;\n\n")
	for _, t := range tables {
		switch t.Spread {
		case Reference:
			fmt.Fprintf(&b, "SELECT create_reference_table('%s');\n", t.Name)
		case ByDevice:
			with := "'device'"
			if t.Name == "device" {
				with = "'none'"
			}
			fmt.Fprintf(&b, "SELECT create_distributed_table('%s', '%s', colocate_with => %s);\n", t.Name, t.Column, with)
		case Distributed:
			fmt.Fprintf(&b, "SELECT create_distributed_table('%s', '%s', colocate_with => 'none');\n", t.Name, t.Column)
		}
	}
	b.WriteString("-- The other tables are the servers' own and stay on the coordinator.\n")
	return b.String()
}

// oneByOne is how restrictions are counted where a trigger cannot see all rows of a statement.
var oneByOne = Exception{"restriction", "restriction_moved", "looks at one row after the other", "It does the same, and takes longer where a release moves thousands"}

var yugabyteExceptions = []Exception{
	{"device", "device_imei_key", "kept: a unique index of its own, which is spread by itself", "An enrolment is a transaction over several tablets; a check-in is only when its territory or stage changes"},
	{"orders", "orders_leaf_index", "kept in the same way", "Marking an order as sequenced is a transaction over several tablets"},
	{"appeal", "appeal_pkey", "kept: the table is spread by its number", "Appeals are few"},
	{"device", "device_order", "an index more", "Walks over all devices go by it, since a table that is spread by hash has no order"},
	{"device", "device_moved", "looks at every move", "Nobody else counts them"},
	oneByOne,
}

var cockroachExceptions = []Exception{
	{"device", "device_pkey", "hash-sharded", "Devices check in in the order of their ids, which would heat up one range after the other"},
	{"device", "device_imei_key", "kept: a unique index of its own", "An enrolment is a transaction over several ranges; a check-in is only when its territory or stage changes"},
	{"device", "device_moved", "looks at each update, not only at those of two columns", "Its condition says the same"},
	{"orders", "orders_leaf_index", "kept in the same way", "Marking an order as sequenced is a transaction over several ranges"},
	{"appeal", "appeal_pkey", "kept: the table is ordered by its number", "Appeals are few"},
	oneByOne,
}

var (
	storage    = regexp.MustCompile(`\) WITH \((?:fillfactor|autovacuum_)[^)]*\);$`)
	plainIndex = regexp.MustCompile(`^(CREATE INDEX \w+ ON \w+ \()([\w, ]+)(\))`)
	deviceKey  = regexp.MustCompile(`(?s)^(CREATE TABLE device \(.*?\n    (?:id|number) [^\n]*?)PRIMARY KEY`)
)

var columnList = regexp.MustCompile(`(?s)^(CREATE TRIGGER .*? UPDATE) OF [\w, ]+ ON (.* WHEN )`)

// counted takes the place of what counts all restrictions of a statement together.
func counted(statement string) string {
	switch {
	case strings.HasPrefix(statement, "CREATE FUNCTION restrictions_count()"), strings.HasPrefix(statement, "CREATE OR REPLACE FUNCTION restrictions_count()"):
		return "-- Left out here: restriction_counts looks at each row, as before."
	case strings.HasPrefix(statement, "CREATE TRIGGER restriction_moved "):
		return "CREATE TRIGGER restriction_moved AFTER UPDATE ON restriction FOR EACH ROW EXECUTE FUNCTION restriction_counts();"
	case strings.HasPrefix(statement, "CREATE TRIGGER device_moved "):
		return strings.Replace(statement, " AND current_setting('bailiwick.counted', true) IS DISTINCT FROM 'on'", "", 1)
	}
	return statement
}

// onYugabyte: the first column of a primary key is hashed there by default, and the first of an index, too, which would lose its order.
func onYugabyte(statement string) string {
	statement = storage.ReplaceAllString(counted(statement), ");")
	if m := plainIndex.FindStringSubmatchIndex(statement); m != nil {
		columns := strings.ReplaceAll(statement[m[4]:m[5]], ", ", " ASC, ") + " ASC"
		statement = statement[:m[4]] + columns + statement[m[5]:]
	}
	if strings.HasPrefix(statement, "CREATE TABLE device (") {
		device, _ := spread("device")
		statement += "\n\n-- Walks over all devices go by this index; no check-in writes to it.\nCREATE INDEX device_order ON device (" + device.Column + " ASC);"
	}
	return statement
}

// onCockroach: text is ordered by its bytes there, whatever collation is asked for, and the clock has no beginning at minus infinity.
func onCockroach(statement string) string {
	statement = storage.ReplaceAllString(counted(statement), ");")
	statement = columnList.ReplaceAllString(statement, "$1 ON $2")
	statement = strings.ReplaceAll(statement, ` COLLATE "C"`, "")
	statement = strings.ReplaceAll(statement, `'-infinity'`, `'1970-01-01 00:00:00+00'`)
	return deviceKey.ReplaceAllString(statement, "${1}PRIMARY KEY USING HASH")
}
