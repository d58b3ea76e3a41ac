package evidence

import (
	"time"
)

const (
	// Profile is the EAT profile (RFC 9711, section 6) that docs/protocol.md describes. It is the name-based UUID
	// (RFC 9562, version 5, URL namespace) of "https://github.com/bailiwick-dev/bailiwick/evidence/1".
	Profile = "urn:uuid:7cad7df3-5db3-5fb4-ade5-7221b1e1c21c"

	// Component is the name (swname) of the software that speaks; Claims.Software is its version.
	Component = "bailiwick-agent"

	ueidRandom   = 0x01 // UEID type RAND (RFC 9711, section 4.2.1.1)
	debugEnabled = 0    // dbgstat "enabled" (RFC 9711, section 4.2.9)
)

// Labels of the claims: registered ones (RFC 8392, RFC 9711) where they exist, and private-use ones, integers below
// -65536, for the rest.
const (
	labelIssuedAt   = 6
	labelEpoch      = 10  // eat_nonce
	labelUEID       = 256 // 0x01 || device id
	labelOEMBoot    = 262 // true when the maker's chain verified the system
	labelDebug      = 263 // enabled when the bootloader is unlocked
	labelLocation   = 264 // RFC 9711, section 4.2.10: never here
	labelProfile    = 265
	labelComponent  = 270 // swname
	labelVersion    = 271 // swversion
	labelSequence   = -65537
	labelBoot       = -65538
	labelPolicyHash = -65539
	labelDays       = -65540
	labelActivation = -65541
	labelGrounds    = -65542
	labelRefusals   = -65543
	labelClockDoubt = -65544
	labelMetadata   = -65545
)

// wireClaims is the claims set as it is written; the tags repeat the labels above, and decode.go reads it.
type wireClaims struct {
	IssuedAt   int64         `cbor:"6,keyasint"`
	Epoch      []byte        `cbor:"10,keyasint"`
	UEID       []byte        `cbor:"256,keyasint"`
	OEMBoot    bool          `cbor:"262,keyasint,omitempty"`
	Debug      *uint8        `cbor:"263,keyasint,omitempty"`
	Profile    string        `cbor:"265,keyasint"`
	Component  string        `cbor:"270,keyasint"`
	Version    wireVersion   `cbor:"271,keyasint"`
	Sequence   uint64        `cbor:"-65537,keyasint"`
	Boot       uint8         `cbor:"-65538,keyasint"`
	PolicyHash []byte        `cbor:"-65539,keyasint"`
	Days       []wireDay     `cbor:"-65540,keyasint,omitempty"`
	Activation *wireActive   `cbor:"-65541,keyasint,omitempty"`
	Grounds    []wireGround  `cbor:"-65542,keyasint,omitempty"`
	Refusals   []wireRefusal `cbor:"-65543,keyasint,omitempty"`
	ClockDoubt bool          `cbor:"-65544,keyasint,omitempty"`
	Metadata   *wireVersions `cbor:"-65545,keyasint,omitempty"`
}

type wireVersions struct {
	_         struct{} `cbor:",toarray"`
	Root      uint64
	Timestamp uint64
}

type wireVersion struct {
	_       struct{} `cbor:",toarray"`
	Version string
}

type wireDay struct {
	_         struct{} `cbor:",toarray"`
	Day       int32
	Territory string
	Percent   uint8
	Agree     uint8
	Against   uint8
}

type wireActive struct {
	_         struct{} `cbor:",toarray"`
	Territory string
	Day       int32
	Mixed     bool
}

type wireGround struct {
	Kind      uint8  `cbor:"1,keyasint"`
	ID        string `cbor:"2,keyasint"`
	Stage     uint8  `cbor:"3,keyasint"`
	Cause     uint8  `cbor:"4,keyasint,omitempty"`
	Order     []byte `cbor:"5,keyasint,omitempty"`
	ShownDays uint8  `cbor:"6,keyasint,omitempty"`
	FirstSeen int32  `cbor:"7,keyasint,omitempty"`
	Deadline  int64  `cbor:"8,keyasint,omitempty"`
	EndsAt    int64  `cbor:"9,keyasint,omitempty"`
}

type wireRefusal struct {
	_      struct{} `cbor:",toarray"`
	Order  []byte
	Reason string
}

// toWire expects valid claims.
func toWire(c *Claims) *wireClaims {
	w := &wireClaims{
		IssuedAt:   c.IssuedAt.Unix(),
		Epoch:      c.Epoch,
		UEID:       append([]byte{ueidRandom}, c.Device[:]...),
		OEMBoot:    c.Boot == BootVerified,
		Debug:      debugOf(c.Boot),
		Profile:    Profile,
		Component:  Component,
		Version:    wireVersion{Version: c.Software},
		Sequence:   c.Sequence,
		Boot:       uint8(c.Boot),
		PolicyHash: c.PolicyHash[:],
		ClockDoubt: c.ClockDoubt,
	}
	for _, d := range c.Days {
		w.Days = append(w.Days, wireDay{
			Day: int32(d.Day), Territory: string(d.Territory), Percent: d.Percent,
			Agree: uint8(d.Agree), Against: uint8(d.Against),
		})
	}
	if a := c.Activation; a != nil {
		w.Activation = &wireActive{Territory: string(a.Territory), Day: int32(a.Day), Mixed: a.Mixed}
	}
	if m := c.Metadata; m != (MetadataVersions{}) {
		w.Metadata = &wireVersions{Root: m.Root, Timestamp: m.Timestamp}
	}
	for i := range c.Grounds {
		g := &c.Grounds[i]
		wg := wireGround{
			Kind: uint8(g.Ground.Kind), ID: g.Ground.ID, Stage: uint8(g.Stage), Cause: uint8(g.Cause),
			ShownDays: g.ShownDays, FirstSeen: int32(g.FirstSeen),
			Deadline: seconds(g.Deadline), EndsAt: seconds(g.EndsAt),
		}
		if !g.Order.IsZero() {
			wg.Order = g.Order[:]
		}
		w.Grounds = append(w.Grounds, wg)
	}
	for i := range c.Refusals {
		w.Refusals = append(w.Refusals, wireRefusal{Order: c.Refusals[i].Order[:], Reason: c.Refusals[i].Reason})
	}
	return w
}

// debugOf says what the agent can vouch for: an unlocked bootloader is a debug facility that stands open. That every
// other one is shut is more than it knows, so dbgstat is absent otherwise.
func debugOf(b Boot) *uint8 {
	if b != BootUnlocked {
		return nil
	}
	enabled := uint8(debugEnabled)
	return &enabled
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
