package failover

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent/client"
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const (
	firstDays = 10 // that a device tells with its first evidence
	moreDays  = 25 // each of which it tells with one more check-in, backwards
)

// phone is a device with a key of its own, at home in North Korea. Each check-in tells one day that no other one tells, so that the record says
// which of them have arrived.
type phone struct {
	id       device.ID
	key      *ecdsa.PrivateKey
	policy   [32]byte
	metadata evidence.MetadataVersions
	server   int // the one that it asks next
	sequence uint64
	today    territory.Day
	began    bool
	told     int // of moreDays

	days     []territory.Day // that were acknowledged
	acked    uint64          // the newest sequence number that was
	proved   order.ID        // the notice, with its proof; zero before
	grounds  []evidence.GroundState
	verifier *proof.Verifier
}

// enrol has the factory make a phone, and enrols it.
func (f *fleet) enrol(ctx context.Context) (*phone, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	wish, err := json.Marshal(app.PhoneOrder{Model: "Lantern P", Market: "DE", PublicKey: base64.StdEncoding.EncodeToString(public)})
	if err != nil {
		return nil, err
	}
	body, err := f.ask(ctx, 0, app.PathSandboxPhones, "application/json", wish)
	if err != nil {
		return nil, err
	}
	var made app.PhoneMade
	if err := json.Unmarshal(body, &made); err != nil {
		return nil, err
	}
	var chain [][]byte
	for _, text := range made.Chain {
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		chain = append(chain, der)
	}
	if body, err = f.ask(ctx, 0, protocol.PathEpoch, "", nil); err != nil {
		return nil, err
	}
	epoch, err := protocol.ParseEpochAnswer(body)
	if err != nil {
		return nil, err
	}
	token, err := protocol.SignEnrolment(&protocol.Enrolment{Epoch: epoch.Epoch, IMEI: device.IMEI(made.IMEI), Serial: made.Serial, Model: "Lantern P", Software: "failover"}, chain, key)
	if err != nil {
		return nil, err
	}
	if body, err = f.ask(ctx, 0, protocol.PathEnrol, protocol.MediaTypeEnrol, token); err != nil {
		return nil, err
	}
	a, err := protocol.ParseEnrolAnswer(body)
	if err != nil {
		return nil, err
	}
	verifier, err := proof.New(a.Trust.Origin, a.Trust.LogKey, nil, 0)
	if err != nil {
		return nil, err
	}
	f.setEpoch(a.Epoch)
	return &phone{id: a.Device, key: key, policy: a.Policy.Hash, metadata: evidence.MetadataVersions{Root: 1, Timestamp: 1},
		today: territory.DayOf(a.Time), verifier: verifier}, nil
}

func inKorea(day territory.Day) territory.DayRecord {
	return territory.DayRecord{Day: day, Territory: "KP", Percent: 99, Agree: territory.Kinds(0).With(territory.GNSS).With(territory.Cell)}
}

// checkIn sends the next evidence to one server after the other until one answers. What was not answered may have been written: its
// days are told again, under the next number.
func (p *phone) checkIn(ctx context.Context, f *fleet) error {
	var days []territory.DayRecord
	switch {
	case !p.began:
		for d := p.today - firstDays + 1; d <= p.today; d++ {
			days = append(days, inKorea(d))
		}
	case p.told < moreDays:
		days = append(days, inKorea(p.today-firstDays-territory.Day(p.told)))
	}
	first := p.today - firstDays + 1
	for {
		p.sequence++
		c := evidence.Claims{Device: p.id, Sequence: p.sequence, Epoch: f.currentEpoch(), IssuedAt: time.Now().UTC().Truncate(time.Second), Boot: evidence.BootVerified,
			Software: "failover", PolicyHash: p.policy, Metadata: p.metadata, Days: days, Grounds: p.grounds,
			Activation: &territory.Activation{Territory: "KP", Day: first + 4}}
		token, err := evidence.Sign(&c, p.key)
		if err != nil {
			return err
		}
		body, err := f.ask(ctx, p.server, protocol.PathCheckIn, evidence.MediaType, token)
		if err == nil {
			return p.take(f, days, body)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var refused *client.Problem
		if errors.As(err, &refused) {
			if !temporary(refused) {
				return fmt.Errorf("device %s: %w", p.id, err)
			}
			f.setEpoch(refused.Epoch)
		}
		p.server++ // another server may do
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// take notes what was acknowledged, and checks the proof of an order.
func (p *phone) take(f *fleet, days []territory.DayRecord, body []byte) error {
	a, err := protocol.ParseCheckInAnswer(body)
	if err != nil {
		return err
	}
	f.acknowledged()
	f.setEpoch(a.Epoch)
	for _, d := range days {
		p.days = append(p.days, d.Day)
	}
	if p.began && len(days) > 0 {
		p.told++
	}
	p.began, p.acked = true, a.Sequence
	for _, sealed := range a.Orders {
		if _, err := p.verifier.Verify(sealed.Leaf, sealed.Proof); err != nil {
			return fmt.Errorf("device %s: an order without a proof: %w", p.id, err)
		}
		leaf, err := sealed.Open(p.id)
		if err != nil {
			return err
		}
		if p.proved == (order.ID{}) {
			f.delivered.Add(1)
		}
		p.proved = order.LeafID(sealed.Leaf)
		p.grounds = []evidence.GroundState{{Ground: leaf.Ground, Stage: order.Noticed, Order: p.proved, ShownDays: 1, FirstSeen: p.today, Deadline: leaf.Deadline}}
	}
	return nil
}

// done reports whether the device has said all that it has to say, and has its notice.
func (p *phone) done() bool { return p.told == moreDays && p.proved != (order.ID{}) }
