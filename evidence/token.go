package evidence

import (
	"crypto"
	"fmt"
	"slices"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
	"github.com/bailiwick-dev/bailiwick/internal/sign1"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Sign returns the token that says c, signed with the device's key: ES256 for ECDSA on P-256, EdDSA for Ed25519. It
// fails with ErrInvalid, ErrAlgorithm or ErrOversized, or with the key's own error.
func Sign(c *Claims, key crypto.Signer) (Token, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	payload, err := dcbor.Marshal(toWire(c))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	token, err := sign1.Sign(payload, nil, key)
	if err != nil {
		return nil, envelope(err)
	}
	if len(token) > MaxToken {
		return nil, fmt.Errorf("%w: %d bytes; send fewer days", ErrOversized, len(token))
	}
	return token, nil
}

// Unverified is a token that was read and whose signature nobody has checked. It tells only what is needed to find
// the key; the claims come out of Verify.
type Unverified struct {
	message *sign1.Message
	claims  Claims
}

// Parse reads a token: bounded, strict, and complete, so that what is malformed costs no signature check. It fails
// with any Fault but ErrSignature. A token has one encoding only, yet an ES256 signature can be changed into another
// valid one by anyone: what guards against replay is Claims.Sequence, never the token's bytes. The caller leaves t
// alone until Verify has returned.
func Parse(t Token) (*Unverified, error) {
	if len(t) > MaxToken {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrOversized, len(t), MaxToken)
	}
	message, err := sign1.Parse(t)
	if err != nil {
		return nil, envelope(err)
	}
	u := &Unverified{message: message}
	if err := decode(message.Payload(), &u.claims); err != nil {
		return nil, err
	}
	return u, nil
}

// Device is the device that the token claims to come from: a hint, to look up its key.
func (u *Unverified) Device() device.ID { return u.claims.Device }

// Sequence is the token's claimed sequence: a hint, to refuse a replay before the signature is checked.
func (u *Unverified) Sequence() uint64 { return u.claims.Sequence }

// Restricted reports whether the token claims that the device is locked on some ground, or was opened by a code: a hint, to let it in
// first when many call.
func (u *Unverified) Restricted() bool {
	return slices.ContainsFunc(u.claims.Grounds, func(g GroundState) bool {
		return g.Stage == order.Locked || g.Stage == order.Lifted && g.Cause == order.ByCode
	})
}

// Verify checks the signature with the device's key (*ecdsa.PublicKey on P-256 or ed25519.PublicKey) and returns the
// claims. They are then what the holder of that key says, no more: freshness, sequence and truth are for the caller
// to judge. It fails with ErrSignature, and with ErrAlgorithm when key is of neither kind.
func (u *Unverified) Verify(key crypto.PublicKey) (*Claims, error) {
	if err := u.message.Verify(key); err != nil {
		return nil, envelope(err)
	}
	return &u.claims, nil
}
