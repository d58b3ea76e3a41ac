package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Time zones follow countries' borders at OpenStreetMap's full precision, and are newer (2023) than the set of countries
// (2017). They are the base; the exceptions below are where a zone is not a country.
var (
	hanoi      = at(105.85, 21.03) // North Vietnam keeps Bangkok's time
	guantanamo = at(-75.14, 19.92) // the base keeps New York's time
	janMayen   = at(-8.5, 70.98)   // keeps Oslo's time, and shares a code with Svalbard
	pristina   = at(21.16, 42.66)  // Kosovo keeps Belgrade's time
)

const (
	coveredTwice = "Asia/Urumqi" // the same land as a part of Asia/Shanghai
	crimea       = "Europe/Simferopol"
)

// compose stacks the sources.
func compose(src sources) (*atlas, error) {
	zones, err := readZones(src.zones)
	if err != nil {
		return nil, err
	}
	older, err := readCountries(src.maritime)
	if err != nil {
		return nil, err
	}
	oblasts, err := readProvinces(src.provinces, "UA-")
	if err != nil {
		return nil, err
	}
	byCode := map[string]*feature{}
	give := func(code string, rings ...ring) {
		if byCode[code] == nil {
			byCode[code] = &feature{code: code}
		}
		byCode[code].rings = append(byCode[code].rings, rings...)
	}
	var serbia []ring
	var ukraine []zone
	for _, z := range zones {
		switch {
		case z.name == coveredTwice:
		case z.name == "Europe/Belgrade":
			serbia = z.rings
		case z.country == "UA":
			ukraine = append(ukraine, z)
		default:
			for _, r := range z.rings {
				give(owner(z, r), r)
			}
		}
	}
	parts, err := partitionSerbia(serbia, older)
	if err != nil {
		return nil, err
	}
	more, err := partitionUkraine(ukraine, oblasts)
	if err != nil {
		return nil, err
	}
	all := slices.Concat(parts, more)
	for _, f := range byCode {
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b feature) int { return cmp.Compare(a.code, b.code) })
	return rank(append(all, uncovered(older, all)...))
}

// owner is the country of one ring of a zone.
func owner(z zone, r ring) string {
	within := func(p pt) bool { return r.holds(p) }
	switch {
	case z.name == "Asia/Bangkok" && within(hanoi):
		return "VN"
	case z.name == "America/New_York" && within(guantanamo):
		return "CU"
	case z.country == "NO" && within(janMayen):
		return "SJ"
	}
	return z.country
}

// partitionSerbia parts Belgrade's zone by the older border of Kosovo.
func partitionSerbia(rings []ring, older []feature) ([]feature, error) {
	var two []feature
	for _, f := range older {
		if f.code == "RS" || f.code == "XK" {
			two = append(two, f)
		}
	}
	kosovo := slices.IndexFunc(two, func(f feature) bool { return f.code == "XK" })
	for i, r := range rings {
		if r.holds(pristina) {
			border := inner{two[kosovo].rings[0].inside(r), [2]string{"RS", "XK"}}
			parts, err := partition(r, two, []inner{border})
			if err != nil {
				return nil, fmt.Errorf("Serbia and Kosovo: %w", err)
			}
			for j := range parts {
				if parts[j].code == "RS" {
					parts[j].rings = slices.Delete(slices.Clone(rings), i, i+1)
				}
			}
			return parts, nil
		}
	}
	return nil, errors.New("no ring of Europe/Belgrade holds Pristina")
}

// uncovered returns what only the older set of countries draws: islands and Antarctica without a time zone.
func uncovered(older, newer []feature) []feature {
	var out []feature
	for _, f := range older {
		f.rings = slices.DeleteFunc(slices.Clone(f.rings), func(r ring) bool { return r.touches(newer) })
		if len(f.rings) > 0 {
			out = append(out, mended(f))
		}
	}
	return out
}

// touches reports whether one of a ring's points lies in one of the features, or one of theirs in it.
func (r ring) touches(fs []feature) bool {
	box := r.box()
	for _, f := range fs {
		for _, o := range slices.Concat(f.rings, linesAsRings(f.lines)) {
			if !o.box().overlaps(box) {
				continue
			}
			if r.holdsSome(o) || o.holdsSome(r) {
				return true
			}
		}
	}
	return false
}

func linesAsRings(ls [][]pt) (rs []ring) {
	for _, l := range ls {
		rs = append(rs, l)
	}
	return rs
}

// holdsSome tries about a hundred points of another ring.
func (r ring) holdsSome(o ring) bool {
	for i := 0; i < len(o); i += 1 + len(o)/100 {
		if r.holds(o[i]) {
			return true
		}
	}
	return false
}

type box struct{ low, high pt }

func (r ring) box() box {
	b := box{r[0], r[0]}
	for _, p := range r {
		b.low, b.high = pt{min(b.low.x, p.x), min(b.low.y, p.y)}, pt{max(b.high.x, p.x), max(b.high.y, p.y)}
	}
	return b
}

func (b box) overlaps(c box) bool {
	return b.low.x <= c.high.x && c.low.x <= b.high.x && b.low.y <= c.high.y && c.low.y <= b.high.y
}

// mended draws Antarctica, which the source cuts off at 85.05° south, on to the pole.
func mended(f feature) feature {
	if f.code == "AQ" {
		for _, r := range f.rings {
			for i := range r {
				if r[i].lat() < -85.04 {
					r[i].y = -90e7
				}
			}
		}
	}
	return f
}
