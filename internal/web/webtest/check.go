// Package webtest looks at pages the way a careful reader, a screen reader and a browser's policy would. It is for tests.
package webtest

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// Page is a parsed page.
type Page struct{ root *html.Node }

// Parse reads a page.
func Parse(text string) (*Page, error) {
	root, err := html.Parse(strings.NewReader(text))
	return &Page{root}, err
}

// All returns every element for which keep holds, in the order of the page.
func (p *Page) All(keep func(*html.Node) bool) []*html.Node {
	var list []*html.Node
	for n := range p.root.Descendants() {
		if n.Type == html.ElementNode && keep(n) {
			list = append(list, n)
		}
	}
	return list
}

// Find returns the elements with a tag and, where attributes are given as name and value by turns, those values.
func (p *Page) Find(tag string, attributes ...string) []*html.Node {
	return p.All(func(n *html.Node) bool {
		if n.Data != tag {
			return false
		}
		for i := 0; i+1 < len(attributes); i += 2 {
			if Attr(n, attributes[i]) != attributes[i+1] {
				return false
			}
		}
		return true
	})
}

// Attr returns an attribute's value; "" without it.
func Attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// Has reports whether n has an attribute.
func Has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

// Text returns the text in n, with white space as one space.
func Text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// Text returns the text of the whole page.
func (p *Page) Text() string { return Text(p.root) }

// Problems lists what is wrong with the page for people who cannot see it, or by the site's own rules: nothing inline,
// nothing from elsewhere.
func (p *Page) Problems() []string {
	var found []string
	report := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	p.frame(report)
	p.references(report)
	p.fields(report)
	p.tables(report)
	p.origins(report)
	return found
}

type reporter func(format string, args ...any)

func (p *Page) frame(report reporter) {
	for _, tag := range []string{"h1", "main", "title", "header", "footer"} {
		if n := len(p.All(func(n *html.Node) bool { return n.Data == tag && n.Namespace == "" })); n != 1 {
			report("%d elements %s, want one", n, tag)
		}
	}
	root := p.Find("html")[0]
	if Attr(root, "lang") == "" || Attr(root, "dir") == "" {
		report("html lacks lang or dir")
	}
	if len(p.Find("a", "class", "skip", "href", "#content")) != 1 || len(p.Find("main", "id", "content")) != 1 {
		report("no skip link to the content")
	}
	navs := p.Find("nav")
	for _, n := range navs {
		if Attr(n, "aria-label") == "" && Attr(n, "aria-labelledby") == "" {
			report("nav without a name")
		}
	}
	last := 0
	for _, n := range p.All(func(n *html.Node) bool {
		return len(n.Data) == 2 && n.Data[0] == 'h' && n.Data[1] >= '1' && n.Data[1] <= '6'
	}) {
		level := int(n.Data[1] - '0')
		if last > 0 && level > last+1 {
			report("heading %q jumps from h%d to h%d", Text(n), last, level)
		}
		if Text(n) == "" {
			report("empty heading")
		}
		last = level
	}
	for _, n := range p.All(func(n *html.Node) bool { return n.Data == "button" || n.Data == "a" && n.Namespace == "" }) {
		if Text(n) == "" && Attr(n, "aria-label") == "" {
			report("%s without a name", n.Data)
		}
	}
	for _, n := range p.Find("img") {
		if !Has(n, "alt") {
			report("img without alt")
		}
	}
	for _, n := range p.Find("svg") {
		if Attr(n, "aria-hidden") != "true" && Attr(n, "aria-label") == "" {
			report("svg %s is neither named nor hidden", Attr(n, "class"))
		}
	}
}

// references checks ids: unique, and there where something points to them.
func (p *Page) references(report reporter) {
	ids := make(map[string]bool)
	for _, n := range p.All(func(n *html.Node) bool { return Has(n, "id") }) {
		id := Attr(n, "id")
		if ids[id] || id == "" {
			report("id %q twice or empty", id)
		}
		ids[id] = true
	}
	for _, name := range []string{"for", "aria-labelledby", "aria-describedby"} {
		for _, n := range p.All(func(n *html.Node) bool { return Has(n, name) }) {
			for _, id := range strings.Fields(Attr(n, name)) {
				if !ids[id] {
					report("%s %s points to %q, which is not there", n.Data, name, id)
				}
			}
		}
	}
	for _, n := range p.Find("a") {
		if id, ok := strings.CutPrefix(Attr(n, "href"), "#"); ok && !ids[id] {
			report("link to #%s, which is not there", id)
		}
	}
}

func (p *Page) fields(report reporter) {
	labelled := make(map[string]bool)
	for _, n := range p.Find("label") {
		labelled[Attr(n, "for")] = true
	}
	for _, n := range p.All(func(n *html.Node) bool { return n.Data == "input" || n.Data == "select" || n.Data == "textarea" }) {
		if Attr(n, "type") == "hidden" || labelled[Attr(n, "id")] && Attr(n, "id") != "" || inside(n, "label") {
			continue
		}
		report("%s %s without a label", n.Data, Attr(n, "name"))
	}
	for _, n := range p.Find("input", "type", "radio") {
		if !inside(n, "fieldset") {
			report("radio %s outside of a fieldset", Attr(n, "name"))
		}
	}
}

func inside(n *html.Node, tag string) bool {
	for a := range n.Ancestors() {
		if a.Data == tag {
			return true
		}
	}
	return false
}

func (p *Page) tables(report reporter) {
	for _, n := range p.Find("th") {
		if Attr(n, "scope") == "" {
			report("th %q without scope", Text(n))
		}
	}
	for _, n := range p.Find("table") {
		if n.FirstChild == nil || len((&Page{n}).Find("th")) == 0 {
			report("table without headings")
		}
	}
}

// origins checks that the page needs nothing from elsewhere and carries nothing inline.
func (p *Page) origins(report reporter) {
	for _, n := range p.All(func(*html.Node) bool { return true }) {
		if n.Data == "style" || n.Data == "script" && (Attr(n, "src") == "" || n.FirstChild != nil) {
			report("inline %s", n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case a.Key == "style" || strings.HasPrefix(a.Key, "on"):
				report("inline %s on %s", a.Key, n.Data)
			case strings.HasPrefix(a.Key, "hx-on") || a.Key == "hx-vals" && strings.HasPrefix(a.Val, "js:"):
				report("%s on %s", a.Key, n.Data)
			case a.Key == "src" || a.Key == "action" || a.Key == "formaction" || a.Key == "hx-get" || a.Key == "hx-post" || a.Key == "srcset" || a.Key == "data" || a.Key == "poster",
				a.Key == "href" && n.Data != "a":
				if !strings.HasPrefix(a.Val, "/") || strings.HasPrefix(a.Val, "//") {
					report("%s %s=%q is not of this site", n.Data, a.Key, a.Val)
				}
			case a.Key == "href" && strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:"):
				report("link to a script")
			}
		}
		if n.Data == "a" && strings.HasPrefix(Attr(n, "href"), "http") && Attr(n, "rel") != "noreferrer" {
			report("link to %s tells where the reader came from", Attr(n, "href"))
		}
	}
}
