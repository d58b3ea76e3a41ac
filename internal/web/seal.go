package web

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"
)

// Sealed is a cookie that only this server can read or write: AES-256-GCM under a key derived from Site.Secret and
// the cookie's name, with the time at which it ends inside. It never leaves the site (HttpOnly, SameSite=Strict).
type Sealed struct {
	Site *Site
	Name string
	Path string
	Life time.Duration
}

// maxSealed keeps a cookie below what browsers store, 4,096 bytes.
const maxSealed = 2800

type envelope struct {
	Ends int64           `json:"e"` // Unix seconds
	Body json.RawMessage `json:"b"`
}

func (s *Sealed) aead() cipher.AEAD {
	key := sha256.Sum256(append([]byte("bailiwick cookie "+s.Name+"\n"), s.Site.Secret[:]...))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return gcm
}

// Set seals v, as JSON, into the cookie. It reports whether v was small enough.
func (s *Sealed) Set(w http.ResponseWriter, r *http.Request, v any) bool {
	body, err := json.Marshal(v)
	if err != nil {
		return false
	}
	plain, err := json.Marshal(envelope{s.Site.Now().Add(s.Life).Unix(), body})
	if err != nil || len(plain) > maxSealed {
		return false
	}
	gcm := s.aead()
	nonce := make([]byte, gcm.NonceSize())
	rand.Read(nonce)
	s.write(w, r, base64.RawURLEncoding.EncodeToString(gcm.Seal(nonce, nonce, plain, nil)), int(s.Life/time.Second))
	return true
}

// Get opens the cookie into v. It reports false when there is none, it was not sealed here, or it has ended.
func (s *Sealed) Get(r *http.Request, v any) bool {
	c, err := r.Cookie(s.Name)
	if err != nil || len(c.Value) > 2*maxSealed {
		return false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	gcm := s.aead()
	if err != nil || len(sealed) < gcm.NonceSize() {
		return false
	}
	plain, err := gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], nil)
	if err != nil {
		return false
	}
	var e envelope
	if json.Unmarshal(plain, &e) != nil || s.Site.Now().Unix() >= e.Ends {
		return false
	}
	return json.Unmarshal(e.Body, v) == nil
}

// Clear removes the cookie.
func (s *Sealed) Clear(w http.ResponseWriter, r *http.Request) { s.write(w, r, "", -1) }

func (s *Sealed) write(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: s.Name, Value: value, Path: s.Path, MaxAge: maxAge, HttpOnly: true,
		Secure: s.Site.Secure || r.TLS != nil, SameSite: http.SameSiteStrictMode})
}

// Flash is a message shown once, on the page after a POST.
type Flash struct {
	Tone string `json:"t"` // "good" or "bad"
	Text string `json:"m"`
	// Secret is something to be written down now, such as a one-time password; it is in no log and shown once.
	Secret string `json:"s,omitempty"`
}

// Flashes returns the cookie that carries a Flash for the pages below path.
func Flashes(site *Site, path string) *Sealed {
	return &Sealed{Site: site, Name: "bailiwick-flash", Path: path, Life: 2 * time.Minute}
}

// Take returns the flash that waits, and removes it; nil when there is none.
func Take(s *Sealed, w http.ResponseWriter, r *http.Request) *Flash {
	if _, err := r.Cookie(s.Name); err != nil {
		return nil
	}
	s.Clear(w, r)
	f := new(Flash)
	if !s.Get(r, f) {
		return nil
	}
	return f
}
