package territory

import (
	"compress/flate"
	_ "embed"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"sync"
)

// Name returns the name of c in the language of a BCP 47 tag, such as "fa", "zh-Hant-TW" or "fr-CA". A language that is
// not here, or has no name for c, falls back along the tag (fr-CA, fr), then to English, then to the code itself; so
// the answer is empty only for Unknown. Underscores and any case are accepted.
//
// Source: Unicode CLDR 48, territories in every language that has at least 200 of them. CLDR 48 names Ukraine's
// subdivisions in English only; Ukrainian and Russian names of all, and those of Crimea and Sevastopol in the
// languages of the messages, are added by hand (gencodes/subdivisions.tsv).
//
// A language is unpacked when it is first asked for: about 0.1 ms and 12 kB each.
func Name(c Code, lang string) string {
	at, ok := nameIndex(c)
	if !ok {
		return string(c)
	}
	for tag := canonical(lang); tag != ""; tag = parent(tag) {
		if name := nameIn(tag, at); name != "" {
			return name
		}
	}
	if name := nameIn("en", at); name != "" {
		return name
	}
	return string(c)
}

// Languages returns the tags that have names of their own, in alphabetical order.
func Languages() []string {
	book := nameBook()
	tags := make([]string, len(book))
	for i := range book {
		tags[i] = book[i].tag
	}
	return tags
}

// nameIndex is the place of c's name in every block: countries first, then subdivisions.
func nameIndex(c Code) (int, bool) {
	if i, ok := slices.BinarySearch(countries[:], c); ok {
		return i, true
	}
	i, ok := slices.BinarySearch(subdivisions[:], c)
	return len(countries) + i, ok
}

func nameIn(tag string, at int) string {
	book := nameBook()
	i := indexOf(book, tag)
	if i < 0 {
		return ""
	}
	names := book[i].names()
	if at >= len(names) {
		return ""
	}
	return names[at]
}

// oldTags are language subtags that ISO 639 or CLDR replaced and that devices still report.
var oldTags = map[string]string{"iw": "he", "in": "id", "ji": "yi", "tl": "fil", "mo": "ro", "nb": "no", "sh": "sr-Latn"}

// canonical brings a tag into CLDR's form: "ZH_tw" becomes "zh-Hant-TW". Tags over 35 bytes, the length that RFC 5646
// section 4.4.1 asks of every reader, have no names.
func canonical(tag string) string {
	if len(tag) > 35 {
		return ""
	}
	if i := strings.IndexAny(tag, ".@"); i >= 0 { // POSIX: fa_IR.UTF-8
		tag = tag[:i]
	}
	parts := strings.FieldsFunc(tag, func(r rune) bool { return r == '-' || r == '_' })
	for i, p := range parts {
		switch {
		case i == 0 || (len(p) != 2 && len(p) != 4):
			parts[i] = strings.ToLower(p)
		case len(p) == 2:
			parts[i] = strings.ToUpper(p)
		default:
			parts[i] = strings.ToUpper(p[:1]) + strings.ToLower(p[1:])
		}
	}
	if len(parts) == 0 {
		return ""
	}
	if now, old := oldTags[parts[0]]; old {
		parts[0] = now
	}
	if parts[0] == "zh" && len(parts) > 1 && slices.Contains([]string{"TW", "HK", "MO"}, parts[1]) {
		parts[0] = "zh-Hant"
	}
	return strings.Join(parts, "-")
}

// parent is the next tag to try, by CLDR's parentLocales where truncation would mislead.
func parent(tag string) string {
	lang, rest, _ := strings.Cut(tag, "-")
	switch {
	case lang == "es" && len(rest) == 2 && latinAmerica[rest]:
		return "es-419"
	case lang == "pt" && len(rest) == 2 && rest != "BR" && rest != "PT":
		return "pt-PT"
	case tag == "zh-Hant-MO":
		return "zh-Hant-HK"
	case scriptsApart[tag]:
		return "" // another script: English is nearer than a script that the reader may not know
	}
	if i := strings.LastIndexByte(tag, '-'); i >= 0 {
		return tag[:i]
	}
	return ""
}

var latinAmerica = set("AR BO BR BZ CL CO CR CU DO EC GT HN MX NI PA PE PR PY SV US UY VE")

var scriptsApart = set("az-Arab az-Cyrl bs-Cyrl kk-Arab ku-Arab pa-Arab sr-Latn uz-Arab uz-Cyrl yue-Hans zh-Hant")

func set(words string) map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// names.bin holds, per language: length of tag (1 byte), tag, length of block (uvarint), block. A block is DEFLATE of
// the names in nameIndex order, each ended by a zero byte, empty where the parent's is the same; all but the English
// block are packed with that as the preset dictionary.
//
//go:embed names.bin
var namesBin string

type language struct {
	tag   string
	block string
	names func() []string
}

var nameBook = sync.OnceValue(func() []*language {
	var book []*language
	english := sync.OnceValue(func() string { return unpack(book[indexOf(book, "en")].block, "") })
	for rest := namesBin; rest != ""; {
		l := &language{tag: rest[1 : 1+rest[0]]}
		rest = rest[1+len(l.tag):]
		size, n := binary.Uvarint([]byte(rest[:min(len(rest), binary.MaxVarintLen64)]))
		l.block = rest[n : n+int(size)]
		rest = rest[n+int(size):]
		l.names = sync.OnceValue(func() []string { return splitNames(l, english()) })
		book = append(book, l)
	}
	return book
})

func indexOf(book []*language, tag string) int {
	i, found := slices.BinarySearchFunc(book, tag, func(l *language, tag string) int { return strings.Compare(l.tag, tag) })
	if !found {
		return -1
	}
	return i
}

func splitNames(l *language, english string) []string {
	raw := english
	if l.tag != "en" {
		raw = unpack(l.block, english)
	}
	return strings.Split(strings.TrimSuffix(raw, "\x00"), "\x00")
}

func unpack(block, dictionary string) string {
	raw, err := io.ReadAll(flate.NewReaderDict(strings.NewReader(block), []byte(dictionary)))
	if err != nil {
		panic("territory: names.bin is damaged: " + err.Error()) // part of the program; a test reads every block
	}
	return string(raw)
}
