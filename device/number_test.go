package device_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/device"
)

func TestNumber(t *testing.T) {
	id := device.ID{0x4b, 0x1d, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0xff, 0xff}
	const number = "211519 005665 011319 016973 022627 028281 033935 720885"
	if got := id.Number(); got != number {
		t.Fatalf("%s, want %s", got, number)
	}
	persian := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r - '0' + '۰'
		}
		return r
	}, number)
	for _, typed := range []string{number, strings.ReplaceAll(number, " ", ""), strings.ReplaceAll(number, " ", "-"), "\u2066" + persian + "\u2069\n"} {
		if got, err := device.ParseNumber(typed); err != nil || got != id {
			t.Errorf("%q: %v, %v", typed, got, err)
		}
	}
	for bad, want := range map[string]string{
		"": "has 0", "12": "has 2", number + "1": "has 49", "x" + number: "does not belong",
		strings.Replace(number, "005665", "005656", 1): "group 2 of 8", strings.Replace(number, "720885", "720896", 1): "group 8 of 8",
		strings.Repeat("0", 48): "no device", strings.Repeat(" ", 600): "far longer",
	} {
		if _, err := device.ParseNumber(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", bad, err, want)
		}
	}
}

// One digit wrong, or two neighbours of a group exchanged, is always found.
func TestNumberFindsSlips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := device.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		id[0] |= 1
		number := []byte(strings.ReplaceAll(id.Number(), " ", ""))
		if back, err := device.ParseNumber(string(number)); err != nil || back != id {
			t.Fatal(back, err)
		}
		at := rapid.IntRange(0, len(number)-1).Draw(t, "at")
		if rapid.Bool().Draw(t, "swap") && at%6 < 5 && number[at] != number[at+1] {
			number[at], number[at+1] = number[at+1], number[at]
		} else {
			number[at] = '0' + (number[at]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "by")))%10
		}
		if _, err := device.ParseNumber(string(number)); err == nil {
			t.Fatalf("%s was taken", number)
		}
	})
}

func FuzzParseNumber(f *testing.F) {
	f.Add(device.ID{1}.Number())
	f.Add("۱۲۳")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := device.ParseNumber(s); err == nil {
			if again, err := device.ParseNumber(id.Number()); err != nil || again != id {
				t.Fatal(id, again, err)
			}
		}
	})
}
