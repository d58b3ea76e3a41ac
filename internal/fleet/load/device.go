package load

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/fleet/people"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Device is an enrolled device of the load, and what it says of itself. One goroutine at a time may use it.
type Device struct {
	ID     device.ID
	Key    *ecdsa.PrivateKey
	Person *people.Person
	Next   territory.Day // of the next day that it reports; not after today

	sequence   uint64
	software   int
	activation *territory.Activation
	grounds    []evidence.GroundState
	observed   []territory.DayRecord // until there is an activation, of a device that began without a history
	observing  bool
}

// Facts is what all devices were told by the server.
type Facts struct {
	Epoch       []byte
	PolicyHash  [32]byte
	Metadata    evidence.MetadataVersions
	Observation territory.Observation
	Now         func() time.Time // the server's time
}

// claims are the next ones of a device, without news.
func (d *Device) claims(f *Facts, days []territory.DayRecord) evidence.Claims {
	d.sequence++
	return evidence.Claims{
		Device: d.ID, Sequence: d.sequence, Epoch: f.Epoch, IssuedAt: f.Now().UTC().Truncate(time.Second), Boot: evidence.BootVerified,
		Software: fmt.Sprint("bailiwick-agent/1.", d.software), PolicyHash: f.PolicyHash, Metadata: f.Metadata, Days: days,
		Activation: d.activation, Grounds: d.grounds,
	}
}

// Begin has the device report its history of so many days up to today − ahead, and what it makes of it, with its first evidence. The days
// that are left are for the check-ins that follow.
func (d *Device) Begin(f *Facts, history, ahead int) (evidence.Token, error) {
	d.Next = territory.DayOf(f.Now()) - territory.Day(ahead) + 1
	days := d.Person.Days(d.Next-territory.Day(history), history)
	if a, ok := territory.Establish(days, f.Observation); ok {
		d.activation = &a
	}
	c := d.claims(f, days)
	return evidence.Sign(&c, d.Key)
}

// Resume continues a device whose record the server has already: its history up to the day before next, and its activation.
func (d *Device) Resume(next territory.Day, activation *territory.Activation, sequence uint64) {
	d.Next, d.activation, d.sequence = next, activation, sequence
}

// BeginEmpty makes a device that was just switched on: it has no history, tells a day with each check-in from next on, and establishes its
// activation from them.
func (d *Device) BeginEmpty(next territory.Day) { d.Next, d.observing = next, true }

// observe establishes the activation when the days bear it out.
func (d *Device) observe(day territory.DayRecord, o territory.Observation) {
	d.observed = append(d.observed, day)
	if a, ok := territory.Establish(d.observed, o); ok {
		d.activation, d.observing, d.observed = &a, false, nil
	}
}

// Introduce lets devices send their first evidence, and those for whom an order waits come back until they have it: they report on it from
// then on. At most workers are busy at once.
func Introduce(ctx context.Context, t Target, devices []*Device, f *Facts, history, ahead, workers int, done func()) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for _, d := range devices {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			token, err := d.Begin(f, history, ahead)
			if err == nil {
				err = d.introduce(ctx, t, f, token)
			}
			if done != nil {
				done()
			}
			return err
		})
	}
	return g.Wait()
}

// introduceTries is how often a device asks for an order that waits for the ledger, half a second apart.
const introduceTries = 60

func (d *Device) introduce(ctx context.Context, t Target, f *Facts, token evidence.Token) error {
	for range introduceTries {
		status, body, err := t.Do(ctx, http.MethodPost, protocol.PathCheckIn, evidence.MediaType, token)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("a first check-in was refused: %s", kindOf(status, body))
		}
		a, err := protocol.ParseCheckInAnswer(body)
		if err != nil {
			return err
		}
		if err := d.take(a); err != nil {
			return err
		}
		if len(a.Orders) > 0 || a.NextCheckIn > time.Minute {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
		c := d.claims(f, nil)
		if token, err = evidence.Sign(&c, d.Key); err != nil {
			return err
		}
	}
	return fmt.Errorf("an order still waits for the ledger after %d check-ins", introduceTries)
}

// take applies the notices of an answer, as their owner would see them on the first day.
func (d *Device) take(a *protocol.CheckInAnswer) error {
	for _, sealed := range a.Orders {
		leaf, err := order.ParseLeaf(sealed.Leaf)
		if err != nil {
			return err
		}
		if leaf.Kind != order.Notice {
			continue
		}
		d.grounds = append(d.grounds, evidence.GroundState{Ground: leaf.Ground, Stage: order.Noticed, Order: order.LeafID(sealed.Leaf),
			ShownDays: 1, FirstSeen: territory.DayOf(a.Time), Deadline: leaf.Deadline})
	}
	return nil
}
