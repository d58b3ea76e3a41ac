package agent

import (
	"fmt"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// The plain record is one byte of version, deterministic CBOR, and the SHA-256 of both; see record.go for the authenticated
// one. Times are Unix seconds, durations nanoseconds; absent means zero.
const (
	stateVersion = plainRecord
	maxState     = protocol.MaxPolicy + 384<<10 // the rest at its fullest: 16 grounds with the longest texts, and the officers' root
)

type wireState struct {
	Clock       wireClock         `cbor:"0,keyasint"`
	Device      []byte            `cbor:"1,keyasint,omitempty"`
	Secret      []byte            `cbor:"2,keyasint,omitempty"`
	Trust       *wireTrust        `cbor:"3,keyasint,omitempty"`
	Policy      []byte            `cbor:"4,keyasint,omitempty"` // as protocol writes it
	Before      []byte            `cbor:"5,keyasint,omitempty"`
	Epoch       []byte            `cbor:"6,keyasint,omitempty"`
	Sequence    uint64            `cbor:"7,keyasint,omitempty"`
	Acked       uint64            `cbor:"8,keyasint,omitempty"`
	DueOn       int64             `cbor:"9,keyasint,omitempty"`
	IP          string            `cbor:"10,keyasint,omitempty"`
	IPOn        int64             `cbor:"11,keyasint,omitempty"`
	Days        []wireDay         `cbor:"12,keyasint,omitempty"`
	DayMark     wireMark          `cbor:"13,keyasint"`
	Current     int32             `cbor:"14,keyasint,omitempty"`
	Activation  *wireActivation   `cbor:"15,keyasint,omitempty"`
	Grounds     []wireRestriction `cbor:"16,keyasint,omitempty"`
	Tombstones  [][]byte          `cbor:"17,keyasint,omitempty"`
	VoidUnknown int64             `cbor:"18,keyasint,omitempty"`
	Refusals    []wireRefusal     `cbor:"19,keyasint,omitempty"`
	Unlock      wireUnlock        `cbor:"20,keyasint"`
	Earlier     *wireDay          `cbor:"21,keyasint,omitempty"`
	Restored    bool              `cbor:"22,keyasint,omitempty"`
	Unsure      bool              `cbor:"23,keyasint,omitempty"`
	Officers    []byte            `cbor:"24,keyasint,omitempty"` // as package tuf writes it
	Signed      bool              `cbor:"25,keyasint,omitempty"`
	SignedUntil int64             `cbor:"26,keyasint,omitempty"`
	SignedOwn   int64             `cbor:"27,keyasint,omitempty"`
	Committed   [][]byte          `cbor:"28,keyasint,omitempty"` // half of an id, half of a commitment
	Owed        int64             `cbor:"29,keyasint,omitempty"` // of the clock, as the next three
	Excused     int64             `cbor:"30,keyasint,omitempty"`
	Booted      bool              `cbor:"31,keyasint,omitempty"`
	ProofDue    int64             `cbor:"32,keyasint,omitempty"`
}

type wireClock struct {
	_         struct{} `cbor:",toarray"`
	Begun     bool
	Elapsed   int64
	Gap       int64
	Longest   int64
	Wall      int64
	Uptime    int64
	Boot      string
	Server    int64
	ServerAt  int64
	Contacted bool
	Base      int64
	Doubt     bool
}

type wireTrust struct {
	_         struct{} `cbor:",toarray"`
	Origin    string
	LogKey    string
	Witnesses []string
	Quorum    uint8
}

type wireMark struct {
	_       struct{} `cbor:",toarray"`
	Certain int32
	Own     int32
}

type wireDay struct {
	_         struct{} `cbor:",toarray"`
	Day       int32
	Territory string
	Percent   uint8
	Agree     uint8
	Against   uint8
	Changed   uint64
}

type wireActivation struct {
	_         struct{} `cbor:",toarray"`
	Territory string
	Day       int32
	Mixed     bool
}

type wireInstant struct {
	_       struct{} `cbor:",toarray"`
	Elapsed int64
	Longest int64
}

type wireRestriction struct {
	Kind       uint8        `cbor:"0,keyasint"`
	ID         string       `cbor:"1,keyasint"`
	Stage      uint8        `cbor:"2,keyasint,omitempty"`
	Cause      uint8        `cbor:"3,keyasint,omitempty"`
	Order      []byte       `cbor:"4,keyasint,omitempty"`
	Territory  string       `cbor:"5,keyasint,omitempty"`
	Rule       []string     `cbor:"6,keyasint,omitempty"` // name, legal basis, source
	Warrant    *wireWarrant `cbor:"7,keyasint,omitempty"`
	FirstSeen  int32        `cbor:"8,keyasint,omitempty"`
	ReceivedAt int64        `cbor:"9,keyasint,omitempty"`
	ReceivedOn wireInstant  `cbor:"10,keyasint"`
	Deadline   int64        `cbor:"11,keyasint,omitempty"`
	ShownDays  uint8        `cbor:"12,keyasint,omitempty"`
	Shown      wireMark     `cbor:"13,keyasint"`
	Pending    *wirePending `cbor:"14,keyasint,omitempty"`
	EndsAt     int64        `cbor:"15,keyasint,omitempty"`
	HeldOn     wireInstant  `cbor:"16,keyasint"`
	HeldSpan   int64        `cbor:"17,keyasint,omitempty"`
	VoidTime   int64        `cbor:"18,keyasint,omitempty"`
	VoidIndex  uint64       `cbor:"19,keyasint,omitempty"`
	Final      bool         `cbor:"20,keyasint,omitempty"`
	ChangedOn  int64        `cbor:"21,keyasint,omitempty"`
	Remembered [][]byte     `cbor:"22,keyasint,omitempty"`
	Cohort     *wireCohort  `cbor:"23,keyasint,omitempty"` // of the warrant; absent when an earlier version noticed it
}

type wireCohort struct {
	_    struct{} `cbor:",toarray"`
	Root []byte
	Size uint64
}

type wirePending struct {
	_        struct{} `cbor:",toarray"`
	Order    []byte
	Index    uint64
	EffectAt int64
	EndsAt   int64
}

type wireWarrant struct {
	_        struct{} `cbor:",toarray"`
	ID       string
	Case     string
	Reason   string
	IssuedAt int64
	EndsAt   int64
	Officers []string
}

type wireRefusal struct {
	_       struct{} `cbor:",toarray"`
	Order   []byte
	Reason  string
	Changed uint64
}

type wireUnlock struct {
	_         struct{} `cbor:",toarray"`
	Challenge string
	Counter   uint64
	Failures  uint32
	FailedOn  int64
}

// marshalBody returns what a record seals.
func marshalBody(s *state) ([]byte, error) {
	w, err := stateToWire(s)
	if err != nil {
		return nil, fmt.Errorf("agent: write the record: %w", err)
	}
	body, err := dcbor.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("agent: write the record: %w", err)
	}
	return body, nil
}

// parseBody reads what marshalBody wrote and nothing else: it fails with ErrDamaged.
func parseBody(body []byte) (*state, error) {
	var w wireState
	if err := dcbor.Unmarshal(body, &w); err != nil {
		return nil, fmt.Errorf("agent: %w: %w", ErrDamaged, err)
	}
	s, err := stateFromWire(&w)
	if err != nil {
		return nil, fmt.Errorf("agent: %w: %w", ErrDamaged, err)
	}
	return s, nil
}

func stateToWire(s *state) (*wireState, error) {
	w := &wireState{
		Clock: wireClock{
			Begun: s.Clock.Begun, Elapsed: int64(s.Clock.Elapsed), Gap: int64(s.Clock.Gap), Longest: int64(s.Clock.Longest),
			Wall: s.Clock.Wall, Uptime: int64(s.Clock.Uptime), Boot: s.Clock.Boot, Server: s.Clock.Server,
			ServerAt: int64(s.Clock.ServerAt), Contacted: s.Clock.Contacted, Base: s.Clock.Base, Doubt: s.Clock.Doubt,
		},
		Owed: s.Clock.Owed, Excused: int64(s.Clock.Excused), Booted: s.Clock.Booted, ProofDue: int64(s.Clock.ProofDue),
		Epoch: s.Epoch, Sequence: s.Sequence, Acked: s.Acked, DueOn: int64(s.DueOn), IP: string(s.IP), IPOn: int64(s.IPOn),
		Restored: s.Restored, Unsure: s.Unsure, DayMark: markToWire(s.DayMark), Current: int32(s.Current), VoidUnknown: unix(s.VoidUnknown),
		Unlock: wireUnlock{
			Challenge: s.Unlock.Challenge, Counter: s.Unlock.Counter,
			Failures: s.Unlock.Failures, FailedOn: int64(s.Unlock.FailedOn),
		},
	}
	if s.enrolled() {
		policy, err := s.Policy.Marshal()
		if err != nil {
			return nil, err
		}
		t := s.Trust
		w.Device, w.Secret, w.Policy = s.Device[:], s.Secret[:], policy
		if s.Officers != nil {
			if w.Officers, err = s.Officers.Marshal(); err != nil {
				return nil, err
			}
			w.Signed, w.SignedUntil, w.SignedOwn = s.Signed, unix(s.SignedUntil), int64(s.SignedOwn)
		}
		w.Trust = &wireTrust{Origin: t.Origin, LogKey: t.LogKey, Witnesses: t.Witnesses, Quorum: uint8(t.Quorum)}
	}
	if s.PolicyBefore != [32]byte{} {
		w.Before = s.PolicyBefore[:]
	}
	for _, d := range s.Days {
		w.Days = append(w.Days, dayToWire(d))
	}
	if s.Earlier != nil {
		earlier := dayToWire(dayEntry{*s.Earlier, 0})
		w.Earlier = &earlier
	}
	if a := s.Activation; a != nil {
		w.Activation = &wireActivation{Territory: string(a.Territory), Day: int32(a.Day), Mixed: a.Mixed}
	}
	for i := range s.Restrictions {
		w.Grounds = append(w.Grounds, restrictionToWire(&s.Restrictions[i]))
	}
	for i := range s.Tombstones {
		w.Tombstones = append(w.Tombstones, s.Tombstones[i][:])
	}
	for _, known := range s.Committed {
		w.Committed = append(w.Committed, slices.Concat(known.Order[:], known.Commitment[:]))
	}
	for i := range s.Refusals {
		r := &s.Refusals[i]
		w.Refusals = append(w.Refusals, wireRefusal{Order: r.Order[:], Reason: r.Reason, Changed: r.Changed})
	}
	return w, nil
}

func dayToWire(d dayEntry) wireDay {
	return wireDay{
		Day: int32(d.Day), Territory: string(d.Territory), Percent: d.Percent,
		Agree: uint8(d.Agree), Against: uint8(d.Against), Changed: d.Changed,
	}
}

func restrictionToWire(r *restriction) wireRestriction {
	w := wireRestriction{
		Kind: uint8(r.Ground.Kind), ID: r.Ground.ID, Stage: uint8(r.Stage), Cause: uint8(r.Cause), Order: idToWire(r.Order),
		Territory: string(r.Territory), FirstSeen: int32(r.FirstSeen), ReceivedAt: unix(r.ReceivedAt),
		ReceivedOn: instantToWire(r.ReceivedOn), Deadline: unix(r.Deadline), ShownDays: r.ShownDays,
		Shown: markToWire(r.Shown), EndsAt: unix(r.EndsAt), HeldOn: instantToWire(r.HeldOn), HeldSpan: int64(r.HeldSpan),
		VoidTime: unix(r.VoidTime), VoidIndex: r.VoidIndex, Final: r.Final, ChangedOn: int64(r.ChangedOn),
	}
	if r.Rule != (ruleText{}) {
		w.Rule = []string{r.Rule.Name, r.Rule.LegalBasis, r.Rule.Source}
	}
	if v := r.Warrant; v != nil {
		w.Warrant = &wireWarrant{
			ID: v.ID, Case: v.Case, Reason: v.Reason, IssuedAt: unix(v.IssuedAt), EndsAt: unix(v.EndsAt), Officers: v.Officers[:],
		}
		if v.Cohort.Size > 0 {
			w.Cohort = &wireCohort{Root: v.Cohort.Root[:], Size: v.Cohort.Size}
		}
	}
	if p := r.Pending; p != nil {
		w.Pending = &wirePending{Order: p.Order[:], Index: p.Index, EffectAt: unix(p.EffectAt), EndsAt: unix(p.EndsAt)}
	}
	for i := range r.Remembered {
		w.Remembered = append(w.Remembered, r.Remembered[i][:])
	}
	return w
}

// unix is a time in the record: 0 when unset. No time that the agent keeps is as early as 1970.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func idToWire(id order.ID) []byte {
	if id == (order.ID{}) {
		return nil
	}
	return id[:]
}

func markToWire(m dayMark) wireMark { return wireMark{Certain: int32(m.Certain), Own: int32(m.Own)} }

func instantToWire(i instant) wireInstant {
	return wireInstant{Elapsed: int64(i.Elapsed), Longest: int64(i.Longest)}
}
