package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

//go:embed assets/*
var assetFiles embed.FS

type asset struct {
	name    string
	bytes   []byte
	version string // first digits of the SHA-256
}

var assets = sync.OnceValue(func() map[string]asset {
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		panic(err) // embedded
	}
	all := make(map[string]asset, len(entries)+1)
	add := func(name string, text []byte) {
		sum := sha256.Sum256(text)
		all[name] = asset{name, text, hex.EncodeToString(sum[:6])}
	}
	for _, e := range entries {
		text, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			panic(err)
		}
		if e.Name() != "world.txt" {
			add(e.Name(), text)
		}
	}
	add("world.svg", world().land())
	return all
})

// AssetPath returns the path of an asset with its version, so that browsers may keep it for ever.
func AssetPath(name string) string {
	a, ok := assets()[name]
	if !ok {
		panic("web: no asset " + name) // a template's mistake, found by the first test that renders it
	}
	return "/assets/" + name + "?v=" + a.version
}

// Assets serves GET /assets/NAME.
func Assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := assets()[strings.TrimPrefix(r.URL.Path, "/assets/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", mime.TypeByExtension(path.Ext(a.name)))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		h.Set("ETag", `"`+a.version+`"`)
		h.Set("Cache-Control", "no-cache")
		if r.URL.Query().Get("v") == a.version {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		http.ServeContent(w, r, a.name, time.Time{}, bytes.NewReader(a.bytes))
	})
}
