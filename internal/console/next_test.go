package console

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

// Wherever a login leads, it is a page of the console on this very site.
func FuzzLocalPath(f *testing.F) {
	for _, s := range []string{"", "/console/cases?x=1", "//elsewhere.example/console/", `/\elsewhere.example`, "/console/../owner", "http:/console/", "/console/%2e%2e/owner"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := localPath(next)
		u, err := url.Parse(got)
		if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(path.Clean(u.Path)+"/", "/console/") || strings.ContainsAny(got, "\r\n\\") {
			t.Fatalf("%q leads to %q", next, got)
		}
	})
}
