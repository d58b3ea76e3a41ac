// Package escrow keeps the way out open when the maker is gone (Charter C9): the master from which every device's unlock secret is
// derived is split among people, so that some of them together can make unlock codes with no server and no database.
//
//	shares, err := escrow.Split(master, 3, 5, time.Now(), "trust.example.com", rand.Reader)
//	text := shares[0].Text()                           // to print; Share.QRText for a QR code
//	share, err := escrow.ParseShare(typed)             // errors name the line that is mistyped
//	master, err := escrow.Join(any3)                   // errors name the share that does not belong
//	kit := &escrow.Kit{…}; kit.Seal(file, passphrase)  // then Kit.Code answers what a locked screen shows
//
// Split draws a scalar of the group ristretto255 and shares it by Shamir's scheme (circl's secretsharing, whose arithmetic in that group is
// constant-time). The scalar's hash is the key under which the master is sealed with AES-256-GCM; the sealed master is in every share, so
// that joining shows whether the result is right. An Ed25519 key made for the purpose signs each share with all that it says and
// is then forgotten: nobody can make another share of the same escrow, and each can be checked alone.
//
// Fewer than k shares say nothing of the master. k of them open every device of the fleet; none of this can lock one.
package escrow

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/secretsharing"
)

// Bounds of an escrow.
const (
	MinThreshold = 2 // one person alone is a backup, not an escrow
	MaxShares    = 32
	MaxServer    = 64 // bytes of the server's name

	sealLabel = "bailiwick/escrow/seal/1"
	idLabel   = "bailiwick/escrow/id/1\x00"
	signLabel = "bailiwick/escrow/share/1\x00"

	sealedSize = 32 + 16 // the master and GCM's tag
)

// Fault names what is wrong with shares or a kit, to test with errors.Is. What is wrong in detail, and with which share, is in the
// error that wraps it.
type Fault string

// The faults.
const (
	ErrSettings Fault = "escrow-settings"   // Split: k, n or the server's name
	ErrMistyped Fault = "escrow-mistyped"   // the text is no share, or a line of it is wrong
	ErrForged   Fault = "escrow-forged"     // the share was not made by the split that it names
	ErrForeign  Fault = "escrow-foreign"    // a share of another escrow
	ErrRepeated Fault = "escrow-repeated"   // the same share twice
	ErrTooFew   Fault = "escrow-too-few"    // fewer shares than it takes
	ErrWrong    Fault = "escrow-wrong"      // the joined key does not open the sealed master
	ErrKit      Fault = "escrow-kit"        // the file is no kit, or a damaged one
	ErrPhrase   Fault = "escrow-passphrase" // the passphrase is wrong, or too short
)

// Error returns the stable name.
func (f Fault) Error() string { return string(f) }

// Share is one of the n. Nothing of it but the value is secret. Make it with Split or ParseShare.
type Share struct {
	K, N, Index int       // any K of N open the escrow; this is number Index, from 1
	Made        time.Time // the day
	Server      string    // whose devices it opens, for people

	value     [32]byte // of the scalar's share
	sealed    [sealedSize]byte
	key       [ed25519.PublicKeySize]byte
	signature [ed25519.SignatureSize]byte
}

// Escrow returns the id of the escrow that the share belongs to: sixteen characters of Crockford's base 32 in groups of four. It is
// the hash of the key that signed all shares of one split.
func (s *Share) Escrow() string {
	sum := sha256.Sum256(append([]byte(idLabel), s.key[:]...))
	return grouped(crockford.EncodeToString(sum[:10]), 4, "-")
}

// Name is how people speak of the share: "share 2 of 5".
func (s *Share) Name() string { return fmt.Sprintf("share %d of %d", s.Index, s.N) }

// Split splits a master among n shares, of which any k join to it. server names whose devices it opens, for people. It
// has joined them again, in every combination that matters, before it returns. It fails with ErrSettings.
func Split(master [32]byte, k, n int, made time.Time, server string, random io.Reader) ([]*Share, error) {
	switch {
	case k < MinThreshold || k > n || n > MaxShares:
		return nil, fmt.Errorf("%w: any %d of %d: k is at least %d, and n from k to %d", ErrSettings, k, n, MinThreshold, MaxShares)
	case !oneLine(server):
		return nil, fmt.Errorf("%w: the server's name is one line of 1 to %d bytes", ErrSettings, MaxServer)
	case master == [32]byte{}:
		return nil, fmt.Errorf("%w: the master is empty", ErrSettings)
	}
	signing, private, err := ed25519.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("escrow: %w", err)
	}
	defer clear(private)
	secret := group.Ristretto255.RandomNonZeroScalar(random)
	sealed, err := seal(secret, master)
	if err != nil {
		return nil, err
	}
	var shares []*Share
	for i, part := range secretsharing.New(random, uint(k-1), secret).Share(uint(n)) {
		value, err := part.Value.MarshalBinary()
		if err != nil || len(value) != 32 {
			return nil, fmt.Errorf("escrow: a scalar of %d bytes: %w", len(value), err)
		}
		s := &Share{K: k, N: n, Index: i + 1, Made: day(made), Server: server, value: [32]byte(value), sealed: sealed, key: [32]byte(signing)}
		message, err := s.message()
		if err != nil {
			return nil, err
		}
		s.signature = [64]byte(ed25519.Sign(private, message))
		shares = append(shares, s)
	}
	return shares, tryOut(shares, master)
}

// tryOut reads every share back from its text and joins each run of k neighbours, around the end: each share is in k of them.
func tryOut(shares []*Share, master [32]byte) error {
	var read []*Share
	for _, s := range shares {
		again, err := ParseShare(s.Text())
		if err != nil {
			return fmt.Errorf("escrow: %s cannot be read again: %w", s.Name(), err)
		}
		read = append(read, again)
	}
	for i := range read {
		run := slices.Clone(append(read[i:len(read):len(read)], read[:i]...)[:read[0].K])
		joined, err := Join(run)
		if err != nil || joined != master {
			return fmt.Errorf("escrow: the shares do not join to what was split (%w)", err)
		}
	}
	return nil
}

// Check checks shares of one escrow without joining them: each was made by the split, none is of another, none is there twice. It
// fails with ErrForged, ErrForeign or ErrRepeated; the error names the share.
func Check(shares []*Share) error {
	seen := make(map[int]bool)
	for _, s := range shares {
		first := shares[0]
		message, err := s.message()
		if err != nil {
			return err
		}
		switch {
		case !ed25519.Verify(s.key[:], message, s.signature[:]):
			return fmt.Errorf("%w: %s of escrow %s was changed after it was made", ErrForged, s.Name(), s.Escrow())
		case s.key != first.key:
			return fmt.Errorf("%w: %s is of escrow %s (%s, made %s), the first one is of %s", ErrForeign, s.Name(), s.Escrow(), s.Server,
				s.Made.Format(time.DateOnly), first.Escrow())
		case seen[s.Index]:
			return fmt.Errorf("%w: %s is there twice", ErrRepeated, s.Name())
		}
		seen[s.Index] = true
	}
	return nil
}

// Join checks shares and joins them to the master. It fails as Check does, with ErrTooFew, and with ErrWrong.
func Join(shares []*Share) (master [32]byte, err error) {
	if len(shares) == 0 {
		return master, fmt.Errorf("%w: there is none", ErrTooFew)
	}
	if err := Check(shares); err != nil {
		return master, err
	}
	first := shares[0]
	if len(shares) < first.K {
		return master, fmt.Errorf("%w: there are %d, and escrow %s takes %d of %d", ErrTooFew, len(shares), first.Escrow(), first.K, first.N)
	}
	var parts []secretsharing.Share
	for _, s := range shares {
		id, value := group.Ristretto255.NewScalar(), group.Ristretto255.NewScalar()
		if err := value.UnmarshalBinary(s.value[:]); err != nil {
			return master, fmt.Errorf("%w: the value of %s: %w", ErrForged, s.Name(), err)
		}
		parts = append(parts, secretsharing.Share{ID: id.SetUint64(uint64(s.Index)), Value: value})
	}
	secret, err := secretsharing.Recover(uint(first.K-1), parts)
	if err != nil {
		return master, fmt.Errorf("%w: %w", ErrWrong, err)
	}
	return open(secret, first.sealed)
}

// seal encrypts the master under the scalar. The key is used once, so the nonce may be zero.
func seal(secret group.Scalar, master [32]byte) (out [sealedSize]byte, err error) {
	box, err := box(secret)
	if err != nil {
		return out, err
	}
	return [sealedSize]byte(box.Seal(nil, make([]byte, box.NonceSize()), master[:], []byte(sealLabel))), nil
}

func open(secret group.Scalar, sealed [sealedSize]byte) (master [32]byte, err error) {
	box, err := box(secret)
	if err != nil {
		return master, err
	}
	plain, err := box.Open(nil, make([]byte, box.NonceSize()), sealed[:], []byte(sealLabel))
	if err != nil {
		return master, fmt.Errorf("%w: what was joined does not open the master", ErrWrong)
	}
	return [32]byte(plain), nil
}

func box(secret group.Scalar) (cipher.AEAD, error) {
	raw, err := secret.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("escrow: %w", err)
	}
	key, err := hkdf.Key(sha256.New, raw, nil, sealLabel, 32)
	if err != nil {
		return nil, fmt.Errorf("escrow: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("escrow: %w", err)
	}
	return cipher.NewGCM(block)
}

func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

func oneLine(s string) bool {
	return s != "" && len(s) <= MaxServer && utf8.ValidString(s) && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, unicode.IsControl)
}

// FaultOf returns the Fault that err wraps, or "" when there is none.
func FaultOf(err error) Fault {
	var f Fault
	errors.As(err, &f)
	return f
}
