package protocol

import (
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// version is the value of key 0 in every message. A reader that meets another one refuses the message.
const version = 1

const maxTime = 253402300799 // the last second of the year 9999

type wireEpochAnswer struct {
	Version uint64 `cbor:"0,keyasint"`
	Epoch   []byte `cbor:"1,keyasint"`
	Time    int64  `cbor:"2,keyasint"`
}

type wireEnrolAnswer struct {
	Version      uint64     `cbor:"0,keyasint"`
	Epoch        []byte     `cbor:"1,keyasint"`
	Time         int64      `cbor:"2,keyasint"`
	Device       []byte     `cbor:"3,keyasint"`
	UnlockSecret []byte     `cbor:"4,keyasint"`
	Trust        wireTrust  `cbor:"5,keyasint"`
	Policy       wirePolicy `cbor:"6,keyasint"`
	Metadata     wireUpdate `cbor:"7,keyasint"`
}

type wireTrust struct {
	Origin    string   `cbor:"1,keyasint"`
	LogKey    string   `cbor:"2,keyasint"`
	Witnesses []string `cbor:"3,keyasint,omitempty"`
	Quorum    uint32   `cbor:"4,keyasint,omitempty"`
}

type wireCheckInAnswer struct {
	Version     uint64       `cbor:"0,keyasint"`
	Epoch       []byte       `cbor:"1,keyasint"`
	Time        int64        `cbor:"2,keyasint"`
	NextCheckIn uint32       `cbor:"3,keyasint"`
	Sequence    uint64       `cbor:"4,keyasint"`
	IP          string       `cbor:"5,keyasint,omitempty"`
	Orders      []wireSealed `cbor:"6,keyasint,omitempty"`
	Warrants    []wireHeld   `cbor:"7,keyasint,omitempty"`
	Policy      *wirePolicy  `cbor:"8,keyasint,omitempty"`
	Unlocks     uint64       `cbor:"9,keyasint,omitempty"`
	Metadata    *wireUpdate  `cbor:"10,keyasint,omitempty"`
}

// wireUpdate holds the exact bytes of metadata files.
type wireUpdate struct {
	_         struct{} `cbor:",toarray"`
	Roots     [][]byte
	Timestamp []byte
	Snapshot  []byte
	Targets   []byte
	Policy    []byte
	Warrant   []byte
}

// wireSealed is what order.Sealed.Marshal writes.
type wireSealed struct {
	_     struct{} `cbor:",toarray"`
	Leaf  []byte
	Salt  []byte
	Proof []byte
}

type wirePolicy struct {
	Hash        []byte          `cbor:"1,keyasint"`
	ID          string          `cbor:"2,keyasint"`
	Effective   int64           `cbor:"3,keyasint"`
	Rules       []wireRule      `cbor:"4,keyasint,omitempty"`
	Observation wireObservation `cbor:"5,keyasint"`
	NoticeDays  uint16          `cbor:"6,keyasint"`
	ShownDays   uint16          `cbor:"7,keyasint"`
	LockDays    uint16          `cbor:"8,keyasint"`
	AppliesFrom int32           `cbor:"9,keyasint,omitempty"`
	Contact     wireContact     `cbor:"10,keyasint"`
}

type wireObservation struct {
	_       struct{} `cbor:",toarray"`
	Days    uint16
	Window  uint16
	Percent uint8
}

type wireRule struct {
	ID         string   `cbor:"1,keyasint"`
	Codes      []string `cbor:"2,keyasint"`
	Name       string   `cbor:"3,keyasint,omitempty"`
	LegalBasis string   `cbor:"4,keyasint,omitempty"`
	Source     string   `cbor:"5,keyasint,omitempty"`
	Since      int32    `cbor:"6,keyasint,omitempty"`
	Until      int32    `cbor:"7,keyasint,omitempty"`
	ReviewBy   int32    `cbor:"8,keyasint,omitempty"`
}

type wireContact struct {
	Name     string `cbor:"1,keyasint,omitempty"`
	Phone    string `cbor:"2,keyasint,omitempty"`
	Email    string `cbor:"3,keyasint,omitempty"`
	OwnerURL string `cbor:"4,keyasint,omitempty"`
}

type wireWarrant struct {
	ID       string   `cbor:"1,keyasint"`
	Case     string   `cbor:"2,keyasint"`
	Reason   string   `cbor:"3,keyasint"`
	IssuedAt int64    `cbor:"4,keyasint"`
	EndsAt   int64    `cbor:"5,keyasint"`
	Officers []string `cbor:"6,keyasint"`
	Cohort   []byte   `cbor:"7,keyasint"`
	Size     uint64   `cbor:"8,keyasint"`
}

type wireHeld struct {
	_       struct{} `cbor:",toarray"`
	Warrant wireWarrant
	Member  wireMember
}

type wireMember struct {
	_     struct{} `cbor:",toarray"`
	Salt  []byte
	Index uint64
	Path  [][]byte
}

// marshal encodes a message and bounds it.
func marshal(wire any, most int) ([]byte, error) {
	data, err := dcbor.Marshal(wire)
	if err != nil {
		return nil, invalid("%v", err)
	}
	if len(data) > most {
		return nil, oversized(len(data), most)
	}
	return data, nil
}

// unmarshal bounds and decodes a message.
func unmarshal(data []byte, most int, wire any) error {
	if len(data) > most {
		return oversized(len(data), most)
	}
	if err := dcbor.Unmarshal(data, wire); err != nil {
		return malformed("%w", err)
	}
	return nil
}

func checkVersion(v uint64) error {
	if v != version {
		return invalid("version %d of this message is unknown here; this is version %d", v, version)
	}
	return nil
}

// checkMoment checks what every answer carries: the epoch, 8 to 64 bytes, and the server's time.
func checkMoment(epoch []byte, at int64) error {
	if len(epoch) < 8 || len(epoch) > 64 {
		return invalid("an epoch has 8 to 64 bytes, not %d", len(epoch))
	}
	return checkTime("the server's time", at)
}

func checkTime(what string, s int64) error {
	if s <= 0 || s > maxTime {
		return invalid("%s lies between 1970 and 9999; is it set?", what)
	}
	return nil
}

func timeOf(s int64) time.Time { return time.Unix(s, 0).UTC() }

func checkText(what, s string, least, most int) error {
	if n := utf8.RuneCountInString(s); !utf8.ValidString(s) || n < least || n > most {
		return invalid("%s has %d to %d characters, not %d", what, least, most, n)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return invalid("%s has no control characters, not even line breaks", what)
		}
	}
	return nil
}

func sealedFromWire(wire []wireSealed) ([]order.Sealed, error) {
	var out []order.Sealed
	for _, w := range wire {
		s := order.Sealed{Leaf: w.Leaf, Proof: w.Proof}
		if !dcbor.Fixed(s.Salt[:], w.Salt) {
			return nil, malformed("a salt has 32 bytes, not %d", len(w.Salt))
		}
		if err := s.CheckSize(); err != nil {
			return nil, malformed("%w", err)
		}
		out = append(out, s)
	}
	return out, nil
}

func codesFromWire(codes []string) []territory.Code {
	out := make([]territory.Code, len(codes))
	for i, c := range codes {
		out[i] = territory.Code(c)
	}
	return out
}
