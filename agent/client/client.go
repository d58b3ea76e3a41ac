// Package client connects an agent to its server over HTTP: epoch, enrolment and check-in, as docs/protocol.md writes
// them.
//
//	c := client.Client{Server: "https://authority.example"}
//	if err := c.Enrol(ctx, a); err != nil { … }
//	outcome, err := c.CheckIn(ctx, a)
//
// It is a courier and nothing else: the agent judges what it brings.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

const (
	defaultTimeout = 30 * time.Second // of one exchange, connection and answer included
	maxProblem     = 16 << 10         // bytes of a problem document
)

// The ends of problem types (RFC 9457) that the client acts on: it signs again with a fresh epoch.
const (
	problemEpochExpired = "epoch-expired"
	problemEpochUnknown = "epoch-unknown" // the server lost its epoch key, or its clock went back
)

// Client speaks with one server. Its zero fields have defaults; it may be used by many goroutines and for many agents.
type Client struct {
	Server  string        // such as https://authority.example; a path in it is kept
	HTTP    *http.Client  // nil for http.DefaultClient
	Timeout time.Duration // of one exchange; 0 for 30 seconds
}

// Problem is an answer that is no success, with what its problem document said. It is an error.
type Problem struct {
	Status int
	Type   string `json:"type"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Epoch  []byte `json:"epoch"` // base64 in JSON; a fresh one when the evidence's was too old

	// RetryAfter is when the server asks the device to come back, for this device alone: 0 when it named no time, or none in seconds (a
	// date would need a clock that both trust), and at most MostRetryAfter.
	RetryAfter time.Duration `json:"-"`
}

// MostRetryAfter bounds Problem.RetryAfter: nobody keeps a device away with an error.
const MostRetryAfter = time.Hour

// Error says what the server answered.
func (p *Problem) Error() string {
	text := fmt.Sprintf("the server answered %d %s", p.Status, http.StatusText(p.Status))
	for _, more := range []string{p.Title, p.Detail} {
		if more != "" {
			text += ": " + more
		}
	}
	if p.Type != "" && p.Type != "about:blank" {
		text += " (" + p.Type + ")"
	}
	return text
}

// Epoch gets a fresh epoch.
func (c Client) Epoch(ctx context.Context) (protocol.EpochAnswer, error) {
	body, err := c.exchange(ctx, http.MethodGet, protocol.PathEpoch, "", nil, protocol.MaxEpochAnswer)
	if err != nil {
		return protocol.EpochAnswer{}, fmt.Errorf("client: get an epoch: %w", err)
	}
	ep, err := protocol.ParseEpochAnswer(body)
	if err != nil {
		return protocol.EpochAnswer{}, fmt.Errorf("client: get an epoch: %w", err)
	}
	return *ep, nil
}

// Enrol makes the device a member of the fleet. A device that is one already stays as it is.
func (c Client) Enrol(ctx context.Context, a *agent.Agent) error {
	if a.Enrolled() {
		return nil
	}
	err := c.enrol(ctx, a)
	if p := new(Problem); errors.As(err, &p) && p.staleEpoch() {
		err = c.enrol(ctx, a) // it took longer than the epoch lives
	}
	return err
}

func (c Client) enrol(ctx context.Context, a *agent.Agent) error {
	ep, err := c.Epoch(ctx)
	if err != nil {
		return err
	}
	token, err := a.EnrolmentToken(ep)
	if err != nil {
		return fmt.Errorf("client: enrol: %w", err)
	}
	answer, err := c.exchange(ctx, http.MethodPost, protocol.PathEnrol, protocol.MediaTypeEnrol, token, protocol.MaxAnswer)
	if err != nil {
		return fmt.Errorf("client: enrol: %w", err)
	}
	return a.AcceptEnrolment(answer)
}

// CheckIn sends evidence and hands the answer to the agent. When the server says that the epoch was too old, or none of its own,
// it signs again with the fresh one, once.
func (c Client) CheckIn(ctx context.Context, a *agent.Agent) (agent.Outcome, error) {
	out, err := c.checkIn(ctx, a)
	if p := new(Problem); errors.As(err, &p) && p.staleEpoch() {
		if err := c.renew(ctx, a, p.Epoch); err != nil {
			return agent.Outcome{}, err
		}
		out, err = c.checkIn(ctx, a)
	} else if errors.Is(err, agent.ErrNoEpoch) {
		if err := c.renew(ctx, a, nil); err != nil {
			return agent.Outcome{}, err
		}
		out, err = c.checkIn(ctx, a)
	}
	return out, err
}

// renew gives the agent the epoch, or gets one when the problem document carried none.
func (c Client) renew(ctx context.Context, a *agent.Agent, epoch []byte) error {
	if len(epoch) == 0 {
		ep, err := c.Epoch(ctx)
		if err != nil {
			return err
		}
		epoch = ep.Epoch
	}
	return a.SetEpoch(epoch)
}

func (c Client) checkIn(ctx context.Context, a *agent.Agent) (agent.Outcome, error) {
	token, err := a.Evidence()
	if err != nil {
		return agent.Outcome{}, fmt.Errorf("client: check in: %w", err)
	}
	answer, err := c.exchange(ctx, http.MethodPost, protocol.PathCheckIn, evidence.MediaType, token, protocol.MaxAnswer)
	if err != nil {
		return agent.Outcome{}, fmt.Errorf("client: check in: %w", err)
	}
	return a.Accept(answer)
}

func (p *Problem) staleEpoch() bool {
	return strings.HasSuffix(p.Type, problemEpochExpired) || strings.HasSuffix(p.Type, problemEpochUnknown)
}

// exchange makes one request and returns the body of its 2xx answer, of the protocol's media type and at most most bytes long.
func (c Client) exchange(ctx context.Context, method, path, contentType string, body []byte, most int) ([]byte, error) {
	address, err := url.JoinPath(c.Server, path)
	if err != nil {
		return nil, fmt.Errorf("the server's address %q: %w", c.Server, err)
	}
	timeout := c.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", protocol.MediaType+", "+protocol.MediaTypeProblem)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	hc := c.HTTP
	if hc == nil {
		hc = http.DefaultClient
	}
	response, err := hc.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, problemOf(response, kind)
	}
	if kind != protocol.MediaType {
		return nil, fmt.Errorf("%s answered with %q instead of %q; is it a Bailiwick server, or a captive portal?", address, kind, protocol.MediaType)
	}
	return readBounded(response.Body, most)
}

func problemOf(response *http.Response, kind string) error {
	p := &Problem{}
	if kind == protocol.MediaTypeProblem {
		if data, err := readBounded(response.Body, maxProblem); err == nil && json.Unmarshal(data, p) != nil {
			p = &Problem{Title: "with a problem document that cannot be read"}
		}
	}
	p.Status, p.RetryAfter = response.StatusCode, retryAfter(response.Header.Get("Retry-After"))
	return p
}

// retryAfter reads delay-seconds (RFC 9110, section 10.2.3).
func retryAfter(text string) time.Duration {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, MostRetryAfter)
}

func readBounded(r io.Reader, most int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(data) > most {
		return nil, fmt.Errorf("the answer has more than %d bytes", most)
	}
	return data, nil
}
