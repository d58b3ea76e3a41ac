package authority_test

import (
	"errors"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// urgency is what is thought of a phone's next contact before anything of it is verified.
func (p *phone) urgency() authority.Urgency {
	p.Helper()
	c, err := p.Contact(p.token())
	must(p.T, err)
	return c.Urgency()
}

// A phone whose lift waits is known to be urgent, on a server that issued or sequenced it and on one that answered it while it was locked;
// after a restart its own token says that it is locked. A phone that nothing restricts is not urgent.
func TestUrgency(t *testing.T) {
	r := newRig(t)
	free := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	p := r.lockedPhones(1)[0]
	if got := free.urgency(); got != authority.UrgencyNone {
		t.Errorf("a phone that nothing restricts: %d", got)
	}
	if got := p.urgency(); got != authority.UrgencyKnown {
		t.Errorf("a locked phone: %d", got)
	}
	r.open()
	if got := p.urgency(); got != authority.UrgencyClaim {
		t.Errorf("a locked phone after a restart: %d", got)
	}
	p.checkIn()
	if got := p.urgency(); got != authority.UrgencyKnown {
		t.Errorf("a locked phone that has checked in: %d", got)
	}
	r.open()
	must(t, r.LiftByHuman(ctx, r.ana, p.id, cuba, "It was an error."))
	if got := p.urgency(); got != authority.UrgencyKnown {
		t.Errorf("a phone that was just lifted: %d", got)
	}
	r.open()
	r.sequence()
	if got := p.urgency(); got != authority.UrgencyKnown {
		t.Errorf("a phone whose lift was just sequenced: %d", got)
	}
	p.checkIn()
	r.open()
	p.checkIn()
	if got := p.urgency(); got != authority.UrgencyNone {
		t.Errorf("a phone that has reported its lift: %d", got)
	}
	if got := free.urgency(); got != authority.UrgencyNone {
		t.Errorf("a phone that nothing restricts: %d", got)
	}
}

// A device that checks in all the time is turned away for a while, and nobody else is: not even by whoever knows its number.
func TestADeviceHasItsOwnPace(t *testing.T) {
	r := newRig(t, func(c *authority.Config) { c.Pace = authority.Pace{Every: time.Minute, Burst: 3} })
	p, other := r.newPhone(r.made("C-1", "trader", "ES")).enrol(), r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	try := func(p *phone) error {
		_, err := r.CheckIn(ctx, p.token(), home)
		return err
	}
	must(t, try(p)) // the first contact of all
	for range 20 {  // what somebody else sends in its name
		forged := p.token()
		forged[len(forged)-1] ^= 1
		if _, err := r.CheckIn(ctx, forged, home); !errors.Is(err, authority.ErrBadSignature) {
			t.Fatal(err)
		}
	}
	for range 3 {
		must(t, try(p))
	}
	for range 3 {
		if err := try(p); !errors.Is(err, authority.ErrTooOften) {
			t.Fatalf("checked in again: %v", err)
		}
	}
	must(t, try(other))
	must(t, try(other))
	r.wait(time.Minute)
	must(t, try(p))
	for range 10 { // once a minute is nothing unusual
		r.wait(time.Minute)
		must(t, try(p))
	}
	unlimited := newRig(t, func(c *authority.Config) { c.Pace = authority.Pace{Burst: -1} })
	p = unlimited.newPhone(unlimited.made("C-1", "trader", "ES")).enrol()
	for range 100 {
		if _, err := unlimited.CheckIn(ctx, p.token(), home); err != nil {
			t.Fatal(err)
		}
	}
}
