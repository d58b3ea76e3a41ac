package messages

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// catalogue reads FAMILY.LANG.json as it is: values are texts or plural forms.
func catalogue(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := catalogues.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m
}

func families(t *testing.T) map[string]map[string]map[string]any {
	t.Helper()
	names, err := fs.Glob(catalogues, "catalogue/*.json")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	all := make(map[string]map[string]map[string]any)
	for _, name := range names {
		parts := strings.Split(path.Base(name), ".")
		if len(parts) != 3 {
			t.Fatalf("%s: catalogues are named FAMILY.LANG.json", name)
		}
		if all[parts[0]] == nil {
			all[parts[0]] = make(map[string]map[string]any)
		}
		all[parts[0]][parts[1]] = catalogue(t, name)
	}
	return all
}

var placeholder = regexp.MustCompile(`\{\{\.\w+\}\}`)

// spokenByAll are the languages that every family must speak; in the others a family is complete or absent, and then
// its readers get English.
var spokenByAll = []string{"ar", "en", "es", "fa"}

// Every family has the same keys and the same blanks to fill in each of its languages, in every plural form they have.
func TestEveryKeyInEveryLanguage(t *testing.T) {
	for family, byLanguage := range families(t) {
		english := byLanguage["en"]
		if len(english) == 0 {
			t.Fatalf("%s has no English catalogue", family)
		}
		for _, l := range languages {
			own, spoken := byLanguage[l.Code]
			if !spoken && !slices.Contains(spokenByAll, l.Code) {
				continue
			}
			for key, want := range english {
				if !strings.HasPrefix(key, family+".") {
					t.Errorf("%s: key %s must begin with %s.", family, key, family)
				}
				got, ok := own[key]
				if !ok {
					t.Errorf("%s.%s lacks %s", family, l.Code, key)
					continue
				}
				sameBlanks(t, family+"."+l.Code+" "+key, l.Code, want, got)
			}
			for key := range own {
				if _, ok := english[key]; !ok {
					t.Errorf("%s.%s has %s, which English has not", family, l.Code, key)
				}
			}
		}
		for code := range byLanguage {
			if !slices.ContainsFunc(languages, func(l Language) bool { return l.Code == code }) {
				t.Errorf("%s.%s is a language that nobody can choose", family, code)
			}
		}
	}
}

func sameBlanks(t *testing.T, where, code string, want, got any) {
	t.Helper()
	text, single := got.(string)
	if _, wantSingle := want.(string); single != wantSingle {
		t.Errorf("%s: plural in one language and not in the other", where)
		return
	}
	if single {
		if a, b := blanks(want.(string)), blanks(text); !slices.Equal(a, b) {
			t.Errorf("%s: fills %v, English %v", where, b, a)
		}
		if strings.TrimSpace(text) == "" {
			t.Errorf("%s is empty", where)
		}
		return
	}
	forms := got.(map[string]any)
	for _, need := range pluralForms(code) {
		if text, _ := forms[need].(string); text == "" {
			t.Errorf("%s: plural form %q is missing", where, need)
		}
	}
}

func blanks(s string) []string {
	found := placeholder.FindAllString(s, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

// pluralForms returns the CLDR categories that whole numbers take in a language.
func pluralForms(code string) []string {
	names := map[plural.Form]string{plural.Other: "other", plural.Zero: "zero", plural.One: "one", plural.Two: "two",
		plural.Few: "few", plural.Many: "many"}
	seen := make(map[string]bool)
	for n := range 1001 {
		seen[names[plural.Cardinal.MatchPlural(language.MustParse(code), n, 0, 0, 0, 0)]] = true
	}
	var list []string
	for name := range seen {
		list = append(list, name)
	}
	return list
}

// A key that no page, screen or program names is dead weight for translators.
func TestNoKeyIsUnused(t *testing.T) {
	var sources strings.Builder
	root := "../.."
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != root || d.Name() == "catalogue") {
			return filepath.SkipDir
		}
		if ext := filepath.Ext(name); (ext == ".go" && !strings.HasSuffix(name, "_test.go")) || ext == ".html" {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			sources.Write(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	all := sources.String()
	for _, byLanguage := range families(t) {
		for key := range byLanguage["en"] {
			if !strings.Contains(all, `"`+key+`"`) {
				t.Errorf("nothing uses %s", key)
			}
		}
	}
}

// And a key that a page names must be there.
func TestNoKeyIsInvented(t *testing.T) {
	known := families(t)
	use := regexp.MustCompile(`"(owner|phone)\.[a-z0-9.-]+"`)
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") ||
			(filepath.Ext(name) != ".go" && filepath.Ext(name) != ".html") {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, quoted := range use.FindAllString(string(text), -1) {
			key := strings.Trim(quoted, `"`)
			if strings.HasSuffix(key, ".html") || strings.HasSuffix(key, ".go") || strings.HasSuffix(key, ".") {
				continue
			}
			if _, ok := known[key[:5]]["en"][key]; !ok {
				t.Errorf("%s names %s, which no catalogue has", name, key)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPlurals(t *testing.T) {
	for _, tc := range []struct {
		lang  string
		count int
		want  string
	}{
		{"en", 1, "1 day recorded"},
		{"en", 12, "12 days recorded"},
		{"ru", 1, "Записан 1 день"},
		{"ru", 3, "Записано 3 дня"},
		{"ru", 11, "Записано 11 дней"},
		{"ar", 2, "يومان مسجلان"},
		{"ar", 7, "٧ أيام مسجلة"},
		{"ar", 90, "٩٠ يومًا مسجلًا"},
		{"fa", 90, "۹۰ روز ثبت شده"},
		{"zh", 4, "已记录 4 天"},
	} {
		if got := For(tc.lang).T("owner.record.count", "Count", tc.count); got != tc.want {
			t.Errorf("%s %d: %q, want %q", tc.lang, tc.count, got, tc.want)
		}
	}
}

func TestTextsAreIsolatedInRightToLeft(t *testing.T) {
	if got := For("fa").T("owner.why.rule-text", "Territory", "Cuba"); !strings.Contains(got, "\u2068Cuba\u2069") {
		t.Errorf("%q", got)
	}
	if got := For("es").T("owner.why.rule-text", "Territory", "Cuba"); strings.Contains(got, "\u2068") {
		t.Errorf("%q", got)
	}
}

func TestNumbersAndDates(t *testing.T) {
	day := time.Date(2026, 11, 22, 23, 59, 0, 0, time.UTC)
	for _, tc := range []struct{ lang, number, date string }{
		{"en", "1,234,567", "22 November 2026"},
		{"es", "1.234.567", "22 de noviembre de 2026"},
		{"fr", "1\u202f234\u202f567", "22 novembre 2026"},
		{"ru", "1\u00a0234\u00a0567", "22 ноября 2026\u00a0г."},
		{"zh", "1,234,567", "2026年11月22日"},
		{"ar", "١٬٢٣٤٬٥٦٧", "٢٢ نوفمبر ٢٠٢٦"},
		{"fa", "۱٬۲۳۴٬۵۶۷", "۱ آذر ۱۴۰۵ (۲۲ نوامبر ۲۰۲۶)"},
	} {
		p := For(tc.lang)
		if got := p.Number(1234567); got != tc.number {
			t.Errorf("%s: %q, want %q", tc.lang, got, tc.number)
		}
		if got := p.Date(day); got != tc.date {
			t.Errorf("%s: %q, want %q", tc.lang, got, tc.date)
		}
	}
	if got := For("es").Number(-2000); got != "-2000" { // Spanish groups from five digits on
		t.Error(got)
	}
}

// Vectors from ICU 78.2 (Intl.DateTimeFormat, en-u-ca-persian).
func TestSolarHijri(t *testing.T) {
	for _, tc := range []struct {
		gregorian string
		y, m, d   int
	}{
		{"1985-12-24", 1364, 10, 3}, {"1988-09-01", 1367, 6, 10}, {"1994-03-11", 1372, 12, 20},
		{"2000-09-21", 1379, 6, 31}, {"2009-12-08", 1388, 9, 17}, {"2018-03-23", 1397, 1, 3},
		{"2021-12-28", 1400, 10, 7}, {"2024-09-05", 1403, 6, 15}, {"2027-06-10", 1406, 3, 20},
		{"2030-03-15", 1408, 12, 25}, {"2036-09-25", 1415, 7, 4}, {"2054-03-27", 1433, 1, 7},
		{"2066-03-19", 1444, 12, 29}, {"2069-12-24", 1448, 10, 4}, {"2084-09-21", 1463, 6, 31},
	} {
		day, err := time.Parse(time.DateOnly, tc.gregorian)
		if err != nil {
			t.Fatal(err)
		}
		if y, m, d := SolarHijri(day.Add(23 * time.Hour)); y != tc.y || m != tc.m || d != tc.d {
			t.Errorf("%s: %d-%d-%d, want %d-%d-%d", tc.gregorian, y, m, d, tc.y, tc.m, tc.d)
		}
	}
}

// Each day is followed by the next one, and no month is longer than 31 days.
func TestSolarHijriHasNoGap(t *testing.T) {
	day := time.Date(1840, 1, 1, 0, 0, 0, 0, time.UTC)
	y, m, d := SolarHijri(day)
	for day.Year() <= 2100 {
		day = day.AddDate(0, 0, 1)
		ny, nm, nd := SolarHijri(day)
		next := ny == y && nm == m && nd == d+1
		newMonth := nd == 1 && d >= 29 && (ny == y && nm == m+1 || ny == y+1 && m == 12 && nm == 1)
		if !next && !newMonth || nd > 31 {
			t.Fatalf("%s: %d-%d-%d after %d-%d-%d", day.Format(time.DateOnly), ny, nm, nd, y, m, d)
		}
		y, m, d = ny, nm, nd
	}
}

func TestMatch(t *testing.T) {
	for _, tc := range []struct{ wish, accept, want string }{
		{"fa", "en", "fa"},
		{"", "fa-IR,fa;q=0.9,en;q=0.5", "fa"},
		{"", "es-CU", "es"},
		{"", "zh-Hant-TW", "zh"},
		{"", "tlh", "en"},
		{"", "", "en"},
		{"xx-nonsense-<script>", "ar", "ar"},
		{"", "\x00;;;q=9", "en"},
		{strings.Repeat("a", 4000), strings.Repeat("en,", 4000), "en"},
	} {
		if got := Match(tc.wish, tc.accept); got != tc.want {
			t.Errorf("Match(%.20q, %.20q) = %s, want %s", tc.wish, tc.accept, got, tc.want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("fa", "en;q=0.5")
	f.Add("", "zh-Hant,*;q=0.1")
	f.Fuzz(func(t *testing.T, wish, accept string) {
		code := Match(wish, accept)
		if !slices.ContainsFunc(languages, func(l Language) bool { return l.Code == code }) {
			t.Fatal(code)
		}
	})
}
