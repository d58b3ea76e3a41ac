package order

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// leafVersion is the first element of every leaf. A reader that meets another one refuses the leaf.
const leafVersion = 1

// maxTime is the last second of the year 9999: what every calendar and every database can show.
const maxTime = 253402300799

// wireLeaf is a leaf as CBOR; docs/protocol.md has its CDDL. Absent means zero.
type wireLeaf struct {
	Version    uint64 `cbor:"0,keyasint"`
	Kind       uint8  `cbor:"1,keyasint"`
	GroundKind uint8  `cbor:"2,keyasint"`
	GroundID   string `cbor:"3,keyasint"`
	Territory  string `cbor:"4,keyasint,omitempty"`
	Authority  []byte `cbor:"5,keyasint"`
	IssuedAt   int64  `cbor:"6,keyasint"`
	Deadline   int64  `cbor:"7,keyasint,omitempty"`
	EffectAt   int64  `cbor:"8,keyasint,omitempty"`
	EndsAt     int64  `cbor:"9,keyasint,omitempty"`
	Cause      uint8  `cbor:"10,keyasint,omitempty"`
	Commitment []byte `cbor:"11,keyasint"`
}

// Marshal returns the leaf's bytes: the same for equal leaves, at most MaxLeaf. It fails with ErrInvalid when Validate
// does, or when a time has a fraction of a second.
func (l Leaf) Marshal() ([]byte, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return dcbor.Marshal(&wireLeaf{
		Version:    leafVersion,
		Kind:       uint8(l.Kind),
		GroundKind: uint8(l.Ground.Kind),
		GroundID:   l.Ground.ID,
		Territory:  string(l.Territory),
		Authority:  l.Authority[:],
		IssuedAt:   seconds(l.IssuedAt),
		Deadline:   seconds(l.Deadline),
		EffectAt:   seconds(l.EffectAt),
		EndsAt:     seconds(l.EndsAt),
		Cause:      uint8(l.Cause),
		Commitment: l.Commitment[:],
	})
}

// ParseLeaf reads what Marshal wrote and nothing else: ParseLeaf(b) succeeds only when the leaf marshals to b again.
// It fails with ErrMalformed, ErrVersion or ErrInvalid.
func ParseLeaf(data []byte) (Leaf, error) {
	if len(data) > MaxLeaf {
		return Leaf{}, fmt.Errorf("%w: %d bytes, a leaf has at most %d", ErrMalformed, len(data), MaxLeaf)
	}
	if err := checkVersion(data); err != nil {
		return Leaf{}, err
	}
	var w wireLeaf
	if err := dcbor.Unmarshal(data, &w); err != nil {
		return Leaf{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	l := Leaf{
		Kind:      Kind(w.Kind),
		Ground:    Ground{GroundKind(w.GroundKind), w.GroundID},
		Territory: territory.Code(w.Territory),
		Cause:     Cause(w.Cause),
	}
	if !dcbor.Fixed(l.Authority[:], w.Authority) || !dcbor.Fixed(l.Commitment[:], w.Commitment) {
		return Leaf{}, fmt.Errorf("%w: authority and commitment have 32 bytes each", ErrMalformed)
	}
	for _, t := range []struct {
		to   *time.Time
		wire int64
	}{{&l.IssuedAt, w.IssuedAt}, {&l.Deadline, w.Deadline}, {&l.EffectAt, w.EffectAt}, {&l.EndsAt, w.EndsAt}} {
		if t.wire < 0 || t.wire > maxTime {
			return Leaf{}, fmt.Errorf("%w: time %d is before 1970 or after 9999", ErrMalformed, t.wire)
		}
		if t.wire != 0 {
			*t.to = time.Unix(t.wire, 0).UTC()
		}
	}
	return l, l.Validate()
}

// checkVersion reads the version, which is always the first pair of the map, so that a leaf of a later version is
// told from a broken one.
func checkVersion(data []byte) error {
	if len(data) < 3 || data[0]>>5 != 5 || data[1] != 0 {
		return fmt.Errorf("%w: a leaf is a CBOR map whose first key is 0, the version", ErrMalformed)
	}
	if data[2] != leafVersion {
		return fmt.Errorf("%w: this agent knows version %d; update it", ErrVersion, leafVersion)
	}
	return nil
}

// LeafID returns the RFC 6962 leaf hash of an order's exact bytes: its name everywhere.
func LeafID(leaf []byte) ID {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(leaf)
	var id ID
	h.Sum(id[:0])
	return id
}

// seconds is a time on the wire: 0 when unset.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
