package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 8 << 20

// signaturesSoon is how long before their end officers' signatures are a warning.
const signaturesSoon = 30 * 24 * time.Hour

// server looks at a running server from outside.
func (x *examination) server(ctx context.Context) {
	base, err := url.Parse(x.Server)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		x.found("server", Fault, fmt.Sprintf("%q is no address of a server", x.Server), "write it like https://trust.example.com")
		return
	}
	before := x.Now()
	answer, text, err := x.get(ctx, base, "/readyz")
	if err != nil {
		x.found("server", Fault, fmt.Sprintf("%s://%s does not answer: %s", base.Scheme, base.Host, cause(err)), "start it there with bailiwick serve, or name the right address with --server")
		return
	}
	x.readiness(answer.StatusCode, text)
	if read, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		x.skew("server.clock", "the server", read, before.Truncate(time.Second), x.Now()) // the header has whole seconds
	}
	x.metrics(ctx, base)
	x.published(ctx, base)
}

// cause is why a request failed, in words for the commonest: nothing listens there.
func cause(err error) string {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "nothing listens there"
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return err.Error()
}

func (x *examination) get(ctx context.Context, base *url.URL, path string) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath(path).String(), nil)
	if err != nil {
		return nil, nil, err
	}
	answer, err := x.HTTP.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return answer, text, err
}

// readiness: what /readyz says, and what it advises.
func (x *examination) readiness(status int, text []byte) {
	var said struct {
		Ready  bool     `json:"ready"`
		Advice []string `json:"advice"`
		Detail string   `json:"detail"`
		Errors []struct{ At, Message string }
	}
	if err := json.Unmarshal(text, &said); err != nil {
		x.found("server.ready", Fault, fmt.Sprintf("/readyz answers %d and no JSON", status), "is this a server of Bailiwick?")
		return
	}
	if status != http.StatusOK || !said.Ready {
		why := said.Detail
		for _, e := range said.Errors {
			why += "; " + e.At + ": " + e.Message
		}
		x.found("server.ready", Fault, why, "see its log, which has the cause")
		return
	}
	x.found("server.ready", OK, "it is ready", "")
	for _, advice := range said.Advice {
		x.found("server.advice", Warning, advice, "docs/officers.md")
	}
}

// metrics: what the server counts, when it shows that to us.
func (x *examination) metrics(ctx context.Context, base *url.URL) {
	answer, text, err := x.get(ctx, base, "/metrics")
	if err != nil || answer.StatusCode != http.StatusOK {
		x.found("server.metrics", Unknown, "its metrics are not shown to this address", "run it on the server's own machine")
		return
	}
	families := samples(string(text))
	for _, s := range families["bailiwick_officers_signatures_expire_seconds"] {
		role, left := s.labels["role"], time.Duration(s.value)*time.Second
		detail := fmt.Sprintf("the officers' signatures in the role %s end in %d days", role, int(left.Hours()/24))
		switch {
		case left <= 0:
			x.found("officers.signatures", Fault, fmt.Sprintf("the officers' signatures in the role %s have ended: nothing is escalated", role), "have two officers renew them: docs/officers.md")
		case left < signaturesSoon:
			x.found("officers.signatures", Warning, detail, "have two officers renew them: docs/officers.md")
		default:
			x.found("officers.signatures", OK, detail, "")
		}
	}
	for _, counter := range []struct{ name, says string }{
		{"bailiwick_store_commits_failed_total", "commits failed since its start"},
		{"bailiwick_store_updates_turned_away_total", "updates were turned away since its start because too many waited"},
	} {
		if n := total(families[counter.name]); n > 0 {
			x.found("server.store", Warning, fmt.Sprintf("%.0f %s", n, counter.says), "see its log, and whether the number still grows")
		}
	}
	if n := total(families["bailiwick_store_updates_total"]); n >= 0 {
		x.found("server.store", OK, fmt.Sprintf("%.0f updates were committed since its start", n), "")
	}
}

// sample is one line of Prometheus' text format.
type sample struct {
	labels map[string]string
	value  float64
}

var (
	sampleLine  = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+)$`)
	sampleLabel = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"`)
)

// samples reads the lines of Prometheus' text format that have a value, by name.
func samples(text string) map[string][]sample {
	found := make(map[string][]sample)
	for line := range strings.Lines(text) {
		m := sampleLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue // a comment
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			continue
		}
		s := sample{map[string]string{}, value}
		for _, l := range sampleLabel.FindAllStringSubmatch(m[2], -1) {
			s.labels[l[1]] = l[2]
		}
		found[m[1]] = append(found[m[1]], s)
	}
	return found
}

// total is the sum of a counter, or -1 when there is none.
func total(list []sample) float64 {
	if len(list) == 0 {
		return -1
	}
	sum := 0.0
	for _, s := range list {
		sum += s.value
	}
	return sum
}

// published: the ledger that anybody is shown, and the policy in force.
func (x *examination) published(ctx context.Context, base *url.URL) {
	source, err := ledger.Remote(base.JoinPath("ledger/").String())
	if err != nil {
		x.found("server.ledger", Unknown, err.Error(), "")
		return
	}
	key, err := source.ReadKey(ctx)
	if err != nil {
		x.found("server.ledger", Fault, "it shows no ledger key: "+err.Error(), "see its log")
		return
	}
	if err := ledger.VerifyTail(ctx, source, key, 256); err != nil {
		if ledger.FaultOf(err) == "" {
			x.found("server.ledger", Unknown, err.Error(), "")
		} else {
			x.found("server.ledger", Fault, err.Error(), "the public sees this ledger as broken: stop the server and compare with its data folder")
		}
		return
	}
	x.found("server.ledger", OK, "its newest entries are in the signed tree, as anybody sees it (bailiwick ledger verify reads all)", "")
	if signed, err := source.ReadCheckpoint(ctx); err == nil && x.signed == nil {
		x.signed = signed
	}
}

// witness: whether it answers, and what it knows of the ledger.
func (x *examination) witness(ctx context.Context, w ledger.Witness) {
	const check = "witness"
	if x.signed == nil {
		x.found(check, Unknown, w.URL+": there is no checkpoint to ask it about", "give --data or --server as well")
		return
	}
	size, err := ledger.WitnessKnows(ctx, w, x.signed)
	switch {
	case errors.Is(err, ledger.ErrForked):
		x.found(check, Fault, w.URL+" has cosigned another history of this ledger", "stop the server: this copy of the ledger must not go on")
	case err != nil:
		x.found(check, Warning, fmt.Sprintf("%s: %v", w.URL, err), "too few witnesses, and no order leaves the server")
	default:
		have := sizeOf(x.signed)
		if size > have {
			x.found(check, Fault, fmt.Sprintf("%s has cosigned %d entries, and this ledger has %d", w.URL, size, have), "entries were lost, or this copy is an old one: see bailiwick restore --help")
			return
		}
		x.found(check, OK, fmt.Sprintf("%s answers, and knows %d entries", w.URL, size), "")
	}
}

// sizeOf is the number of entries that a checkpoint has, its second line.
func sizeOf(signed []byte) uint64 {
	lines := strings.SplitN(string(signed), "\n", 3)
	if len(lines) < 3 {
		return 0
	}
	n, _ := strconv.ParseUint(lines[1], 10, 64) // it was verified before
	return n
}
