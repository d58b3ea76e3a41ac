package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bailiwick-dev/bailiwick/protocol"
)

// Target answers what devices send. It may be used by many goroutines.
type Target interface {
	// Do makes one request and returns the answer's status and body. err says that there was no answer.
	Do(ctx context.Context, method, path, mediaType string, body []byte) (status int, answer []byte, err error)
}

// requestTimeout is that of one exchange; a device gives up then, too.
const requestTimeout = 30 * time.Second

// maxBody bounds what is read of an answer.
const maxBody = protocol.MaxAnswer

// remote is a server behind HTTP.
type remote struct {
	base string
	http *http.Client
}

// Remote returns the server at base, which is asked over at most so many connections. Connections to a server on this machine come from
// different loopback addresses where the system has them, so that limits on a network's rate see many networks, as they would.
func Remote(base string, connections int) Target {
	transport := &http.Transport{
		MaxConnsPerHost: connections, MaxIdleConns: connections, MaxIdleConnsPerHost: connections, IdleConnTimeout: time.Minute,
		DisableCompression: true, TLSHandshakeTimeout: requestTimeout, WriteBufferSize: 2 << 10, ReadBufferSize: 4 << 10,
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	var number atomic.Uint32
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		d := *dialer
		if host, _, err := net.SplitHostPort(address); err == nil && runtime.GOOS == "linux" {
			if ip := net.ParseIP(host).To4(); ip != nil && ip.IsLoopback() {
				n := number.Add(1)
				d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, byte(1+n>>8%250), byte(n), 1)}
			}
		}
		return d.DialContext(ctx, network, address)
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a redirect may lead to a server of somebody else
	return &remote{strings.TrimRight(base, "/"), &http.Client{Transport: transport, Timeout: requestTimeout, CheckRedirect: stay}}
}

func (r *remote) Do(ctx context.Context, method, path, mediaType string, body []byte) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if mediaType != "" {
		request.Header.Set("Content-Type", mediaType)
	}
	response, err := r.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	return response.StatusCode, answer, err
}

// local is a handler in this process: what it costs is all that there is, without sockets.
type local struct{ handler http.Handler }

// Local returns a server's handler as a target.
func Local(h http.Handler) Target { return local{h} }

func (l local) Do(ctx context.Context, method, path, mediaType string, body []byte) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.RemoteAddr, request.Host = "127.0.0.1:1", "localhost"
	if mediaType != "" {
		request.Header.Set("Content-Type", mediaType)
	}
	w := &answer{header: make(http.Header, 4), status: http.StatusOK}
	l.handler.ServeHTTP(w, request)
	return w.status, w.body, nil
}

// answer is what a handler writes.
type answer struct {
	header http.Header
	status int
	body   []byte
}

func (a *answer) Header() http.Header  { return a.header }
func (a *answer) WriteHeader(code int) { a.status = code }
func (a *answer) Write(b []byte) (int, error) {
	a.body = append(a.body, b...)
	return len(b), nil
}

// kindOf names an answer that is no success: the end of its problem's type (RFC 9457), or its status.
func kindOf(status int, answer []byte) string {
	var problem struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(answer, &problem) == nil {
		if i := strings.LastIndexAny(problem.Type, ":/"); i >= 0 && i+1 < len(problem.Type) {
			return problem.Type[i+1:]
		}
	}
	return fmt.Sprint("status-", status)
}

// kindOfFailure names a request without an answer.
func kindOfFailure(err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return "stopped"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return "connection-" + op.Op
	}
	return "connection"
}

// onThisMachine reports whether every address of the server is a loopback address.
func onThisMachine(ctx context.Context, server string) (bool, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return false, fmt.Errorf("%q is no address of a server: write it like http://127.0.0.1:8470", server)
	}
	addresses, err := net.DefaultResolver.LookupIPAddr(ctx, u.Hostname())
	if err != nil {
		return false, err
	}
	for _, a := range addresses {
		if !a.IP.IsLoopback() {
			return false, nil
		}
	}
	return len(addresses) > 0, nil
}
