package authority

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Urgency is how much a contact matters when not all can be served. It orders contacts and allows nothing.
type Urgency uint8

// The urgencies.
const (
	UrgencyNone  Urgency = iota
	UrgencyClaim         // the token says that the device is locked, or was opened by a code
	UrgencyKnown         // these records have a lock of the device, or a lift that it has not reported yet
)

// Bounds of what is remembered of urgent devices.
const (
	urgentBits  = 1 << 23        // of one generation: 1 MiB
	urgentMost  = 1 << 20        // devices in a generation; some 3 % of all others are then taken for urgent, too
	urgentLives = 48 * time.Hour // of a generation: longer than the pause between two check-ins, which add a device again
)

// urgents remembers which devices are locked or have a lift to come, as two Bloom filters of which the older is given up from time to time:
// a device is added by each lock and each lift that is issued or sequenced here, and by each check-in as long as it is so. What it says
// is a hint. A server that has just started knows few: the tokens of locked devices say themselves that they are.
type urgents struct {
	mu  sync.Mutex // of those who add
	now atomic.Pointer[urgentSet]
}

// urgentSet is two generations; old is nil in the first.
type urgentSet struct {
	young, old *bloom
	began      time.Time
	added      int // guarded by urgents.mu
}

// of says how urgent a token is.
func (u *urgents) of(t *evidence.Unverified) Urgency {
	set := u.now.Load()
	if set != nil {
		id := t.Device()
		if set.young.has(id) || set.old.has(id) {
			return UrgencyKnown
		}
	}
	if t.Restricted() {
		return UrgencyClaim
	}
	return UrgencyNone
}

// add remembers a device.
func (u *urgents) add(id device.ID, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	set := u.now.Load()
	switch {
	case set == nil:
		set = &urgentSet{young: new(bloom), began: now}
		u.now.Store(set)
	case set.added >= urgentMost || now.Sub(set.began) >= urgentLives:
		set = &urgentSet{young: new(bloom), old: set.young, began: now}
		u.now.Store(set)
	}
	if !set.young.has(id) {
		set.young.add(id)
		set.added++
	}
}

// ordered remembers a device that an order is for, if it is a lock or a lift.
func (u *urgents) ordered(kind order.Kind, id device.ID, now time.Time) {
	if kind == order.Lock || kind == order.Lift {
		u.add(id, now)
	}
}

// bloom is a Bloom filter of device ids, with four hashes: ids are random already. The nil filter has none.
type bloom [urgentBits / 64]atomic.Uint64

func (b *bloom) add(id device.ID) {
	for _, bit := range bloomBits(id) {
		b[bit/64].Or(1 << (bit % 64))
	}
}

func (b *bloom) has(id device.ID) bool {
	if b == nil {
		return false
	}
	for _, bit := range bloomBits(id) {
		if b[bit/64].Load()&(1<<(bit%64)) == 0 {
			return false
		}
	}
	return true
}

func bloomBits(id device.ID) (bits [4]uint64) {
	one, two := mix(binary.BigEndian.Uint64(id[:8])), mix(binary.BigEndian.Uint64(id[8:]))|1
	for i := range bits {
		bits[i] = (one + uint64(i)*two) % urgentBits
	}
	return bits
}
