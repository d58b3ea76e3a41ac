package territory

import (
	"strings"
	"testing"
)

func TestNameInTheOwnersLanguage(t *testing.T) {
	for _, tt := range []struct {
		code Code
		lang string
		want string
	}{
		{"CU", "en", "Cuba"},
		{"CU", "fa", "کوبا"},
		{"IR", "ar", "إيران"},
		{"SY", "fr", "Syrie"},
		{"SY", "fr-CA", "Syrie"},
		{"KP", "ko", "북한"},
		{"DE", "de_AT.UTF-8", "Deutschland"},
		{"DE", "zh-Hans-CN", "德国"},
		{"DE", "zh-TW", "德國"},
		{"DE", "ZH_hk", "德國"},
		{"DE", "zh-Hant-TW", "德國"},
		{"IL", "iw", "ישראל"},
		{"NO", "nb-NO", "Norge"},
		{"UA-43", "uk-UA", "Крим"},
		{"UA-43", "fa", "کریمه"},
		{"UA-40", "en-GB", "Sevastopol"},
		{"UA-65", "uk", "Херсонська область"},
		{"UA-65", "fr", "Khersonshchyna"}, // CLDR has English only
		{"XK", "sq", "Kosovë"},
		{"CU", "tlh", "Cuba"},
		{"CU", "", "Cuba"},
		{"CU", strings.Repeat("a-", 40), "Cuba"},
		{"QQ", "en", "QQ"},
		{Unknown, "en", ""},
	} {
		if got := Name(tt.code, tt.lang); got != tt.want {
			t.Errorf("Name(%q, %q) = %q, want %q", tt.code, tt.lang, got, tt.want)
		}
	}
}

// The languages of the messages must name every country themselves, without falling back to English.
func TestMessageLanguagesAreComplete(t *testing.T) {
	for _, lang := range strings.Fields("en es fa ar fr de pt ru uk zh zh-Hant ko tr he hi id vi sw ja it pl") {
		for i, c := range countries {
			if nameIn(lang, i) == "" {
				t.Errorf("%s has no name of its own for %s", lang, c)
			}
		}
		for _, c := range []Code{"UA-43", "UA-40"} {
			if at, _ := nameIndex(c); nameIn(lang, at) == "" {
				t.Errorf("%s has no name of its own for %s", lang, c)
			}
		}
	}
}

func TestEveryBlockUnpacks(t *testing.T) {
	tags := Languages()
	if len(tags) < 200 {
		t.Fatalf("%d languages, expected over 200", len(tags))
	}
	for i, l := range nameBook() {
		if n := len(l.names()); n != len(countries)+len(subdivisions) {
			t.Errorf("%s has %d names", l.tag, n)
		}
		if i > 0 && tags[i-1] >= tags[i] {
			t.Errorf("%s comes after %s", tags[i], tags[i-1])
		}
	}
	for _, c := range Countries() {
		if n := Name(c, "en"); n == string(c) {
			t.Errorf("%s has no English name", c)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"en", "fr-CA", "zh_TW", "fa_IR.UTF-8", "sr-Latn-BA@euro", "-", "é-Ü", "x-", ""} {
		f.Add("UA-43", s)
	}
	f.Fuzz(func(t *testing.T, code, lang string) {
		if Name(Code(code), lang) == "" && code != "" {
			t.Fatalf("no name at all for %q in %q", code, lang)
		}
	})
}

func BenchmarkName(b *testing.B) {
	for b.Loop() {
		Name("UA-43", "fa")
	}
}
