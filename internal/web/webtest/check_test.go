package webtest

import (
	"slices"
	"strings"
	"testing"
)

const good = `<!doctype html><html lang="en" dir="ltr"><head><title>t</title></head><body><a class="skip" href="#content">skip</a><header>h</header>
<main id="content"><h1>One</h1></main><footer>f</footer></body></html>`

func TestGoodPageHasNoProblems(t *testing.T) {
	p, err := Parse(good)
	if err != nil || len(p.Problems()) != 0 {
		t.Fatal(err, p.Problems())
	}
}

// Each fault must be found, or the tests of the faces could not fail.
func TestEachFaultIsFound(t *testing.T) {
	for fault, want := range map[string]string{
		`<h1>Two</h1>`:                                           "2 elements h1",
		`<h4>Deep</h4>`:                                          "jumps",
		`<input name="a">`:                                       "without a label",
		`<label for="x">X</label>`:                               `points to "x"`,
		`<p id="d"></p><p id="d"></p>`:                           "twice",
		`<img src="/a.png">`:                                     "without alt",
		`<svg></svg>`:                                            "neither named nor hidden",
		`<button></button>`:                                      "button without a name",
		`<nav></nav>`:                                            "nav without a name",
		`<table><tr><th>a</th></tr></table>`:                     "without scope",
		`<table><tr><td>a</td></tr></table>`:                     "without headings",
		`<script>alert(1)</script>`:                              "inline script",
		`<p style="color:red">`:                                  "inline style",
		`<p onclick="x()">`:                                      "inline onclick",
		`<img alt="" src="https://elsewhere.example/a.png">`:     "not of this site",
		`<form action="//elsewhere.example/">`:                   "not of this site",
		`<a href="https://elsewhere.example/">away</a>`:          "came from",
		`<a href="#nowhere">jump</a>`:                            "which is not there",
		`<label><input type="radio" name="r">r</label>`:          "outside of a fieldset",
		`<a href=" JavaScript:alert(1)">x</a>`:                   "link to a script",
		`<link rel="stylesheet" href="https://x.example/s.css">`: "not of this site",
	} {
		p, err := Parse(strings.Replace(good, "<h1>One</h1>", "<h1>One</h1>"+fault, 1))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(p.Problems(), func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("%s: %q, want one with %q", fault, p.Problems(), want)
		}
	}
}
