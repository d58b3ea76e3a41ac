package tufrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestHandler(t *testing.T) {
	w := newWorld(t)
	f := policyFile(1)
	warrant := File{"warrant/w-1.cbor", []byte("w")}
	r := accept(t, w.repository, must(w.repository.ProposePolicy([]File{f}, all, founded)), w.online, founded, w.ada, w.bela)
	r = accept(t, r, must(r.ProposeWarrant([]File{warrant}, all, founded)), w.online, founded, w.ada, w.bela)
	stored := map[string][]byte{f.Path: f.Data, warrant.Path: []byte("W")} // the warrant is damaged
	var fault error
	handler := Handler(func(context.Context) (*Repository, error) { return r, fault },
		func(_ context.Context, path string, sha [32]byte) ([]byte, error) {
			data, ok := stored[path]
			if !ok || path == f.Path && sha != targetOf(f.Data).SHA256 {
				return nil, fs.ErrNotExist
			}
			return data, nil
		})
	name := func(f File) string {
		sum := targetOf(f.Data).SHA256
		return fmt.Sprintf("%x", sum)
	}
	ask := func(method, path string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequest(method, path, nil))
		return rec
	}
	for _, c := range []struct {
		path   string
		status int
		body   string
		cache  string
	}{
		{"/metadata/timestamp.json", 200, string(r.Timestamp), forNow},
		{"/metadata/1.root.json", 200, string(r.Roots[0]), forGood},
		{"/metadata/3.snapshot.json", 200, string(r.Snapshot), forGood},
		{"/metadata/1.targets.json", 200, string(r.Targets), forGood},
		{"/metadata/2.policy.json", 200, string(r.Policy), forGood},
		{"/metadata/2.warrant.json", 200, string(r.Warrant), forGood},
		{"/targets/policy/" + name(f) + "." + f.Path[len("policy/"):], 200, string(f.Data), forGood},
		{"/targets/warrant/" + name(warrant) + ".w-1.cbor", 500, "", ""},
		{"/targets/policy/" + name(warrant) + "." + f.Path[len("policy/"):], 404, "", ""},
		{"/targets/" + f.Path, 404, "", ""},
		{"/targets/policy/..%2f" + name(warrant) + ".w-1.cbor", 404, "", ""},
		{"/metadata/2.root.json", 404, "", ""},
		{"/metadata/0.root.json", 404, "", ""},
		{"/metadata/01.root.json", 404, "", ""},
		{"/metadata/+1.root.json", 404, "", ""},
		{"/metadata/18446744073709551616.root.json", 404, "", ""},
		{"/metadata/1.policy.json", 404, "", ""},
		{"/metadata/root.json", 404, "", ""},
		{"/metadata/1.timestamp.json", 404, "", ""},
		{"/metadata/", 404, "", ""},
		{"/", 404, "", ""},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			rec := ask(method, c.path)
			body := c.body
			if method == "HEAD" {
				body = ""
			}
			if rec.Code != c.status || c.status == 200 && rec.Body.String() != body || rec.Header().Get("Cache-Control") != c.cache {
				t.Errorf("%s %s: %d, %q", method, c.path, rec.Code, rec.Header().Get("Cache-Control"))
			}
		}
	}
	if rec := ask("POST", "/metadata/timestamp.json"); rec.Code != http.StatusMethodNotAllowed || rec.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", rec.Code)
	}
	fault = errors.New("the disk is gone, and this must not be shown")
	if rec := ask("GET", "/metadata/timestamp.json"); rec.Code != 500 || rec.Body.String() != "the repository cannot be read just now: try again later\n" {
		t.Errorf("fault: %d %s", rec.Code, rec.Body)
	}
	r, fault = nil, nil
	if rec := ask("GET", "/metadata/timestamp.json"); rec.Code != 404 {
		t.Errorf("nothing is founded: %d", rec.Code)
	}
}
