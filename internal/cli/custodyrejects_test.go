package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file of rejects that is the import's own file, also by another name, would empty it.
func TestRejectsNeverEmptyTheImport(t *testing.T) {
	dir := t.TempDir()
	file, other := filepath.Join(dir, "production.csv"), filepath.Join(dir, "other.csv")
	const text = "imei,serial,model,market,consignment,consignee,shipped_on\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(file, other); err != nil {
		t.Fatal(err)
	}
	for _, rejects := range []string{file, other} {
		var stderr bytes.Buffer
		env := Environment{Stdin: strings.NewReader(""), Stdout: &bytes.Buffer{}, Stderr: &stderr, Getenv: func(string) string { return "" }}
		code := Main(t.Context(), []string{"custody", "import", file, "--rejects", rejects, "--server", "http://127.0.0.1:1", "--token", "t"}, env)
		if code != exitUsage || !strings.Contains(stderr.String(), "name another one") {
			t.Errorf("%s: %d, %s", rejects, code, stderr.String())
		}
		if kept, err := os.ReadFile(file); err != nil || string(kept) != text {
			t.Fatalf("the file that was to be imported holds %q, %v", kept, err)
		}
	}
}

// What may take most of an hour is not measured for a report that cannot be written.
func TestBenchLooksAtItsReportFirst(t *testing.T) {
	var stdout, stderr bytes.Buffer
	env := Environment{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Getenv: func(string) string { return "" }}
	code := Main(t.Context(), []string{"bench", "--only", "decide", "--quick", "--json", filepath.Join(t.TempDir(), "nowhere", "bench.json")}, env)
	if code != exitUsage || !strings.Contains(stderr.String(), "--json") || stdout.Len() > 0 {
		t.Errorf("%d, %s%s", code, stdout.String(), stderr.String())
	}
}
