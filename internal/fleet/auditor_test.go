package fleet

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// A phone that leaks a coordinate in any of the ways is found; bytes that look like one once, by chance, are not held
// against it.
func TestAuditorFindsLeaks(t *testing.T) {
	const lat, lon = 35.694412, 51.421523
	four := binary.BigEndian.AppendUint32(nil, math.Float32bits(lat))
	for name, tc := range map[string]struct {
		bodies [][]byte
		found  bool
	}{
		"nothing":            {[][]byte{[]byte("days and territories"), []byte("IR")}, false},
		"text":               {[][]byte{[]byte(`{"lat":35.694412}`)}, true},
		"eight bytes":        {[][]byte{binary.BigEndian.AppendUint64([]byte("x"), math.Float64bits(lon))}, true},
		"four bytes, once":   {[][]byte{four, []byte("else")}, false},
		"four bytes, always": {[][]byte{four, four}, true},
	} {
		m := newMember(t)
		m.phone.Move(phone.World{Fix: &territory.Fix{Lat: lat, Lon: lon, AccuracyM: 10}, Online: true})
		sink := m.audit.watch(roundTripper(func(r *http.Request) (*http.Response, error) {
			_, err := io.Copy(io.Discard, r.Body)
			return httptest.NewRecorder().Result(), err
		}))
		for _, body := range tc.bodies {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/v1/check-in", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := sink.RoundTrip(r); err != nil {
				t.Fatal(err)
			}
		}
		if found := len(m.audit.violations) > 0; found != tc.found {
			t.Errorf("%s: violations %v", name, m.audit.violations)
		}
	}
}

func newMember(t *testing.T) *member {
	t.Helper()
	factory, err := sandbox.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := recruit(1, LeastDevices)[0]
	if _, err := m.make(1, factory, "http://127.0.0.1:1", &http.Client{}, NewClock(Start)); err != nil {
		t.Fatal(err)
	}
	return m
}
