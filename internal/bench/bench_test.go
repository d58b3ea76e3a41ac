package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/bailiwick-dev/bailiwick/internal/bench"
	"github.com/bailiwick-dev/bailiwick/internal/cli"
)

// TestMain is also the server that rows start: this program with the command line of `bailiwick serve`.
func TestMain(m *testing.M) {
	if os.Getenv("BENCH_TEST_SERVE") == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(cli.Main(ctx, os.Args[1:], cli.System()))
}

func serve(ctx context.Context, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"serve"}, args...)...)
	cmd.Env = append(os.Environ(), "BENCH_TEST_SERVE=1")
	return cmd
}

func measure(t *testing.T, names ...string) map[string]bench.Row {
	t.Helper()
	setup := bench.Setup{Dir: t.TempDir(), Serve: serve, Now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	report, err := bench.RunTiny(t.Context(), setup, names...)
	if err != nil {
		t.Fatal(err)
	}
	if report.Machine == "" || report.Go != runtime.Version() || report.Date != "2026-11-22T12:00:00Z" || len(report.Rows) != len(names) {
		t.Errorf("%+v", report)
	}
	rows := map[string]bench.Row{}
	for _, row := range report.Rows {
		rows[row.Name] = row
		if !row.Measured() {
			t.Errorf("%s: %s", row.Name, row.Note)
		} else if !(row.Value > 0) || row.Unit == "" || row.Note == "" || row.Bound != 0 && row.Ratio != row.Value/row.Bound {
			t.Errorf("%+v", row)
		}
	}
	if left, err := os.ReadDir(setup.Dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	return rows
}

// What a check-in does cannot take less of a processor than its signature: if it did, something was not done. (Rates are no such proof, where
// others use the machine.)
func TestCheckInsAreMeasured(t *testing.T) {
	names := []string{"checkin", "checkin_10m"}
	if runtime.GOOS == "linux" && runtime.NumCPU() > 1 {
		names = append(names, "checkin_http", "checkin_p99_ms", "checkin_cpu_us", "checkin_disk_bytes")
	}
	rows := measure(t, names...)
	if row, there := rows["checkin_cpu_us"]; there && row.Ratio < 1 {
		t.Errorf("a check-in costs less than its signature: %+v", row)
	}
}

func TestRecordsAreWeighed(t *testing.T) {
	row := measure(t, "record_bytes")["record_bytes"]
	// A key, an IMEI and a name take some 60 bytes; a device of the smallest fleet shares its pages with few others.
	if row.Value < 60 || row.Value > 20_000 || row.Bound != 300 {
		t.Errorf("%+v", row)
	}
}

func TestBulkWorkIsMeasured(t *testing.T) {
	rows := measure(t, "release_1m_s", "simulate_10m_s", "import")
	if !strings.Contains(rows["release_1m_s"].Note, "1,000 devices") {
		t.Errorf("a release does not say of how many devices: %+v", rows["release_1m_s"])
	}
}

func TestTheDeviceSideIsMeasured(t *testing.T) {
	row := measure(t, "territory_locate", "decide", "order_verify")["order_verify"]
	if row.Ratio < .5 {
		t.Errorf("an order is checked in less time than its signatures: %+v", row)
	}
}

func TestPostgresIsMeasured(t *testing.T) {
	rows := measure(t, "checkin_postgres", "record_bytes_postgres")
	if row := rows["record_bytes_postgres"]; row.Value < 60 || row.Bound != 300 {
		t.Errorf("%+v", row)
	}
}

func TestWhatCannotBeMeasuredSaysWhy(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no go command
	report, err := bench.RunTiny(t.Context(), bench.Setup{Dir: t.TempDir()}, "agent_mb", "checkin_http")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range report.Rows {
		if row.Measured() || row.Value != 0 || !strings.HasPrefix(row.Note, "left out: ") || len(row.Note) < 20 {
			t.Errorf("%+v", row)
		}
	}
}

func TestAFailureLeavesTheOtherRows(t *testing.T) {
	setup := bench.Setup{Dir: t.TempDir(), Database: "postgres://nobody@127.0.0.1:1/nothing?connect_timeout=2"}
	report, err := bench.RunTiny(t.Context(), setup, "checkin_postgres", "decide")
	if err == nil || !strings.Contains(err.Error(), "checkin_postgres: PostgreSQL: ") {
		t.Errorf("the error is %v", err)
	}
	if len(report.Rows) != 2 || report.Rows[0].Measured() || !report.Rows[1].Measured() {
		t.Errorf("%+v", report.Rows)
	}
}

func TestUnknownRowsAreNamed(t *testing.T) {
	if _, err := bench.Run(t.Context(), bench.Setup{Dir: t.TempDir()}, "decide", "checkins"); err == nil || !strings.Contains(err.Error(), `"checkins"`) {
		t.Errorf("the error is %v", err)
	}
}

// The form is fixed: others read it.
func TestTheReportsForm(t *testing.T) {
	text, err := json.Marshal(bench.Report{Machine: "m", Go: "g", Date: "d", Rows: []bench.Row{{Name: "checkin", Unit: "1/s", BoundName: "es256_verify"}}})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"machine":"m","go":"g","date":"d","rows":[{"name":"checkin","value":0,"unit":"1/s","bound":0,"bound_name":"es256_verify","ratio":0,"note":""}]}`
	if string(text) != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
}

func TestRowsThatWereAskedFor(t *testing.T) {
	names := map[string]bool{}
	for _, row := range bench.List() {
		if names[row.Name] {
			t.Errorf("%s is there twice", row.Name)
		}
		names[row.Name] = true
		if row.Unit == "" || row.Bound == "" || len(row.About) < 30 {
			t.Errorf("%+v", row)
		}
	}
	for _, name := range []string{"checkin", "checkin_10m", "checkin_p99_ms", "checkin_postgres", "territory_locate", "decide", "order_verify", "sequence", "release_1m_s",
		"simulate_10m_s", "import", "record_bytes", "agent_mb"} {
		if !names[name] {
			t.Errorf("there is no row %s: %v", name, slices.Sorted(maps.Keys(names)))
		}
	}
}

const document = "../../docs/performance.md"

// docs/performance.md explains every row, and its figures are those of a run of all rows, written by the command.
func TestTheDocumentHasEveryRow(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## Rows\n")
	explained, figures, split := strings.Cut(rest, "\n## Figures\n")
	if !found || !split {
		t.Fatal("the document has no sections Rows and Figures")
	}
	figures, _, _ = strings.Cut(figures, "\n## ")
	row := regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|")
	for section, part := range map[string]string{"Rows": explained, "Figures": figures} {
		var told []string
		for _, m := range row.FindAllStringSubmatch(part, -1) {
			told = append(told, m[1])
		}
		var want []string
		for _, named := range bench.List() {
			want = append(want, named.Name)
		}
		if !slices.Equal(told, want) {
			t.Errorf("%s has the rows\n%v\nthere are\n%v", section, told, want)
		}
	}
}

func TestTheTableOfARun(t *testing.T) {
	report := &bench.Report{Machine: "4 × Processor", Go: "go1.26", Date: "2026-11-22T12:00:00Z", Rows: []bench.Row{
		{Name: "checkin", Value: 12345.6, Unit: "1/s", Bound: 20000, BoundName: "es256_verify", Ratio: .61728, Note: "a | b"},
		{Name: "checkin_cpu_us", Value: 100, Unit: "µs", Bound: 60, BoundName: "es256_verify", Ratio: 1.6667},
		{Name: "checkin_disk_bytes", Value: 1000, Unit: "B", Bound: 250, BoundName: "record", Ratio: 4},
		{Name: "record_bytes", Value: 250, Unit: "B", Bound: 300, BoundName: "bar", Ratio: .8333},
		{Name: "checkin_postgres", Unit: "1/s", BoundName: "es256_verify", Note: "left out: no PostgreSQL"},
	}}
	var out bytes.Buffer
	if err := bench.WriteMarkdown(&out, report); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| `checkin` | 12,346 1/s | 20,000 1/s es256_verify | 0.62 | a \\| b |",
		"| `record_bytes` | 250 B | 300 B | 0.83 |  |",
		"| `checkin_postgres` | – | – | – | left out: no PostgreSQL |",
		// 10⁹ devices: 11,574 a second, × 2 × 100 µs = 2.31 processors, ÷ 0.6 = 3.86, one server of four; 250 GB; 1 TB a day.
		"| 10⁹ | 11,574 | 3.86 | 1 | 250 GB | 1.00 TB | 11.6 MB |",
		"| 10⁷ | 116 | 0.04 | 1 | 2.50 GB | 10.0 GB | 116 kB |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s\nlacks %s", out.String(), want)
		}
	}
	out.Reset()
	if err := bench.WriteTable(&out, report); err != nil || !strings.Contains(out.String(), "checkin_postgres    –") {
		t.Errorf("%v\n%s", err, out.String())
	}
	report.Machine, report.Rows[0].Note = "A machine with a name that is a good deal longer than what a line of a terminal takes, and then some", strings.Repeat("a note of many words ", 20)
	out.Reset()
	if err := bench.WriteTable(&out, report); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if words := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(words, strings.TrimSpace(report.Rows[0].Note)) || !strings.Contains(words, report.Machine) {
		t.Errorf("words are lost:\n%s", out.String())
	}
	report.Rows = report.Rows[:2]
	out.Reset()
	if err := bench.WriteMarkdown(&out, report); err != nil || strings.Contains(out.String(), "On paper") {
		t.Errorf("costs that were not measured are told: %v\n%s", err, out.String())
	}
}
