package phonepage

import (
	"bytes"
	"image"
	"image/draw"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/messages"
	"github.com/bailiwick-dev/bailiwick/internal/qr"
	"github.com/bailiwick-dev/bailiwick/order"
)

func upload(t *testing.T, h http.Handler, field string, picture []byte) *httptest.ResponseRecorder {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile(field, "photo.png")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(picture); err != nil {
		t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/phone/scan", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Whatever is wrong with a picture has a sentence of its own on the phone's screen.
func TestPicturesThatAreNoLift(t *testing.T) {
	p, h := newPage(t)
	drawn := func(text string) []byte {
		picture, err := qr.PNG(text)
		if err != nil {
			t.Fatal(err)
		}
		return picture
	}
	for name, c := range map[string]struct {
		field   string
		picture []byte
		want    string
	}{
		"none":          {"other", nil, "phone.scan.picture"},
		"empty":         {"picture", nil, "phone.scan.picture"},
		"a text":        {"picture", []byte("not a picture"), "phone.scan.picture"},
		"many bytes":    {"picture", make([]byte, qr.MaxBytes+1), "phone.scan.large"},
		"far too many":  {"picture", make([]byte, maxScan+1<<20), "phone.scan.large"},
		"a link":        {"picture", drawn("https://shop.example/"), "phone.scan.other"},
		"a cut lift":    {"picture", drawn(order.QRPrefix + "ABC"), "phone.scan.damaged"},
		"a later lift":  {"picture", drawn("BWL2:ABC"), "phone.scan.damaged"},
		"cut picture":   {"picture", drawn(order.QRPrefix + "ABC")[:90], "phone.scan.picture"},
		"white picture": {"picture", whitePNG(t), "phone.scan.none"},
	} {
		if w := upload(t, h, c.field, c.picture); w.Code != http.StatusSeeOther {
			t.Errorf("%s: %d", name, w.Code)
		}
		body := get(t, h, "/").Body.String()
		if want := messages.For("en").T(c.want); !strings.Contains(body, want) || !strings.Contains(body, `class="told bad"`) {
			t.Errorf("%s: the screen does not say %q", name, want)
		}
	}
	if p.World().Online {
		t.Error("scanning switched a network on")
	}
	r := httptest.NewRequest(http.MethodPost, "/phone/code", strings.NewReader("code="+strings.Repeat("1", 100_000)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest {
		t.Errorf("another form may be as large as a picture: %d", w.Code)
	}
}

func whitePNG(t *testing.T) []byte {
	t.Helper()
	white := image.NewGray(image.Rect(0, 0, 200, 200))
	draw.Draw(white, white.Rect, image.White, image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := png.Encode(&b, white); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
