package web

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// shape is a territory on the map, in units of the map's view.
type shape struct {
	code territory.Code // Unknown for land without a code
	x, y int            // the middle of its largest part
	area int
	path string // empty for a territory that is only a dot
}

type worldShapes struct {
	width, height int
	shapes        []shape
	byCode        map[territory.Code]*shape
}

// smallest is the area below which a territory gets a dot to be seen and clicked, in square units.
const smallest = 60

var world = sync.OnceValue(func() *worldShapes {
	text, err := assetFiles.ReadFile("assets/world.txt")
	if err == nil {
		var w *worldShapes
		if w, err = readWorld(string(text)); err == nil {
			return w
		}
	}
	panic(err) // embedded, and read by a test
})

// readWorld reads what gen/world.mjs wrote.
func readWorld(text string) (*worldShapes, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	w := &worldShapes{byCode: make(map[territory.Code]*shape), shapes: make([]shape, 0, len(lines))}
	if _, err := fmt.Sscanf(lines[0], "view %d %d", &w.width, &w.height); err != nil {
		return nil, fmt.Errorf("web: world.txt: first line: %w", err)
	}
	for n, line := range lines[1:] {
		parts := strings.Split(line, "\t")
		if len(parts) != 4 {
			return nil, fmt.Errorf("web: world.txt:%d: %d fields, not 4", n+2, len(parts))
		}
		s := shape{code: territory.Code(parts[0]), path: parts[3]}
		if parts[0] == "-" {
			s.code = territory.Unknown
		}
		if _, err := fmt.Sscanf(parts[1]+" "+parts[2], "%d %d %d", &s.x, &s.y, &s.area); err != nil {
			return nil, fmt.Errorf("web: world.txt:%d: %w", n+2, err)
		}
		w.shapes = append(w.shapes, s)
	}
	for i := range w.shapes {
		if s := &w.shapes[i]; s.code != territory.Unknown {
			w.byCode[s.code] = s
		}
	}
	return w, nil
}

// land returns the SVG file in which all territories are drawn; pages refer to it as #land and colour it themselves.
func (w *worldShapes) land() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d"><g id="land">`, w.width, w.height)
	for _, s := range w.shapes {
		if s.path != "" {
			b.WriteString(`<path d="` + s.path + `"/>`)
		}
	}
	b.WriteString(`</g></svg>`)
	return []byte(b.String())
}

// find returns where c is drawn; a subdivision that the map does not know is drawn with its country.
func (w *worldShapes) find(c territory.Code) *shape {
	if s := w.byCode[c]; s != nil {
		return s
	}
	return w.byCode[c.Country()]
}

func itoa(n int) string { return strconv.Itoa(n) }
