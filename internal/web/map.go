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
	for _, s := range order {
		if at := w.find(s.Code); at != nil && s.Count > 0 {
			writeCircle(&b, at, s)
		}
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

func writeCircle(b *strings.Builder, at *shape, s Spot) {
	text := compactNumber(s.Count)
	r := int(math.Round(15 + 5*math.Log10(float64(s.Count)) + 3*float64(max(0, len(text)-2))))
	drawing := fmt.Sprintf(`<circle cx="%d" cy="%d" r="%d"/><text x="%d" y="%d" dy="0.36em">%s</text>`, at.x, at.y, r, at.x, at.y, text)
	// The area is a link already; this is the same one, for the pointer only.
	b.WriteString(`<g class="count ` + html.EscapeString(s.Class) + `" aria-hidden="true">`)
	if s.Href != "" {
		b.WriteString(`<a href="` + html.EscapeString(s.Href) + `" tabindex="-1">`)
		drawing += `</a>`
	}
	b.WriteString(`<title>` + html.EscapeString(s.Title) + `</title>` + drawing + `</g>`)
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
