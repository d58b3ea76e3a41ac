package device

import (
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

func TestParseIMEI(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"490154203237518", "490154203237518"}, // the worked example of 3GPP TS 23.003, annex B
		{"49-015420-323751-8", "490154203237518"},
		{"۴۹۰۱۵۴۲۰۳۲۳۷۵۱۸", "490154203237518"},
		{"٤٩٠١٥٤٢٠٣٢٣٧٥١٨", "490154203237518"},
		{"490154203237517", ""},
		{"49015420323751", ""},
		{"49015420323751x", ""},
		{"", ""},
	} {
		got, err := ParseIMEI(tc.in)
		if string(got) != tc.want || (err != nil) != (tc.want == "") {
			t.Errorf("ParseIMEI(%q) = %q, %v; want %q", tc.in, got, err, tc.want)
		}
	}
	if tac := IMEI("490154203237518").TAC(); tac != "49015420" {
		t.Errorf("TAC = %s", tac)
	}
}

// Every block of decimal digits in Unicode must read as 0 to 9 in order.
func TestDigitValueEveryScript(t *testing.T) {
	previous := -1
	for r := rune(0); r <= unicode.MaxRune; r++ {
		v := DigitValue(r)
		if unicode.Is(unicode.Nd, r) != (v >= 0) {
			t.Fatalf("%U: value %d", r, v)
		}
		if v < 0 {
			if previous >= 0 && previous != 9 {
				t.Fatalf("%U: block of digits ended at %d", r, previous)
			}
		} else if v != (previous+1)%10 {
			t.Fatalf("%U: value %d after %d", r, v, previous)
		}
		previous = v
	}
}

func TestIMEIOneWrongDigitIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.StringMatching(`[0-9]{14}`).Draw(t, "body")
		imei := []byte(body + string(CheckDigit(body)))
		if _, err := ParseIMEI(string(imei)); err != nil {
			t.Fatal(err)
		}
		at := rapid.IntRange(0, 14).Draw(t, "at")
		imei[at] = '0' + (imei[at]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "by")))%10
		if _, err := ParseIMEI(string(imei)); err == nil {
			t.Fatalf("%s accepted", imei)
		}
	})
}

func TestIDText(t *testing.T) {
	id := ID{1, 2, 0xab}
	back, err := ParseID(id.String())
	if err != nil || back != id {
		t.Fatalf("%v %v", back, err)
	}
	for _, bad := range []string{"", "0102AB00000000000000000000000000", "zz02ab00000000000000000000000000"} {
		if _, err := ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) accepted", bad)
		}
	}
}
