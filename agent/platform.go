package agent

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
)

// Platform is what the agent needs of the device it lives on. Every field up to Identity is required. The functions are called with
// the agent's lock held, so they must not call the agent; they may be called often and must return at once.
type Platform struct {
	Storage Storage
	Key     crypto.Signer // the device's attestation key: ECDSA P-256 or Ed25519, in hardware where there is any
	Chain   [][]byte      // its certificates, DER, leaf first, as the factory or the secure element gave them

	// Now is the wall clock. It may be wrong by any amount and may be set by anybody; see the package's section on time.
	Now func() time.Time
	// Uptime is the time since boot, sleep included. Within one boot it never goes back and nobody can set it.
	Uptime func() time.Duration
	// BootID is another one after every boot: 1 to 64 bytes, such as /proc/sys/kernel/random/boot_id.
	BootID func() string
	// Boot is the state of the boot chain now.
	Boot func() evidence.Boot
	// Random is a cryptographic source.
	Random io.Reader

	Software string // the agent's version, 1 to 64 characters
	Identity Identity

	// The rest is optional; see the package's sections on officers and on lost and forged records.

	// StateKey authenticates the record: 32 to 64 random bytes that never change and that this device alone has. Without
	// it the record has a checksum only.
	StateKey []byte
	// Counter detects copies of the record that were rolled back. It needs a StateKey.
	Counter Counter
	// Root is the officers' root metadata (TUF) that the firmware was built with: a device enrols only under metadata that lead on from
	// it. Without it the first root that the server tells is believed, once.
	Root []byte
	// AdoptPlain takes over a record without authentication, for the release of a firmware that introduces StateKey. Where
	// the counter says that an authenticated record was written before, it is refused all the same.
	AdoptPlain bool
}

// Counter is a monotonic counter in hardware: a TPM's NV counter, RPMB, a secure element. Nobody can set it back.
//
// Read returns its value, 0 when it is new. Advance raises it to a value that is higher, in as many steps as the hardware needs;
// to a value that it has already reached it does nothing. It is durable when it returns nil, and may or may not have happened when it fails.
type Counter interface {
	Read() (uint64, error)
	Advance(to uint64) error
}

// Identity is what the device's maker wrote into it.
type Identity struct {
	IMEI   device.IMEI
	Serial string // at most 64 characters
	Model  string // at most 64 characters
}

func (p Platform) check() error {
	switch {
	case p.Storage == nil, p.Key == nil, p.Now == nil, p.Uptime == nil, p.BootID == nil, p.Boot == nil, p.Random == nil:
		return errors.New("agent: the platform is incomplete; every field of Platform up to Identity is required")
	case len(p.Chain) == 0:
		return errors.New("agent: the platform has no certificate chain for its key")
	}
	if n := len(p.StateKey); n != 0 && (n < 32 || n > 64) {
		return fmt.Errorf("agent: a StateKey has 32 to 64 bytes, not %d", n)
	}
	if p.Counter != nil && len(p.StateKey) == 0 {
		return errors.New("agent: a Counter needs a StateKey: what anybody can write says nothing of its age")
	}
	if err := p.pinnedRoot(); err != nil {
		return err
	}
	if id := p.BootID(); len(id) == 0 || len(id) > maxBootID {
		return fmt.Errorf("agent: a boot id has 1 to %d bytes, not %d", maxBootID, len(id))
	}
	return nil
}

func (p Platform) reading() reading {
	return reading{wall: p.Now().Unix(), uptime: p.Uptime(), boot: p.BootID()}
}
