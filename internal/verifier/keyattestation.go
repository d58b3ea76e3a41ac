package verifier

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
)

// KeyDescription is what this package reads of an Android key attestation extension, OID 1.3.6.1.4.1.11129.2.1.17
// (source.android.com, "Key and ID attestation"). Fields that need hardware to be believed are taken from the
// hardware-enforced list only.
type KeyDescription struct {
	Version   int   // attestationVersion: 1 to 4, then 100, 200, 300, 400
	Level     Level // attestationSecurityLevel
	Challenge []byte
	Root      *RootOfTrust // nil when the hardware did not say
	IMEI      string       // attestationIdImei; empty when not attested
}

// Level is where a key lives.
type Level int

// The security levels.
const (
	Software           Level = 0
	TrustedEnvironment Level = 1
	StrongBox          Level = 2
)

// BootState is verifiedBootState.
type BootState int

// The boot states, in the numbers of the extension.
const (
	BootVerified   BootState = 0 // the maker's key
	BootSelfSigned BootState = 1 // the owner's own key
	BootUnverified BootState = 2 // nothing was checked
	BootFailed     BootState = 3
)

// RootOfTrust is the state of the boot chain when the key was made.
type RootOfTrust struct {
	Locked bool
	State  BootState
}

// Attestation is the best appraisal that a key with this description can support. A software key, a missing root of
// trust and a failed boot are unknown: they are no proof of anything, and doubt favours the owner (Charter C10).
func (d *KeyDescription) Attestation() policy.Attestation {
	if d.Level == Software || d.Root == nil {
		return policy.AttestationUnknown
	}
	switch {
	case d.Root.State == BootFailed:
		return policy.AttestationUnknown
	case !d.Root.Locked || d.Root.State == BootUnverified:
		return policy.Unlocked
	case d.Root.State == BootSelfSigned:
		return policy.Custom
	}
	return policy.Genuine
}

// The bounds and tags that the parser knows.
const (
	maxKeyDescription = 8 << 10 // bytes
	maxListEntries    = 128
	tagRootOfTrust    = 704
	tagAttestedIMEI   = 714
)

var errKeyDescription = errors.New("the key attestation extension cannot be read")

func badKey(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errKeyDescription, fmt.Sprintf(format, args...))
}

// ParseKeyDescription reads the extension's value. It is strict: nothing may follow, no tag may come twice, and every
// number must be one that the schema names. The lists' entries that it does not use are passed over.
func ParseKeyDescription(der []byte) (*KeyDescription, error) {
	if len(der) > maxKeyDescription {
		return nil, badKey("%d bytes, at most %d are read", len(der), maxKeyDescription)
	}
	var raw struct {
		Version         int
		Level           asn1.Enumerated
		KeyMintVersion  int
		KeyMintLevel    asn1.Enumerated
		Challenge       []byte
		UniqueID        []byte
		Software        asn1.RawValue
		HardwareOrOwner asn1.RawValue
	}
	if err := whole(der, &raw); err != nil {
		return nil, err
	}
	if raw.Version < 1 || raw.Version > 10_000 {
		return nil, badKey("version %d", raw.Version)
	}
	for _, l := range [...]asn1.Enumerated{raw.Level, raw.KeyMintLevel} {
		if l < 0 || Level(l) > StrongBox {
			return nil, badKey("security level %d", l)
		}
	}
	d := &KeyDescription{Version: raw.Version, Level: Level(raw.Level), Challenge: raw.Challenge}
	if _, err := entries(raw.Software); err != nil {
		return nil, err
	}
	hardware, err := entries(raw.HardwareOrOwner)
	if err != nil {
		return nil, err
	}
	if der, ok := hardware[tagRootOfTrust]; ok {
		if d.Root, err = parseRootOfTrust(der, d.Version); err != nil {
			return nil, err
		}
	}
	if der, ok := hardware[tagAttestedIMEI]; ok {
		var imei []byte
		if err := whole(der, &imei); err != nil {
			return nil, err
		}
		d.IMEI = string(imei)
	}
	return d, nil
}

// entries returns the explicit, context-specific entries of an AuthorizationList by tag.
func entries(list asn1.RawValue) (map[int][]byte, error) {
	if list.Class != asn1.ClassUniversal || list.Tag != asn1.TagSequence || !list.IsCompound {
		return nil, badKey("an authorization list is no sequence")
	}
	found := make(map[int][]byte)
	for rest := list.Bytes; len(rest) > 0; {
		var e asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &e); err != nil {
			return nil, badKey("%v", err)
		}
		if e.Class != asn1.ClassContextSpecific || !e.IsCompound {
			return nil, badKey("an authorization list has an entry without a tag of its own")
		}
		if _, twice := found[e.Tag]; twice || len(found) == maxListEntries {
			return nil, badKey("tag %d comes twice, or the list is too long", e.Tag)
		}
		found[e.Tag] = e.Bytes
	}
	return found, nil
}

func parseRootOfTrust(der []byte, version int) (*RootOfTrust, error) {
	var state asn1.Enumerated
	var locked bool
	if version >= 3 {
		var raw struct {
			Key    []byte
			Locked bool
			State  asn1.Enumerated
			Hash   []byte
		}
		if err := whole(der, &raw); err != nil {
			return nil, err
		}
		state, locked = raw.State, raw.Locked
	} else {
		var raw struct {
			Key    []byte
			Locked bool
			State  asn1.Enumerated
		}
		if err := whole(der, &raw); err != nil {
			return nil, err
		}
		state, locked = raw.State, raw.Locked
	}
	if state < 0 || BootState(state) > BootFailed {
		return nil, badKey("boot state %d", state)
	}
	return &RootOfTrust{Locked: locked, State: BootState(state)}, nil
}

// whole decodes der into v, and refuses what is not the one DER encoding of it: encoding/asn1 by itself passes over
// elements at the end of a sequence.
func whole[T any](der []byte, v *T) error {
	if _, err := asn1.Unmarshal(der, v); err != nil {
		return badKey("%v", err)
	}
	again, err := asn1.Marshal(*v)
	if err != nil {
		return badKey("%v", err)
	}
	if !bytes.Equal(again, der) {
		return badKey("it has more elements than its version, or is not DER")
	}
	return nil
}
