package escrow

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

const (
	// MinPassphrase is the least number of characters of a kit's passphrase.
	MinPassphrase = 12

	kitFormat = "bailiwick-escrow-kit/1"
	maxKit    = 16 << 10
)

// Kit is a joined escrow: whoever has it, and its passphrase, answers the challenge of every device of a fleet. As a file it is an
// age file (age-encryption.org/v1, scrypt, armoured), which `age --decrypt` opens as well.
type Kit struct {
	Escrow string    // id of the escrow that it was joined from
	Server string    // whose devices it opens, for people
	Made   time.Time // when the escrow was split, the day

	master [32]byte
}

type kitFile struct {
	Format string `json:"format"`
	Escrow string `json:"escrow"`
	Server string `json:"server"`
	Made   string `json:"made"`
	Master string `json:"master"` // hexadecimal
}

// NewKit joins shares to a kit. It fails as Join does.
func NewKit(shares []*Share) (*Kit, error) {
	master, err := Join(shares)
	if err != nil {
		return nil, err
	}
	return &Kit{Escrow: shares[0].Escrow(), Server: shares[0].Server, Made: shares[0].Made, master: master}, nil
}

// KitOf makes a kit of a master that is at hand, for a server that has lost its records and not its keys. server is for people.
func KitOf(master [32]byte, server string, at time.Time) *Kit {
	return &Kit{Server: server, Made: day(at), master: master}
}

// Seal writes the kit, encrypted with a passphrase. It fails with ErrPhrase when that is too short.
func (k *Kit) Seal(w io.Writer, passphrase string) error { return k.seal(w, passphrase, 0) }

// seal takes age's own work factor (about a second) when logN is 0.
func (k *Kit) seal(w io.Writer, passphrase string, logN int) error {
	if n := utf8.RuneCountInString(passphrase); n < MinPassphrase {
		return fmt.Errorf("%w: it has %d characters; take at least %d, such as five words drawn at random", ErrPhrase, n, MinPassphrase)
	}
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return fmt.Errorf("escrow: %w", err)
	}
	if logN > 0 {
		to.SetWorkFactor(logN)
	}
	text, err := json.Marshal(kitFile{kitFormat, k.Escrow, k.Server, k.Made.Format(time.DateOnly), hex.EncodeToString(k.master[:])})
	if err != nil {
		return err
	}
	outer := armor.NewWriter(w)
	inner, err := age.Encrypt(outer, to)
	if err != nil {
		return fmt.Errorf("escrow: %w", err)
	}
	_, err = inner.Write(text)
	return errors.Join(err, inner.Close(), outer.Close())
}

// OpenKit reads what Seal wrote. It fails with ErrKit, and with ErrPhrase when the passphrase is wrong.
func OpenKit(r io.Reader, passphrase string) (*Kit, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxKit+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKit {
		return nil, fmt.Errorf("%w: it is far larger than a kit", ErrKit)
	}
	with, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, fmt.Errorf("%w: it is empty", ErrPhrase)
	}
	plain, err := age.Decrypt(armor.NewReader(bytes.NewReader(data)), with)
	if mismatch := new(age.NoIdentityMatchError); errors.As(err, &mismatch) {
		return nil, fmt.Errorf("%w: it does not open this kit", ErrPhrase)
	} else if err != nil {
		return nil, fmt.Errorf("%w: the file is no kit, or damaged: %w", ErrKit, err)
	}
	text, err := io.ReadAll(io.LimitReader(plain, maxKit))
	if err != nil {
		return nil, fmt.Errorf("%w: the file is damaged: %w", ErrKit, err)
	}
	var file kitFile
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil || file.Format != kitFormat {
		return nil, fmt.Errorf("%w: it holds something else than %s", ErrKit, kitFormat)
	}
	k := &Kit{Escrow: file.Escrow, Server: file.Server}
	master, err := hex.DecodeString(file.Master)
	if err != nil || len(master) != 32 {
		return nil, fmt.Errorf("%w: its master is none", ErrKit)
	}
	k.master = [32]byte(master)
	if k.Made, err = time.Parse(time.DateOnly, file.Made); err != nil {
		return nil, fmt.Errorf("%w: its date is none", ErrKit)
	}
	return k, nil
}

// Code answers the challenge of a device's locked screen at the counter that the screen shows. It fails with unlock.ErrInput when the
// challenge is not eight digits; they may be of any script.
func (k *Kit) Code(id device.ID, counter uint64, challenge string) (string, error) {
	digits, err := unlock.Normalise(challenge)
	if err != nil {
		return "", err
	}
	secret := unlock.DeriveSecret(k.master, id)
	return unlock.Answer(secret[:], counter, digits)
}

// MaxTries is how many counters Unknown lists: a device that has spent more codes than they cover shows its counter.
const MaxTries = 4

// Unknown returns the counters to try, one code each, for a device that does not show its own: a device takes the code of its next counter and of
// the unlock.Window-1 after it, so the first opens all that have spent fewer than unlock.Window codes.
func Unknown() []uint64 {
	var list []uint64
	for i := range uint64(MaxTries) {
		list = append(list, (i+1)*unlock.Window-1)
	}
	return list
}
