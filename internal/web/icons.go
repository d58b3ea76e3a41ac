package web

import "html/template"

// icons are drawn on a grid of 24 with lines of 2, and take the colour of the text. They always stand beside words.
var icons = map[string]string{
	"map":     `<path d="M9 4 3 6.5v13L9 17l6 3 6-2.5v-13L15 7 9 4zM9 4v13M15 7v13"/>`,
	"phone":   `<rect x="6.5" y="2.5" width="11" height="19" rx="2.5"/><path d="M11 18.5h2"/>`,
	"wave":    `<path d="M4 6h16M4 12h16M4 18h10"/><path d="m17 18 2 2 3-4"/>`,
	"case":    `<path d="M3.5 8h17v11.5h-17zM8.5 8V4.5h7V8M3.5 13h17"/>`,
	"appeal":  `<path d="M4 4.5h16v12H10l-4.5 4v-4H4z"/><path d="M8 9h8M8 12.5h5"/>`,
	"policy":  `<path d="M6 2.5h8.5L19 7v14.5H6z"/><path d="M9.5 11h6M9.5 15h6M14 3v4.5h4.5"/>`,
	"people":  `<circle cx="9" cy="8" r="3.5"/><path d="M2.5 20c.5-4 3-6 6.5-6s6 2 6.5 6M15.5 5a3.5 3.5 0 0 1 0 6.5M18 14.5c2 .8 3.2 2.6 3.5 5.5"/>`,
	"out":     `<path d="M14 4H5v16h9M10 12h11M17 8l4 4-4 4"/>`,
	"book":    `<path d="M4 4.5c3-1 6-.5 8 1.5 2-2 5-2.5 8-1.5V19c-3-1-6-.5-8 1.5-2-2-5-2.5-8-1.5zM12 6v14"/>`,
	"eye":     `<path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z"/><circle cx="12" cy="12" r="2.8"/>`,
	"bell":    `<path d="M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 1.5h-15zM10 20.5h4"/>`,
	"lock":    `<rect x="4.5" y="10.5" width="15" height="10" rx="2"/><path d="M8 10.5V7.5a4 4 0 0 1 8 0v3"/>`,
	"open":    `<rect x="4.5" y="10.5" width="15" height="10" rx="2"/><path d="M8 10.5V7.5a4 4 0 0 1 7.7-1.5"/>`,
	"check":   `<path d="m4.5 12.5 5 5 10-11"/>`,
	"warn":    `<path d="M12 3.5 22 20.5H2zM12 10v5M12 17.6v.4"/>`,
	"info":    `<circle cx="12" cy="12" r="9"/><path d="M12 11v6M12 7.4v.3"/>`,
	"search":  `<circle cx="10.5" cy="10.5" r="6.5"/><path d="m15.5 15.5 5 5"/>`,
	"shield":  `<path d="M12 2.5 4.5 5.5v6c0 5 3.2 8.2 7.5 10 4.3-1.8 7.5-5 7.5-10v-6z"/>`,
	"file":    `<path d="M6 2.5h8.5L19 7v14.5H6zM14 3v4.5h4.5"/><path d="M12.5 11v6M9.5 14.5l3 3 3-3"/>`,
	"shop":    `<path d="M4 10v10.5h16V10M2.5 8.5 5 3.5h14l2.5 5c-1 2.5-5.5 2.5-6.3 0-.9 2.5-5.5 2.5-6.4 0-.8 2.5-5.3 2.5-6.3 0z"/>`,
	"talk":    `<path d="M5 3.5h4l1.5 5-2.5 1.5c1 2.5 3 4.5 5.5 5.5l1.5-2.5 5 1.5v4c0 1-1 2-2 2C10 20 4 14 3.5 5.5c0-1 .5-2 1.5-2z"/>`,
	"key":     `<circle cx="7.5" cy="15.5" r="4.5"/><path d="m11 12 9-9M16.5 6.5l3 3"/>`,
	"globe":   `<circle cx="12" cy="12" r="9"/><path d="M3 12h18M12 3c3.5 3 3.5 15 0 18M12 3c-3.5 3-3.5 15 0 18"/>`,
	"clock":   `<circle cx="12" cy="12" r="9"/><path d="M12 6.5V12l3.5 2.5"/>`,
	"scan":    `<path d="M3.5 8.5v-5h5M15.5 3.5h5v5M20.5 15.5v5h-5M8.5 20.5h-5v-5M7.5 7.5h4v4h-4zM13 13h3.5v3.5H13zM14.5 7.5h2v2M7.5 14.5v2h2"/>`,
	"compare": `<path d="M5 20V9M12 20V4M19 20v-7"/>`,
}

func icon(name string) template.HTML {
	drawing, ok := icons[name]
	if !ok {
		panic("web: no icon " + name) // a template's mistake
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">` + drawing + `</svg>`)
}

// Icon returns a drawing for faces with templates of their own.
func Icon(name string) template.HTML { return icon(name) }
