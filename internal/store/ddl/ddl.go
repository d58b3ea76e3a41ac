// Package ddl writes the tables of the PostgreSQL store for those who make them by hand: for PostgreSQL itself, and for engines that
// speak its protocol and spread tables over many machines.
//
// There is one schema, the migrations of package postgres, and for PostgreSQL beside it that of River, which hands out jobs. What is written here
// are these statements, in their order, transformed and annotated for an engine; package ddl itself knows only how each table is spread, and
// which promises of the schema an engine cannot keep. Its tests hold that against the catalogue of a real PostgreSQL, so that no new table and no new unique key is forgotten.
package ddl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bailiwick-dev/bailiwick/internal/jobs/riverqueue"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
)

// Engine is one that speaks PostgreSQL's protocol.
type Engine string

// The engines for which there is a layout. Only Postgres was ever run by the project.
const (
	Postgres  Engine = "postgres"
	Citus     Engine = "citus"
	Yugabyte  Engine = "yugabyte"
	Cockroach Engine = "cockroach"
)

// How a table is spread.
const (
	ByDevice    = "device"    // by the hash of the device, beside the device's other rows
	Distributed = "hash"      // by the hash of a column of its own
	Reference   = "reference" // small and read everywhere: whole on each machine, or as it comes
	Local       = "local"     // of the servers themselves: on one machine
)

// Table is how a table is spread.
type Table struct {
	Name   string `json:"name"`
	Spread string `json:"spread"`
	Column string `json:"column,omitempty"` // by whose hash
}

// Exception is a promise of the schema that an engine cannot keep as it is written.
type Exception struct {
	Table string `json:"table"`
	What  string `json:"what"` // the index, constraint or trigger
	Done  string `json:"done"` // what stands in its place
	Keeps string `json:"keeps"`
}

// Schema is the DDL of an engine, with what has to be known of it.
type Schema struct {
	Engine     Engine      `json:"engine"`
	Step       int         `json:"schema"`
	Tables     []Table     `json:"tables,omitempty"` // empty for Postgres
	Exceptions []Exception `json:"exceptions,omitempty"`
	SQL        string      `json:"sql"`
}

// Of writes the DDL of the newest schema for an engine.
func Of(engine Engine) (*Schema, error) {
	steps, err := postgres.Steps()
	if err != nil {
		return nil, err
	}
	list := chained(steps)
	s := &Schema{Engine: engine, Step: steps[len(steps)-1].Number, Tables: present(list)}
	change, after := func(statement string) string { return statement }, ""
	switch engine {
	case Postgres:
	case Citus:
		s.Exceptions, after = citusExceptions, citusLayout(s.Tables)
	case Yugabyte:
		s.Exceptions, change = yugabyteExceptions, onYugabyte
	case Cockroach:
		s.Exceptions, change = cockroachExceptions, onCockroach
	default:
		return nil, fmt.Errorf("ddl: there is no layout for %q: take postgres, citus, yugabyte or cockroach", engine)
	}
	if engine == Postgres {
		s.Tables = nil
		queue, err := riverqueue.Schema()
		if err != nil {
			return nil, err
		}
		s.SQL = s.header() + "BEGIN;\n\n" + written(list, change) + "COMMIT;\n\n-- The queue that says which server's turn at a job it is: River's own tables.\n\n" + queue
		return s, nil
	}
	s.SQL = s.header() + written(flattened(list), change) + after
	return s, nil
}

// chained is all steps as pieces, each with the statement that says that it ran.
func chained(steps []postgres.Step) (list []piece) {
	for _, step := range steps {
		list = append(list, pieces(step.SQL)...)
		if step.Number > 0 {
			list = append(list, piece{text: fmt.Sprintf("INSERT INTO schema_step (number, name) VALUES (%d, '%s');", step.Number, step.Name)})
		}
	}
	return list
}

// flattened takes out what later steps undo, and the comments in front of it.
func flattened(list []piece) (left []piece) {
	var statements []string
	for _, p := range list {
		if !p.comment {
			statements = append(statements, p.text)
		}
	}
	statements = flatten(statements)
	var said []piece
	for _, p := range list {
		switch {
		case p.comment && p.loose && !aside(p.text):
			left, said = append(append(left, said...), p), nil
		case p.comment && !aside(p.text):
			said = append(said, p)
		case !p.comment:
			if p.text = statements[0]; p.text != "" {
				left = append(append(left, said...), p)
			}
			statements, said = statements[1:], nil
		}
	}
	return left
}

func written(list []piece, change func(string) string) string {
	var b strings.Builder
	for _, p := range list {
		if p.comment {
			b.WriteString(p.text)
			if p.loose {
				b.WriteString("\n")
			}
			continue
		}
		b.WriteString(change(p.text))
		b.WriteString("\n\n")
	}
	return b.String()
}

func (s *Schema) header() string {
	var b strings.Builder
	fmt.Fprintf(&b, "-- Bailiwick's records, schema %d, for %s.\n", s.Step, map[Engine]string{Postgres: "PostgreSQL 15 or later", Citus: "Citus 11.3 or later",
		Yugabyte: "YugabyteDB 2025.1 or later", Cockroach: "CockroachDB 24.3 or later"}[s.Engine])
	if s.Engine == Postgres {
		b.WriteString("-- For an empty database: psql --set ON_ERROR_STOP=1 --file THIS. Servers take it as migrated.\n\n")
		return b.String()
	}
	b.WriteString("-- The project has not run it on this engine. What differs, and what a server needs that is not there yet, is in docs/operations.md.\n--\n")
	for _, t := range s.Tables {
		fmt.Fprintf(&b, "--   %-20s %s\n", t.Name, t.how())
	}
	b.WriteString("--\n-- Not as the schema says:\n")
	for _, e := range s.Exceptions {
		fmt.Fprintf(&b, "--   %s, %s: %s. %s\n", e.Table, e.What, e.Done, e.Keeps)
	}
	b.WriteString("\n")
	return b.String()
}

func (t *Table) how() string {
	switch t.Spread {
	case ByDevice:
		return "by the device (" + t.Column + ")"
	case Distributed:
		return "by " + t.Column
	case Local:
		return "on one machine"
	}
	return "small, on every machine"
}

// piece is a statement, or comments and blank lines between statements.
type piece struct {
	text    string
	comment bool
	loose   bool // a comment with a blank line behind it, which is on no statement
}

// pieces takes SQL apart: at semicolons, but for those in quotes, in comments, and in bodies between dollars.
func pieces(source string) (list []piece) {
	for source = strings.TrimLeft(source, " \t\n"); source != ""; source = strings.TrimLeft(source, " \t\n") {
		if strings.HasPrefix(source, "--") {
			line, rest, _ := strings.Cut(source, "\n")
			list, source = append(list, piece{line + "\n", true, strings.HasPrefix(rest, "\n")}), rest
			continue
		}
		n := end(source)
		list, source = append(list, piece{text: strings.TrimSpace(source[:n])}), source[n:]
	}
	return list
}

// end is the length of the first statement, with its semicolon.
func end(source string) int {
	for i := 0; i < len(source); i++ {
		rest := source[i:]
		switch {
		case rest[0] == ';':
			return i + 1
		case strings.HasPrefix(rest, "--"):
			i += skip(rest, "\n", 2)
		case rest[0] == '\'' || rest[0] == '"':
			i += skip(rest, rest[:1], 1)
		case strings.HasPrefix(rest, "$$"):
			i += skip(rest, "$$", 2)
		}
	}
	return len(source)
}

// skip is how far it is to the last byte of what begins here and ends with a mark, after its first bytes.
func skip(rest, mark string, first int) int {
	n := strings.Index(rest[first:], mark)
	if n < 0 {
		return len(rest) - 1
	}
	return first + n + len(mark) - 1
}

// present are the tables that the schema has.
func present(list []piece) []Table {
	var statements []string
	for _, p := range list {
		if !p.comment {
			statements = append(statements, p.text)
		}
	}
	names := tablesIn(statements)
	return slices.DeleteFunc(slices.Clone(tables), func(t Table) bool { return !slices.Contains(names, t.Name) })
}

// spread finds how a table is spread.
func spread(name string) (Table, bool) {
	i := slices.IndexFunc(tables, func(t Table) bool { return t.Name == name })
	if i < 0 {
		return Table{}, false
	}
	return tables[i], true
}
