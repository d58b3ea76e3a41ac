package evidence

import (
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const (
	// Profile is the EAT profile (RFC 9711, section 6) that docs/protocol.md describes. It is the name-based UUID
	// (RFC 9562, version 5, URL namespace) of "https://github.com/bailiwick-dev/bailiwick/evidence/1".
	Profile = "urn:uuid:7cad7df3-5db3-5fb4-ade5-7221b1e1c21c"

	// Component is the name (swname) of the software that speaks; Claims.Software is its version.
	Component = "bailiwick-agent"

	claimLocation = 264 // RFC 9711, section 4.2.10: never here
	claimProfile  = 265

	ueidRandom    = 0x01 // UEID type RAND (RFC 9711, section 4.2.1.1)
	debugsEnabled = 0    // dbgstat "enabled" (RFC 9711, section 4.2.9)
)

// wireClaims is the claims set. Registered claims (RFC 8392, RFC 9711) are used where they exist; the others have
// private-use labels, integers below -65536.
type wireClaims struct {
	IssuedAt   int64         `cbor:"6,keyasint"`
	Epoch      []byte        `cbor:"10,keyasint"`            // eat_nonce
	UEID       []byte        `cbor:"256,keyasint"`           // 0x01 || device id
	VerifiedBy bool          `cbor:"262,keyasint,omitempty"` // oemboot: true when the maker's chain verified the system
	Debug      *uint8        `cbor:"263,keyasint,omitempty"` // dbgstat: enabled when the bootloader is unlocked
	Profile    string        `cbor:"265,keyasint"`
	Component  string        `cbor:"270,keyasint"` // swname
	Version    wireVersion   `cbor:"271,keyasint"` // swversion
	Sequence   uint64        `cbor:"-65537,keyasint"`
	Boot       uint8         `cbor:"-65538,keyasint"`
	PolicyHash []byte        `cbor:"-65539,keyasint"`
	Days       []wireDay     `cbor:"-65540,keyasint,omitempty"`
	Activation *wireActive   `cbor:"-65541,keyasint,omitempty"`
	Grounds    []wireGround  `cbor:"-65542,keyasint,omitempty"`
	Refusals   []wireRefusal `cbor:"-65543,keyasint,omitempty"`
	ClockDoubt bool          `cbor:"-65544,keyasint,omitempty"`
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
		VerifiedBy: c.Boot == BootVerified,
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
	enabled := uint8(debugsEnabled)
	return &enabled
}

// fromWire decodes payload into c, and validates it.
func fromWire(payload []byte, c *Claims) error {
	var w wireClaims
	if err := dcbor.Unmarshal(payload, &w); err != nil {
		return diagnose(payload, err)
	}
	if w.Profile != Profile {
		return diagnose(payload, nil)
	}
	*c = Claims{
		Sequence:   w.Sequence,
		Epoch:      w.Epoch,
		IssuedAt:   time.Unix(w.IssuedAt, 0).UTC(),
		Boot:       Boot(w.Boot),
		Software:   w.Version.Version,
		ClockDoubt: w.ClockDoubt,
	}
	if len(w.UEID) != 17 || w.UEID[0] != ueidRandom {
		return fmt.Errorf("%w: a UEID has the type byte 0x01 and 16 bytes", ErrMalformed)
	}
	copy(c.Device[:], w.UEID[1:])
	if !dcbor.Fixed(c.PolicyHash[:], w.PolicyHash) {
		return fmt.Errorf("%w: the policy's hash has 32 bytes", ErrMalformed)
	}
	debugWanted := debugOf(c.Boot)
	if w.Component != Component || w.VerifiedBy != (c.Boot == BootVerified) || (w.Debug == nil) != (debugWanted == nil) ||
		w.Debug != nil && *w.Debug != *debugWanted {
		return invalid("swname, oemboot and dbgstat contradict the profile or the boot state")
	}
	if err := listsFromWire(&w, c); err != nil {
		return err
	}
	return c.Validate()
}

func listsFromWire(w *wireClaims, c *Claims) error {
	if len(w.Days) > MaxDays || len(w.Grounds) > MaxGrounds || len(w.Refusals) > MaxRefusals {
		return invalid("at most %d days, %d grounds and %d refusals; send the rest next time", MaxDays, MaxGrounds, MaxRefusals)
	}
	if len(w.Days) > 0 {
		c.Days = make([]territory.DayRecord, len(w.Days))
	}
	for i, d := range w.Days {
		c.Days[i] = territory.DayRecord{
			Day: territory.Day(d.Day), Territory: territory.Code(d.Territory), Percent: d.Percent,
			Agree: territory.Kinds(d.Agree), Against: territory.Kinds(d.Against),
		}
	}
	if a := w.Activation; a != nil {
		c.Activation = &territory.Activation{
			Territory: territory.Code(a.Territory), Day: territory.Day(a.Day), Mixed: a.Mixed,
		}
	}
	if len(w.Grounds) > 0 {
		c.Grounds = make([]GroundState, len(w.Grounds))
	}
	for i := range w.Grounds {
		g := &w.Grounds[i]
		c.Grounds[i] = GroundState{
			Ground: order.Ground{Kind: order.GroundKind(g.Kind), ID: g.ID},
			Stage:  order.Stage(g.Stage), Cause: order.Cause(g.Cause),
			ShownDays: g.ShownDays, FirstSeen: territory.Day(g.FirstSeen),
			Deadline: timeOf(g.Deadline), EndsAt: timeOf(g.EndsAt),
		}
		if g.Order != nil && !dcbor.Fixed(c.Grounds[i].Order[:], g.Order) {
			return fmt.Errorf("%w: an order's id has 32 bytes", ErrMalformed)
		}
	}
	if len(w.Refusals) > 0 {
		c.Refusals = make([]Refusal, len(w.Refusals))
	}
	for i := range w.Refusals {
		c.Refusals[i].Reason = w.Refusals[i].Reason
		if !dcbor.Fixed(c.Refusals[i].Order[:], w.Refusals[i].Order) {
			return fmt.Errorf("%w: an order's id has 32 bytes", ErrMalformed)
		}
	}
	return nil
}

// diagnose finds the name of what is wrong with a claims set that cannot be decoded: a claim that must never be
// there, another profile, or a claim that this one does not have.
func diagnose(payload []byte, cause error) error {
	if dcbor.Check(payload) != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, cause)
	}
	profile, hasProfile, unknown := "", false, int64(0)
	for label, value := range dcbor.IntPairs(payload) {
		switch {
		case label == claimLocation:
			return fmt.Errorf("%w: a device never tells where it is; remove claim %d", ErrLocation, claimLocation)
		case label == claimProfile:
			profile, hasProfile = dcbor.Text(value)
		case !known(label):
			unknown = label
		}
	}
	if !hasProfile || profile != Profile {
		return fmt.Errorf("%w: eat_profile (claim %d) must be %s", ErrProfile, claimProfile, Profile)
	}
	if unknown != 0 {
		return fmt.Errorf("%w: claim %d", ErrClaim, unknown)
	}
	return fmt.Errorf("%w: %w", ErrMalformed, cause)
}

func known(label int64) bool {
	switch label {
	case 6, 10, 256, 262, 263, claimProfile, 270, 271:
		return true
	}
	return label >= -65544 && label <= -65537
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func timeOf(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}
