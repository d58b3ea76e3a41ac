package custody

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const header = "imei,serial,model,market,consignment,consignee,shipped_on\n"

func imei(n int) string {
	body := fmt.Sprintf("35%012d", n)
	return body + string(device.CheckDigit(body))
}

func TestReadRecords(t *testing.T) {
	file := "\ufeff" + header + imei(1) + ",S1,Phone 12,DE,C-1,\"Trading, Ltd\",2021-06-01\r\n" + imei(2) + ",S2,Phone 12,UA-43,,,\n"
	records, err := ReadRecords(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	shipped := territory.Day(18779)
	want := []Record{
		{device.IMEI(imei(1)), "S1", "Phone 12", "DE", "C-1", "Trading, Ltd", shipped},
		{device.IMEI(imei(2)), "S2", "Phone 12", "UA-43", "", "", 0},
	}
	if d := cmp.Diff(want, records); d != "" {
		t.Error(d)
	}
}

func TestRefusedLinesAreNamed(t *testing.T) {
	good := imei(1) + ",S,M,DE,C,E,2021-06-01\n"
	for _, tc := range []struct {
		file string
		line int
		text string
	}{
		{"", 1, "empty"},
		{"imei,serial\n", 1, "first line must be"},
		{header + imei(1) + ",S,M,DE,C,E\n", 2, "7 fields"},
		{header + imei(1) + ",S,M,DE,C,E,2021-06-01,x\n", 2, "7 fields"},
		{header + "123456789012345,S,M,DE,C,E,\n", 2, "imei"},
		{header + "35-000000000001-" + imei(1)[14:] + ",S,M,DE,C,E,\n", 2, "15 digits"},
		{header + good + good, 3, "line 2 already"},
		{header + imei(1) + ",,M,DE,C,E,\n", 2, "serial: it is missing"},
		{header + imei(1) + ",S,M,de,C,E,\n", 2, "market"},
		{header + imei(1) + ",S,M,XX,C,E,\n", 2, "market"},
		{header + imei(1) + ",S,M,DE,C,E,01.06.2021\n", 2, "shipped_on"},
		{header + imei(1) + ",S,M,DE,C,E,2021-02-30\n", 2, "shipped_on"},
		{header + imei(1) + ",S,M,DE, C,E,\n", 2, "space"},
		{header + imei(1) + ",S,M,DE,C," + strings.Repeat("é", 65) + ",\n", 2, "64 characters"},
		{header + imei(1) + ",S,M\x00,DE,C,E,\n", 2, "no text"},
		{header + imei(1) + ",S,M\xff,DE,C,E,\n", 2, "no text"},
		{header + imei(1) + ",S,\"M\nM\",DE,C,E,\n", 2, "7 fields"},
		{header + "\n" + good, 2, "empty"},
		{header + good + strings.Repeat("x", MaxLine+1), 3, "longer than"},
	} {
		_, err := ReadRecords(strings.NewReader(tc.file))
		var faults Faults
		if !errors.As(err, &faults) || faults[0].Line != tc.line || !strings.Contains(faults[0].Text, tc.text) {
			t.Errorf("%.80q: %v, want line %d: …%s…", tc.file, err, tc.line, tc.text)
		}
	}
}

func TestAllFaultsAreToldUpToABound(t *testing.T) {
	_, err := ReadRecords(strings.NewReader(header + strings.Repeat("x,S,M,DE,C,E,\n", 5)))
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 5 || faults[4].Line != 6 {
		t.Errorf("faults %v", err)
	}
	_, err = ReadRecords(strings.NewReader(header + strings.Repeat("x,S,M,DE,C,E,\n", 500)))
	if !errors.As(err, &faults) || len(faults) != MaxFaults || !strings.Contains(err.Error(), "reading stopped") {
		t.Errorf("%d faults", len(faults))
	}
}

func FuzzReadRecords(f *testing.F) {
	f.Add([]byte(header + imei(1) + ",S1,Phone 12,DE,C-1,\"Trading, Ltd\",2021-06-01\n"))
	f.Add([]byte(header + imei(1) + ",S,M,UA-43,,,\r\n" + imei(2) + ",S,M,CU,C,E,\n"))
	f.Add([]byte(header + "\"\n"))
	f.Add([]byte("\ufeff" + header))
	f.Fuzz(func(t *testing.T, data []byte) {
		records, err := ReadRecords(bytes.NewReader(data))
		if err != nil && records != nil {
			t.Fatalf("%d records of a file that is refused: %v", len(records), err)
		}
		var again strings.Builder
		again.WriteString(header)
		for _, r := range records {
			day := ""
			if r.ShippedOn != 0 {
				day = r.ShippedOn.String()
			}
			fields := []string{string(r.IMEI), r.Serial, r.Model, string(r.Market), r.Consignment, r.Consignee, day}
			for i, s := range fields {
				fields[i] = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
			}
			again.WriteString(strings.Join(fields, ",") + "\n")
		}
		if len(records) == 0 {
			return
		}
		second, err := ReadRecords(strings.NewReader(again.String()))
		if err != nil && !strings.Contains(err.Error(), "longer than") || err == nil && !slices.Equal(records, second) {
			t.Fatalf("what was read does not read the same again: %v", err)
		}
	})
}

func TestDiversion(t *testing.T) {
	for _, tc := range []struct {
		market, activation territory.Code
		outside            bool
	}{
		{"ES", "ES", false}, {"ES", "CU", true}, {"ES", territory.Unknown, false}, {"UA", "UA-43", false}, {"UA-43", "UA-23", true}, {"UA-43", "UA", true},
		{territory.Unknown, "CU", false},
	} {
		if s := (Shipment{"north", tc.market, tc.activation}); s.Outside() != tc.outside {
			t.Errorf("%+v: %v", s, s.Outside())
		}
	}
}
