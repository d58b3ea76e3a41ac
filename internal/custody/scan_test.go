package custody_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/custody"
)

func imeiOf(n int) string {
	body := fmt.Sprintf("35%012d", n)
	return body + string(device.CheckDigit(body))
}

// file is a file of n records, some lines of which are bad: every 1000th, and the 10th repeats the 5th.
func file(n int) []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, strings.Join(custody.Header, ","))
	for i := range n {
		switch {
		case i == 9:
			fmt.Fprintf(&b, "%s,S9,Lantern X,IN,C-1,Trader,2021-06-01\n", imeiOf(4))
		case i%1000 == 999:
			fmt.Fprintf(&b, "%s,S%d,,ZZ,C-1,Trader,2021-06-01\n", imeiOf(i), i)
		case i%1000 == 500:
			fmt.Fprintf(&b, "%s,S%d,\"Lantern, X\",IN,C-1,Trader,2021-06-01\r\n", imeiOf(i), i)
		default:
			fmt.Fprintf(&b, "%s,S%d,Lantern X,IN,C-1,Trader,2021-06-01\n", imeiOf(i), i)
		}
	}
	return b.Bytes()
}

type scanned struct {
	records []custody.Record
	faults  []custody.Fault
	good    []byte
	blocks  int
	end     custody.Place
}

func scan(t testing.TB, text []byte) (s scanned) {
	t.Helper()
	err := custody.Scan(context.Background(), bytes.NewReader(text), func(b *custody.Block) error {
		if s.blocks > 0 && b.Begin != s.end {
			t.Fatalf("a block begins at %+v, the one before ended at %+v", b.Begin, s.end)
		}
		if len(b.Text) != len(b.Records) || len(b.Bad) != len(b.Faults) {
			t.Fatalf("%d lines of %d records, %d of %d faults", len(b.Text), len(b.Records), len(b.Bad), len(b.Faults))
		}
		s.records, s.faults, s.end = append(s.records, b.Records...), append(s.faults, b.Faults...), b.End
		s.good = append(append(s.good, bytes.Join(b.Text, []byte("\n"))...), '\n')
		s.blocks++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScan(t *testing.T) {
	const n = 60_000
	text := file(n)
	s := scan(t, text)
	if len(s.records) != n-61 || s.blocks < 3 || s.end != (custody.Place{Offset: int64(len(text)), Line: n + 1}) {
		t.Fatalf("%d records in %d blocks, end %+v of %d", len(s.records), s.blocks, s.end, len(text))
	}
	want := []custody.Fault{{Line: 11, Text: "imei: it stands in line 6 already"}}
	for i := 999; i < n; i += 1000 {
		want = append(want, custody.Fault{Line: i + 2, Text: "model: it is missing; market: \"ZZ\" is not an ISO 3166-1 alpha-2 or a known ISO 3166-2 code"})
	}
	if !slices.Equal(s.faults, want) {
		t.Errorf("faults %v", s.faults[:3])
	}
	if s.records[500-1].Model != "Lantern, X" {
		t.Errorf("%+v", s.records[499])
	}
	// What is passed on is read to the same records.
	for part := range slices.Chunk(bytes.SplitAfter(s.good, []byte("\n")), 10_000) {
		records, err := custody.ReadLines(bytes.Join(part, nil))
		if err != nil || !slices.Equal(records, s.records[:len(records)]) {
			t.Fatal(len(records), err)
		}
		s.records = s.records[len(records):]
	}
	if len(s.records) > 0 {
		t.Errorf("%d records were not passed on", len(s.records))
	}
}

func TestScanRefuses(t *testing.T) {
	header := strings.Join(custody.Header, ",") + "\n"
	for name, text := range map[string]string{"empty": "", "no header": imeiOf(1) + ",S,M,IN,,,\n", "no lines": header + strings.Repeat("x", 5<<20), "long header": strings.Repeat("x", 3<<20)} {
		err := custody.Scan(context.Background(), strings.NewReader(text), func(*custody.Block) error { return nil })
		var faults custody.Faults
		if !errors.As(err, &faults) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The line that never ends is told by its number.
	long := header + imeiOf(1) + ",S,M,IN,,,\n" + strings.Repeat("x", 5<<20)
	var faults custody.Faults
	err := custody.Scan(context.Background(), strings.NewReader(long), func(*custody.Block) error { return nil })
	if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Line != 3 {
		t.Error(err)
	}
	stop := errors.New("enough")
	if err := custody.Scan(context.Background(), bytes.NewReader(file(60_000)), func(*custody.Block) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	if _, err := custody.ReadLines([]byte(imeiOf(1) + ",S,M,IN,,,\n" + imeiOf(1) + ",S,M,IN,,,\n")); err == nil {
		t.Error("a line that stands twice was taken")
	}
	if _, err := custody.ReadLines(make([]byte, 5<<20)); err == nil {
		t.Error("5 MiB were taken at once")
	}
}

// FuzzScan: whatever a file is, Scan reads what ReadRecords reads, and finds a fault where it finds one.
func FuzzScan(f *testing.F) {
	header := strings.Join(custody.Header, ",") + "\n"
	f.Add([]byte(header + imeiOf(1) + ",S,M,IN,,,\n\n" + imeiOf(2) + ",S,M,IN,C,\"a, b\",2021-01-01\r\n"))
	f.Add([]byte(header + imeiOf(1) + ",S,M,IN,,,\n" + imeiOf(1) + ",S,M,IN,,,"))
	f.Add(file(20))
	f.Fuzz(func(t *testing.T, text []byte) {
		want, wantErr := custody.ReadRecords(bytes.NewReader(text))
		var got []custody.Record
		faults := 0
		err := custody.Scan(context.Background(), bytes.NewReader(text), func(b *custody.Block) error {
			got, faults = append(got, b.Records...), faults+len(b.Faults)
			return nil
		})
		if (wantErr == nil) != (err == nil && faults == 0) {
			t.Fatalf("ReadRecords: %v; Scan: %v and %d faults", wantErr, err, faults)
		}
		if wantErr == nil && !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	text := file(200_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		scan(b, text)
	}
	b.ReportMetric(float64(b.N)*200_000/b.Elapsed().Seconds(), "rows/s")
}
