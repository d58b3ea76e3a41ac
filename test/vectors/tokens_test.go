package vectors

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

type evidenceVector struct {
	Name   string  `json:"name"`
	Key    key     `json:"key"`
	Seed   Hex     `json:"seed,omitempty"` // EdDSA only: the private key, so that a signer can make the same bytes
	Token  Hex     `json:"token"`
	Fault  string  `json:"fault,omitempty"` // empty: the token is genuine
	Claims *claims `json:"claims,omitempty"`
}

type claims struct {
	Device     Hex           `json:"device"`
	Sequence   uint64        `json:"sequence"`
	Epoch      Hex           `json:"epoch"`
	IssuedAt   int64         `json:"issued_at"`
	Boot       int           `json:"boot"`
	Software   string        `json:"software"`
	PolicyHash Hex           `json:"policy_hash"`
	Days       []day         `json:"days,omitempty"`
	Activation *activation   `json:"activation,omitempty"`
	Grounds    []groundState `json:"grounds,omitempty"`
	Refusals   []refusal     `json:"refusals,omitempty"`
	ClockDoubt bool          `json:"clock_doubt,omitempty"`
	Metadata   *[2]uint64    `json:"metadata,omitempty"` // versions of root and timestamp
}

type day struct {
	Day       int    `json:"day"`
	Territory string `json:"territory"`
	Percent   int    `json:"percent"`
	Agree     int    `json:"agree"`
	Against   int    `json:"against"`
}

type activation struct {
	Territory string `json:"territory"`
	Day       int    `json:"day"`
	Mixed     bool   `json:"mixed"`
}

type groundState struct {
	Ground    string `json:"ground"`
	Stage     string `json:"stage"`
	Cause     string `json:"cause,omitempty"`
	Order     Hex    `json:"order,omitempty"`
	ShownDays int    `json:"shown_days,omitempty"`
	FirstSeen int    `json:"first_seen,omitempty"`
	Deadline  int64  `json:"deadline,omitempty"`
	EndsAt    int64  `json:"ends_at,omitempty"`
}

type refusal struct {
	Order  Hex    `json:"order"`
	Reason string `json:"reason"`
}

func claimsOf(c *evidence.Claims) *claims {
	out := &claims{
		Device: c.Device[:], Sequence: c.Sequence, Epoch: c.Epoch, IssuedAt: c.IssuedAt.Unix(), Boot: int(c.Boot),
		Software: c.Software, PolicyHash: c.PolicyHash[:], ClockDoubt: c.ClockDoubt,
	}
	if m := c.Metadata; m != (evidence.MetadataVersions{}) {
		out.Metadata = &[2]uint64{m.Root, m.Timestamp}
	}
	for _, d := range c.Days {
		out.Days = append(out.Days, day{int(d.Day), string(d.Territory), int(d.Percent), int(d.Agree), int(d.Against)})
	}
	if a := c.Activation; a != nil {
		out.Activation = &activation{string(a.Territory), int(a.Day), a.Mixed}
	}
	for _, g := range c.Grounds {
		s := groundState{
			Ground: g.Ground.String(), Stage: g.Stage.String(), Cause: g.Cause.String(), ShownDays: int(g.ShownDays),
			FirstSeen: int(g.FirstSeen), Deadline: unix(g.Deadline), EndsAt: unix(g.EndsAt),
		}
		if !g.Order.IsZero() {
			s.Order = g.Order[:]
		}
		out.Grounds = append(out.Grounds, s)
	}
	for _, r := range c.Refusals {
		out.Refusals = append(out.Refusals, refusal{r.Order[:], r.Reason})
	}
	return out
}

// leastClaims is what every evidence says; fullClaims says everything.
func leastClaims() *evidence.Claims {
	return &evidence.Claims{
		Device: deviceID("a"), Sequence: 1, Epoch: []byte("epoch-01"), IssuedAt: moment, Software: "1.0", PolicyHash: seed("policy"),
	}
}

func fullClaims() *evidence.Claims {
	c, today := leastClaims(), territory.DayOf(moment)
	c.Sequence, c.Boot, c.ClockDoubt = 1<<40, evidence.BootVerified, true
	c.Metadata = evidence.MetadataVersions{Root: 2, Timestamp: 300}
	c.Days = []territory.DayRecord{
		{Day: today - 1, Territory: "UA-43", Percent: 97, Agree: 3, Against: 16}, {Day: today},
	}
	c.Activation = &territory.Activation{Territory: "UA-43", Day: today - 9, Mixed: true}
	c.Grounds = []evidence.GroundState{
		{Ground: order.Ground{Kind: order.Rule, ID: "crimea"}, Stage: order.Locked, Order: order.ID(seed("order 1")), ShownDays: 4,
			FirstSeen: today - 20, Deadline: moment.Add(-time.Hour), EndsAt: moment.Add(time.Hour)},
		{Ground: order.Ground{Kind: order.Warrant, ID: "w-1"}, Stage: order.Lifted, Cause: order.ByCode},
	}
	c.Refusals = []evidence.Refusal{{Order: order.ID(seed("order 2")), Reason: "no-notice"}}
	return c
}

func makeEvidence(t *testing.T) (made []evidenceVector) {
	ed, ec := edKey("evidence"), ecKey(t, "evidence")
	add := func(name string, k crypto.Signer, token []byte, fault evidence.Fault, c *evidence.Claims) {
		v := evidenceVector{Name: name, Key: keyOf(t, k), Token: token, Fault: string(fault)}
		if v.Key.Alg == "EdDSA" {
			v.Seed = ed.Seed()
		}
		if fault == "" {
			v.Claims = claimsOf(c)
		}
		made = append(made, v)
	}
	least := must(evidence.Sign(leastClaims(), ed))(t)
	full := must(evidence.Sign(fullClaims(), ed))(t)
	add("the least", ed, least, "", leastClaims())
	add("everything", ed, full, "", fullClaims())
	add("the least, ES256", ec, must(evidence.Sign(leastClaims(), ec))(t), "", leastClaims())
	add("everything, ES256", ec, must(evidence.Sign(fullClaims(), ec))(t), "", fullClaims())
	for _, boot := range []evidence.Boot{evidence.BootCustom, evidence.BootUnlocked} {
		c := leastClaims()
		c.Boot = boot
		add(map[evidence.Boot]string{evidence.BootCustom: "the owner's key", evidence.BootUnlocked: "unlocked"}[boot], ed,
			must(evidence.Sign(c, ed))(t), "", c)
	}
	trusting := leastClaims()
	trusting.Metadata = evidence.MetadataVersions{Root: 1, Timestamp: 1}
	trusts := must(evidence.Sign(trusting, ed))(t)
	add("the least, with metadata", ed, trusts, "", trusting)
	add("metadata of root 0", ed, replace(t, trusts, "\x3a\x00\x01\x00\x08\x82\x01\x01", "\x3a\x00\x01\x00\x08\x82\x00\x01"), evidence.ErrInvalid, nil)
	add("signature changed", ed, flip(full, -1), evidence.ErrSignature, nil)
	add("another claim than signed", ed, replace(t, least, "1.0", "1.1"), evidence.ErrSignature, nil)
	add("truncated", ed, full[:len(full)-1], evidence.ErrMalformed, nil)
	add("one byte more", ed, append(append([]byte(nil), full...), 0), evidence.ErrMalformed, nil)
	add("without tag 18", ed, least[1:], evidence.ErrMalformed, nil)
	add("another profile", ed, replace(t, least, "urn:uuid:7", "urn:uuid:8"), evidence.ErrProfile, nil)
	add("another algorithm", ed, replace(t, least, "\xa1\x01\x27", "\xa1\x01\x26"), evidence.ErrSignature, nil)
	add("an algorithm that is refused (ESP256)", ed, replace(t, least, "\xa1\x01\x27", "\xa1\x01\x28"), evidence.ErrAlgorithm, nil)
	add("too long", ed, append(append([]byte(nil), least...), make([]byte, evidence.MaxToken)...), evidence.ErrOversized, nil)
	add("sequence 0", ed, replace(t, least, "\x3a\x00\x01\x00\x00\x01", "\x3a\x00\x01\x00\x00\x00"), evidence.ErrInvalid, nil)
	return made
}

// replace puts a text of the same length in the place of another, which stands there once.
func replace(t *testing.T, data []byte, old, new string) []byte {
	t.Helper()
	return replaced(t, data, []byte(old), []byte(new))
}

func TestEvidence(t *testing.T) {
	for _, v := range file(t, "evidence.json", makeEvidence(t)) {
		t.Run(v.Name, func(t *testing.T) {
			public := v.Key.public(t)
			u, err := evidence.Parse(evidence.Token(v.Token))
			var c *evidence.Claims
			if err == nil {
				c, err = u.Verify(public)
			}
			if got := string(evidence.FaultOf(err)); got != v.Fault {
				t.Fatalf("fault %q (%v), want %q", got, err, v.Fault)
			}
			if v.Fault == "" {
				same(t, "claims", claimsOf(c), v.Claims)
			}
		})
	}
}

type enrolmentVector struct {
	Name      string     `json:"name"`
	Key       key        `json:"key"`
	Token     Hex        `json:"token"`
	Fault     string     `json:"fault,omitempty"`
	Chain     []Hex      `json:"chain,omitempty"`
	Enrolment *enrolment `json:"enrolment,omitempty"`
}

type enrolment struct {
	Epoch    Hex    `json:"epoch"`
	IMEI     string `json:"imei"`
	Serial   string `json:"serial,omitempty"`
	Model    string `json:"model,omitempty"`
	Software string `json:"software,omitempty"`
}

func enrolmentOf(e *protocol.Enrolment) *enrolment {
	return &enrolment{e.Epoch, string(e.IMEI), e.Serial, e.Model, e.Software}
}

// certificate signs with Ed25519, whose signatures are always the same.
func certificate(t *testing.T, name string, public crypto.PublicKey, parent *x509.Certificate, by crypto.Signer) []byte {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: moment.AddDate(-1, 0, 0),
		NotAfter: moment.AddDate(20, 0, 0), IsCA: parent == nil, BasicConstraintsValid: true,
	}
	if parent == nil {
		parent = template
	}
	return must(x509.CreateCertificate(nil, template, parent, public, by))(t)
}

func makeEnrolments(t *testing.T) (made []enrolmentVector) {
	ed, ec, maker := edKey("enrolment"), ecKey(t, "enrolment"), edKey("maker")
	rootDER := certificate(t, "vectors root", maker.Public(), nil, maker)
	root := must(x509.ParseCertificate(rootDER))(t)
	add := func(name string, k crypto.Signer, token []byte, fault protocol.Fault, chain [][]byte, e *protocol.Enrolment) {
		v := enrolmentVector{Name: name, Key: keyOf(t, k), Token: token, Fault: string(fault)}
		if fault == "" {
			v.Enrolment = enrolmentOf(e)
			for _, c := range chain {
				v.Chain = append(v.Chain, c)
			}
		}
		made = append(made, v)
	}
	least := &protocol.Enrolment{Epoch: []byte("epoch-01"), IMEI: "490154203237518"}
	full := &protocol.Enrolment{Epoch: []byte("epoch-01"), IMEI: "490154203237518", Serial: "R5CN90", Model: "SM-G991B", Software: "1.0"}
	one := [][]byte{certificate(t, "vectors device", ed.Public(), root, maker)}
	two := [][]byte{certificate(t, "vectors device", ec.Public(), root, maker), rootDER}
	token := must(protocol.SignEnrolment(least, one, ed))(t)
	add("the least, one certificate", ed, token, "", one, least)
	add("everything, two certificates, ES256", ec, must(protocol.SignEnrolment(full, two, ec))(t), "", two, full)
	add("signature changed", ed, flip(token, -1), protocol.ErrSignature, nil, nil)
	add("truncated", ed, token[:len(token)-1], protocol.ErrMalformed, nil, nil)
	add("an IMEI whose check digit is wrong", ed, replace(t, token, "490154203237518", "490154203237519"), protocol.ErrInvalid, nil, nil)
	add("too long", ed, append(append([]byte(nil), token...), make([]byte, protocol.MaxEnrolment)...), protocol.ErrOversized, nil, nil)
	return made
}

func TestEnrolments(t *testing.T) {
	for _, v := range file(t, "enrolment.json", makeEnrolments(t)) {
		t.Run(v.Name, func(t *testing.T) {
			u, err := protocol.ParseEnrolment(v.Token)
			var e *protocol.Enrolment
			if err == nil {
				e, err = u.Verify(v.Key.public(t))
			}
			if got := string(protocol.FaultOf(err)); got != v.Fault {
				t.Fatalf("fault %q (%v), want %q", got, err, v.Fault)
			}
			if v.Fault != "" {
				return
			}
			same(t, "enrolment", enrolmentOf(e), v.Enrolment)
			var chain []Hex
			for _, c := range u.Chain {
				chain = append(chain, c)
			}
			same(t, "chain", chain, v.Chain)
		})
	}
}
