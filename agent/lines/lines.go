// Package lines is the agent's JSON: what a device sees goes in, and screens, outcomes and results come out, one object a
// line. The daemon (agent/daemon) and the C interface (agent/capi) speak it; their documentation refers here.
//
// Signals, every member optional:
//
//	{"gnss":{"lat":23.1136,"lon":-82.3666,"accuracy_m":20},"cell":"368-01","sim":"368-01","wifi":"CU"}
//
// Times are RFC 3339 in UTC, whole seconds. Days are written 2026-03-02. What is zero or unknown is left out, but for stage,
// challenge and the lists of a screen. Readers pass over members that they do not know; writers of signals may write no others.
package lines

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// MaxSignals bounds a line of signals in bytes.
const MaxSignals = 4 << 10

// ErrSignals is returned (wrapped) for a line that is no signals. The error says what is wrong with it.
var ErrSignals = errors.New("not a line of signals")

type signals struct {
	GNSS *struct {
		Lat       *float64 `json:"lat"`
		Lon       *float64 `json:"lon"`
		AccuracyM float64  `json:"accuracy_m"`
	} `json:"gnss"`
	Cell string `json:"cell"`
	SIM  string `json:"sim"`
	WiFi string `json:"wifi"`
}

// ParseSignals reads a line of signals: at most MaxSignals bytes, no unknown members, degrees in range, codes of their form.
// It fails with ErrSignals.
func ParseSignals(line []byte) (territory.Signals, error) {
	var s territory.Signals
	if len(line) > MaxSignals {
		return s, fmt.Errorf("%w: more than %d bytes", ErrSignals, MaxSignals)
	}
	var in signals
	if err := Strict(line, &in); err != nil {
		return s, fmt.Errorf("%w: %w", ErrSignals, err)
	}
	if g := in.GNSS; g != nil {
		switch {
		case g.Lat == nil || g.Lon == nil:
			return s, fmt.Errorf("%w: gnss needs lat and lon", ErrSignals)
		case math.Abs(*g.Lat) > 90, math.Abs(*g.Lon) > 180:
			return s, fmt.Errorf("%w: lat is -90 to 90 and lon -180 to 180 degrees", ErrSignals)
		case g.AccuracyM < 0:
			return s, fmt.Errorf("%w: accuracy_m is a radius in metres", ErrSignals)
		}
		s.GNSS = &territory.Fix{Lat: *g.Lat, Lon: *g.Lon, AccuracyM: g.AccuracyM}
	}
	for _, network := range []struct {
		text string
		to   *territory.PLMN
	}{{in.Cell, &s.Cell}, {in.SIM, &s.SIM}} {
		if network.text == "" {
			continue
		}
		p, err := territory.ParsePLMN(network.text)
		if err != nil {
			return territory.Signals{}, fmt.Errorf("%w: %w", ErrSignals, err)
		}
		*network.to = p
	}
	if s.WiFi = territory.Code(in.WiFi); in.WiFi != "" && (len(in.WiFi) != 2 || !s.WiFi.WellFormed()) {
		return territory.Signals{}, fmt.Errorf("%w: wifi is two capital letters, such as CU", ErrSignals)
	}
	return s, nil
}

// Strict decodes exactly one JSON object into to: no unknown members, none twice in whatever case, nothing behind it.
func Strict(data []byte, to any) error {
	if trimmed := bytes.TrimSpace(data); len(trimmed) == 0 || trimmed[0] != '{' {
		return errors.New("it is no JSON object")
	}
	if err := once(json.NewDecoder(bytes.NewReader(data)), 0); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something stands behind the object")
	}
	return nil
}

// once fails when an object of the next value has a member twice, which encoding/json would pass over.
func once(d *json.Decoder, depth int) error {
	if depth > 8 {
		return errors.New("it is nested too deep")
	}
	token, err := d.Token()
	if err != nil {
		return err
	}
	open, isDelim := token.(json.Delim)
	if !isDelim {
		return nil
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			key, err := d.Token()
			if err != nil {
				return err
			}
			name, _ := key.(string)
			if seen[strings.ToLower(name)] {
				return fmt.Errorf("%q stands twice", name)
			}
			seen[strings.ToLower(name)] = true
		}
		if err := once(d, depth+1); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// Screen is agent.Screen as JSON: the members of Ground are those of the strictest ground in force.
type Screen struct {
	Ground
	Grounds      []Ground     `json:"grounds"` // the strictest first
	Activation   *Activation  `json:"activation,omitempty"`
	Days         []Day        `json:"days"`
	Contact      Contact      `json:"contact"`
	Challenge    string       `json:"challenge"`
	CodeWait     int          `json:"code_wait_s,omitempty"`   // seconds, rounded up
	DeviceNumber string       `json:"device_number,omitempty"` // to read out with the challenge, eight groups of six digits
	CodeCounter  uint64       `json:"code_counter,omitempty"`
	ClockDoubt   bool         `json:"clock_doubt,omitempty"`
	Today        string       `json:"today"`
	WayOut       []agent.Exit `json:"way_out"`
}

// Ground is agent.GroundView as JSON.
type Ground struct {
	Stage         order.Stage    `json:"stage"`
	Ground        string         `json:"ground,omitempty"` // "rule:cuba"
	Reference     string         `json:"reference,omitempty"`
	Territory     territory.Code `json:"territory,omitempty"`
	RuleName      string         `json:"rule_name,omitempty"`
	LegalBasis    string         `json:"legal_basis,omitempty"`
	Source        string         `json:"source,omitempty"`
	WarrantReason string         `json:"warrant_reason,omitempty"`
	Case          string         `json:"case,omitempty"`
	Deadline      string         `json:"deadline,omitempty"`
	EffectAt      string         `json:"effect_at,omitempty"`
	EndsAt        string         `json:"ends_at,omitempty"`
	ShownDays     int            `json:"shown_days,omitempty"`
	LiftCause     string         `json:"lift_cause,omitempty"`
}

// Activation is the device's activation territory.
type Activation struct {
	Territory territory.Code `json:"territory"`
	Day       string         `json:"day"`
	Mixed     bool           `json:"mixed,omitempty"`
}

// Day is one line of the device's own record.
type Day struct {
	Day       string         `json:"day"`
	Territory territory.Code `json:"territory,omitempty"`
	Percent   int            `json:"percent,omitempty"`
}

// Contact is how an owner reaches people.
type Contact struct {
	Name     string `json:"name,omitempty"`
	Phone    string `json:"phone,omitempty"`
	Email    string `json:"email,omitempty"`
	OwnerURL string `json:"owner_url,omitempty"`
}

// ScreenOf turns a screen into its JSON form.
func ScreenOf(s agent.Screen) Screen {
	out := Screen{
		Ground: groundOf(s.GroundView), Grounds: []Ground{}, Days: []Day{}, Contact: contactOf(s.Contact), Challenge: s.Challenge,
		CodeWait: wholeSeconds(s.CodeWait), DeviceNumber: s.DeviceNumber, CodeCounter: s.CodeCounter, ClockDoubt: s.ClockDoubt, Today: s.Today.String(), WayOut: s.WayOut,
	}
	for _, g := range s.Grounds {
		out.Grounds = append(out.Grounds, groundOf(g))
	}
	for _, d := range s.Days {
		out.Days = append(out.Days, Day{Day: d.Day.String(), Territory: d.Territory, Percent: int(d.Percent)})
	}
	if a := s.Activation; a != nil {
		out.Activation = &Activation{Territory: a.Territory, Day: a.Day.String(), Mixed: a.Mixed}
	}
	return out
}

func groundOf(g agent.GroundView) Ground {
	out := Ground{
		Stage: g.Stage, Reference: g.Reference, Territory: g.Territory, RuleName: g.RuleName, LegalBasis: g.LegalBasis,
		Source: g.Source, WarrantReason: g.WarrantReason, Case: g.Case, Deadline: timeOf(g.Deadline),
		EffectAt: timeOf(g.EffectAt), EndsAt: timeOf(g.EndsAt), ShownDays: g.ShownDays, LiftCause: g.LiftCause.String(),
	}
	if g.Ground.ID != "" {
		out.Ground = g.Ground.String()
	}
	return out
}

func contactOf(c protocol.Contact) Contact {
	return Contact{Name: c.Name, Phone: c.Phone, Email: c.Email, OwnerURL: c.OwnerURL}
}

// Outcome is agent.Outcome as JSON.
type Outcome struct {
	Applied     []string  `json:"applied"` // ids of orders, hexadecimal
	Refused     []Refusal `json:"refused"`
	NextCheckIn string    `json:"next_check_in"`
}

// Refusal is an order that was not followed, and the reason.
type Refusal struct {
	Order  string `json:"order"`
	Reason string `json:"reason"`
}

// OutcomeOf turns an outcome into its JSON form.
func OutcomeOf(o agent.Outcome) Outcome {
	out := Outcome{Applied: []string{}, Refused: []Refusal{}, NextCheckIn: timeOf(o.NextCheckIn)}
	for _, id := range o.Applied {
		out.Applied = append(out.Applied, id.String())
	}
	for _, r := range o.Refused {
		out.Refused = append(out.Refused, refusalOf(r))
	}
	return out
}

func refusalOf(r evidence.Refusal) Refusal { return Refusal{Order: r.Order.String(), Reason: r.Reason} }

// Code is agent.CodeResult as JSON.
type Code struct {
	Unlocked bool     `json:"unlocked"`
	Lifted   []string `json:"lifted,omitempty"`
	TooEarly bool     `json:"too_early,omitempty"` // the code was not looked at
	Wait     int      `json:"wait_s,omitempty"`    // seconds until another code may be entered, rounded up
}

// CodeOf turns the result of an unlock code into its JSON form.
func CodeOf(r agent.CodeResult) Code {
	out := Code{Unlocked: r.Unlocked, TooEarly: r.TooEarly, Wait: wholeSeconds(r.Wait)}
	for _, g := range r.Lifted {
		out.Lifted = append(out.Lifted, g.String())
	}
	return out
}

func timeOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Second).Format(time.RFC3339)
}

func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
