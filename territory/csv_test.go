package territory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func locateCSV(t *testing.T, in string, opts CSVOptions) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := LocateCSV(t.Context(), strings.NewReader(in), &out, opts)
	return out.String(), err
}

func TestLocateCSVAnswersLineByLine(t *testing.T) {
	in := "45.356,36.467\n23.133,-82.383,50\r\n46.15,33.69,8000\n0,-30\n 44.607 ,\t33.522 , 1e1\n-16.8,180"
	got, err := locateCSV(t, in, CSVOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "UA-43\tUA-43\nCU\tCU\nUA-43\tUA-43\tUA-65\n\nUA-40\tUA-40\nFJ\tFJ\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLocateCSVLeavesTheFirstFieldEmptyWhereOnlyTheCircleIsKnown(t *testing.T) {
	got, err := locateCSV(t, "23.6,-82.4,40000\n", CSVOptions{})
	if err != nil || got != "\tCU\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLocateCSVAsJSON(t *testing.T) {
	got, err := locateCSV(t, "46.15,33.69,8000\n0,-30\n", CSVOptions{JSON: true})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"line":1,"territory":"UA-43","candidates":["UA-43","UA-65"]}` + "\n" + `{"line":2,"candidates":[]}` + "\n"
	if got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func TestLocateCSVStopsAtABadLine(t *testing.T) {
	for _, bad := range []struct{ line, says string }{
		{"", "1 fields"},
		{"lat,lon", "latitude"},
		{"1", "1 fields"},
		{"1,2,3,4", "4 fields"},
		{"91,0", "not within -90 to 90"},
		{"0,-180.5", "not within -180 to 180"},
		{"0,0,-1", "negative"},
		{"0,0,", "accuracy in metres"},
		{"nan,0", "latitude"},
		{"0,inf", "longitude"},
		{"0x1p3,0", "latitude"},
		{"1_0,0", "latitude"},
		{"0,1e999", "longitude"},
		{"\ufeff1,2", "latitude"},
		{"1;2", "1 fields"},
		{"1,2\x00", "longitude"},
		{strings.Repeat("1", 300) + ",2", "longer than 256 bytes"},
		{strings.Repeat("9", 200_000), "longer than 256 bytes"},
	} {
		got, err := locateCSV(t, "23.133,-82.383\n"+bad.line+"\n0,0\n", CSVOptions{})
		var at *CSVError
		if !errors.As(err, &at) || at.Line != 2 || !strings.Contains(err.Error(), "line 2") || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("%.40q: %v, want line 2 and %q", bad.line, err, bad.says)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%.40q: an error of %d bytes", bad.line, len(err.Error()))
		}
		if got != "CU\tCU\n" {
			t.Errorf("%.40q: answered %q", bad.line, got)
		}
	}
}

func TestLocateCSVPassesOnFailures(t *testing.T) {
	broken := errors.New("broken pipe")
	if err := LocateCSV(t.Context(), iotest.ErrReader(broken), io.Discard, CSVOptions{}); !errors.Is(err, broken) {
		t.Errorf("reading: %v", err)
	}
	if err := LocateCSV(t.Context(), strings.NewReader("1,2\n"), failing{broken}, CSVOptions{}); !errors.Is(err, broken) {
		t.Errorf("writing: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := LocateCSV(ctx, strings.NewReader(strings.Repeat("1,2\n", 5000)), io.Discard, CSVOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func FuzzLocateCSV(f *testing.F) {
	for _, s := range []string{"45.356,36.467\n", "1,2,3\r\n4,5", "91,0\n", "-90,180,1e308\n", ",\n", "1e-5,+2.,.5\n", "\n\n", "\xff,1\n", "--1,2"} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, asJSON bool) {
		var out bytes.Buffer
		err := LocateCSV(t.Context(), bytes.NewReader(in), &out, CSVOptions{JSON: asJSON})
		lines := bytes.Count(in, []byte("\n"))
		if len(in) > 0 && in[len(in)-1] != '\n' {
			lines++
		}
		var bad *CSVError
		switch {
		case errors.As(err, &bad):
			lines = bad.Line - 1
		case err != nil:
			t.Fatal(err)
		}
		answers := strings.SplitAfter(out.String(), "\n")
		if n := len(answers) - 1; n != lines {
			t.Fatalf("%d answers to %d lines", n, lines)
		}
		for _, a := range answers[:len(answers)-1] {
			if asJSON && !json.Valid([]byte(a)) {
				t.Fatalf("not JSON: %q", a)
			}
			for _, c := range strings.Split(strings.TrimSuffix(a, "\n"), "\t") {
				if !asJSON && c != "" && !Code(c).Valid() {
					t.Fatalf("%q is not a code", c)
				}
			}
		}
	})
}
