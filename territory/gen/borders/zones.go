package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
)

// readZone reads the rings of one time zone from the Protocol Buffers file of tzf: zones (1) of polygons (1) and a name (2),
// polygons of points (1) and holes (2), points of longitude (1) and latitude (2) as floats.
func readZone(path, name string) ([]ring, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found []ring
	err = eachField(data, func(n int, zone []byte, _ float32) error {
		if n != 1 {
			return nil
		}
		var rings []ring
		is := false
		err := eachField(zone, func(n int, v []byte, _ float32) error {
			if n == 2 {
				is = string(v) == name
			}
			if n == 1 {
				return readPolygon(v, &rings)
			}
			return nil
		})
		if is {
			found = rings
		}
		return err
	})
	if err == nil && found == nil {
		err = fmt.Errorf("%s: no zone %s", path, name)
	}
	return found, err
}

func readPolygon(data []byte, rings *[]ring) error {
	var r [][2]float64
	err := eachField(data, func(n int, v []byte, _ float32) error {
		switch n {
		case 1:
			var p [2]float64
			err := eachField(v, func(n int, _ []byte, f float32) error {
				if n == 1 || n == 2 {
					p[n-1] = math.Round(float64(f)*1e5) / 1e5
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
