//go:build capi

package main

// #include <stdlib.h>
// #include "callbacks.h"
import "C"

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"time"
	"unsafe"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

const (
	firstBuffer = 640 << 10 // holds every record
	mostBuffer  = 1 << 20
)

// callbacks is a platform's functions. The agent calls them with its lock held, so never two at a time.
type callbacks struct {
	c      *C.bw_platform // a copy in C's memory, of which only the functions and ctx are used
	public crypto.PublicKey
	bootID string // the last that was read
}

// platformOf copies what C gave.
func platformOf(p *C.bw_platform) (agent.Platform, error) {
	if p.version < 1 || p.version > C.BW_VERSION {
		return agent.Platform{}, fmt.Errorf("the platform has version %d, this library knows 1 to %d", uint32(p.version), int(C.BW_VERSION))
	}
	if p.load == nil || p.save == nil || p.sign == nil || p.now == nil || p.uptime == nil || p.boot_id == nil || p.boot_state == nil {
		return agent.Platform{}, errors.New("a callback is NULL; only random and the counter's may be")
	}
	if (p.counter_read == nil) != (p.counter_advance == nil) {
		return agent.Platform{}, errors.New("one of the counter's callbacks is NULL; give both or neither")
	}
	chain, public, err := chainOf(p)
	if err != nil {
		return agent.Platform{}, err
	}
	key, err := bytesOf(p.state_key, p.state_key_len)
	if err != nil {
		return agent.Platform{}, err
	}
	c := &callbacks{c: (*C.bw_platform)(C.malloc(C.sizeof_bw_platform)), public: public}
	C.bw_copy_platform(c.c, p)
	runtime.AddCleanup(c, func(copied *C.bw_platform) { C.free(unsafe.Pointer(copied)) }, c.c)
	root, err := bytesOf(c.c.officers_root, c.c.officers_root_len)
	if err != nil {
		return agent.Platform{}, err
	}
	out := agent.Platform{
		Storage: c, Key: c, Chain: chain, Now: c.now, Uptime: c.uptime, BootID: c.boot, Boot: c.state, Random: rand.Reader,
		Software: textOf(p.software), StateKey: key, AdoptPlain: p.adopt_plain != 0, Root: root,
		Identity: agent.Identity{IMEI: device.IMEI(textOf(p.imei)), Serial: textOf(p.serial), Model: textOf(p.model)},
	}
	if p.random != nil {
		out.Random = io.Reader(random{c})
	}
	if p.counter_read != nil {
		out.Counter = counter{c}
	}
	return out, nil
}

func chainOf(p *C.bw_platform) (chain [][]byte, public crypto.PublicKey, err error) {
	if p.chain == nil || p.chain_len < 1 || p.chain_len > protocol.MaxChain {
		return nil, nil, fmt.Errorf("the chain has 1 to %d certificates", protocol.MaxChain)
	}
	for _, der := range unsafe.Slice(p.chain, int(p.chain_len)) {
		data, err := bytesOf(der.data, der.len)
		if err != nil {
			return nil, nil, err
		}
		chain = append(chain, data)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, nil, fmt.Errorf("the first certificate: %w", err)
	}
	return chain, leaf.PublicKey, nil
}

// failed is a callback that did not do its work.
func failed(name string, code C.int) error {
	if code == 0 {
		return nil
	}
	return fmt.Errorf("the platform's %s failed with %d", name, int(code))
}

func pointer(b []byte) *C.uint8_t { return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(b))) }

// Load implements agent.Storage.
func (c *callbacks) Load() ([]byte, error) {
	for size := firstBuffer; ; {
		buffer, n := make([]byte, size), C.size_t(0)
		if err := failed("load", C.bw_call_load(c.c, pointer(buffer), C.size_t(size), &n)); err != nil {
			return nil, err
		}
		switch {
		case n == 0:
			return nil, fmt.Errorf("the platform has no record: %w", os.ErrNotExist)
		case n <= C.size_t(size):
			return buffer[:n], nil
		case n > mostBuffer || size == mostBuffer:
			return nil, fmt.Errorf("the platform's record has %d bytes; none that the agent wrote has", uint64(n))
		}
		size = mostBuffer
	}
}

// Save implements agent.Storage.
func (c *callbacks) Save(record []byte) error {
	return failed("save", C.bw_call_save(c.c, pointer(record), C.size_t(len(record))))
}

// Public implements crypto.Signer.
func (c *callbacks) Public() crypto.PublicKey { return c.public }

// Sign implements crypto.Signer.
func (c *callbacks) Sign(_ io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	signature, n := make([]byte, 128), C.size_t(0)
	if err := failed("sign", C.bw_call_sign(c.c, pointer(message), C.size_t(len(message)), pointer(signature), 128, &n)); err != nil {
		return nil, err
	}
	if n > 128 {
		return nil, fmt.Errorf("the platform's sign wrote %d bytes into 128", uint64(n))
	}
	return signature[:n], nil
}

func (c *callbacks) now() time.Time { return time.Unix(int64(C.bw_call_now(c.c)), 0) }

func (c *callbacks) uptime() time.Duration {
	ms := int64(C.bw_call_uptime(c.c))
	return time.Duration(min(max(ms, 0), math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// boot returns the boot id; when it cannot be read, the last one, since a boot would have ended this process.
func (c *callbacks) boot() string {
	var buffer [64]byte
	var n C.size_t
	code := C.bw_call_boot_id(c.c, (*C.char)(unsafe.Pointer(&buffer[0])), C.size_t(len(buffer)), &n)
	if code == 0 && n > 0 && n <= C.size_t(len(buffer)) {
		c.bootID = string(buffer[:n])
	}
	return c.bootID
}

func (c *callbacks) state() evidence.Boot {
	if b := C.bw_call_boot_state(c.c); b >= 0 && b <= C.int(evidence.BootUnlocked) {
		return evidence.Boot(b)
	}
	return evidence.BootUnknown
}

type random struct{ c *callbacks }

// Read implements io.Reader.
func (r random) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if err := failed("random", C.bw_call_random(r.c.c, pointer(b), C.size_t(len(b)))); err != nil {
		return 0, err
	}
	return len(b), nil
}

type counter struct{ c *callbacks }

// Read implements agent.Counter.
func (c counter) Read() (uint64, error) {
	var value C.uint64_t
	err := failed("counter_read", C.bw_call_counter_read(c.c.c, &value))
	return uint64(value), err
}

// Advance implements agent.Counter.
func (c counter) Advance(to uint64) error {
	return failed("counter_advance", C.bw_call_counter_advance(c.c.c, C.uint64_t(to)))
}
