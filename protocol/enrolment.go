package protocol

import (
	"crypto"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
	"github.com/bailiwick-dev/bailiwick/internal/sign1"
)

// Bounds of an enrolment token.
const (
	MaxEnrolment = 16 << 10 // bytes
	MaxChain     = 8        // certificates
)

// enrolmentType stands first in the payload, so that nothing else that the device's key signs can pass for it.
const enrolmentType = "bailiwick/enrolment/1"

type wireEnrolment struct {
	Type     string `cbor:"0,keyasint"`
	Epoch    []byte `cbor:"1,keyasint"`
	IMEI     string `cbor:"2,keyasint"`
	Serial   string `cbor:"3,keyasint,omitempty"`
	Model    string `cbor:"4,keyasint,omitempty"`
	Software string `cbor:"5,keyasint,omitempty"`
}

// SignEnrolment returns the enrolment token that says e: a COSE_Sign1 with the certificates in its protected x5chain
// parameter. chain has 1 to MaxChain DER certificates, the one of key first. It fails with ErrInvalid, ErrChain,
// ErrAlgorithm or ErrOversized, or with the key's own error.
func SignEnrolment(e *Enrolment, chain [][]byte, key crypto.Signer) ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	if err := checkChain(chain); err != nil {
		return nil, err
	}
	payload, err := dcbor.Marshal(&wireEnrolment{
		Type: enrolmentType, Epoch: e.Epoch, IMEI: string(e.IMEI),
		Serial: e.Serial, Model: e.Model, Software: e.Software,
	})
	if err != nil {
		return nil, invalid("%v", err)
	}
	token, err := sign1.Sign(payload, chain, key)
	if err != nil {
		return nil, envelope(err)
	}
	if len(token) > MaxEnrolment {
		return nil, oversized(len(token), MaxEnrolment)
	}
	return token, nil
}

// UnverifiedEnrolment is an enrolment token that was read and whose signature nobody has checked.
type UnverifiedEnrolment struct {
	Chain [][]byte // certificates as DER, leaf first, 1 to MaxChain; trusted by nobody yet

	message   *sign1.Message
	enrolment Enrolment
}

// ParseEnrolment reads an enrolment token. It fails with any Fault but ErrSignature.
func ParseEnrolment(token []byte) (*UnverifiedEnrolment, error) {
	if len(token) > MaxEnrolment {
		return nil, oversized(len(token), MaxEnrolment)
	}
	message, err := sign1.Parse(token, sign1.X5Chain)
	if err != nil {
		return nil, envelope(err)
	}
	chain := message.Chain()
	if err := checkChain(chain); err != nil {
		return nil, err
	}
	var w wireEnrolment
	if err := dcbor.Unmarshal(message.Payload(), &w); err != nil {
		return nil, malformed("%w", err)
	}
	if w.Type != enrolmentType {
		return nil, invalid("the payload is not of type %q", enrolmentType)
	}
	u := &UnverifiedEnrolment{Chain: chain, message: message, enrolment: Enrolment{
		Epoch: w.Epoch, IMEI: device.IMEI(w.IMEI), Serial: w.Serial, Model: w.Model, Software: w.Software,
	}}
	return u, u.enrolment.Validate()
}

// Verify checks the signature with key, which the caller took from Chain[0] after checking the chain against its
// roots, and returns the enrolment. It fails with ErrSignature, and with ErrAlgorithm when key is neither a P-256 nor
// an Ed25519 key.
func (u *UnverifiedEnrolment) Verify(key crypto.PublicKey) (*Enrolment, error) {
	if err := u.message.Verify(key); err != nil {
		return nil, envelope(err)
	}
	return &u.enrolment, nil
}

// Validate checks the bounds of e and the check digit of its IMEI. It fails with ErrInvalid.
func (e *Enrolment) Validate() error {
	if len(e.Epoch) < 8 || len(e.Epoch) > 64 {
		return invalid("an epoch has 8 to 64 bytes, not %d", len(e.Epoch))
	}
	if imei, err := device.ParseIMEI(string(e.IMEI)); err != nil || imei != e.IMEI {
		return invalid("the IMEI has 15 digits 0-9, the last of which is its check digit")
	}
	for _, t := range []struct{ what, text string }{
		{"the serial number", e.Serial}, {"the model", e.Model}, {"the software's version", e.Software},
	} {
		if err := checkText(t.what, t.text, 0, 64); err != nil {
			return err
		}
	}
	return nil
}

func checkChain(chain [][]byte) error {
	if len(chain) < 1 || len(chain) > MaxChain {
		return chainFault("x5chain has 1 to %d certificates, not %d", MaxChain, len(chain))
	}
	for _, der := range chain {
		if len(der) == 0 {
			return chainFault("x5chain has an empty certificate")
		}
	}
	return nil
}
