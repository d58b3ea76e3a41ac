package httpapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

var devicePaths = map[string]bool{protocol.PathEpoch: true, protocol.PathEnrol: true, protocol.PathCheckIn: true}

// devices serves what devices call. They are plain handlers: this is the hot path.
type devices struct{ authority ForDevices }

func (d devices) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+protocol.PathEpoch, d.epoch)
	mux.HandleFunc("POST "+protocol.PathEnrol, d.enrol)
	mux.HandleFunc("POST "+protocol.PathCheckIn, d.checkIn)
}

func (d devices) epoch(w http.ResponseWriter, r *http.Request) {
	answer(w, d.authority.Epoch(r.Context()))
}

func (d devices) enrol(w http.ResponseWriter, r *http.Request) {
	token, p := body(w, r, protocol.MediaTypeEnrol, protocol.MaxEnrolment)
	if p != nil {
		p.write(w)
		return
	}
	a, err := d.authority.Enrol(r.Context(), token)
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	answer(w, a)
}

func (d devices) checkIn(w http.ResponseWriter, r *http.Request) {
	token, p := body(w, r, evidence.MediaType, evidence.MaxToken)
	if p != nil {
		p.write(w)
		return
	}
	a, err := d.authority.CheckIn(r.Context(), token, ClientAddress(r.Context()))
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	answer(w, a)
}

// refuse answers with the problem; with a fresh epoch if that is what the device lacks.
func (d devices) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if errors.Is(err, authority.ErrEpochExpired) || errors.Is(err, authority.ErrEpochUnknown) {
		p.Epoch = d.authority.Epoch(r.Context()).Epoch
	}
	p.write(w)
}

func answer(w http.ResponseWriter, a interface{ Marshal() ([]byte, error) }) {
	b, err := a.Marshal()
	if err != nil {
		problemOf(err).write(w)
		return
	}
	w.Header().Set("Content-Type", protocol.MediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b) // a device that is gone asks again
}

// body reads a request's body of one media type and at most so many bytes.
func body(w http.ResponseWriter, r *http.Request, mediaType string, most int64) ([]byte, *Problem) {
	if !sameType(r.Header.Get("Content-Type"), mediaType) {
		status := http.StatusUnsupportedMediaType
		return nil, newProblem(status, statusNames[status], "the content type is not "+mediaType, "send Content-Type: "+mediaType)
	}
	if r.Header.Get("Content-Encoding") != "" {
		status := http.StatusUnsupportedMediaType
		return nil, newProblem(status, statusNames[status], "the body is encoded", "send it without Content-Encoding")
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		return nil, unreadable(err, most)
	}
	return b, nil
}

// unreadable tells a body that is too large from one that did not come.
func unreadable(err error, most int64) *Problem {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		status := http.StatusRequestEntityTooLarge
		return newProblem(status, statusNames[status], "the body is larger than "+strconv.FormatInt(most, 10)+" bytes", "")
	}
	status := http.StatusRequestTimeout
	return newProblem(status, statusNames[status], "the body did not arrive in time, or not as a whole", "try again")
}

// sameType compares media types with their parameters.
func sameType(got, want string) bool {
	a, p, err := mime.ParseMediaType(got)
	if err != nil {
		return false
	}
	b, q, err := mime.ParseMediaType(want)
	if err != nil || a != b || len(p) != len(q) {
		return false
	}
	for name, value := range q {
		if p[name] != value {
			return false
		}
	}
	return true
}
