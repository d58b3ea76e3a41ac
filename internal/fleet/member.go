package fleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// activationSpread is over how many days the fleet is switched on.
const activationSpread = 4

// member is one phone of the fleet, its story, and the auditor that watches it.
type member struct {
	cohort *cohort
	market phone.Place
	life   life
	start  int // day on which it is switched on
	phone  *phone.Phone
	rng    *mathrand.Rand
	audit  *auditor
	appeal int // day of the fleet on which its owner appealed; 0 before
}

// recruit writes the stories of n phones. The same seed gives the same stories.
func recruit(seed uint64, n int) []*member {
	groups := cohorts()
	var members []*member
	for i := range groups {
		c := &groups[i]
		size := max(1, int(float64(n)*c.share+.5))
		if i == 0 {
			size = 0 // the first cohort takes what the others leave
		}
		for range size {
			members = append(members, &member{cohort: c})
		}
	}
	for len(members) < n {
		members = append(members, &member{cohort: &groups[0]})
	}
	for i, m := range members {
		m.rng = mathrand.New(mathrand.NewPCG(seed, uint64(i)+1))
		m.market = m.cohort.market(m.rng)
		m.life = m.cohort.live(m.market, m.rng)
		m.start = m.rng.IntN(activationSpread)
	}
	mathrand.New(mathrand.NewPCG(seed, 0)).Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return members
}

// make builds the phone with its factory record.
func (m *member) make(n int, factory *sandbox.Factory, server string, client *http.Client, clock *Clock) (authority.Production, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority.Production{}, err
	}
	imei := sandbox.IMEI(m.cohort.model.tac, n)
	serial := fmt.Sprintf("BW%07d", n)
	chain, err := factory.Issue(imei, serial, key.Public())
	if err != nil {
		return authority.Production{}, err
	}
	m.audit = &auditor{member: m}
	watched := *client
	watched.Transport = m.audit.watch(client.Transport)
	m.phone, err = phone.New(phone.Config{
		IMEI: imei, Serial: serial, Model: m.cohort.model.name, Key: key, Chain: chain,
		Server: server, HTTP: &watched, Storage: agent.MemoryStorage(), Now: clock.Now,
	})
	if err != nil {
		return authority.Production{}, err
	}
	if m.life.boot != evidence.BootUnknown {
		m.phone.SetBoot(m.life.boot)
	}
	return authority.Production{
		IMEI: imei, Serial: serial, Model: m.cohort.model.name, Market: m.market.Code.Country(),
		Consignment: m.cohort.consignment, Consignee: m.cohort.consignee,
		ShippedOn: territory.DayOf(clock.Now()) - 40,
	}, nil
}

// morning puts the phone into its world of the day.
func (m *member) morning(day int) {
	age := day - m.start
	if age > 0 && m.life.restarts {
		m.phone.Restart()
	}
	if m.life.clockOffset != nil {
		m.phone.SetClockOffset(m.life.clockOffset(age, m.rng))
	}
	m.phone.Move(m.life.world(age, m.rng))
}

// use lives through a part of the day; the phone checks in when its agent wants to.
func (m *member) use(ctx context.Context, now time.Time) (checkedIn bool, err error) {
	if err := m.audit.around(now, m.phone.Use); err != nil {
		return false, fmt.Errorf("%s (%s): %w", m.phone.Config().Serial, m.cohort.name, err)
	}
	if !m.phone.World().Online || m.phone.Agent().Enrolled() && !m.phone.Due() {
		return false, nil
	}
	err = m.audit.around(now, func() error { return m.phone.CheckIn(ctx) })
	if err != nil && !errors.Is(err, phone.ErrOffline) {
		return false, fmt.Errorf("%s (%s): %w", m.phone.Config().Serial, m.cohort.name, err)
	}
	return true, nil
}

// outcome sums up what happened to the phone.
func (m *member) outcome() outcome {
	o := outcome{
		noticed: m.audit.everNoticed, locked: m.audit.everLocked, lifted: m.audit.everLifted,
		lockedNow: m.phone.Agent().Screen().Stage == order.Locked,
	}
	switch m.cohort.truth {
	case lockedInTheEnd:
		o.missedLock = !o.lockedNow
	case heldAndReleased:
		o.missedLock = !o.locked
		o.falseLock = o.locked && !m.audit.onlyWarrants
	case liftedOnAppeal:
		o.falseLock = o.lockedNow
	default:
		o.falseLock = o.locked
	}
	if m.cohort.truth == neverRestricted {
		o.falseNotice = o.noticed
	}
	return o
}

type outcome struct {
	noticed, locked, lifted, lockedNow bool
	falseLock, falseNotice, missedLock bool
}
