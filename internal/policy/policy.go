package policy

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// Format is the version of the file format that this package reads.
const Format = "bailiwick-policy/1"

// The Charter's floors and ceilings (C3, C8). A policy may be milder, never harsher.
const (
	LeastObservedDays = 3   // distinct days that must agree before a territory of activation is established
	LeastNoticeDays   = 7   // days from the first notice to its deadline
	LeastShownDays    = 3   // distinct days on which a notice must have been shown
	MostShownDays     = 250 // as many as a device counts
	MostSunsetDays    = 730 // days after which a device lifts a lock by itself
)

// Policy is a parsed, checked and compiled policy. It is never changed after [Parse] and safe for concurrent use.
type Policy struct {
	ID            string
	Version       int
	Title         string
	Disclaimer    string   // what readers must be told of the file, for instance that it is an example
	Authors       []string // free text
	ApprovedBy    []string // free text; the officers' signatures are beside the file, not in it
	EffectiveFrom time.Time
	AppliesTo     AppliesTo
	Observation   territory.Observation
	Notice        Notice
	Sunset        int // days that a lock lasts at most
	Contact       Contact

	source    []byte
	hash      [sha256.Size]byte
	file      string
	effective territory.Day
	markets   []Market
	grounds   []*ground
	places    map[territory.Code]*place
	licences  []*licence
	rules     []*customRule
	tests     []test
	unlisted  place // what is said of a territory that no entry names
}

// AppliesTo limits whom the policy reaches.
type AppliesTo struct {
	ActivatedOnOrAfter territory.Day // devices activated earlier are out of reach
}

// Notice says how an owner is told before a lock.
type Notice struct {
	Days      int // from the first notice to the deadline
	ShownDays int // distinct days on which it must have been shown
}

// Contact is how an owner reaches people. Empty parts are unknown.
type Contact struct {
	Name      string
	Phone     string
	Email     string
	OwnerURL  string // the owner page
	Retailers string // URL of the directory of retailers
}

// MarketStatus says what a territory is to the seller.
type MarketStatus uint8

// The three statuses. A territory that the policy does not name is unsupported, which is allowed.
const (
	MarketUnsupported MarketStatus = iota // not sold there; a device activated there is allowed
	MarketOfficial                        // sold there
	MarketProhibited                      // may not be provided there
)

var statusNames = []string{"unsupported", "official", "prohibited"}

func (s MarketStatus) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "invalid"
}

// MarshalText implements encoding.TextMarshaler.
func (s MarketStatus) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Market is a set of territories with one status, MarketOfficial or MarketUnsupported.
type Market struct {
	Codes  []territory.Code
	Status MarketStatus
}

// Prohibited is an entry of the list of prohibited territories.
type Prohibited struct {
	Rule       string // the ground's id: "crimea"
	Codes      []territory.Code
	Name       string // in English
	LegalBasis string
	Source     string // a URL or a citation
	Since      time.Time
	Until      time.Time // the day on which it left the list; zero while it is on it
	ReviewBy   time.Time // the last day on which the entry supports a restriction unless somebody reviews it
}

// Parse reads, checks and compiles a policy file. name is used in messages only. The error is [Problems], with every
// fault found. src is copied.
func Parse(name string, src []byte) (*Policy, error) {
	r := &reader{file: name, src: bytes.Clone(src)}
	p := &Policy{source: r.src, hash: sha256.Sum256(src), file: name}
	if root := r.document(); root != nil {
		f := r.policy(root, p)
		r.consistent(f, p)
		p.index()
		r.compile(f, p)
	}
	if len(r.problems) > 0 {
		return nil, r.problems.inOrder()
	}
	return p, nil
}

// Source returns a copy of the bytes that were parsed.
func (p *Policy) Source() []byte { return bytes.Clone(p.source) }

// Hash returns the SHA-256 of the exact bytes that were parsed: it names the policy in decisions, orders and the ledger.
func (p *Policy) Hash() [32]byte { return p.hash }

// Territories returns the entries of the prohibited list in the order of the file, those that have left it included.
func (p *Policy) Territories() []Prohibited {
	list := make([]Prohibited, len(p.grounds))
	for i, g := range p.grounds {
		list[i] = g.Prohibited
		list[i].Codes = slices.Clone(g.Codes)
	}
	return list
}

// Markets returns the official and the unsupported territories in the order of the file.
func (p *Policy) Markets() []Market {
	list := make([]Market, len(p.markets))
	for i, m := range p.markets {
		list[i] = Market{slices.Clone(m.Codes), m.Status}
	}
	return list
}

// Status tells what c is on the day of now, and which rule prohibits it: "" unless the status is MarketProhibited.
func (p *Policy) Status(c territory.Code, now time.Time) (MarketStatus, string) {
	pl, g, inForce := p.resolve(c, territory.DayOf(now))
	if inForce {
		return MarketProhibited, g.Rule
	}
	return pl.status, ""
}

func (p *Policy) String() string { return fmt.Sprintf("%s version %d", p.ID, p.Version) }
