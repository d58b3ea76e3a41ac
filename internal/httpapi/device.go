package httpapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/admission"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

const (
	routeEnrol   = "POST " + protocol.PathEnrol
	routeCheckIn = "POST " + protocol.PathCheckIn
)

var devicePaths = map[string]bool{protocol.PathEpoch: true, protocol.PathEnrol: true, protocol.PathCheckIn: true}

// devices serves what devices call. They are plain handlers: this is the hot path.
type devices struct {
	authority ForDevices
	gate      *admission.Gate // nil lets everybody in
	networks  *limiter
}

func (d *devices) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+protocol.PathEpoch, d.epoch)
	mux.HandleFunc(routeEnrol, d.enrol)
	mux.HandleFunc(routeCheckIn, func(w http.ResponseWriter, r *http.Request) { d.checkIn(r.Context(), w, r, ClientAddress(r.Context())) })
}

func (d *devices) epoch(w http.ResponseWriter, r *http.Request) {
	answer(w, d.authority.Epoch(r.Context()))
}

func (d *devices) enrol(w http.ResponseWriter, r *http.Request) {
	token, p := body(w, r, protocol.MediaTypeEnrol, protocol.MaxEnrolment)
	if p != nil {
		p.write(w)
		return
	}
	d.admitted(w, r, ClientAddress(r.Context()), admission.Enrolment, func() (message, error) { return d.authority.Enrol(r.Context(), token) })
}

// checkIn serves a check-in until ctx ends, which need not be the request's: whoever is gone when it is their turn is served all the same, and
// asks again.
func (d *devices) checkIn(ctx context.Context, w http.ResponseWriter, r *http.Request, client netip.Addr) {
	token, p := body(w, r, evidence.MediaType, evidence.MaxToken)
	if p != nil {
		p.write(w)
		return
	}
	c, err := d.authority.Contact(token)
	if err != nil {
		if !d.networks.allows(client) {
			errTooMany().write(w)
			return
		}
		d.refuse(w, r, err)
		return
	}
	d.admitted(w, r, client, classOf[c.Urgency()], func() (message, error) { return c.CheckIn(ctx, client) })
}

var classOf = map[authority.Urgency]admission.Class{
	authority.UrgencyNone: admission.Plain, authority.UrgencyClaim: admission.Restricted, authority.UrgencyKnown: admission.Lift,
}

// message is an answer.
type message interface{ Marshal() ([]byte, error) }

// admitted serves when there is a place. A call counts against its network only once it proved to be nothing: a carrier's devices, who
// share an address, are not locked out however many they are. A network that has sent too much of that is served while there are places to
// spare, and what these records know to be urgent in any case.
func (d *devices) admitted(w http.ResponseWriter, r *http.Request, from netip.Addr, class admission.Class, serve func() (message, error)) {
	if class != admission.Lift && !d.networks.open(from) {
		class = admission.Doubted
	}
	leave := func(bool) {}
	if d.gate != nil {
		in, err := d.gate.Enter(r.Context(), class)
		if err != nil {
			d.refuse(w, r, err)
			return
		}
		leave = in
	}
	served := false
	defer func() { // also when serving panics
		if !served {
			leave(false)
		}
	}()
	a, err := serve()
	served = true
	leave(err == nil)
	if doubtful(err) {
		d.networks.allows(from)
	}
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	answer(w, a)
}

// doubtful reports whether a call was refused because it proved to be nothing: no genuine device of this authority sent it, or somebody
// sent it again.
func doubtful(err error) bool {
	if err == nil {
		return false
	}
	e := authority.AsError(err)
	if e.Kind == authority.Invalid {
		return true
	}
	for _, named := range []*authority.Error{authority.ErrBadSignature, authority.ErrUnknownDevice, authority.ErrSequenceReplayed,
		authority.ErrChainUntrusted, authority.ErrIMEIMismatch} {
		if errors.Is(e, named) {
			return true
		}
	}
	return false
}

// refuse answers with the problem; with a fresh epoch if that is what the device lacks.
func (d devices) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if errors.Is(err, authority.ErrEpochExpired) || errors.Is(err, authority.ErrEpochUnknown) {
		p.Epoch = d.authority.Epoch(r.Context()).Epoch
	}
	p.write(w)
}

func answer(w http.ResponseWriter, a message) {
	b, err := a.Marshal()
	if err != nil {
		problemOf(err).write(w)
		return
	}
	w.Header()["Content-Type"] = answerType
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(b))}
	_, _ = w.Write(b) // a device that is gone asks again
}

// Values of headers that most answers share; nobody changes them.
var (
	answerType = []string{protocol.MediaType}
	noSniff    = []string{"nosniff"}
	noReferrer = []string{"no-referrer"}
	noContent  = []string{"default-src 'none'; frame-ancestors 'none'"}
	noStore    = []string{"no-store"}
)

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
	if n := r.ContentLength; n >= 0 && n <= most { // the server reads no further
		b := make([]byte, n)
		if _, err := io.ReadFull(r.Body, b); err != nil {
			return nil, unreadable(err, most)
		}
		return b, nil
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
	if got == want { // as agents write it
		return true
	}
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
