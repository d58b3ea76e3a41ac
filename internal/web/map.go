package web

import (
	"cmp"
	"fmt"
	"html"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// Spot is a territory with something to say about it on the map.
type Spot struct {
	Code  territory.Code
	Class string // what colours it: "observed", "noticed", "locked", "lifted", or "scale-1" to "scale-4"
	Count int    // written in a circle; 0 draws no circle
	Title string // one sentence, read aloud and shown by the pointer
	Href  string // where a click leads; empty for none
}

// WorldMap draws the world with spots on it. Colour never speaks alone: what has a count carries it in a circle, and the
// caller puts the same into a table below.
func WorldMap(label string, spots []Spot) template.HTML {
	w := world()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="world" viewBox="0 0 %d %d" role="group" aria-label="%s">`, w.width, w.height, html.EscapeString(label))
	fmt.Fprintf(&b, `<use class="land" href="%s#land"/>`, html.EscapeString(AssetPath("world.svg")))
	// Subdivisions lie on top of their countries, and small circles on top of large ones.
	order := slices.Clone(spots)
	slices.SortStableFunc(order, func(a, b Spot) int {
		return cmp.Or(cmp.Compare(len(a.Code), len(b.Code)), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code))
	})
	for _, s := range order {
		if at := w.find(s.Code); at != nil {
			writeArea(&b, at, s)
		}
	}
	for _, label := range w.place(order) {
		writeCircle(&b, label)
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

func writeArea(b *strings.Builder, at *shape, s Spot) {
	drawing := ""
	if at.path != "" {
		drawing = `<path d="` + at.path + `"/>`
	}
	if at.area < smallest {
		drawing += `<circle class="dot" cx="` + itoa(at.x) + `" cy="` + itoa(at.y) + `" r="6"/>`
	}
	writeLinked(b, s, "area "+s.Class, drawing)
}

// label is a circle with a count, and where it was put.
type label struct {
	spot    Spot
	text    string
	at      *shape
	x, y, r int
}

// place finds room for every circle: over its territory where that is large, else beside it, clear of the other
// circles and of the small territories that they speak of.
func (w *worldShapes) place(spots []Spot) []label {
	var labels []label
	for _, s := range spots {
		at := w.find(s.Code)
		if at == nil || s.Count <= 0 {
			continue
		}
		l := label{spot: s, at: at, text: compactNumber(s.Count)}
		l.r = int(math.Round(14 + 4*math.Log10(float64(s.Count)) + 4*float64(max(0, len(l.text)-2))))
		labels = append(labels, l)
	}
	// Circles over large territories have no choice; then those with the most to say.
	slices.SortStableFunc(labels, func(a, b label) int {
		return cmp.Or(cmp.Compare(b2i(a.beside()), b2i(b.beside())), cmp.Compare(b.spot.Count, a.spot.Count))
	})
	for i := range labels {
		l := &labels[i]
		l.x, l.y = l.at.x, l.at.y
		if !l.beside() {
			continue
		}
		least := math.Inf(1)
		for ring := 1; ring <= 7; ring++ {
			for step := range 16 {
				angle := float64(step)/16*2*math.Pi + math.Pi/8
				distance := float64(l.r + 4 + ring*18)
				x, y := float64(l.at.x)+distance*math.Cos(angle), float64(l.at.y)+distance*math.Sin(angle)
				if cost := w.crowding(labels, i, x, y) + 40*float64(ring); cost < least {
					least, l.x, l.y = cost, int(x), int(y)
				}
			}
		}
	}
	return labels
}

// beside reports whether the territory is too small to be seen under its circle.
func (l *label) beside() bool { return float64(l.at.area) < 1.4*math.Pi*float64(l.r*l.r) }

// crowding is how badly the i-th circle would stand at x, y: overlap with circles that stand already, and with all
// territories that have something to say.
func (w *worldShapes) crowding(labels []label, i int, x, y float64) float64 {
	r := float64(labels[i].r)
	cost := 200*max(0, r-x) + 200*max(0, x+r-float64(w.width)) + 200*max(0, r-y) + 200*max(0, y+r-float64(w.height))
	for j, other := range labels {
		if j < i {
			cost += 100 * max(0, r+float64(other.r)+6-math.Hypot(x-float64(other.x), y-float64(other.y)))
		}
		if j != i {
			size := math.Sqrt(float64(other.at.area) / math.Pi)
			cost += 4 * max(0, r+min(size, 40)+4-math.Hypot(x-float64(other.at.x), y-float64(other.at.y)))
		}
	}
	return cost
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func writeCircle(b *strings.Builder, l label) {
	// The area is a link already; this is the same one, for the pointer only.
	b.WriteString(`<g class="count ` + html.EscapeString(l.spot.Class) + `" aria-hidden="true">`)
	if l.spot.Href != "" {
		b.WriteString(`<a href="` + html.EscapeString(l.spot.Href) + `" tabindex="-1">`)
	}
	b.WriteString(`<title>` + html.EscapeString(l.spot.Title) + `</title>`)
	if l.x != l.at.x || l.y != l.at.y {
		fmt.Fprintf(b, `<path class="leader" d="M%d %dL%d %d"/>`, l.at.x, l.at.y, l.x, l.y)
	}
	fmt.Fprintf(b, `<circle cx="%d" cy="%d" r="%d"/><text x="%d" y="%d" dy="0.36em">%s</text>`, l.x, l.y, l.r, l.x, l.y, l.text)
	if l.spot.Href != "" {
		b.WriteString(`</a>`)
	}
	b.WriteString(`</g>`)
}

func writeLinked(b *strings.Builder, s Spot, class, drawing string) {
	title := html.EscapeString(s.Title)
	if s.Href == "" {
		fmt.Fprintf(b, `<g class="%s" role="img" aria-label="%s"><title>%s</title>%s</g>`, html.EscapeString(class), title, title, drawing)
		return
	}
	fmt.Fprintf(b, `<a class="%s" href="%s" aria-label="%s"><title>%s</title>%s</a>`, html.EscapeString(class),
		html.EscapeString(s.Href), title, title, drawing)
}

// compactNumber writes a count so that it fits into a circle: 987, 1.2k, 34k, 5M.
func compactNumber(n int) string {
	switch {
	case n < 1000:
		return itoa(n)
	case n < 9950:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/1000), ".0") + "k"
	case n < 999_500:
		return fmt.Sprintf("%.0fk", float64(n)/1000)
	}
	return fmt.Sprintf("%.0fM", float64(n)/1e6)
}

// Scale returns the class "scale-1" to "scale-4" for n of at most most: equal steps of its logarithm, since counts of
// territories differ by powers of ten.
func Scale(n, most int) string {
	if n <= 0 || most <= 1 {
		return "scale-1"
	}
	step := int(4 * math.Log(float64(n)) / math.Log(float64(most)))
	return "scale-" + itoa(min(4, 1+step))
}
