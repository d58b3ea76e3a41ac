package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/text/language"
)

// feature is a territory as a source draws it.
type feature struct {
	code  string // ISO 3166
	rings []ring // outer and inner alike: what counts is how many hold a place
	lines [][]pt // open stretches that close together, instead of rings
	area  float64
}

type geometry struct {
	Type        string          `json:"type"`
	Coordinates json.RawMessage `json:"coordinates"`
}

func (g geometry) rings() ([]ring, error) {
	var polys [][][][2]float64
	switch g.Type {
	case "Polygon":
		var p [][][2]float64
		if err := json.Unmarshal(g.Coordinates, &p); err != nil {
			return nil, err
		}
		polys = append(polys, p)
	case "MultiPolygon":
		if err := json.Unmarshal(g.Coordinates, &polys); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("geometry %q", g.Type)
	}
	var out []ring
	for _, p := range polys {
		for _, r := range p {
			out = append(out, ringOf(r))
		}
	}
	return out, nil
}

func ringOf(ps [][2]float64) ring {
	r := make(ring, 0, len(ps))
	for _, p := range ps {
		if q := at(p[0], p[1]); len(r) == 0 || r[len(r)-1] != q {
			r = append(r, q)
		}
	}
	if len(r) > 1 && r[0] == r[len(r)-1] {
		r = r[:len(r)-1]
	}
	return r
}

// readCountries reads the countries with their territorial seas.
func readCountries(path string) ([]feature, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Features []struct {
			Properties struct{ A3 string }
			Geometry   geometry
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var out []feature
	for _, f := range file.Features {
		code, err := alpha2(f.Properties.A3)
		if err != nil {
			return nil, err
		}
		rings, err := f.Geometry.rings()
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, code, err)
		}
		out = append(out, feature{code: code, rings: rings})
	}
	return out, nil
}

// alpha2 turns an ISO 3166-1 alpha-3 code into alpha-2. XKX, which ISO leaves to users, is Kosovo's XK.
func alpha2(a3 string) (string, error) {
	if a3 == "XKX" {
		return "XK", nil
	}
	r, err := language.ParseRegion(a3)
	if err != nil || len(r.String()) != 2 {
		return "", fmt.Errorf("no alpha-2 code for %q", a3)
	}
	return r.String(), nil
}

// readProvinces reads those first-level subdivisions, one feature a line, whose ISO 3166-2 code begins with a prefix.
func readProvinces(path, prefix string) ([]feature, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []feature
	for r := bufio.NewReaderSize(f, 1<<20); ; {
		line, err := r.ReadString('\n')
		if strings.Contains(line, `"iso_3166_2":"`+prefix) {
			var p struct {
				Properties struct {
					Code string `json:"iso_3166_2"`
				}
				Geometry geometry
			}
			if err := json.Unmarshal([]byte(strings.TrimRight(strings.TrimSpace(line), ",")), &p); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			rings, err := p.Geometry.rings()
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", path, p.Properties.Code, err)
			}
			out = append(out, feature{code: p.Properties.Code, rings: rings})
		}
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
