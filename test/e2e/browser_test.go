package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Widths in CSS pixels: a small phone's window, and a desk's.
const (
	narrow = 390
	wide   = 1280
)

// patience is how long a page may take: the browsers of several tests share a machine that may be slow.
const patience = time.Minute

// tab is one tab of a real browser, which looks at every page that it comes to.
type tab struct {
	t    *testing.T
	ctx  context.Context
	name string

	mu     sync.Mutex
	faults []string // what the browser complained of since the last look
	looked map[string]bool
}

// browse starts chromium with a fresh profile. That it is missing fails the test.
func browse(t *testing.T) *tab {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath("chromium"), chromedp.NoSandbox,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en-US"), chromedp.WSURLReadTimeout(patience))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeTab := chromedp.NewContext(ctx)
	b := &tab{t: t, ctx: ctx, name: "first", looked: map[string]bool{}}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // lets the browser end by itself, so that its profile can be deleted
			t.Logf("closing the browser: %v", err)
		}
		closeTab()
		stop()
	})
	b.listen()
	return b
}

// another opens a second tab of the same browser.
func (b *tab) another(name string) *tab {
	b.t.Helper()
	ctx, closeTab := chromedp.NewContext(b.ctx)
	b.t.Cleanup(closeTab)
	n := &tab{t: b.t, ctx: ctx, name: name, looked: map[string]bool{}}
	n.listen()
	return n
}

// listen takes down exceptions, console errors and what the browser refused (the Content-Security-Policy among it), and leaves a picture
// behind when the test failed.
func (b *tab) listen() {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(narrow, 844), stillness("light"))
	err := chromedp.Listen(b.ctx, func(ev any) {
		switch e := ev.(type) {
		case *runtime.EventExceptionThrown:
			b.complain("exception: %s", e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
				b.complain("console %s: %v", e.Type, e.Args)
			}
		case *cdplog.EventEntryAdded:
			if e.Entry.Level == cdplog.EntryLevelError || e.Entry.Level == cdplog.EntryLevelWarning {
				b.complain("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
			}
		}
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(b.picture)
}

// stillness asks pages for their light or dark colours, and not to move: while one fades into the next, a click meets neither.
func stillness(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{
				{Name: "prefers-reduced-motion", Value: "reduce"}, {Name: "prefers-color-scheme", Value: scheme}}})
		return err
	})
}

func (b *tab) complain(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, fmt.Sprintf(format, args...))
}

// complaints returns what the browser complained of since the last call.
func (b *tab) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := b.faults
	b.faults = nil
	return found
}

func (b *tab) picture() {
	if !b.t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	image, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Logf("no picture of tab %s: %v", b.name, err)
		return
	}
	dir, err := os.MkdirTemp("", "bailiwick-e2e-")
	if err != nil {
		b.t.Log(err)
		return
	}
	file := filepath.Join(dir, b.name+".png")
	if err := os.WriteFile(file, image, 0o600); err != nil {
		b.t.Log(err)
		return
	}
	b.t.Logf("tab %s looked like this: %s", b.name, file)
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if b.ctx.Err() == nil && !b.started() {
		ctx = b.ctx // the first action starts the browser, which must outlive the time limit
	}
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("tab %s: %v", b.name, err)
	}
}

func (b *tab) started() bool {
	c := chromedp.FromContext(b.ctx)
	return c != nil && c.Target != nil
}

// load does steps that lead to another page, waits for it, and looks at it.
func (b *tab) load(status int, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		b.t.Fatalf("tab %s: %v", b.name, err)
	}
	if response != nil && int(response.Status) != status {
		b.t.Fatalf("tab %s: %s answered %d, want %d: %s", b.name, response.URL, response.Status, status, b.text("body"))
	}
	b.look(status)
}

func (b *tab) open(url string) { b.t.Helper(); b.load(http.StatusOK, chromedp.Navigate(url)) }

// press clicks what leads to another page.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.load(http.StatusOK, chromedp.Click(chromedp.CSS(selector)))
}

// write types into a field as a person does, over what is there.
func (b *tab) write(selector, text string) {
	b.t.Helper()
	evaluate[any](b, fmt.Sprintf("document.querySelector(%q)?.select()", selector))
	b.do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	return evaluate[string](b, fmt.Sprintf(`(document.querySelector(%q) ?? {textContent: ""}).textContent.replace(/\s+/g, " ").trim()`, selector))
}

func (b *tab) has(selector string) bool {
	b.t.Helper()
	return evaluate[bool](b, fmt.Sprintf(`document.querySelector(%q) !== null`, selector))
}

// need fails the test unless the page shows something that the selector finds and that is visible.
func (b *tab) need(selector string) {
	b.t.Helper()
	if !evaluate[bool](b, fmt.Sprintf(`document.querySelector(%q)?.checkVisibility() ?? false`, selector)) {
		b.t.Fatalf("tab %s: nothing visible fits %s on %s: %s", b.name, selector, evaluate[string](b, "location.href"), b.text("body"))
	}
}

// says fails the test unless the element's text has the part.
func (b *tab) says(selector, part string) {
	b.t.Helper()
	if got := b.text(selector); !strings.Contains(got, part) {
		b.t.Fatalf("tab %s: %s says %q, want %q in it", b.name, selector, got, part)
	}
}

func evaluate[T any](b *tab, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		b.t.Fatalf("tab %s: %s: %v", b.name, script, err)
	}
	return v
}

// audit lists what is wrong with a page for people who read, hear or touch it: the basics of what axe checks.
const audit = `(() => {
	const found = [], say = (text, e) => found.push(text + (e ? ": " + e.outerHTML.slice(0, 120) : ""))
	const root = document.documentElement
	if (!root.lang) say("the page has no language")
	if (!root.dir) say("the page has no direction")
	const rtl = new Set(["ar", "fa", "he", "ur"])
	for (const e of document.querySelectorAll("[lang][dir]"))
		if (e.dir !== "auto" && (e.dir === "rtl") !== rtl.has(e.lang.split("-")[0])) say("direction " + e.dir + " for language " + e.lang, e)
	if (!document.title.trim()) say("the page has no title")
	if (document.querySelectorAll("h1").length !== 1) say("the page has not one h1")
	if (!document.querySelector("main")) say("the page has no main part")
	const ids = new Set()
	for (const e of document.querySelectorAll("[id]")) { if (ids.has(e.id)) say("an id twice", e); ids.add(e.id) }
	const seen = e => e.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})
	const named = e => (e.getAttribute("aria-label") ?? "").trim() !== "" || e.hasAttribute("aria-labelledby")
	for (const e of document.querySelectorAll("button, a[href], summary"))
		if (seen(e) && !named(e) && !e.textContent.trim()) say("a control without a name", e)
	for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
		if (!named(e) && ![...(e.labels ?? [])].some(l => l.textContent.trim())) say("a field without a label", e)
	for (const e of document.querySelectorAll("button, input[type=submit], summary")) {
		const r = e.getBoundingClientRect()
		if (seen(e) && r.width > 0 && (r.height < 24 || r.width < 24)) say("a control of " + r.width + " by " + r.height, e)
	}
	for (const e of document.querySelectorAll("img:not([alt])")) say("an image without alt", e)
	for (const e of document.querySelectorAll("svg:not([aria-hidden]):not([aria-label]):not([aria-labelledby])"))
		if (!e.querySelector("title") && e.getAttribute("role") !== "img") say("a drawing neither named nor hidden", e)
	for (const e of document.querySelectorAll("[style], script:not([src]), style")) say("something inline", e)
	return found
})()`

// faint lists texts whose contrast with what is behind them is below WCAG 2.2's 1.4.3: 4.5, or 3 for large type.
const faint = `(() => {
	const pen = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d", {willReadFrequently: true})
	const rgba = colour => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); return [...pen.getImageData(0, 0, 1, 1).data] }
	const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] / 255 + below[i] * (1 - top[3] / 255)).concat(255)
	const behind = e => {
		const layers = []
		for (; e; e = e.parentElement) {
			const style = getComputedStyle(e)
			if (style.backgroundImage !== "none") return null // a picture: nobody can tell
			const layer = rgba(style.backgroundColor)
			layers.push(layer)
			if (layer[3] === 255) break
		}
		const page = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18, 255] : [255, 255, 255, 255]
		return layers.reverse().reduce((below, top) => over(top, below), page)
	}
	const luminance = c => c.slice(0, 3).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0)
	const found = []
	for (const e of document.querySelectorAll("body *")) {
		if (e.closest("svg") || e.closest("[disabled]") || ![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue
		if (!e.checkVisibility({checkOpacity: true, checkVisibilityCSS: true}) || e.getBoundingClientRect().width <= 1) continue
		const style = getComputedStyle(e), back = behind(e)
		if (!back) continue
		const [a, b] = [luminance(over(rgba(style.color), back)), luminance(back)].sort((x, y) => y - x)
		const ratio = (a + .05) / (b + .05), size = parseFloat(style.fontSize)
		const least = size >= 24 || size >= 18.66 && style.fontWeight >= 700 ? 3 : 4.5
		if (ratio < least) found.push("contrast " + ratio.toFixed(2) + " below " + least + ": " + e.outerHTML.slice(0, 120))
	}
	return found
})()`

const tooWide = `document.documentElement.scrollWidth - document.documentElement.clientWidth`

// look checks the page that the tab came to.
func (b *tab) look(status int) {
	b.t.Helper()
	if over := evaluate[int](b, tooWide); over > 0 {
		b.t.Errorf("tab %s: %s is %d pixels too wide at %d", b.name, evaluate[string](b, "location.href"), over, narrow)
	}
	page := evaluate[string](b, `location.pathname + " " + (document.querySelector(".screen")?.className ?? "")`)
	if !b.looked[page] {
		b.looked[page] = true
		for _, fault := range evaluate[[]string](b, audit) {
			b.t.Errorf("tab %s: %s: %s", b.name, page, fault)
		}
		for _, scheme := range []string{"dark", "light"} {
			b.do(stillness(scheme))
			for _, fault := range evaluate[[]string](b, faint) {
				b.t.Errorf("tab %s: %s, %s: %s", b.name, page, scheme, fault)
			}
		}
		b.do(chromedp.EmulateViewport(wide, 900))
		if over := evaluate[int](b, tooWide); over > 0 {
			b.t.Errorf("tab %s: %s is %d pixels too wide at %d", b.name, page, over, wide)
		}
		b.do(chromedp.EmulateViewport(narrow, 844))
	}
	for _, c := range b.complaints() {
		if status != http.StatusOK && strings.Contains(c, fmt.Sprintf("status of %d", status)) {
			continue // the answer that was asked for
		}
		b.t.Errorf("tab %s: %s: %s", b.name, page, c)
	}
}

// download clicks a link and returns the file that it gives.
func (b *tab) download(selector string) []byte {
	b.t.Helper()
	dir := b.t.TempDir()
	done := make(chan string, 1)
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	err := chromedp.ListenBrowser(ctx, func(ev any) {
		if e, ok := ev.(*browser.EventDownloadProgress); ok && e.State == browser.DownloadProgressStateCompleted {
			select {
			case done <- e.GUID:
			default:
			}
		}
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := chromedp.CallBrowser(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllowAndName, DownloadPath: dir, EventsEnabled: new(true)}); err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.Click(chromedp.CSS(selector)))
	select {
	case name := <-done:
		file, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			b.t.Fatal(err)
		}
		return file
	case <-ctx.Done():
		b.t.Fatalf("tab %s: %s gave no file", b.name, selector)
		return nil
	}
}

// TestTheEyeSees keeps the checks of pages honest: a page with each fault is told off for each.
func TestTheEyeSees(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "script-src 'self'")
		if r.URL.Path == "/own.js" {
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, `console.error("told"); throw new Error("thrown")`)
			return
		}
		fmt.Fprint(w, `<!doctype html><html lang="fa" dir="ltr"><title> </title><body><div id="a" style="width:3000px">x</div><p id="a">
<span style="color:#999;background:#fff">hardly to be read</span><button></button><input name="q"><img src="data:,"><svg></svg><script>alert(1)</script><script src="/own.js"></script>`)
	}))
	defer site.Close()
	b := browse(t)
	b.do(chromedp.Navigate(site.URL))
	found := slices.Concat(evaluate[[]string](b, audit), evaluate[[]string](b, faint), b.complaints())
	for _, want := range []string{"direction ltr for language fa", "no title", "not one h1", "no main part", "an id twice", "control without a name",
		"field without a label", "image without alt", "drawing neither named", "something inline", "contrast 2.8", "Content Security Policy", "console error", "exception"} {
		if !slices.ContainsFunc(found, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("nothing says %q among %q", want, found)
		}
	}
	if over := evaluate[int](b, tooWide); over < 2000 {
		t.Errorf("the page is %d pixels too wide", over)
	}
}
