package fleet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// auditor stands beside one phone and checks the Charter from its own records: what the phone's screen says, true time
// and the story's true places. It asks neither the agent's state nor the server.
type auditor struct {
	member *member
	notary notary

	grounds      map[order.Ground]*observed
	everNoticed  bool
	everLocked   bool
	everLifted   bool
	onlyWarrants bool                      // every lock so far was under a warrant
	unnamed      bool                      // a lock was seen whose order evidence has yet to name
	applied      map[order.ID]order.Ground // locks that the phone says it followed
	sightings    int                       // of four bytes that could be a coordinate
	checked      int64
	violations   []string
}

// observed is what the auditor has seen of one ground.
type observed struct {
	stage         order.Stage
	shownOn       []territory.Day // true days on which the notice was on the screen
	firstSeen     time.Time
	deadline      time.Time // as told last
	lockedAt      time.Time
	endsAt        time.Time
	liftedFinally bool
}

// around lets the phone do something at true time now, and looks at its screen afterwards.
func (a *auditor) around(now time.Time, do func() error) error {
	if err := do(); err != nil {
		return err
	}
	a.look(now, a.member.phone.Agent().Screen())
	return nil
}

func (a *auditor) look(now time.Time, s agent.Screen) {
	if a.grounds == nil {
		a.grounds, a.applied, a.onlyWarrants = map[order.Ground]*observed{}, map[order.ID]order.Ground{}, true
	}
	a.wayOut(s)
	for _, g := range s.Grounds {
		seen := a.grounds[g.Ground]
		if seen == nil {
			seen = &observed{}
			a.grounds[g.Ground] = seen
		}
		a.lookAt(now, s, g, seen)
	}
}

// wayOut checks C1 and C2: every exit is there in every stage, saving files among them.
func (a *auditor) wayOut(s agent.Screen) {
	for _, exit := range agent.Exits() {
		a.check("C1", slices.Contains(s.WayOut, exit), "%v is not offered in stage %v", exit, s.Stage)
	}
	a.check("C2", slices.Contains(s.WayOut, agent.SaveFiles), "files cannot be saved in stage %v", s.Stage)
}

func (a *auditor) lookAt(now time.Time, s agent.Screen, g agent.GroundView, seen *observed) {
	if g.Stage == order.Noticed {
		if seen.firstSeen.IsZero() {
			seen.firstSeen = now
		}
		a.everNoticed = true
		if seen.stage != order.Noticed {
			a.check("C7", a.notary.vouches(g.Ground, order.Notice), "a notice on %v that two officers have not signed for", g.Ground)
		}
		a.check("C3", seen.deadline.IsZero() || !g.Deadline.Before(seen.deadline), "the date told moved from %v to %v", seen.deadline, g.Deadline)
		seen.deadline = g.Deadline
		if today := territory.DayOf(now); !slices.Contains(seen.shownOn, today) {
			seen.shownOn = append(seen.shownOn, today)
		}
	}
	if g.Stage == order.Locked && seen.stage != order.Locked {
		a.newLock(now, s, g, seen)
	}
	if g.Stage == order.Locked {
		a.check("C8", now.Before(seen.endsAt), "a lock that ends at %v still holds", seen.endsAt)
	}
	if g.Stage == order.Lifted && seen.stage != order.Lifted {
		a.everLifted = a.everLifted || seen.stage == order.Noticed || seen.stage == order.Locked
		seen.liftedFinally = seen.liftedFinally || g.LiftCause.Final()
	}
	seen.stage = g.Stage
}

// newLock checks everything that must be true when a device locks.
func (a *auditor) newLock(now time.Time, s agent.Screen, g agent.GroundView, seen *observed) {
	a.everLocked = true
	seen.lockedAt, seen.endsAt = now, g.EndsAt
	a.unnamed = true
	a.check("C7", a.notary.vouches(g.Ground, order.Lock), "a lock on %v that two officers have not signed for", g.Ground)
	a.check("C3", len(seen.shownOn) >= order.MinShownDays, "locked after a notice seen on %d days", len(seen.shownOn))
	a.check("C3", !seen.deadline.IsZero() && !now.Before(seen.deadline), "locked at %v before the date told, %v", now, seen.deadline)
	a.check("C3", now.Sub(seen.firstSeen) >= order.MinNotice-12*time.Hour, "locked %v after the first notice", now.Sub(seen.firstSeen))
	a.check("C9", !seen.liftedFinally, "locked again on %v, which a human had lifted", g.Ground)
	a.check("C8", !g.EndsAt.IsZero() && g.EndsAt.Sub(now) <= order.MaxLock+24*time.Hour, "a lock that ends at %v", g.EndsAt)
	a.check("C10", a.member.life.boot == evidence.BootUnknown, "locked in boot state %v", a.member.life.boot)
	a.check("C10", a.member.cohort.truth != noticedNotLocked && a.member.cohort.truth != neverRestricted, "locked in spite of doubt")
	if g.Ground.Kind == order.Warrant {
		a.check("C8", g.EndsAt.Sub(now) <= order.MaxHold, "a hold that ends at %v", g.EndsAt)
		return
	}
	a.onlyWarrants = false
	own := territory.Unknown
	if s.Activation != nil {
		own = s.Activation.Territory
	}
	home := a.member.life.at(0).Code
	a.check("C4", own == home, "locked without an own record of activation in %s (it says %q)", home, own)
	a.check("C5", g.Territory.Covers(home), "locked for %s, activated in %s", g.Territory, home)
}

// read learns from evidence on its way which order a new lock rests on.
func (a *auditor) read(path string, body []byte) {
	if !a.unnamed || path != protocol.PathCheckIn {
		return
	}
	token, err := evidence.Parse(body)
	if err != nil {
		return
	}
	claims, err := token.Verify(a.member.phone.Config().Key.Public())
	if err != nil {
		return
	}
	named := false
	for _, g := range claims.Grounds {
		if g.Stage == order.Locked {
			a.applied[g.Order], named = g.Ground, true
			a.check("C7", a.notary.rests(g.Order), "a lock on %v rests on what two officers have not signed", g.Ground)
		}
	}
	a.unnamed = !named
	a.check("C6", named || a.member.phone.Agent().Screen().Stage != order.Locked, "locked, and its evidence names no order")
}

// atTheEnd checks C6 for every lock that the phone followed: its order is in the ledger.
// A run that was cut short may end before the phone told of it.
func (a *auditor) atTheEnd(ledger map[order.ID]order.Leaf, cutShort bool) {
	a.check("C6", !a.unnamed || cutShort, "a lock without an order")
	a.check("C7", len(a.notary.faults) == 0, "%d times: %v", len(a.notary.faults), a.notary.faults)
	for id := range a.applied {
		leaf, logged := ledger[id]
		a.check("C6", logged && leaf.Kind == order.Lock && leaf.Ground == a.applied[id], "the lock %x is not in the ledger", id[:8])
	}
}

func (a *auditor) check(line string, holds bool, format string, args ...any) {
	a.checked++
	if !holds && len(a.violations) < 100 {
		a.violations = append(a.violations, fmt.Sprintf("%s, %s (%s): %s", line, a.member.phone.Config().Serial, a.member.cohort.name, fmt.Sprintf(format, args...)))
	}
}

// watch checks C11 on every byte that leaves the phone: no coordinate of the present fix is in it, in any of the ways in
// which software writes one.
func (a *auditor) watch(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Body == nil || r.Body == http.NoBody {
			return next.RoundTrip(r)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if err := r.Body.Close(); err != nil {
			return nil, err
		}
		a.read(r.URL.Path, body)
		if fix := a.member.phone.World().Fix; fix != nil {
			a.searchFor(fix.Lat, body, r.URL.Path)
			a.searchFor(fix.Lon, body, r.URL.Path)
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
		response, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		return response, a.overhear(r.URL.Path, response)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// searchFor looks for a coordinate in what leaves the phone. Four bytes also stand in a signature by chance, once in some
// million requests, so that a single sighting of them proves nothing; a phone that leaks does it again.
func (a *auditor) searchFor(degrees float64, body []byte, path string) {
	long, short := writings(degrees)
	for _, written := range long {
		a.check("C11", !bytes.Contains(body, written), "a coordinate left the phone in %s", path)
	}
	for _, written := range short {
		if bytes.Contains(body, written) {
			a.sightings++
		}
	}
	a.check("C11", a.sightings < 2, "a coordinate left the phone in %s, %d times", path, a.sightings)
}

// writings are the ways in which a coordinate of five or more significant digits may be written: those that do not occur
// by chance, and those of four bytes.
func writings(degrees float64) (long, short [][]byte) {
	scaled := func(by float64) []byte {
		return binary.BigEndian.AppendUint32(nil, uint32(int32(math.Round(degrees*by))))
	}
	return [][]byte{
			binary.BigEndian.AppendUint64(nil, math.Float64bits(degrees)),
			strconv.AppendFloat(nil, degrees, 'f', 3, 64),
		}, [][]byte{
			binary.BigEndian.AppendUint32(nil, math.Float32bits(float32(degrees))), scaled(1e7), scaled(1e6),
		}
}
