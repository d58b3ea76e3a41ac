package agenttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
)

// start is when a phone is unpacked, in true time.
var start = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

// Phone is a device under a test's control: the true time, its clocks, its boots and its flash memory. It is for one
// goroutine.
type Phone struct {
	True   time.Time     // the time that the test knows and the phone does not
	Offset time.Duration // wall clock minus true time
	Boot   evidence.Boot
	Flash  *Flash

	StateKey []byte   // nil on a phone that cannot authenticate its record
	Counter  *Counter // nil on a phone without one

	uptime time.Duration
	boots  int
	random *rand.ChaCha8
	key    *ecdsa.PrivateKey
	chain  [][]byte
	imei   device.IMEI
}

// NewPhone returns a phone with a right clock and a verified boot chain, on 2 March 2026. The same seed gives the same IMEI.
func NewPhone(seed uint64) (*Phone, error) {
	p := &Phone{
		True: start, Boot: evidence.BootVerified, Flash: &Flash{}, random: rand.NewChaCha8(seedOf("phone", seed)),
	}
	var err error
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), p.random); err != nil {
		return nil, fmt.Errorf("agenttest: a phone's key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetUint64(seed + 1),
		Subject:      pkix.Name{CommonName: "agenttest device"},
		NotBefore:    start.AddDate(-1, 0, 0),
		NotAfter:     start.AddDate(20, 0, 0),
	}
	leaf, err := x509.CreateCertificate(p.random, template, template, p.key.Public(), p.key)
	if err != nil {
		return nil, fmt.Errorf("agenttest: a phone's certificate: %w", err)
	}
	p.chain = [][]byte{leaf}
	body := fmt.Sprintf("35%012d", seed%1e12)
	p.imei = device.IMEI(body + string(device.CheckDigit(body)))
	return p, nil
}

// Platform returns what an agent on this phone needs.
func (p *Phone) Platform() agent.Platform {
	platform := agent.Platform{
		Storage: p.Flash, Key: p.key, Chain: p.chain,
		Now:      func() time.Time { return p.True.Add(p.Offset) },
		Uptime:   func() time.Duration { return p.uptime },
		BootID:   func() string { return fmt.Sprintf("boot-%d", p.boots) },
		Boot:     func() evidence.Boot { return p.Boot },
		Random:   p.random,
		Software: "agenttest/1",
		Identity: agent.Identity{IMEI: p.imei, Serial: "SN" + string(p.imei[8:14]), Model: "Test 1"},
		StateKey: p.StateKey,
	}
	if p.Counter != nil {
		platform.Counter = p.Counter
	}
	return platform
}

// ID returns an id that a server could give this phone.
func (p *Phone) ID() device.ID {
	sum := seedOf("id/"+string(p.imei), 0)
	return device.ID(sum[:16])
}

// Secret returns an unlock secret that a server could give this phone.
func (p *Phone) Secret() [32]byte { return seedOf("secret/"+string(p.imei), 0) }

// Wait lets time pass with the phone switched on.
func (p *Phone) Wait(d time.Duration) {
	p.True = p.True.Add(d)
	p.uptime += d
}

// Off lets time pass with the phone switched off, and boots it: the agent has to be opened again.
func (p *Phone) Off(d time.Duration) {
	p.True = p.True.Add(d)
	p.uptime = 0
	p.boots++
}

// SetWall sets the wall clock to what it should not show.
func (p *Phone) SetWall(t time.Time) { p.Offset = t.Sub(p.True) }

// ErrCrash is what a phone's storage returns when the phone dies in a save.
var ErrCrash = errors.New("agenttest: the phone lost power")

// ErrFull is what a phone's storage returns when it is full.
var ErrFull = errors.New("agenttest: no space left on the device")

// Flash is a storage whose saves a test can make fail. A save that fails has either happened or not.
type Flash struct {
	Saves int // attempted so far

	// Fail says what becomes of the save with this number, from 0: whether the bytes are there all the same, and
	// its error.
	// Nil means that all succeed.
	Fail func(save int) (persisted bool, err error)

	record []byte
}

// Load implements agent.Storage.
func (f *Flash) Load() ([]byte, error) {
	if f.record == nil {
		return nil, fmt.Errorf("agenttest: empty flash: %w", os.ErrNotExist)
	}
	return append([]byte(nil), f.record...), nil
}

// Save implements agent.Storage.
func (f *Flash) Save(record []byte) error {
	number := f.Saves
	f.Saves++
	var err error
	persisted := true
	if f.Fail != nil {
		persisted, err = f.Fail(number)
	}
	if err == nil || persisted {
		f.record = append([]byte(nil), record...)
	}
	return err
}

// Record returns the bytes that a boot would find, nil when there are none.
func (f *Flash) Record() []byte { return f.record }

// Protect gives the phone what authenticates its record and detects its rollback.
func (p *Phone) Protect() {
	key := seedOf("state/"+string(p.imei), 0)
	p.StateKey, p.Counter = key[:], &Counter{}
}

// Counter is a monotonic counter in hardware, whose advances a test can make fail.
type Counter struct {
	Value    uint64
	Advances int // attempted so far

	// Fail says what becomes of the advance with this number, from 0: whether the counter moved all the same, and what
	// happens then. ErrCrash is a phone that dies: Advance panics with it, because nobody is there to return to.
	Fail func(advance int) (moved bool, err error)
}

// Read implements agent.Counter.
func (c *Counter) Read() (uint64, error) { return c.Value, nil }

// Advance implements agent.Counter.
func (c *Counter) Advance(to uint64) error {
	number := c.Advances
	c.Advances++
	var err error
	moved := true
	if c.Fail != nil {
		moved, err = c.Fail(number)
	}
	if moved {
		c.Value = max(c.Value, to)
	}
	if errors.Is(err, ErrCrash) {
		panic(err)
	}
	return err
}
