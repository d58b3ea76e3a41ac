package main

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
)

// zonesTab says which country each time zone belongs to: the first and third columns of zone.tab of the tz database (2025b,
// public domain), without the zone that is newer than the borders, with Asia/Choibalsan, which is older, and without Russia's
// claim to Europe/Simferopol.
//
//go:embed zones.tab
var zonesTab string

// zone is a time zone's borders.
type zone struct {
	name, country string
	rings         []ring
}

// readZones reads the zones of countries from the Protocol Buffers file of tzf: zones (1) of polygons (1) and a name (2),
// polygons of points (1) and holes (2), points of longitude (1) and latitude (2) as floats.
func readZones(path string) ([]zone, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	country := map[string]string{}
	for line := range strings.Lines(zonesTab) {
		code, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		country[name] = code
	}
	var out []zone
	err = eachField(data, func(n int, v []byte, _ float32) error {
		if n != 1 {
			return nil
		}
		var z zone
		err := eachField(v, func(n int, v []byte, _ float32) error {
			if n == 2 {
				z.name = string(v)
			}
			if n == 1 {
				return readPolygon(v, &z.rings)
			}
			return nil
		})
		if z.country = country[z.name]; z.country != "" {
			delete(country, z.name)
			out = append(out, z)
		} else if !strings.HasPrefix(z.name, "Etc/") { // the high seas
			return fmt.Errorf("%s: zone %q is not in zones.tab", path, z.name)
		}
		return err
	})
	for name := range country {
		return nil, fmt.Errorf("%s: no zone %q", path, name)
	}
	return out, err
}

func readPolygon(data []byte, rings *[]ring) error {
	var r [][2]float64
	err := eachField(data, func(n int, v []byte, _ float32) error {
		switch n {
		case 1:
			var p [2]float64
			err := eachField(v, func(n int, _ []byte, f float32) error {
				if n == 1 || n == 2 {
					p[n-1] = math.Round(float64(f)*1e6) / 1e6
				}
				return nil
			})
			r = append(r, p)
			return err
		case 2:
			return readPolygon(v, rings)
		}
		return nil
	})
	if len(r) > 2 {
		*rings = append(*rings, ringOf(r))
	}
	return err
}

var errWire = errors.New("not the expected Protocol Buffers file")

// eachField calls f with each field's number and its bytes or its 32-bit float.
func eachField(b []byte, f func(n int, v []byte, x float32) error) error {
	for len(b) > 0 {
		key, k := binary.Uvarint(b)
		if k <= 0 {
			return errWire
		}
		b = b[k:]
		var v []byte
		var x float32
		switch key & 7 {
		case 0:
			_, k = binary.Uvarint(b)
			if k <= 0 {
				return errWire
			}
			b = b[k:]
		case 2:
			l, k := binary.Uvarint(b)
			if k <= 0 || l > uint64(len(b)-k) {
				return errWire
			}
			v, b = b[k:k+int(l)], b[k+int(l):]
		case 5:
			if len(b) < 4 {
				return errWire
			}
			x, b = math.Float32frombits(binary.LittleEndian.Uint32(b)), b[4:]
		default:
			return errWire
		}
		if err := f(int(key>>3), v, x); err != nil {
			return err
		}
	}
	return nil
}
