package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	cosignature "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/tessera"

	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

const (
	witnessTimeout = 5 * time.Second // for all witnesses to answer, who are asked at the same time
	witnessAnswer  = 16 << 10        // bytes read of an answer
	// firstWait is how long Open waits for a cosigned checkpoint that covers everything: two rounds of witnesses.
	firstWait = 2*witnessTimeout + time.Second
	// republishEvery has witnesses say anew, with the time, that nothing newer is known.
	republishEvery = 24 * time.Hour
)

// Witness is where a witness is reached and the key by which its cosignatures are known.
type Witness struct {
	URL string // submission prefix, such as https://witness.example.com/; http or https
	Key string // verifier key, Ed25519 (C2SP tlog-cosignature); type 0x04 or 0x01
}

// ParseWitness reads "URL+KEY", as command lines have it: the URL has no plus sign, the key has two.
func ParseWitness(s string) (Witness, error) {
	address, key, found := strings.Cut(s, "+")
	u, err := url.Parse(address)
	if err != nil || !found || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Count(key, "+") < 2 {
		return Witness{}, fmt.Errorf("ledger: %q is no witness: write the URL, a plus sign and the verifier key, "+
			"such as https://witness.example.com+witness.example.com/w1+1a2b3c4d+BASE64", s)
	}
	return Witness{URL: address, Key: key}, nil
}

// Majority is the least number of n witnesses that is more than half: two such quorums share a witness.
func Majority(n int) int {
	if n == 0 {
		return 0
	}
	return n/2 + 1
}

// policy is what Options say of witnesses.
type policy struct {
	verifier  *proof.Verifier
	group     tessera.WitnessGroup
	client    *http.Client
	republish time.Duration
}

func newPolicy(origin, logKey string, opts Options) (*policy, error) {
	quorum := opts.Quorum
	if quorum == 0 {
		quorum = Majority(len(opts.Witnesses))
	}
	var keys []string
	for _, w := range opts.Witnesses {
		keys = append(keys, w.Key)
	}
	verifier, err := proof.New(origin, logKey, keys, quorum)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	p := &policy{verifier: verifier}
	if len(opts.Witnesses) == 0 {
		return p, nil
	}
	p.republish = max(republishEvery, opts.CheckpointInterval)
	transport := &witnessTransport{opts: opts, log: slog.New(newSparse(opts.Log.Handler())), byURL: make(map[string]Witness)}
	p.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	group := tessera.WitnessGroup{N: quorum}
	for _, w := range opts.Witnesses {
		u, err := url.Parse(w.URL)
		if err != nil {
			return nil, fmt.Errorf("%w: witness %q: %w", ErrKey, w.URL, err)
		}
		member, err := newMember(w.Key, u)
		if err != nil {
			return nil, fmt.Errorf("%w: witness %q: %w", ErrKey, w.URL, err)
		}
		if _, twice := transport.byURL[member.URL]; twice {
			return nil, fmt.Errorf("%w: two witnesses at %s", ErrKey, w.URL)
		}
		transport.byURL[member.URL] = w
		group.Components = append(group.Components, member)
	}
	p.group = group
	return p, nil
}

// newMember takes plain Ed25519 keys too, as proof.New does.
func newMember(key string, u *url.URL) (tessera.Witness, error) {
	if v1, err := cosignature.VKeyToCosignatureV1(key); err == nil {
		key = v1
	}
	return tessera.NewWitness(key, u)
}

// witnessTransport bounds what witnesses answer, and tells how each request ended. Tessera has no other place for that.
type witnessTransport struct {
	opts  Options
	log   *slog.Logger // a witness that is away is tried ten times a second, and told of twice a minute
	byURL map[string]Witness
}

func (t *witnessTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(r)
	switch {
	case err != nil && errors.Is(r.Context().Err(), context.Canceled):
		return nil, err // the others were enough
	case err == nil && answer.StatusCode == http.StatusConflict && answer.Header.Get("Content-Type") == "text/x.tlog.size":
		// It tells its size, and is asked again.
	case err == nil && answer.StatusCode != http.StatusOK:
		t.tell(r, fmt.Errorf("it answered %s", answer.Status))
	default:
		t.tell(r, err)
	}
	if err != nil {
		return nil, err
	}
	answer.Body = bounded{io.LimitReader(answer.Body, witnessAnswer), answer.Body}
	return answer, nil
}

func (t *witnessTransport) tell(r *http.Request, err error) {
	w := t.byURL[r.URL.String()]
	if err != nil {
		t.log.Warn("a witness did not cosign: "+w.URL, "error", err)
	}
	if t.opts.Witnessed != nil {
		t.opts.Witnessed(w, err)
	}
}

type bounded struct {
	io.Reader
	io.Closer
}

// firstCheckpoint waits at the start for a checkpoint that covers everything. A ledger that once had its quorum opens
// without it, too, with what is published: to take evidence and to give out unlock codes needs no witness.
func (l *Ledger) firstCheckpoint(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, firstWait)
	defer cancel()
	err := l.catchUp(ctx)
	if len(l.opts.Witnesses) == 0 {
		return err
	}
	if c := l.published.current.Load(); err != nil && c != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		l.opts.Log.Error("the witnesses do not cosign: no order leaves until they do", "published", c.size)
		return nil
	}
	return err
}

// waiting reports whether err is one that time ends: cosignatures that are still to come, or the very first checkpoint, which
// a first start that was killed may have left unpublished and Tessera publishes within the interval.
func (l *Ledger) waiting(err error) bool {
	return errors.Is(err, ErrWitnesses) || l.published.current.Load() == nil && errors.Is(err, fs.ErrNotExist)
}

// Key returns the verifier key of the ledger in dir, and makes key and folder when they are not there, so that a witness can be
// told of a ledger before its first start.
func Key(dir, origin string) (string, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("ledger: %w", err)
	}
	_, key, err := loadKey(dir, filepath.Join(dir, "log"), origin)
	return key, err
}
