package main

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A language counts when CLDR names at least this many of the 250 countries in it.
const leastNames = 200

// packNames writes names.bin, whose form territory/name.go describes, and returns the number of languages.
func packNames(modules, handmade string, codes codeTable) ([]byte, int, error) {
	byLocale, err := readLocales(modules, codes)
	if err != nil {
		return nil, 0, err
	}
	subdivisions, err := readSubdivisionNames(modules, handmade, codes)
	if err != nil {
		return nil, 0, err
	}
	parents, err := readParents(modules)
	if err != nil {
		return nil, 0, err
	}
	var out bytes.Buffer
	count := 0
	english := rawBlock(blockOf("en", parents, byLocale, subdivisions, codes))
	for _, locale := range sortedKeys(byLocale) {
		block := blockOf(locale, parents, byLocale, subdivisions, codes)
		if !slices.ContainsFunc(block, func(name string) bool { return name != "" }) {
			continue
		}
		dictionary := english
		if locale == "en" {
			dictionary = nil
		}
		count++
		if err := appendBlock(&out, locale, block, dictionary); err != nil {
			return nil, 0, err
		}
	}
	for locale := range subdivisions {
		if byLocale[locale] == nil {
			return nil, 0, fmt.Errorf("%s: language %q is not among CLDR's", handmade, locale)
		}
	}
	return out.Bytes(), count, nil
}

// blockOf lists the names of locale that its parent does not give.
func blockOf(locale string, parents map[string]string, countries, subdivisions map[string]map[string]string, codes codeTable) []string {
	block := make([]string, 0, len(codes.countries)+len(codes.subdivisions))
	from := countries[inherits(locale, parents, countries)]
	for _, code := range codes.countries {
		name := countries[locale][code]
		if name == from[code] {
			name = ""
		}
		block = append(block, name)
	}
	for _, code := range codes.subdivisions {
		block = append(block, subdivisions[locale][code])
	}
	return block
}

func appendBlock(out *bytes.Buffer, locale string, names []string, dictionary []byte) error {
	var packed bytes.Buffer
	w, err := flate.NewWriterDict(&packed, flate.BestCompression, dictionary)
	if err != nil {
		return err
	}
	if _, err := w.Write(rawBlock(names)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	out.WriteByte(byte(len(locale)))
	out.WriteString(locale)
	out.Write(binary.AppendUvarint(nil, uint64(packed.Len())))
	out.Write(packed.Bytes())
	return nil
}

func rawBlock(names []string) []byte { return []byte(strings.Join(names, "\x00") + "\x00") }

// readLocales keeps languages that are translated, and regional forms of those.
func readLocales(modules string, codes codeTable) (map[string]map[string]string, error) {
	entries, err := os.ReadDir(filepath.Join(modules, "cldr-localenames-full", "main"))
	if err != nil {
		return nil, err
	}
	all := make(map[string]map[string]string)
	for _, e := range entries {
		names, err := readTerritories(modules, e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue // a locale without territory names
		}
		if err != nil {
			return nil, err
		}
		translated := 0
		for _, code := range codes.countries {
			if names[code] == code {
				delete(names, code) // CLDR's root: the code stands for itself
			} else if names[code] != "" {
				translated++
			}
		}
		if translated >= leastNames {
			all[e.Name()] = names
		}
	}
	return all, nil
}

func readParents(modules string) (map[string]string, error) {
	var doc struct {
		Supplemental struct {
			ParentLocales struct{ ParentLocale map[string]string }
		}
	}
	err := readJSON(filepath.Join(modules, "cldr-core", "supplemental", "parentLocales.json"), &doc)
	return doc.Supplemental.ParentLocales.ParentLocale, err
}

// inherits returns the locale that territory.Name would try next, and "" where it would stop. Regional English is
// reached by truncation there, so it is here.
func inherits(locale string, parents map[string]string, known map[string]map[string]string) string {
	for {
		p, listed := parents[locale]
		if !listed || strings.HasPrefix(locale, "en-") || !strings.Contains(locale, "-") {
			i := strings.LastIndexByte(locale, '-')
			if i < 0 {
				return ""
			}
			p = locale[:i]
		}
		if p == "und" {
			return ""
		}
		if known[p] != nil {
			return p
		}
		locale = p
	}
}

// readSubdivisionNames joins CLDR's English names with the table made by hand: language, code, name.
func readSubdivisionNames(modules, handmade string, codes codeTable) (map[string]map[string]string, error) {
	english, err := readSubdivisions(modules)
	if err != nil {
		return nil, err
	}
	names := map[string]map[string]string{"en": {}}
	for _, code := range codes.subdivisions {
		names["en"][code] = english[strings.ToLower(strings.ReplaceAll(code, "-", ""))]
	}
	data, err := os.ReadFile(handmade)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 3 || !slices.Contains(codes.subdivisions, f[1]) || f[2] == "" {
			return nil, fmt.Errorf("%s line %d: expected language, known code and name, parted by tabs", handmade, i+1)
		}
		if names[f[0]] == nil {
			names[f[0]] = make(map[string]string)
		}
		if names[f[0]][f[1]] != "" {
			return nil, fmt.Errorf("%s line %d: %s has a name in %s already", handmade, i+1, f[1], f[0])
		}
		names[f[0]][f[1]] = f[2]
	}
	return names, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
