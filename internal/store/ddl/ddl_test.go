package ddl

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/jobs/riverqueue"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// program finds one of PostgreSQL's own: on the PATH, or where Debian keeps them.
func program(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		t.Fatalf("%s is missing: install PostgreSQL, or let scripts/test do it", name)
	}
	return slices.Max(found)
}

// apply runs SQL with psql, as an operator does.
func apply(t *testing.T, url, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "schema.sql")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program(t, "psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", file, url).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// dumped is the catalogue as pg_dump writes it.
func dumped(t *testing.T, url string) string {
	t.Helper()
	out, err := exec.Command(program(t, "pg_dump"), "--schema-only", "--no-owner", url).Output()
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^(\\(un)?restrict .*|-- Dumped .*)$`).ReplaceAllString(string(out), "")
}

func schemaOf(t *testing.T, engine Engine) *Schema {
	t.Helper()
	s, err := Of(engine)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// migrated is a database that a server has set up.
func migrated(t *testing.T) string {
	t.Helper()
	url := pgtest.Database(t)
	opens(t, url)
	return url
}

func opens(t *testing.T, url string) {
	t.Helper()
	db, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// queued opens the queue of jobs, which has tables of its own.
func queued(t *testing.T, url string) {
	t.Helper()
	q, err := riverqueue.Open(t.Context(), url, riverqueue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	q.Close()
}

func query[T any](t *testing.T, url, text string, args ...any) []T {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	rows, err := c.Query(t.Context(), text, args...)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestPostgres applies the plain DDL with psql: it makes what the migrations make, and a server takes it as migrated, also one whose role may
// make no tables.
func TestPostgres(t *testing.T) {
	url := pgtest.Database(t)
	s := schemaOf(t, Postgres)
	apply(t, url, s.SQL)
	whole := migrated(t)
	queued(t, whole)
	if d := cmp.Diff(dumped(t, whole), dumped(t, url)); d != "" {
		t.Fatalf("(- migrations, + DDL):\n%s", d)
	}
	before := query[string](t, url, "SELECT number || name || ran_at FROM schema_step ORDER BY number")
	apply(t, url, `DO $$ BEGIN CREATE ROLE bailiwick_service LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO bailiwick_service;
		GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO bailiwick_service; REVOKE CREATE ON SCHEMA public FROM PUBLIC;`)
	service := strings.Replace(url, "user=bailiwick", "user=bailiwick_service", 1)
	opens(t, service)
	queued(t, service)
	if after := query[string](t, url, "SELECT number || name || ran_at FROM schema_step ORDER BY number"); !slices.Equal(before, after) {
		t.Errorf("it was migrated again: %v, then %v", before, after)
	}
	if before[len(before)-1] == "" || s.Step < 6 || len(s.Tables) != 0 {
		t.Errorf("%+v", s)
	}
}

// stubs stand for Citus and write down what they are asked.
const stubs = `CREATE SCHEMA stub; CREATE TABLE stub.asked (table_name text, spread text, key text, beside text);
CREATE FUNCTION create_distributed_table(a text, b text, colocate_with text) RETURNS void LANGUAGE sql AS $$ INSERT INTO stub.asked VALUES (a, 'spread', b, colocate_with) $$;
CREATE FUNCTION create_reference_table(a text) RETURNS void LANGUAGE sql AS $$ INSERT INTO stub.asked VALUES (a, 'reference', '', '') $$;
`

// TestCitus runs the DDL for Citus on a PostgreSQL on which stubs stand for Citus: it is sound SQL, every table is spread or said to stay, and no
// unique key of a spread table is without the column by which it is spread.
func TestCitus(t *testing.T) {
	url := pgtest.Database(t)
	s := schemaOf(t, Citus)
	apply(t, url, stubs+s.SQL)
	asked := query[string](t, url, "SELECT table_name || ' ' || spread || ' ' || key || ' ' || beside FROM stub.asked")
	for _, t2 := range s.Tables {
		want := map[string]string{Reference: t2.Name + " reference  ", ByDevice: t2.Name + " spread " + t2.Column + " device", Distributed: t2.Name + " spread " + t2.Column + " none"}[t2.Spread]
		if t2.Name == "device" {
			want = "device spread " + t2.Column + " none"
		}
		if want != "" && !slices.Contains(asked, want) {
			t.Errorf("%s is not spread as %q: %q", t2.Name, want, asked)
		}
	}
	everyTable(t, url, s)
	for _, tb := range s.Tables {
		if tb.Spread != ByDevice && tb.Spread != Distributed {
			continue
		}
		without := query[string](t, url, `SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = $2
			WHERE i.indrelid = $1::text::regclass AND i.indisunique AND NOT a.attnum = ANY (i.indkey)`, tb.Name, tb.Column)
		if len(without) > 0 {
			t.Errorf("%s: Citus does not take %v, which lack %s", tb.Name, without, tb.Column)
		}
		// A foreign key goes to a table that is read everywhere, or stays within the shard.
		for _, other := range query[string](t, url, `SELECT confrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND conrelid = $1::text::regclass`, tb.Name) {
			parent, known := spread(other)
			if !known || parent.Spread != Reference && (parent.Spread != ByDevice || tb.Spread != ByDevice) {
				t.Errorf("%s refers to %s, which is elsewhere", tb.Name, other)
			}
		}
	}
	for _, tb := range s.Tables {
		if tb.Spread != Reference {
			continue
		}
		for _, other := range query[string](t, url, `SELECT confrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND conrelid = $1::text::regclass`, tb.Name) {
			if parent, known := spread(other); !known || parent.Spread != Reference {
				t.Errorf("%s, read everywhere, refers to %s, which is not", tb.Name, other)
			}
		}
	}
	listed(t, url, s)
}

// everyTable holds the layout against the catalogue.
func everyTable(t *testing.T, url string, s *Schema) {
	t.Helper()
	var names []string
	for _, tb := range s.Tables {
		names = append(names, tb.Name)
	}
	slices.Sort(names)
	there := query[string](t, url, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
	slices.Sort(there)
	if d := cmp.Diff(there, names); d != "" {
		t.Errorf("(- tables, + layout):\n%s", d)
	}
}

// listed holds the list of exceptions against what differs from the plain schema.
func listed(t *testing.T, url string, s *Schema) {
	t.Helper()
	const unique = `SELECT c.relname || ' ' || i.indexrelid::regclass || ' ' || pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
		WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique
		UNION ALL SELECT tgrelid::regclass || ' ' || tgname || ' trigger' FROM pg_trigger WHERE NOT tgisinternal`
	here := query[string](t, url, unique)
	for _, line := range query[string](t, migrated(t), unique) {
		words := strings.Fields(line)
		found := slices.ContainsFunc(s.Exceptions, func(e Exception) bool { return e.Table == words[0] && e.What == words[1] })
		if same := slices.Contains(here, line); same == found {
			t.Errorf("%s %s: as in the schema %v, listed %v", words[0], words[1], same, found)
		}
	}
}

// TestYugabyte applies the DDL, which is PostgreSQL's own SQL, and holds every index and key against what that engine makes of it.
func TestYugabyte(t *testing.T) {
	url := pgtest.Database(t)
	s := schemaOf(t, Yugabyte)
	apply(t, url, s.SQL)
	everyTable(t, url, s)
	opens(t, url)
	counts(t, url)
	keyedByDevice(t, url, s)
	for _, statement := range statementsOf(s) {
		if strings.HasPrefix(statement, "CREATE INDEX") && strings.Count(statement, " ASC") != 1+strings.Count(statement[:strings.Index(statement, ")")], ",") {
			t.Errorf("it would be hashed: %s", statement)
		}
		if strings.Contains(statement, "fillfactor") {
			t.Errorf("it has no pages to fill: %s", statement)
		}
	}
	same(t, url, append(together, `(?s)--\n-- Name: device_order;.*?\n\n\n`)...)
}

// TestCockroach applies the DDL with what only that engine knows taken out.
func TestCockroach(t *testing.T) {
	url := pgtest.Database(t)
	s := schemaOf(t, Cockroach)
	if strings.Count(s.SQL, " USING HASH") != 1 || strings.Contains(s.SQL, "COLLATE") || strings.Contains(s.SQL, "infinity") || strings.Contains(s.SQL, "fillfactor") {
		t.Errorf("%s", s.SQL)
	}
	apply(t, url, strings.Replace(s.SQL, " USING HASH", "", 1))
	everyTable(t, url, s)
	opens(t, url)
	counts(t, url)
	keyedByDevice(t, url, s)
	same(t, url, append(together, ` COLLATE pg_catalog."C"`)...)
}

// together is what counts all restrictions of a statement together, and what takes its place.
var together = []string{`(?s)--\n-- Name: restrictions_count\(\);.*?\n\n\n`, `(?m)^CREATE TRIGGER (?:restriction|device)_moved .*$`}

// same compares the catalogue with that of the plain schema, but for storage settings and what is taken out.
func same(t *testing.T, url string, but ...string) {
	t.Helper()
	but = append(but, `(?s)\nWITH \((fillfactor|autovacuum)[^)]*\)`)
	clean := func(dump string) string {
		for _, what := range but {
			dump = regexp.MustCompile(what).ReplaceAllString(dump, "")
		}
		return dump
	}
	if d := cmp.Diff(clean(dumped(t, migrated(t))), clean(dumped(t, url))); d != "" {
		t.Errorf("(- migrations, + DDL):\n%s", d)
	}
}

// counts holds that devices are counted as they come, move and go.
func counts(t *testing.T, url string) {
	t.Helper()
	apply(t, url, `INSERT INTO device (number, imei, rest, place, record) SELECT n, n, '\x0000000000000000', 'DE', '\x000000000000000000' FROM generate_series(1, 5) AS n;
		UPDATE device SET place = 'FR', stage = 1 WHERE number < 3; UPDATE device SET lot = 7; DELETE FROM device WHERE number = 1;`)
	got := query[string](t, url, "SELECT place || stage || ' ' || sum(devices) FROM population GROUP BY place, stage ORDER BY 1")
	if d := cmp.Diff([]string{"DE0 3", "FR1 1"}, got); d != "" {
		t.Error(d)
	}
}

// keyedByDevice: a table that is spread by the device has a primary key that begins with it, or is listed.
func keyedByDevice(t *testing.T, url string, s *Schema) {
	t.Helper()
	for _, tb := range s.Tables {
		if tb.Spread != ByDevice && tb.Spread != Distributed {
			continue
		}
		first := query[string](t, url, `SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
			WHERE i.indrelid = $1::text::regclass AND i.indisprimary`, tb.Name)
		listed := slices.ContainsFunc(s.Exceptions, func(e Exception) bool { return e.What == tb.Name+"_pkey" })
		if len(first) != 1 || first[0] != tb.Column && !listed {
			t.Errorf("the primary key of %s begins with %v, not with %s", tb.Name, first, tb.Column)
		}
	}
}

func statementsOf(s *Schema) (list []string) {
	for _, p := range pieces(s.SQL) {
		if !p.comment {
			list = append(list, p.text)
		}
	}
	return list
}

// TestPieces takes SQL apart and puts it together again.
func TestPieces(t *testing.T) {
	const source = "-- a; b\nSELECT 'x;''y', \";\" -- c; d\n;\nCREATE FUNCTION f() AS $$ BEGIN; 'it''s'; END $$;\n\nSELECT 1"
	var got []string
	for _, p := range pieces(source) {
		got = append(got, p.text)
	}
	want := []string{"-- a; b\n", "SELECT 'x;''y', \";\" -- c; d\n;", "CREATE FUNCTION f() AS $$ BEGIN; 'it''s'; END $$;", "SELECT 1"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := Of("oracle"); err == nil || !strings.Contains(err.Error(), "take postgres, citus") {
		t.Error(err)
	}
}

func FuzzPieces(f *testing.F) {
	steps, err := postgres.Steps()
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range steps {
		f.Add(s.SQL)
	}
	f.Add("$$ ' \" -- ;")
	blank := regexp.MustCompile(`\s+`)
	f.Fuzz(func(t *testing.T, source string) {
		var all strings.Builder
		for _, p := range pieces(source) {
			all.WriteString(p.text)
		}
		if blank.ReplaceAllString(all.String(), "") != blank.ReplaceAllString(source, "") {
			t.Errorf("%q became %q", source, all.String())
		}
	})
}

// TestFlatten: what a later step undoes is not made in the first place.
func TestFlatten(t *testing.T) {
	steps, err := postgres.Steps()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range chained(steps) {
		if !p.comment {
			all = append(all, p.text)
		}
	}
	left := strings.Join(flatten(all), "\n")
	for _, gone := range []string{"DROP ", "RENAME", " TYPE ", "production_4", "lease", "reasons"} {
		if strings.Contains(left, gone) {
			t.Errorf("%s is still there:\n%s", gone, left)
		}
	}
	if d := cmp.Diff(tablesIn(all), tablesIn(flatten(all)), cmpopts.SortSlices(strings.Compare)); d != "" {
		t.Error(d)
	}
}
