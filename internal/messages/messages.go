// Package messages holds what devices' owners read, in their languages: embedded catalogues of messages with the plural
// rules of CLDR, and dates and numbers in the digits and the calendar that the reader expects.
//
//	p := messages.For("fa")
//	p.T("owner.stage.noticed-text", "Date", p.Date(deadline))
//	p.T("owner.record.count", "Count", 12)   // picks the plural form
//
// A catalogue is catalogue/FAMILY.LANG.json in the format of go-i18n; FAMILY is who reads it: "owner" the owner page,
// "phone" the screen of a phone, "escrow" the page of an escrow kit. Every key begins with its family and is written out in full where it is used, so that a
// test finds keys that are missing in a language and keys that nobody uses. Every family speaks at least English, Arabic,
// Persian and Spanish; a key that a language lacks is answered in English.
package messages

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed catalogue/*.json
var catalogues embed.FS

// Language is a language that owners can choose.
type Language struct {
	Code string // BCP 47
	Name string // in the language itself
	Dir  string // "ltr" or "rtl"
}

// languages in the order in which a reader is offered them. English is first, the fallback.
var languages = []Language{
	{"en", "English", "ltr"},
	{"ar", "العربية", "rtl"},
	{"es", "Español", "ltr"},
	{"fa", "فارسی", "rtl"},
	{"fr", "Français", "ltr"},
	{"ru", "Русский", "ltr"},
	{"zh", "中文", "ltr"},
}

// Languages lists what there is.
func Languages() []Language { return slices.Clone(languages) }

// Match returns the code of the language to answer in: wish if there is such a language (from a link, for instance
// "fa"), else the best for an Accept-Language header (RFC 9110, 12.5.4), else "en". Both may be anything.
func Match(wish, acceptLanguage string) string {
	if len(acceptLanguage) > 512 {
		acceptLanguage = ""
	}
	wished, err := language.Parse(clip(wish))
	asked, _, headerErr := language.ParseAcceptLanguage(acceptLanguage)
	if headerErr != nil {
		asked = nil
	}
	if err == nil && wish != "" {
		if _, at, sure := matcher().Match(wished); sure >= language.High {
			return languages[at].Code
		}
	}
	_, at, _ := matcher().Match(asked...)
	return languages[at].Code
}

func clip(s string) string { return s[:min(len(s), 35)] }

var matcher = sync.OnceValue(func() language.Matcher {
	tags := make([]language.Tag, len(languages))
	for i, l := range languages {
		tags[i] = language.MustParse(l.Code)
	}
	return language.NewMatcher(tags)
})

// Printer writes in one language. It is safe for concurrent use.
type Printer struct {
	language  Language
	localizer *i18n.Localizer
	form      *form
}

// For returns the printer of the language with this code, or of the nearest one; English if there is none.
func For(code string) *Printer {
	all := printers()
	if p, ok := all[code]; ok {
		return p
	}
	return all[Match(code, "")]
}

// Lang returns the BCP 47 code, for the lang attribute and for territory.Name.
func (p *Printer) Lang() string { return p.language.Code }

// Dir returns "ltr" or "rtl".
func (p *Printer) Dir() string { return p.language.Dir }

// Name returns the language's name in itself.
func (p *Printer) Name() string { return p.language.Name }

// T returns the message of a key, filled with args: names and values by turns. A whole number named Count chooses the
// plural form; whole numbers are written in the reader's digits. Texts are set apart in right-to-left messages, so that
// Latin letters in them do not disturb the order of the words. An unknown key returns itself; a test sees to it that
// there is none.
func (p *Printer) T(key string, args ...any) string {
	cfg := i18n.LocalizeConfig{MessageID: key}
	if len(args) > 0 {
		data := make(map[string]any, len(args)/2)
		for i := 0; i+1 < len(args); i += 2 {
			name := fmt.Sprint(args[i])
			data[name] = p.argument(args[i+1])
			if count, ok := args[i+1].(int); ok && name == "Count" {
				cfg.PluralCount = count
			}
		}
		cfg.TemplateData = data
	}
	text, err := p.localizer.Localize(&cfg)
	if err != nil && text == "" {
		return key
	}
	return text
}

func (p *Printer) argument(v any) any {
	switch v := v.(type) {
	case int:
		return p.Number(v)
	case string:
		if p.language.Dir == "rtl" && v != "" {
			return "\u2068" + v + "\u2069" // first strong isolate … pop directional isolate
		}
	}
	return v
}

// Number writes n in the reader's digits, grouped by thousands.
func (p *Printer) Number(n int) string {
	digits := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, d := range []byte(digits) {
		if left := len(digits) - i; i > 0 && left%3 == 0 && len(digits) >= p.form.groupFrom {
			b.WriteString(p.form.group)
		}
		b.WriteRune(p.form.zero + rune(d-'0'))
	}
	return sign + b.String()
}

// Percent writes a percentage.
func (p *Printer) Percent(n int) string { return p.Number(n) + p.form.percent }

// Digits rewrites the decimal digits of an ASCII text in the reader's, and leaves all else.
func (p *Printer) Digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return p.form.zero + r - '0'
		}
		return r
	}, s)
}

var printers = sync.OnceValue(func() map[string]*Printer {
	bundle, err := load(catalogues)
	if err != nil {
		panic(err) // the catalogues are part of the program, and a test loads them
	}
	all := make(map[string]*Printer, len(languages))
	for _, l := range languages {
		all[l.Code] = &Printer{l, i18n.NewLocalizer(bundle, l.Code, "en"), forms[l.Code]}
	}
	return all
})

func load(files fs.FS) (*i18n.Bundle, error) {
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	names, err := fs.Glob(files, "catalogue/*.json")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		// go-i18n reads the language from the name: FAMILY.LANG.json.
		if _, err := bundle.ParseMessageFileBytes(text, path.Base(name)); err != nil {
			return nil, fmt.Errorf("messages: %s: %w", name, err)
		}
	}
	return bundle, nil
}
