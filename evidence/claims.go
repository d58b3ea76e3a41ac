package evidence

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// MediaType is the media type of a token (RFC 9782).
const MediaType = "application/eat+cwt"

// Token is a COSE_Sign1 as received or sent: bytes, trusted by nobody yet.
type Token []byte

// Boot is the state of the boot chain as the device's attester reports it.
type Boot uint8

const (
	BootUnknown  Boot = iota
	BootVerified      // maker's system, bootloader locked
	BootCustom        // verified with the owner's own key
	BootUnlocked      // bootloader unlocked, nothing verified
)

// Claims is what a device says of itself at a check-in. It has no field for a place (Charter C11): only days and
// territories. Sign and Parse enforce every bound below; Validate checks them without a key.
type Claims struct {
	Device     device.ID
	Sequence   uint64    // strictly increasing for the life of a key, from 1; what guards against replay
	Epoch      []byte    // the server's epoch, 8 to 64 bytes (eat_nonce)
	IssuedAt   time.Time // by the device's best estimate (what the server told last, and its own time since), whole seconds
	Boot       Boot
	Software   string // agent's version, at most 64 characters
	PolicyHash [32]byte
	Days       []territory.DayRecord // those that the server has not acknowledged, oldest first; at most MaxDays
	Activation *territory.Activation // nil until established
	Grounds    []GroundState         // every ground that the device knows; at most MaxGrounds
	Refusals   []Refusal             // orders refused and not yet acknowledged; at most MaxRefusals
	ClockDoubt bool                  // the device does not trust its own clock now
	Metadata   MetadataVersions      // of the officers' metadata that the device trusts; zero when none
}

// MetadataVersions tells the server which of the officers' metadata to send (package tuf). Both count from 1.
type MetadataVersions struct{ Root, Timestamp uint64 }

// GroundState is what the device applies on one ground.
type GroundState struct {
	Ground    order.Ground
	Stage     order.Stage
	Cause     order.Cause // why lifted; zero otherwise
	Order     order.ID    // the order that led to Stage; zero when the device lifted by itself
	ShownDays uint8       // distinct days on which the notice was shown
	FirstSeen territory.Day
	Deadline  time.Time // as told on the screen; zero when none
	EndsAt    time.Time // zero when none
}

// Refusal is an order that the device did not follow, and the named reason.
type Refusal struct {
	Order  order.ID
	Reason string // one of the agent's reasons: [a-z-], at most 40 characters
}

// Bounds of a token.
const (
	MaxToken    = 8 << 10 // bytes
	MaxDays     = 90
	MaxGrounds  = 16
	MaxRefusals = 16
)
