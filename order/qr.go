package order

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	tlogproof "github.com/transparency-dev/formats/proof"

	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
)

// QRPrefix begins the text of an order in a QR code: what it is, and the version of the form.
const QRPrefix = "BWL1:"

// Bounds of an order in a QR code.
const (
	// MaxQRText is how many alphanumeric characters the largest QR code holds (ISO/IEC 18004, version 40-L).
	MaxQRText = 4296

	maxQRHashes     = 63 // a tree of 2^63 leaves needs no more
	maxQRSignatures = 33 // the ledger's, and those of 32 witnesses
)

// wireQR is the binary form behind the prefix. What the proof's text says in base64 is here in bytes, and what it says twice is here
// once.
type wireQR struct {
	_          struct{} `cbor:",toarray"`
	Leaf       []byte
	Salt       []byte
	Index      uint64
	Path       []byte // hashes of 32 bytes, one behind the other
	Origin     string
	Size       uint64
	Root       []byte
	Signatures []wireSignature
}

type wireSignature struct {
	_    struct{} `cbor:",toarray"`
	Name string   // empty: the origin
	Key  []byte   // key hash and signature, as a C2SP signed note has them
}

// QRText returns the order as the text of one QR code: QRPrefix and the base 45 (RFC 9285) of a compact CBOR array, all of
// it of the alphanumeric mode's 45 characters. With a proof from a ledger of 10^9 entries it has about 2,100 characters, and 2,400
// with three witnesses. It fails with ErrMalformed for a proof that is not in the one way of writing, or whose checkpoint has lines of
// extension, and for one that no QR code could hold.
func (s Sealed) QRText() (string, error) {
	if err := s.CheckSize(); err != nil {
		return "", err
	}
	w, err := packProof(s.Proof)
	if err != nil {
		return "", err
	}
	w.Leaf, w.Salt = s.Leaf, s.Salt[:]
	if text, err := w.proof(); err != nil || !bytes.Equal(text, s.Proof) {
		return "", fmt.Errorf("%w: the proof is not written as C2SP writes it", ErrMalformed)
	}
	data, err := dcbor.Marshal(w)
	if err != nil {
		return "", err
	}
	text := QRPrefix + encodeBase45(data)
	if len(text) > MaxQRText {
		return "", fmt.Errorf("%w: %d characters, a QR code holds %d", ErrMalformed, len(text), MaxQRText)
	}
	return text, nil
}

// ParseQRText reads what QRText wrote, as a camera gives it; white space around it is passed over, which it neither
// begins nor ends with. It fails with ErrNotQR when the
// text is something else, with ErrVersion for a later form, and with ErrMalformed when it is damaged. It looks at the form only; Open
// reads the leaf, and ledger/proof checks the proof.
func ParseQRText(text string) (Sealed, error) {
	text = strings.TrimSpace(text)
	body, ours := strings.CutPrefix(text, QRPrefix)
	switch {
	case len(text) > MaxQRText:
		return Sealed{}, fmt.Errorf("%w: %d characters, a QR code holds %d", ErrMalformed, len(text), MaxQRText)
	case !ours && laterQR(text):
		return Sealed{}, fmt.Errorf("%w: this reads %s only", ErrVersion, strings.TrimSuffix(QRPrefix, ":"))
	case !ours:
		return Sealed{}, fmt.Errorf("%w: the text does not begin with %s", ErrNotQR, QRPrefix)
	}
	data, err := decodeBase45(body)
	if err != nil {
		return Sealed{}, err
	}
	var w wireQR
	if err := dcbor.Unmarshal(data, &w); err != nil {
		return Sealed{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	s := Sealed{Leaf: w.Leaf}
	if !dcbor.Fixed(s.Salt[:], w.Salt) {
		return Sealed{}, fmt.Errorf("%w: a salt has 32 bytes, not %d", ErrMalformed, len(w.Salt))
	}
	if s.Proof, err = w.proof(); err != nil {
		return Sealed{}, err
	}
	// One order has one text: whatever the proof's text could not have said is refused.
	again, err := s.QRText()
	if err != nil {
		return Sealed{}, err
	}
	if again != text {
		return Sealed{}, fmt.Errorf("%w: the same order is written otherwise", ErrMalformed)
	}
	return s, nil
}

// laterQR reports whether text is of this kind with another version.
func laterQR(text string) bool {
	rest, ok := strings.CutPrefix(text, "BWL")
	version, _, found := strings.Cut(rest, ":")
	n, err := strconv.ParseUint(version, 10, 16)
	return ok && found && err == nil && n > 1
}

// packProof takes a proof's text apart.
func packProof(text []byte) (*wireQR, error) {
	var p tlogproof.TLogProof
	if err := p.Unmarshal(text); err != nil {
		return nil, fmt.Errorf("%w: the proof: %w", ErrMalformed, err)
	}
	if p.ExtraData != nil {
		return nil, fmt.Errorf("%w: the proof has extra data", ErrMalformed)
	}
	signed, signatures, found := strings.Cut(string(p.Checkpoint), "\n\n")
	head := strings.Split(signed, "\n")
	if !found || len(head) != 3 {
		return nil, fmt.Errorf("%w: the checkpoint has not three lines and signatures", ErrMalformed)
	}
	w := &wireQR{Index: p.Index, Origin: head[0], Path: []byte{}}
	for _, h := range p.Hashes {
		w.Path = append(w.Path, h[:]...)
	}
	var err error
	if w.Size, err = strconv.ParseUint(head[1], 10, 64); err != nil {
		return nil, fmt.Errorf("%w: the checkpoint's size: %w", ErrMalformed, err)
	}
	if w.Root, err = base64.StdEncoding.DecodeString(head[2]); err != nil {
		return nil, fmt.Errorf("%w: the checkpoint's root: %w", ErrMalformed, err)
	}
	for line := range strings.Lines(signatures) {
		rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "— ")
		name, encoded, two := strings.Cut(rest, " ")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || !two || err != nil {
			return nil, fmt.Errorf("%w: a line of the checkpoint's signatures is none", ErrMalformed)
		}
		if name == w.Origin {
			name = ""
		}
		w.Signatures = append(w.Signatures, wireSignature{Name: name, Key: key})
	}
	return w, nil
}

// proof writes the proof's text again. It fails with ErrMalformed for what no such text says.
func (w *wireQR) proof() ([]byte, error) {
	switch {
	case len(w.Path)%32 != 0 || len(w.Path)/32 > maxQRHashes:
		return nil, fmt.Errorf("%w: a path of %d bytes", ErrMalformed, len(w.Path))
	case len(w.Root) != 32:
		return nil, fmt.Errorf("%w: a root has 32 bytes, not %d", ErrMalformed, len(w.Root))
	case !oneWord(w.Origin, 255):
		return nil, fmt.Errorf("%w: the origin is no line", ErrMalformed)
	case len(w.Signatures) == 0 || len(w.Signatures) > maxQRSignatures:
		return nil, fmt.Errorf("%w: %d signatures", ErrMalformed, len(w.Signatures))
	}
	var checkpoint strings.Builder
	fmt.Fprintf(&checkpoint, "%s\n%d\n%s\n\n", w.Origin, w.Size, base64.StdEncoding.EncodeToString(w.Root))
	for _, s := range w.Signatures {
		name := s.Name
		if name == "" {
			name = w.Origin
		}
		if !oneWord(name, 255) || len(s.Key) < 5 || len(s.Key) > 256 {
			return nil, fmt.Errorf("%w: a signature that is none", ErrMalformed)
		}
		fmt.Fprintf(&checkpoint, "— %s %s\n", name, base64.StdEncoding.EncodeToString(s.Key))
	}
	p := tlogproof.TLogProof{Index: w.Index, Checkpoint: []byte(checkpoint.String())}
	for at := 0; at < len(w.Path); at += 32 {
		p.Hashes = append(p.Hashes, [32]byte(w.Path[at:at+32]))
	}
	return p.Marshal(), nil
}

// oneWord reports whether s may be the name of a key: no space, no control character, not empty.
func oneWord(s string, most int) bool {
	return s != "" && len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r == 0x85 || r == 0xa0 || r == 0x2028 || r == 0x2029
	})
}
