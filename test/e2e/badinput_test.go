package e2e

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/internal/sign1"
	"github.com/bailiwick-dev/bailiwick/internal/verifier"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

const problemType = "urn:bailiwick:problem:"

// send posts bytes as a device does, and returns the problem that came back; the zero problem when there was none.
func (s *server) send(t *testing.T, path, mediaType string, body []byte, headers ...string) (p problem, header http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", mediaType)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return problem{}, response.Header
	}
	return readProblem(t, response), response.Header
}

// readProblem insists on the form of RFC 9457.
func readProblem(t *testing.T, response *http.Response) (p problem) {
	t.Helper()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if kind := response.Header.Get("Content-Type"); kind != protocol.MediaTypeProblem {
		t.Fatalf("%d with content type %q: %s", response.StatusCode, kind, text)
	}
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if p.Status != response.StatusCode || p.Title == "" || p.Detail == "" || !strings.HasPrefix(p.Type, problemType) {
		t.Errorf("%d is told as %s", response.StatusCode, text)
	}
	return p
}

// metric reads one line of /metrics; 0 when it is not there.
func (s *server) metric(t *testing.T, line string) float64 {
	t.Helper()
	response, err := s.http.Get(s.base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), line+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	return 0
}

// enrolled makes a phone that has checked in once.
func (s *server) enrolled(t *testing.T, n int, at phone.Place) *phone.Phone {
	t.Helper()
	p := makePhone(t, s.Factory, s.base, s.http, s.Now, n, at)
	if _, err := s.Service.ImportProduction(t.Context(), &authority.Officer{Name: "rig", Role: "admin"}, []authority.Production{
		{IMEI: p.Config().IMEI, Serial: p.Config().Serial, Model: "Lantern P", Market: "AE"}}); err != nil {
		t.Fatal(err)
	}
	if err := p.Use(); err != nil {
		t.Fatal(err)
	}
	if err := p.CheckIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// token is fresh evidence of the phone, not sent.
func token(t *testing.T, p *phone.Phone) evidence.Token {
	t.Helper()
	made, err := p.Agent().Evidence()
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// forge signs fresh evidence of the phone again, with claims changed.
func forge(t *testing.T, p *phone.Phone, change func(*evidence.Claims)) []byte {
	t.Helper()
	u, err := evidence.Parse(token(t, p))
	if err != nil {
		t.Fatal(err)
	}
	claims, err := u.Verify(p.Config().Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	change(claims)
	made, err := evidence.Sign(claims, p.Config().Key)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// repack signs fresh evidence of the phone again, with its payload's bytes changed.
func repack(t *testing.T, p *phone.Phone, change func([]byte) []byte) []byte {
	t.Helper()
	m, err := sign1.Parse(token(t, p))
	if err != nil {
		t.Fatal(err)
	}
	made, err := sign1.Sign(change(bytes.Clone(m.Payload())), nil, p.Config().Key)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// withClaim adds a claim that the profile does not have.
func withClaim(t *testing.T, label int64, value any) func([]byte) []byte {
	return func(payload []byte) []byte {
		claims := map[int64]any{label: value}
		for known, raw := range dcbor.Peek(payload) {
			claims[known] = raw
		}
		made, err := dcbor.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
}

// mirrored gives a signature its other half: (r, n−s) verifies wherever (r, s) does.
func mirrored(made []byte) []byte {
	made = bytes.Clone(made)
	s := made[len(made)-32:]
	new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(s)).FillBytes(s)
	return made
}

// TestBadEvidence: each kind is refused by its name, counted, and costs the device nothing.
func TestBadEvidence(t *testing.T) {
	t.Parallel()
	s := serve(t, storyStart, nil)
	p := s.enrolled(t, 1, phone.Tehran)
	accepted := token(t, p)
	if refused, _ := s.send(t, protocol.PathCheckIn, evidence.MediaType, accepted); refused.Status != 0 {
		t.Fatalf("good evidence: %+v", refused)
	}
	for _, c := range []struct {
		name   string
		body   []byte
		status int
		reason string
	}{
		{"nothing", nil, 400, "evidence-malformed"},
		{"truncated", token(t, p)[:100], 400, "evidence-malformed"},
		{"with something after it", append(token(t, p), 0), 400, "evidence-malformed"},
		{"oversized", bytes.Repeat([]byte{0x18}, evidence.MaxToken+1), 413, "too-large"},
		{"noise", bytes.Repeat([]byte("noise"), 40), 400, "evidence-malformed"},
		{"an array of indefinite length", append(bytes.Replace(token(t, p), []byte{0xd2, 0x84}, []byte{0xd2, 0x9f}, 1), 0xff), 400, "evidence-malformed"},
		{"a map of indefinite length", repack(t, p, func(b []byte) []byte { return append(append([]byte{0xbf}, b[1:]...), 0xff) }), 400, "evidence-malformed"},
		{"a key twice", repack(t, p, func(b []byte) []byte { return slices.Concat([]byte{b[0] + 1}, b[1:7], b[1:]) }), 400, "evidence-malformed"},
		{"a coordinate", repack(t, p, withClaim(t, 264, []any{35, 51})), 400, "location-refused"},
		{"a claim that nobody knows", repack(t, p, withClaim(t, -70000, 1)), 400, "claim-unknown"},
		{"replayed", accepted, 422, "sequence-replayed"},
		{"replayed with its mirrored signature", mirrored(accepted), 422, "sequence-replayed"},
		{"an older sequence", forge(t, p, func(c *evidence.Claims) { c.Sequence = 1 }), 422, "sequence-replayed"},
		{"of a device that nobody knows", forge(t, p, func(c *evidence.Claims) { c.Device = device.ID{7} }), 422, "unknown-device"},
		{"of an epoch that never was", forge(t, p, func(c *evidence.Claims) { c.Epoch = bytes.Repeat([]byte{9}, len(c.Epoch)) }), 422, "epoch-unknown"},
		{"with another key", resigned(t, p), 422, "bad-signature"},
		{"changed under its signature", flipped(token(t, p)), 422, "bad-signature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			counted := fmt.Sprintf("bailiwick_refused_total{endpoint=\"check-in\",reason=%q}", c.reason)
			if c.status == http.StatusRequestEntityTooLarge {
				counted = fmt.Sprintf("bailiwick_http_request_seconds_count{route=%q,status=\"413\"}", "POST "+protocol.PathCheckIn)
			}
			before := s.metric(t, counted)
			refused, _ := s.send(t, protocol.PathCheckIn, evidence.MediaType, c.body)
			if refused.Status != c.status || refused.Type != problemType+c.reason {
				t.Errorf("%+v, want %d %s", refused, c.status, c.reason)
			}
			if fresh := c.reason == "epoch-unknown"; fresh != (len(refused.Epoch) > 0) {
				t.Errorf("epoch in the problem: %x", refused.Epoch)
			}
			if after := s.metric(t, counted); after != before+1 {
				t.Errorf("%s went from %v to %v", counted, before, after)
			}
		})
	}
	s.goesOn(t, p)
}

// resigned is evidence of the phone with the signature of another key.
func resigned(t *testing.T, p *phone.Phone) []byte {
	t.Helper()
	m, err := sign1.Parse(token(t, p))
	if err != nil {
		t.Fatal(err)
	}
	made, err := sign1.Sign(m.Payload(), nil, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// flipped changes one bit of the signature.
func flipped(made []byte) []byte {
	made[len(made)-40] ^= 1
	return made
}

// goesOn checks that the phone can check in as before, and that the authority has its sequence.
func (s *server) goesOn(t *testing.T, p *phone.Phone) {
	t.Helper()
	if err := p.CheckIn(t.Context()); err != nil {
		t.Fatalf("the device cannot go on: %v", err)
	}
	next, err := evidence.Parse(token(t, p))
	if err != nil {
		t.Fatal(err)
	}
	known, err := s.Service.FindDevice(t.Context(), string(p.Config().IMEI))
	if err != nil {
		t.Fatal(err)
	}
	if known.Sequence != next.Sequence()-1 {
		t.Errorf("sequence %d is stored, the next one is %d", known.Sequence, next.Sequence())
	}
}

// TestTimesThatDoNotFit: evidence of an old epoch is refused and can be signed again at once; evidence whose own clock is far off is
// taken, since a wrong clock is no fault of the owner's, but doubted: nothing is escalated on it (Charter C10).
func TestTimesThatDoNotFit(t *testing.T) {
	t.Parallel()
	s := serve(t, storyStart, nil)
	p := s.enrolled(t, 1, phone.Tehran)
	old := token(t, p)
	s.clock.AdvanceTo(storyStart.Add((verifier.EpochsAccepted + 1) * verifier.EpochPeriod))
	refused, _ := s.send(t, protocol.PathCheckIn, evidence.MediaType, old)
	if refused.Status != 422 || refused.Type != problemType+"epoch-expired" || len(refused.Epoch) == 0 {
		t.Fatalf("evidence of an epoch long past: %+v", refused)
	}
	if n := s.metric(t, `bailiwick_refused_total{endpoint="check-in",reason="epoch-expired"}`); n != 1 {
		t.Errorf("counted %v times", n)
	}
	s.goesOn(t, p) // with the epoch of the problem document

	for name, iat := range map[string]time.Time{"future": s.Now().AddDate(1, 0, 0), "past": s.Now().AddDate(-30, 0, 0)} {
		iat = iat.Truncate(time.Second)
		if refused, _ := s.send(t, protocol.PathCheckIn, evidence.MediaType, forge(t, p, func(c *evidence.Claims) { c.IssuedAt = iat })); refused.Status != 0 {
			t.Errorf("%s: %+v", name, refused)
		}
		known, err := s.Service.FindDevice(t.Context(), string(p.Config().IMEI))
		if err != nil || !known.ClockDoubt {
			t.Errorf("%s: the clock is not doubted (%v)", name, err)
		}
		s.goesOn(t, p)
		if known, err = s.Service.FindDevice(t.Context(), string(p.Config().IMEI)); err != nil || known.ClockDoubt {
			t.Errorf("%s: doubt remains after evidence whose clock is right (%v)", name, err)
		}
	}
	if refused, _ := s.send(t, protocol.PathCheckIn, evidence.MediaType,
		repack(t, p, func(b []byte) []byte { // the year 36812
			return slices.Concat(b[:2], []byte{0x1b, 0, 0, 1, 0, 0, 0, 0, 0}, b[7:])
		})); refused.Type != problemType+"evidence-invalid" && refused.Type != problemType+"evidence-malformed" {
		t.Errorf("a time that no calendar has: %+v", refused)
	}
}

// TestBadEnrolment: nobody becomes another device.
func TestBadEnrolment(t *testing.T) {
	t.Parallel()
	s := serve(t, storyStart, nil)
	foreign, err := sandbox.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	victim := s.enrolled(t, 1, phone.Tehran)
	imei := victim.Config().IMEI
	enrolment := func(factory *sandbox.Factory, certified, claimed device.IMEI, signer *ecdsa.PrivateKey) []byte {
		key := newKey(t)
		chain, err := factory.Issue(certified, "X", key.Public())
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = key
		}
		made, err := protocol.SignEnrolment(&protocol.Enrolment{IMEI: claimed, Serial: "X", Model: "Lantern P", Software: "test/1",
			Epoch: s.Service.Epoch(t.Context()).Epoch}, chain, signer)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	other := sandbox.IMEI("00100101", 2)
	good := enrolment(s.Factory, other, other, nil)
	for _, c := range []struct {
		name   string
		body   []byte
		status int
		reason string
	}{
		{"truncated", good[:len(good)-9], 400, "message-malformed"},
		{"oversized", make([]byte, protocol.MaxEnrolment+1), 413, "too-large"},
		{"certified by another factory", enrolment(foreign, other, other, nil), 422, "chain-untrusted"},
		{"claims another IMEI than its certificate", enrolment(s.Factory, other, imei, nil), 422, "imei-mismatch"},
		{"signed with another key than its certificate's", enrolment(s.Factory, other, other, newKey(t)), 422, "bad-signature"},
		{"takes an IMEI that is enrolled", enrolment(s.Factory, imei, imei, nil), 409, "already-enrolled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused, _ := s.send(t, protocol.PathEnrol, protocol.MediaTypeEnrol, c.body)
			if refused.Status != c.status || refused.Type != problemType+c.reason {
				t.Errorf("%+v, want %d %s", refused, c.status, c.reason)
			}
			if n := s.metric(t, fmt.Sprintf("bailiwick_refused_total{endpoint=\"enrol\",reason=%q}", c.reason)); n != 1 && c.status != 413 {
				t.Errorf("counted %v times", n)
			}
		})
	}
	s.goesOn(t, victim)
	for range 2 { // an answer that was lost is asked for again
		if refused, _ := s.send(t, protocol.PathEnrol, protocol.MediaTypeEnrol, good); refused.Status != 0 {
			t.Errorf("good enrolment: %+v", refused)
		}
	}
}

// TestRequestsThatAreNone: what is no request of the protocol is told what it should be.
func TestRequestsThatAreNone(t *testing.T) {
	t.Parallel()
	s := serve(t, storyStart, nil)
	p := s.enrolled(t, 1, phone.Madrid)
	good := token(t, p)
	if refused, _ := s.send(t, protocol.PathCheckIn, "application/json", good); refused.Status != 415 {
		t.Errorf("another content type: %+v", refused)
	}
	if refused, _ := s.send(t, protocol.PathCheckIn, evidence.MediaType, good, "Content-Encoding", "gzip"); refused.Status != 415 {
		t.Errorf("an encoded body: %+v", refused)
	}
	if refused, _ := s.send(t, "/v1/nowhere", evidence.MediaType, good); refused.Status != 404 {
		t.Errorf("another path: %+v", refused)
	}
	if refused, header := s.send(t, protocol.PathEpoch, evidence.MediaType, good); refused.Status != 405 || !strings.Contains(header.Get("Allow"), "GET") {
		t.Errorf("another method: %+v, Allow %q", refused, header.Get("Allow"))
	}
	if refused, _ := s.send(t, "/v1/login", "application/json", []byte(`{"name":"ada","password":"x","admin":true}`)); refused.Status != 400 {
		t.Errorf("a field that nobody knows: %+v", refused)
	}
	if refused, _ := s.send(t, "/v1/waves/1/approve", "application/json", []byte(`{}`)); refused.Status != 401 {
		t.Errorf("without a session: %+v", refused)
	}
	if refused, _ := s.send(t, protocol.PathCheckIn, evidence.MediaType, good); refused.Status != 0 {
		t.Errorf("the evidence itself: %+v", refused)
	}
}

// TestSlowAndLarge: whoever sends slowly or too much is cut off, and everybody else is served meanwhile.
func TestSlowAndLarge(t *testing.T) {
	t.Parallel()
	s := serve(t, storyStart, nil)
	p := s.enrolled(t, 1, phone.Madrid)
	address := strings.TrimPrefix(s.base, "http://")

	large := "GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("a", 64<<10) + "\r\n\r\n"
	if answer := rawExchange(t, address, large, time.Minute); !strings.HasPrefix(answer, "HTTP/1.1 431 ") {
		t.Errorf("a header of 64 KiB: %.60q", answer)
	}
	body := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 1000000000\r\n\r\n%s", protocol.PathCheckIn, evidence.MediaType, strings.Repeat("a", 256<<10))
	if answer := rawExchange(t, address, body, time.Minute); !strings.HasPrefix(answer, "HTTP/1.1 413 ") {
		t.Errorf("a body without end: %.60q", answer)
	}

	began := time.Now()
	var slow []net.Conn
	for i := range 40 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		start := "POST " + protocol.PathCheckIn + " HTTP/1.1\r\nHost: x\r\nX-Slow: "
		if i%2 == 0 { // headers that came, and a body that does not
			start = "POST " + protocol.PathCheckIn + " HTTP/1.1\r\nHost: x\r\nContent-Type: " + evidence.MediaType + "\r\nContent-Length: 500\r\n\r\nabc"
		}
		if _, err := io.WriteString(c, start); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, c)
	}
	for range 20 {
		s.goesOn(t, p)
	}
	for i, c := range slow {
		if err := c.SetReadDeadline(began.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(c)
		if err != nil {
			t.Fatalf("slow connection %d is still open after %v: %v", i, time.Since(began), err)
		}
		if i%2 == 0 && !bytes.HasPrefix(answer, []byte("HTTP/1.1 408 ")) {
			t.Errorf("a body that does not come: %.60q", answer)
		}
	}
	s.goesOn(t, p)
}

// rawExchange writes bytes and reads what comes until the other side closes.
func rawExchange(t *testing.T, address, request string, within time.Duration) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, request) // the server may well have closed by then
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil && line == "" {
		t.Fatal(err)
	}
	return line
}

// TestRates: one network prefix cannot take it all, and does not take it from others.
func TestRates(t *testing.T) {
	t.Parallel()
	s := serve(t, storyStart, nil)
	from := func(address string) []string { return []string{"X-Forwarded-For", address} }
	login := []byte(`{"name":"admin","password":"a guess among many"}`)
	statuses := map[int]int{}
	var last http.Header
	began := time.Now()
	for n := 0; n < 60 || n < 2000 && statuses[429] < 20; n++ {
		refused, header := s.send(t, "/v1/login", "application/json", login, from("198.51.100.7")...)
		statuses[refused.Status]++
		if refused.Status == http.StatusTooManyRequests {
			last = header
		}
	}
	most := 31 + int(time.Since(began).Seconds()) // 30 at once, and one a second
	if statuses[401] == 0 || statuses[401] > most || statuses[429] < 20 {
		t.Errorf("guesses in %v were answered %v", time.Since(began), statuses)
	}
	if last.Get("Retry-After") == "" {
		t.Error("429 does not say when to try again")
	}
	if refused, _ := s.send(t, "/v1/login", "application/json", login, from("203.0.113.9")...); refused.Status != 401 {
		t.Errorf("a guess from elsewhere: %+v", refused)
	}
	if refused, _ := s.send(t, protocol.PathCheckIn, evidence.MediaType, nil, from("198.51.100.7")...); refused.Status == 429 {
		t.Error("guesses at passwords keep devices of the same network from checking in")
	}
	for range 100 { // a month's button on a phone's page, pressed three times
		if err := (clockOf{s}).MoveOn(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}

	flood := s.flood(t, "192.0.2.1")
	if flood[200] < 2000 || flood[429] == 0 {
		t.Errorf("a flood of devices from one address was answered %v", flood)
	}
	if n := s.metric(t, `bailiwick_http_request_seconds_count{route="unmatched",status="429"}`) +
		s.metric(t, fmt.Sprintf(`bailiwick_http_request_seconds_count{route=%q,status="429"}`, "GET "+protocol.PathEpoch)); n == 0 {
		t.Error("429 is not counted")
	}
}

// flood asks for epochs from one address, on many connections so that a slow machine has its fill, too, until it is told that it asks too often.
func (s *server) flood(t *testing.T, address string) (answers map[int]int) {
	t.Helper()
	answers = make(map[int]int)
	var last *http.Response // that refuses
	var mu sync.Mutex
	var asking sync.WaitGroup
	ask := func() (more bool) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+protocol.PathEpoch, nil)
		if err != nil {
			t.Error(err)
			return false
		}
		request.Header.Set("X-Forwarded-For", address)
		response, err := s.http.Do(request)
		if err != nil {
			t.Error(err)
			return false
		}
		defer response.Body.Close()
		mu.Lock()
		defer mu.Unlock()
		answers[response.StatusCode]++
		text, _ := io.ReadAll(response.Body)
		if response.StatusCode == http.StatusTooManyRequests && last == nil {
			last, response.Body = response, io.NopCloser(bytes.NewReader(text))
		}
		return answers[429] == 0 && answers[200] < 100_000
	}
	for range 16 {
		asking.Go(func() {
			for ask() {
			}
		})
	}
	asking.Wait()
	if last != nil {
		readProblem(t, last)
	}
	return answers
}

// TestSecondServer: a data folder has one server; the next one says so and leaves the first alone.
func TestSecondServer(t *testing.T) {
	t.Parallel()
	var dir string
	s := serve(t, storyStart, func(cfg *app.Config) { dir = cfg.Dir })
	p := s.enrolled(t, 1, phone.Madrid)
	n := newNest(t)
	n.dir = dir
	out, err := n.command().CombinedOutput()
	if err == nil {
		t.Fatal("a second server runs on the same folder")
	}
	if said := string(out); !strings.Contains(said, "another") || !strings.Contains(said, dir) {
		t.Errorf("the second server says %q", said)
	}
	s.goesOn(t, p)
}
