package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// writeSamples writes what the tests of package territory check without the source packages: every Crimean place and
// each fiftieth other of GeoNames with its country, and places near borders and around the isthmus with their code at
// full resolution. Lines are kind, latitude, longitude, code.
func writeSamples(src sources, t *truth, root string) error {
	places, err := readPlaces(src.places)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString("# places: GeoNames, CC BY 4.0; the rest: OpenStreetMap contributors, ODbL. See NOTICE-borders.md. kind,lat,lon,code\n")
	for i, p := range places {
		switch {
		case p.crimean() && p.Admin1 == "20":
			fmt.Fprintf(&b, "crimea,%v,%v,UA-40\n", p.Lat, p.Lon)
		case p.crimean():
			fmt.Fprintf(&b, "crimea,%v,%v,UA-43\n", p.Lat, p.Lon)
		case i%50 == 0:
			fmt.Fprintf(&b, "place,%v,%v,%s\n", p.Lat, p.Lon, p.Country)
		}
	}
	for _, p := range borderPoints(t, 4000, 2, 11) {
		writeSample(&b, t, "border", p.lat, p.lon)
	}
	rnd := lcg(12)
	for range 2000 {
		writeSample(&b, t, "isthmus", 45.3+rnd.float(), 33.3+rnd.float()*2.2)
	}
	dir := filepath.Join(root, "testdata")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "borders.csv"), b.Bytes(), 0o644)
}

func writeSample(b *bytes.Buffer, t *truth, kind string, lat, lon float64) {
	lat, lon = float64(int(lat*1e5))/1e5, float64(int(lon*1e5))/1e5
	if code := t.at(lat, lon); code != "" {
		fmt.Fprintf(b, "%s,%v,%v,%s\n", kind, lat, lon, code)
	}
}
