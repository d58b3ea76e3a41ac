package firmware

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/order"
)

const root = "../.."

// build runs a compiler in the repository's root.
func build(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// lab is the hardware and the world of a program in C, and its network.
func (w *world) lab() http.Handler {
	server, err := url.Parse(w.base)
	w.must(err)
	began := w.clock.Now()
	clocks := func(rw http.ResponseWriter) {
		now := w.clock.Now()
		fmt.Fprintf(rw, "%d %d", now.Unix(), now.Sub(began).Milliseconds())
	}
	answer := func(f func(r *http.Request, body []byte) ([]byte, error)) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil {
				body, err = f(r, body)
			}
			if err != nil {
				http.Error(rw, err.Error(), http.StatusInternalServerError)
				return
			}
			if _, err := rw.Write(body); err != nil {
				w.t.Error(err)
			}
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", httputil.NewSingleHostReverseProxy(server))
	mux.HandleFunc("/lab/clock", func(rw http.ResponseWriter, _ *http.Request) { clocks(rw) })
	mux.HandleFunc("/lab/day", func(rw http.ResponseWriter, _ *http.Request) {
		if err := w.day(); err != nil {
			w.t.Error(err)
		}
		if _, err := w.approve(); err != nil {
			w.t.Error(err)
		}
		clocks(rw)
	})
	mux.Handle("/lab/sign", answer(func(_ *http.Request, digest []byte) ([]byte, error) {
		if len(digest) != sha256.Size {
			return nil, fmt.Errorf("asked to sign %d bytes", len(digest))
		}
		return w.key.Sign(rand.Reader, digest, nil)
	}))
	mux.Handle("/lab/chain/{n}", answer(func(r *http.Request, _ []byte) ([]byte, error) {
		n, err := strconv.Atoi(r.PathValue("n"))
		if err != nil || n < 0 || n >= len(w.chain) {
			return nil, fmt.Errorf("no certificate %d", n)
		}
		return w.chain[n], nil
	}))
	mux.Handle("/lab/imei", answer(func(*http.Request, []byte) ([]byte, error) { return []byte(w.imei), nil }))
	mux.Handle("/lab/root", answer(func(*http.Request, []byte) ([]byte, error) { return w.root(), nil }))
	mux.Handle("/lab/forgive", answer(func(*http.Request, []byte) ([]byte, error) { return nil, w.forgive() }))
	mux.Handle("/lab/lift", answer(func(*http.Request, []byte) ([]byte, error) { return w.heldLift(), nil }))
	return mux
}

// A program in C, linked with the archive, drives a device from its enrolment to the lift; every warning is an error. The same
// program runs on the shared library.
func TestCProgram(t *testing.T) {
	dir := t.TempDir()
	cgo := []string{"CGO_ENABLED=1"}
	archive, shared := filepath.Join(dir, "libbailiwick.a"), filepath.Join(dir, "libbailiwick.so")
	build(t, cgo, "go", "build", "-tags", "capi", "-buildmode=c-archive", "-o", archive, "./agent/capi")
	build(t, cgo, "go", "build", "-tags", "capi", "-buildmode=c-shared", "-o", shared, "./agent/capi")
	compile := []string{"-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-I", "agent/capi", "test/firmware/testdata/driver.c"}
	for name, link := range map[string][]string{
		"archive": {archive, "-lpthread"},
		"shared":  {"-L" + dir, "-l:libbailiwick.so", "-Wl,-rpath," + dir, "-lpthread"},
	} {
		t.Run(name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "driver")
			build(t, nil, "gcc", append(append(compile, link...), "-o", program)...)
			w := newWorld(t)
			lab := httptest.NewServer(w.lab())
			defer lab.Close()
			at, err := url.Parse(lab.URL)
			w.must(err)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			run := exec.CommandContext(ctx, program, at.Port(), t.TempDir())
			run.Env = append(os.Environ(), "GODEBUG=cgocheck=1")
			out, err := run.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if string(out) != "noticed\nlocked\nlifted\n" {
				t.Errorf("it said %q", out)
			}
			_, r, err := w.restriction(t.Context())
			if err != nil || r.Applied != order.Lifted || r.Cause != order.ByHuman {
				t.Errorf("the server has %+v, %v", r, err)
			}
		})
	}
}

// The header is C and C++ in every warning, and agrees with what the library exports.
func TestHeader(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "header.c")
	if err := os.WriteFile(source, []byte("#include \"bailiwick.h\"\n#include \"bailiwick.h\"\nint main(void) { return 0; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, standard := range []string{"c99", "c11", "c17"} {
		build(t, nil, "gcc", "-std="+standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", "agent/capi", "-fsyntax-only", source)
	}
	header, err := os.ReadFile(root + "/agent/capi/bailiwick.h")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(root + "/agent/capi/capi.go")
	if err != nil {
		t.Fatal(err)
	}
	var declared, exported []string
	for _, m := range regexp.MustCompile(`(?m)^(?:bw_status|void|int) (bw_\w+)\(`).FindAllStringSubmatch(string(header), -1) {
		declared = append(declared, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^//export (bw_\w+)$`).FindAllStringSubmatch(string(code), -1) {
		exported = append(exported, m[1])
	}
	slices.Sort(declared)
	slices.Sort(exported)
	if len(exported) < 15 || !slices.Equal(declared, exported) {
		t.Errorf("the header declares %v, the library exports %v", declared, exported)
	}
	build(t, []string{"CGO_ENABLED=1"}, "go", "vet", "-tags", "capi", "./agent/capi")
}
