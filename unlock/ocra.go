package unlock

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// ErrSuite says that an OCRA suite or its input is outside RFC 6287. The error that wraps it says how.
var ErrSuite = errors.New("unlock: not OCRA")

// OCRA is a parsed suite (RFC 6287, section 6). Bailiwick uses one, Suite; the others are there so that the
// computation can be held against all the vectors of the RFC.
type OCRA struct {
	name     string
	hash     func() hash.Hash
	digits   int // 4 to 10, or 0: the whole HMAC as hexadecimal digits
	counter  bool
	question byte // 'A' alphanumeric, 'N' numeric, 'H' hexadecimal
	length   int  // of the question, 4 to 64
	pin      int  // bytes of the hashed PIN, 0 when none
	session  int  // bytes of session information, 0 when none
	step     time.Duration
}

// Input is what a response is computed from. Fields that the suite does not name must be zero.
type Input struct {
	Counter  uint64
	Question string // as the suite says: letters and digits, decimal or hexadecimal digits
	PINHash  []byte
	Session  []byte // of the length that the suite says, or shorter
	Time     time.Time
}

// ParseOCRA reads a suite such as "OCRA-1:HOTP-SHA256-8:C-QN08". It fails with ErrSuite.
func ParseOCRA(name string) (*OCRA, error) {
	parts := strings.Split(name, ":")
	if len(parts) != 3 || parts[0] != "OCRA-1" || len(name) > 64 {
		return nil, fmt.Errorf("%w: a suite is OCRA-1:function:input", ErrSuite)
	}
	s := &OCRA{name: name}
	if err := s.parseFunction(parts[1]); err != nil {
		return nil, err
	}
	fields := strings.Split(parts[2], "-")
	if fields[0] == "C" {
		s.counter, fields = true, fields[1:]
	}
	if len(fields) == 0 || !s.parseQuestion(fields[0]) {
		return nil, fmt.Errorf("%w: the input names no question such as QN08", ErrSuite)
	}
	// What follows comes in this order, each at most once (RFC 6287, section 6.3).
	rank := 0
	for _, f := range fields[1:] {
		next, ok := s.parseOptional(f)
		if !ok || next <= rank {
			return nil, fmt.Errorf("%w: input %q", ErrSuite, f)
		}
		rank = next
	}
	return s, nil
}

func (s *OCRA) parseFunction(function string) error {
	f := strings.Split(function, "-")
	if len(f) != 3 || f[0] != "HOTP" {
		return fmt.Errorf("%w: function %q", ErrSuite, function)
	}
	var err error
	if s.hash = hashes(f[1]); s.hash == nil {
		return fmt.Errorf("%w: hash %q", ErrSuite, f[1])
	}
	s.digits, err = strconv.Atoi(f[2])
	if err != nil || s.digits != 0 && (s.digits < 4 || s.digits > 10) {
		return fmt.Errorf("%w: %q digits", ErrSuite, f[2])
	}
	return nil
}

func hashes(name string) func() hash.Hash {
	switch name {
	case "SHA1":
		return sha1.New
	case "SHA256":
		return sha256.New
	case "SHA512":
		return sha512.New
	}
	return nil
}

func (s *OCRA) parseQuestion(f string) bool {
	if len(f) != 4 || f[0] != 'Q' || strings.IndexByte("ANH", f[1]) < 0 {
		return false
	}
	n, err := strconv.Atoi(f[2:])
	s.question, s.length = f[1], n
	return err == nil && n >= 4 && n <= 64
}

// parseOptional reads a PIN, session or time field and returns its place in the sequence, from 1.
func (s *OCRA) parseOptional(f string) (rank int, ok bool) {
	if len(f) < 2 {
		return 0, false
	}
	switch f[0] {
	case 'P':
		h := hashes(f[1:])
		if h == nil {
			return 0, false
		}
		s.pin = h().Size()
		return 1, true
	case 'S':
		n, err := strconv.Atoi(f[1:])
		s.session = n
		return 2, err == nil && len(f) == 4 && n >= 1 && n <= 512
	case 'T':
		n, err := strconv.Atoi(f[1 : len(f)-1])
		unit, most := time.Second, 59
		switch f[len(f)-1] {
		case 'S':
		case 'M':
			unit = time.Minute
		case 'H':
			unit, most = time.Hour, 48
		default:
			return 0, false
		}
		s.step = time.Duration(n) * unit
		return 3, err == nil && n >= 1 && n <= most
	}
	return 0, false
}

// Response computes the response (RFC 6287, section 5.2): HMAC over the suite, a zero byte and the input, truncated
// as in HOTP (RFC 4226, section 5.3). It fails with ErrSuite when the input does not fit the suite.
func (s *OCRA) Response(key []byte, in Input) (string, error) {
	question, err := s.encodeQuestion(in.Question)
	if err != nil {
		return "", err
	}
	if !s.counter && in.Counter != 0 || s.step == 0 && !in.Time.IsZero() {
		return "", fmt.Errorf("%w: a counter or a time that %s does not have", ErrSuite, s.name)
	}
	if len(in.PINHash) != s.pin || len(in.Session) > s.session {
		return "", fmt.Errorf("%w: PIN or session of another length than %s has", ErrSuite, s.name)
	}
	message := append([]byte(s.name), 0)
	if s.counter {
		message = binary.BigEndian.AppendUint64(message, in.Counter)
	}
	message = append(message, question[:]...)
	message = append(message, in.PINHash...)
	message = append(message, make([]byte, s.session-len(in.Session))...)
	message = append(message, in.Session...)
	if s.step != 0 {
		message = binary.BigEndian.AppendUint64(message, uint64(in.Time.Unix()/int64(s.step/time.Second)))
	}
	mac := hmac.New(s.hash, key)
	mac.Write(message)
	return truncate(mac.Sum(nil), s.digits), nil
}

// encodeQuestion returns the 128 bytes of the question: its own bytes, or those of its hexadecimal digits, from the
// left, zeros behind.
func (s *OCRA) encodeQuestion(q string) (out [128]byte, err error) {
	// Mutual modes join the questions of both sides (section 7.3): twice the length is allowed.
	if q == "" || len(q) > 2*s.length || len(q) > len(out) {
		return out, fmt.Errorf("%w: a question of %d characters", ErrSuite, len(q))
	}
	switch s.question {
	case 'A':
		copy(out[:], q)
		return out, nil
	case 'N':
		n, ok := new(big.Int).SetString(q, 10)
		if !ok || q[0] == '-' || q[0] == '+' {
			return out, fmt.Errorf("%w: the question is not decimal", ErrSuite)
		}
		q = n.Text(16)
	}
	if len(q)%2 == 1 {
		q += "0"
	}
	if _, err := hex.Decode(out[:], []byte(q)); err != nil {
		return out, fmt.Errorf("%w: the question is not hexadecimal", ErrSuite)
	}
	return out, nil
}

func truncate(mac []byte, digits int) string {
	if digits == 0 {
		return hex.EncodeToString(mac)
	}
	at := mac[len(mac)-1] & 0xf
	n := uint64(binary.BigEndian.Uint32(mac[at:]) & 0x7fffffff)
	modulus := uint64(1)
	for range digits {
		modulus *= 10
	}
	return fmt.Sprintf("%0*d", digits, n%modulus)
}
