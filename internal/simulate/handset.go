package simulate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/evidence"
)

// enforcer is what a device has of its agent. Planted bugs stand between.
type enforcer interface {
	Enrolled() bool
	EnrolmentToken(protocolEpoch) ([]byte, error)
	AcceptEnrolment(answer []byte) error
	SetEpoch(epoch []byte) error
	Observe(signals signals) error
	Tick() error
	Shown() error
	Evidence() (evidence.Token, error)
	Accept(answer []byte) (agent.Outcome, error)
	AcceptLift(sealed []byte) (agent.Outcome, error)
	EnterCode(code string) (agent.CodeResult, error)
	Screen() agent.Screen
}

// handset is a device: its hardware, its agent while it is switched on, and the checker beside it.
type handset struct {
	w     *world
	n     int
	made  *madeDevice
	life  life
	agent enforcer // nil while switched off
	audit *auditor

	on       bool
	boots    int
	bootedAt time.Time
	onBefore time.Duration // switched on, up to the last boot
	offset   time.Duration // of the wall clock from true time
	touched  time.Time     // when the wall clock last did something else than run; zero for never
	random   reader
	flash    flash
	stateKey []byte // nil on a device that cannot authenticate its record
	counter  *counter

	born            time.Time
	turns           int       // queued so far; only the last one counts
	due             time.Time // when the last one comes
	epochAt         time.Time // of the last answer
	old             []byte    // a record to be put back
	wiped           bool      // it lost its record once
	refusedAtServer error     // why the server takes no evidence from it, nil when it does
}

// onTime is for how long the device has been switched on in its life.
func (h *handset) onTime() time.Duration {
	if !h.on {
		return h.onBefore
	}
	return h.onBefore + h.w.now.Sub(h.bootedAt)
}

func (h *handset) wall() time.Time { return h.w.now.Add(h.offset) }

func (h *handset) platform() agent.Platform {
	p := agent.Platform{
		Storage: &h.flash, Key: h.made.key, Chain: h.made.chain, Now: h.wall,
		Uptime:   func() time.Duration { return h.w.now.Sub(h.bootedAt) },
		BootID:   func() string { return fmt.Sprintf("boot-%d", h.boots) },
		Boot:     func() evidence.Boot { return h.life.boot(h.w.now) },
		Random:   h.random,
		Software: "simulate/1",
		Identity: agent.Identity{IMEI: h.made.imei, Serial: h.made.serial, Model: h.made.model},
		StateKey: h.stateKey,
	}
	if h.counter != nil {
		p.Counter = h.counter
	}
	return p
}

// boot switches the device on: some minutes ago, as its uptime says.
func (h *handset) boot() {
	if h.on {
		return
	}
	h.boots++
	h.on, h.bootedAt = true, h.w.now.Add(-h.w.dice.between(0, 10*time.Minute))
	h.audit.booting()
	var a *agent.Agent
	if !h.do("boot", func() (err error) { a, err = agent.Open(h.platform()); return err }) || a == nil {
		if h.on {
			h.w.violate("storage", "%s cannot read its record, which a power loss leaves whole", h.made.serial)
		}
		return
	}
	h.agent = a
	if h.w.plant.agent != nil {
		h.agent = h.w.plant.agent(h, a)
	}
	h.do("tick", h.agent.Tick)
}

// off switches the device off.
func (h *handset) off() {
	if h.on {
		h.onBefore, h.on, h.agent = h.onTime(), false, nil
	}
}

// powerLoss unwinds from the write at which a device dies.
type powerLoss struct{}

// do has the agent do something: one step. A device that loses power on the way is off, and nothing that the call returned is seen.
func (h *handset) do(what string, fn func() error) (ok bool) {
	w := h.w
	w.step++
	err, died := h.attempt(fn)
	if died {
		w.tracef("%s %s: power lost", h.made.serial, what)
		h.off()
		h.audit.blind, h.audit.diedAt = true, w.now
		return false
	}
	if err != nil {
		w.tracef("%s %s: %v", h.made.serial, what, err)
	} else {
		w.tracef("%s %s", h.made.serial, what)
	}
	h.audit.stepped(err)
	return err == nil
}

func (h *handset) attempt(fn func() error) (err error, died bool) {
	defer func() {
		if cause := recover(); cause != nil {
			if _, lost := cause.(powerLoss); !lost {
				panic(cause)
			}
			died = true
		}
	}()
	return fn(), false
}

// flash is the storage of a device: two generations with a checksum each, of which the older one is written over (agent.Storage). A
// power loss in a save tears that one at most. With a full disk a record fits where one as long was before.
type flash struct {
	h      *handset
	slots  [2][]byte // generation, 8 bytes || CRC-32 of the rest, 4 bytes || record
	saves  int       // that succeeded
	fullTo time.Time
}

const flashHeader = 8 + 4

func (f *flash) read(i int) (generation uint64, record []byte) {
	s := f.slots[i]
	if len(s) < flashHeader || crc32.ChecksumIEEE(s[flashHeader:]) != binary.BigEndian.Uint32(s[8:]) {
		return 0, nil
	}
	return binary.BigEndian.Uint64(s), s[flashHeader:]
}

// newest returns the newest whole generation; 0 when there is none.
func (f *flash) newest() (generation uint64, record []byte) {
	generation, record = f.read(0)
	if g, r := f.read(1); g > generation {
		return g, r
	}
	return generation, record
}

func (f *flash) Load() ([]byte, error) {
	generation, record := f.newest()
	if generation == 0 {
		return nil, fmt.Errorf("simulate: no record: %w", os.ErrNotExist)
	}
	return bytes.Clone(record), nil
}

func (f *flash) Save(record []byte) error {
	w := f.h.w
	generation, _ := f.newest()
	generation++
	slot := &f.slots[generation%2]
	next := make([]byte, 0, flashHeader+len(record))
	next = binary.BigEndian.AppendUint64(next, generation)
	next = binary.BigEndian.AppendUint32(next, crc32.ChecksumIEEE(record))
	next = append(next, record...)
	switch {
	case w.now.Before(f.fullTo) && len(next) > len(*slot):
		return errors.New("simulate: no space left on the device")
	case w.strikes(TornWrite, 0.002):
		cut := w.dice.IntN(len(next))
		torn := append(bytes.Clone(next[:cut]), (*slot)[min(cut, len(*slot)):]...)
		*slot = torn
		panic(powerLoss{})
	case w.strikes(PowerLoss, 0.002):
		if w.dice.chance(0.5) {
			*slot = next
			f.h.audit.saved()
		}
		panic(powerLoss{})
	}
	*slot = next
	f.saves++
	f.h.audit.saved()
	return nil
}

// counter is a monotonic counter in hardware, at whose steps a device may lose power.
type counter struct {
	h     *handset
	value uint64
}

func (c *counter) Read() (uint64, error) { return c.value, nil }

func (c *counter) Advance(to uint64) error {
	before := c.h.w.strikes(PowerLoss, 0.001)
	if before && c.h.w.dice.chance(0.5) {
		panic(powerLoss{})
	}
	c.value = max(c.value, to)
	if before {
		panic(powerLoss{})
	}
	return nil
}

// putBack puts an old record into both generations, as a restored backup of a device does.
func (f *flash) putBack(record []byte) {
	f.slots = [2][]byte{}
	next := binary.BigEndian.AppendUint64(nil, 1)
	next = binary.BigEndian.AppendUint32(next, crc32.ChecksumIEEE(record))
	f.slots[1] = append(next, record...)
}
