package firmware

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent/daemon"
	"github.com/bailiwick-dev/bailiwick/agent/lines"
	"github.com/bailiwick-dev/bailiwick/order"
)

// files writes what a factory leaves on a device, and returns the configuration's path.
func (w *world) files(dir string) (config string) {
	w.t.Helper()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		w.must(os.WriteFile(path, data, 0o600))
		return path
	}
	der, err := x509.MarshalPKCS8PrivateKey(w.key)
	w.must(err)
	var chain []byte
	for _, c := range w.chain {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c})...)
	}
	text, err := json.Marshal(map[string]any{
		"server": w.base, "storage": filepath.Join(dir, "record"), "imei": w.imei, "serial": w.serial, "model": "Lantern P",
		"key":   write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"chain": write("chain.pem", chain), "state_key": write("state.key", []byte(strings.Repeat("5a", 32)+"\n")),
		"officers_root": write("1.root.json", w.root()), "boot_state": "verified", "socket": filepath.Join(dir, "s"), "tick_seconds": 1,
	})
	w.must(err)
	return write("agent.json", text)
}

// root is the officers' first root, as the server gives it to anybody.
func (w *world) root() []byte {
	w.t.Helper()
	r, err := http.Get(w.base + "/metadata/1.root.json")
	w.must(err)
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	w.must(err)
	if r.StatusCode != http.StatusOK {
		w.t.Fatalf("the officers' root: %s", r.Status)
	}
	return data
}

// tap is a daemon's output, which a test may read while it is written.
type tap struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *tap) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

func (t *tap) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Split(strings.TrimSpace(t.text.String()), "\n")
}

// reply is what the daemon answers.
type reply struct {
	OK      bool           `json:"ok"`
	Screen  *lines.Screen  `json:"screen"`
	Code    *lines.Code    `json:"code"`
	Outcome *lines.Outcome `json:"outcome"`
	Error   string         `json:"error"`
}

// peer is a connection to the daemon's socket.
type peer struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, socket string) *peer {
	t.Helper()
	var conn net.Conn
	var err error
	for range 1500 { // half a minute
		if conn, err = net.Dial("unix", socket); err == nil {
			t.Cleanup(func() { conn.Close() })
			return &peer{t, conn, bufio.NewReader(conn)}
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal(err)
	return nil
}

func (p *peer) ask(line string) (r reply) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
	text, err := p.in.ReadString('\n')
	if err != nil {
		p.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		p.t.Fatalf("%s: %v", text, err)
	}
	return r
}

func (p *peer) ok(line string) {
	p.t.Helper()
	if r := p.ask(line); !r.OK {
		p.t.Fatalf("%s: %+v", line, r)
	}
}

// The daemon leads a phone from its first boot through notice and lock to a lift from a file, over its socket, with a
// restart in between.
func TestDaemonStory(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	cfg, err := daemon.ReadConfig(w.files(dir))
	w.must(err)
	began := w.clock.Now()
	hardware := daemon.Hardware{
		Now: w.clock.Now, Uptime: func() time.Duration { return w.clock.Now().Sub(began) }, BootID: func() string { return "boot" },
	}
	out := &tap{}
	start := func() (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- daemon.Run(ctx, cfg, hardware, nil, out, slog.New(slog.NewTextHandler(t.Output(), nil)))
		}()
		return func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("the daemon ended with %v", err)
			}
		}
	}
	stop := start()
	phone := dial(t, cfg.Socket)
	liveUntil := func(stage order.Stage) {
		t.Helper()
		for range 60 {
			phone.ok(tehran)
			phone.ok("shown")
			if r := phone.ask("check-in"); r.Outcome == nil || len(r.Outcome.Refused) > 0 {
				t.Fatalf("check-in: %+v", r)
			}
			if phone.ask("screen").Screen.Stage == stage {
				return
			}
			w.must(w.day())
			_, err := w.approve()
			w.must(err)
			phone.ok("tick")
		}
		t.Fatalf("never %v: %+v", stage, phone.ask("screen").Screen)
	}
	liveUntil(order.Noticed)
	stop()
	stop = start()
	phone = dial(t, cfg.Socket)
	liveUntil(order.Locked)
	if r := phone.ask("code 00 00 00 00"); r.Code == nil || r.Code.Unlocked || r.Code.Wait == 0 {
		t.Fatalf("a wrong code: %+v", r)
	}
	w.must(w.forgive())
	if r := phone.ask("check-in"); r.Outcome == nil || phone.ask("screen").Screen.Stage != order.Locked {
		t.Fatalf("the lift came by network: %+v", r)
	}
	lift := filepath.Join(dir, "lift.txt")
	w.must(os.WriteFile(lift, []byte(base64.StdEncoding.EncodeToString(w.heldLift())+"\n"), 0o600))
	sealed, err := order.ParseSealed(w.heldLift())
	w.must(err)
	text, err := sealed.QRText()
	w.must(err)
	if r := phone.ask("lift-qr " + text[:len(text)-9]); r.Error == "" || r.Outcome != nil {
		t.Fatalf("a damaged code: %+v", r)
	}
	if r := phone.ask("lift-qr " + text); r.Outcome == nil || len(r.Outcome.Applied) != 1 {
		t.Fatalf("the lift off its QR code: %+v", r)
	}
	if r := phone.ask("lift " + lift); r.Outcome == nil || r.Error != "" {
		t.Fatalf("the same lift again, from a file: %+v", r)
	}
	if s := phone.ask("screen").Screen; s.Stage != order.Lifted || len(s.WayOut) != 9 {
		t.Fatalf("the screen: %+v", s)
	}
	phone.ask("check-in")
	_, r, err := w.restriction(t.Context())
	if err != nil || r.Applied != order.Lifted {
		t.Fatalf("the server has %+v, %v", r, err)
	}
	stop()
	var stages []string
	for _, line := range out.lines() {
		var r reply
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Screen == nil {
			t.Fatalf("standard output has %q: %v", line, err)
		}
		if s := r.Screen.Stage.String(); len(stages) == 0 || stages[len(stages)-1] != s {
			stages = append(stages, s)
		}
	}
	if got := strings.Join(stages, " "); got != "observed noticed locked lifted" {
		t.Errorf("the screens on standard output went %s", got)
	}
}

func TestDaemonRefuses(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	cfg, err := daemon.ReadConfig(w.files(dir))
	w.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- daemon.Run(ctx, cfg, daemon.Hardware{}, strings.NewReader(""), io.Discard, slog.New(slog.DiscardHandler))
	}()
	phone := dial(t, cfg.Socket)
	for _, bad := range []string{
		"unknown", "screen now", "{}}", `{"gnss":{"lat":100,"lon":0}}`, `{"wifi":"IR","wifi":"DE"}`, "code", "code 12", "code 12345678",
		"lift", "lift /nowhere", "lift " + dir, "lift /dev/zero", "lift " + filepath.Join(dir, "agent.json"),
	} {
		if r := phone.ask(bad); r.Error == "" {
			t.Errorf("%q: %+v", bad, r)
		}
	}
	if info, err := os.Stat(cfg.Socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	if err := daemon.Run(ctx, cfg, daemon.Hardware{}, nil, io.Discard, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "another agent") {
		t.Errorf("a second daemon: %v", err)
	}
	if _, err := io.WriteString(phone.conn, strings.Repeat("x", daemon.MaxLine+1)+"\n"); err != nil {
		t.Error(err)
	}
	if _, err := phone.in.ReadString('\n'); err == nil {
		t.Error("a line without bounds was answered")
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("it did not stop")
	}
	if _, err := os.Stat(cfg.Socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestConfigRefuses(t *testing.T) {
	const good = `"server":"https://a.example","storage":"/x","imei":"490154203237518","chain":"/c"`
	if _, err := daemon.ParseConfig([]byte("{" + good + "}")); err != nil {
		t.Fatal(err)
	}
	for want, text := range map[string]string{
		"unknown field":  "{" + good + `,"serverr":"x"}`,
		"twice":          "{" + good + `,"imei":"490154203237518"}`,
		"no JSON object": "[]",
		"behind":         "{" + good + "} {}",
		`"chain"`:        `{"server":"https://a.example","storage":"/x","imei":"490154203237518"}`,
		"server":         `{"server":"a.example","storage":"/x","imei":"490154203237518","chain":"/c"}`,
		"imei":           `{"server":"https://a.example","storage":"/x","imei":"490154203237519","chain":"/c"}`,
		"boot_state":     "{" + good + `,"boot_state":"green"}`,
		"tick_seconds":   "{" + good + `,"tick_seconds":901}`,
		"more than":      strings.Repeat(" ", 70000),
	} {
		if _, err := daemon.ParseConfig([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %q", text, err, want)
		}
	}
}

// checkConfig requires that a configuration is well-formed.
func checkConfig(t *testing.T, text string) {
	t.Helper()
	if _, err := daemon.ParseConfig([]byte(text)); err != nil {
		t.Errorf("%v in\n%s", err, text)
	}
}
