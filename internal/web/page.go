package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed shared/*.html
var sharedFiles embed.FS

// Page is what the layout shows around a page's content. Lang and Dir are English when empty.
type Page struct {
	Title string
	Lang  string
	Dir   string
	Face  string // "console", "owner", "public": class of the body
	Nav   []NavItem
	User  string // name of the officer who is logged in
	Role  string
	Flash *Flash
	Skip  string // text of the skip link
	Langs []Choice
	Label string // accessible name of the language switch
	Home  string // where the name of the site leads
	Data  any

	Site string    // set by Render
	Now  time.Time // set by Render
}

// NavItem is an entry of the navigation.
type NavItem struct {
	Name    string
	Href    string
	Icon    string
	Current bool
	Count   int // waiting things; 0 shows none
}

// Choice is one of several links, such as languages.
type Choice struct {
	Name    string
	Href    string
	Lang    string
	Current bool
}

// Pages are the templates of one face. They are safe for concurrent use.
type Pages struct {
	site  *Site
	pages map[string]*template.Template
}

// NewPages parses every pages/*.html in files, each of which defines "content", together with the shared layout. Files whose
// names begin with an underscore hold parts for all of them.
func NewPages(site *Site, files fs.FS) (*Pages, error) {
	files, err := fs.Sub(files, "pages")
	if err != nil {
		return nil, err
	}
	base, err := template.New("layout.html").Funcs(functions).ParseFS(sharedFiles, "shared/*.html")
	if err != nil {
		return nil, fmt.Errorf("web: shared templates: %w", err)
	}
	if parts, _ := fs.Glob(files, "_*.html"); len(parts) > 0 {
		if base, err = base.ParseFS(files, parts...); err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
	}
	names, err := fs.Glob(files, "[a-z]*.html")
	if err != nil {
		return nil, err
	}
	p := &Pages{site, make(map[string]*template.Template, len(names))}
	for _, name := range names {
		t, err := template.Must(base.Clone()).ParseFS(files, name)
		if err != nil {
			return nil, fmt.Errorf("web: %s: %w", name, err)
		}
		p.pages[strings.TrimSuffix(path.Base(name), ".html")] = t
	}
	return p, nil
}

// Render writes a page. Nothing is written when the template fails, so that the sink can still answer.
func (p *Pages) Render(w http.ResponseWriter, status int, name string, page Page) error {
	t, ok := p.pages[name]
	if !ok {
		return fmt.Errorf("web: no page %q", name)
	}
	page.Site, page.Now = p.site.Name, p.site.Now()
	if page.Lang == "" {
		page.Lang, page.Dir = "en", "ltr"
	}
	if page.Skip == "" {
		page.Skip = "Skip to the content"
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout.html", &page); err != nil {
		return fmt.Errorf("web: page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", page.Lang)
	w.WriteHeader(status)
	_, err := b.WriteTo(w)
	if err != nil {
		p.site.Logger.Debug("reader went away", "page", name, "err", err)
	}
	return nil
}

// functions are what templates may call, besides those of html/template.
var functions = template.FuncMap{
	"asset": AssetPath, "icon": icon, "num": numberOf, "count": Count, "date": Date, "datetime": DateTime, "day": Day,
	"left": Left, "ago": Ago, "place": Place, "stage": StageName, "stageclass": StageClass, "cause": CauseText,
	"kind": KindName, "ground": GroundText, "verdict": VerdictText, "hash": hashText, "signals": SignalNames,
	"sentence": Sentence, "cite": cite, "short": func(v any) (string, error) {
		s, err := hashText(v)
		return s[:min(len(s), 10)], err
	},
	"known": func(v any) (bool, error) { // a hash that is not all zeros, which stand for none
		s, err := hashText(v)
		return strings.Trim(s, "0") != "", err
	},
	"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"isurl": func(s string) bool { return strings.HasPrefix(s, "https://") },
	"isodate": func(t time.Time) string {
		return t.UTC().Format(time.DateOnly)
	},
}
