package authority

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

// passwords hashes passwords with bcrypt. Hashing is slow on purpose, so only a few run at once: a flood of log-ins must not take
// the processor from check-ins.
type passwords struct {
	cost  int
	slots chan struct{}
	decoy func() []byte // hash that stands in for an officer who does not exist; made at the first log-in, since it takes its time
}

// Bounds of passwords and of hashing.
const (
	leastPassword = 10 // characters
	mostPassword  = 128
	hashesAtOnce  = 2
	hashWait      = 5 * time.Second
)

func newPasswords(cost int) passwords {
	decoy := sync.OnceValue(func() []byte {
		hash, err := bcrypt.GenerateFromPassword([]byte("nobody has this password"), cost)
		if err != nil {
			panic("authority: bcrypt refused a cost within its bounds: " + err.Error())
		}
		return hash
	})
	return passwords{cost: cost, slots: make(chan struct{}, hashesAtOnce), decoy: decoy}
}

// slot waits for its turn, ErrBusy when that takes too long.
func (p *passwords) slot(ctx context.Context) (release func(), err error) {
	wait := time.NewTimer(hashWait)
	defer wait.Stop()
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots }, nil
	case <-wait.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *passwords) hash(ctx context.Context, password string) ([]byte, error) {
	release, err := p.slot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return bcrypt.GenerateFromPassword(prepared(password), p.cost)
}

// fits reports whether the password is the one of the hash. Without a hash it takes as long and says no.
func (p *passwords) fits(ctx context.Context, hash []byte, password string) (bool, error) {
	release, err := p.slot(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	decoy := p.decoy() // for known and unknown names alike, so that the first log-in tells nothing
	known := len(hash) > 0
	if !known {
		hash = decoy
	}
	err = bcrypt.CompareHashAndPassword(hash, prepared(password))
	if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, err
	}
	return known && err == nil, nil
}

// prepared brings a password of any length within bcrypt's 72 bytes, without a zero byte.
func prepared(password string) []byte {
	sum := sha256.Sum256([]byte(password))
	return base64.RawStdEncoding.AppendEncode(nil, sum[:])
}

func goodPassword(password string) bool {
	n := utf8.RuneCountInString(password)
	return utf8.ValidString(password) && n >= leastPassword && n <= mostPassword
}

// oneTimeAlphabet has no letters that look like digits: people type these from a terminal.
const oneTimeAlphabet = "23456789abcdefghjkmnpqrstuvwxyz"

// oneTimePassword returns 20 characters in five groups, about 99 bits.
func oneTimePassword() string {
	var out []byte
	for len(out) < 24 {
		var b [1]byte
		random(b[:])
		if int(b[0]) >= 256/len(oneTimeAlphabet)*len(oneTimeAlphabet) {
			continue // every character equally often
		}
		out = append(out, oneTimeAlphabet[int(b[0])%len(oneTimeAlphabet)])
		if len(out)%5 == 4 && len(out) < 24 {
			out = append(out, '-')
		}
	}
	return string(out)
}
