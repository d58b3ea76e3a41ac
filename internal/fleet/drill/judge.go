package drill

import (
	"fmt"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/order"
)

// The terms of the story's policies, and by how much two honest clocks may differ.
const (
	noticeDays  = 14
	lockDays    = 180
	clockLeeway = 12 * time.Hour
)

// exits are the ways out that every screen has (Charter C1, C2).
var exits = []agent.Exit{
	agent.EmergencyCall, agent.Why, agent.ContactPeople, agent.Appeal, agent.UnlockCode, agent.NetworkSettings, agent.Language,
	agent.Accessibility, agent.SaveFiles,
}

// judge says whether a lock is wrong, from the story and the screen alone: it asks neither the agent's checks nor the server.
//
// A lock is right at most when a signed policy or warrant reaches this phone, when its notice came before it (the days that officers
// signed, or the Charter's seven; seen on three; and the date told), and until its end.
type judge struct {
	notices  map[order.Ground]*told
	wrong    string        // why, the first time
	shortest time.Duration // the shortest time from a notice to its lock
	fresh    bool          // locked since the takeover
	dates    bool          // see attack.dates
	old      bool          // see attack.allows
	hidden   bool          // see attack.hidden
	ahead    time.Duration // by how much a lock came before the date told, where that is not held against it
}

// told is what the screen said of one ground, in true time.
type told struct {
	first    time.Time // when the notice was first seen; zero for one from before the takeover
	days     map[int]bool
	deadline time.Time // the latest date that was told
	locked   time.Time
	ends     time.Time // for one locked before the takeover: when that lock ends
}

// begin takes down how the phone stood at the takeover.
func (j *judge) begin(v *victim) {
	j.notices = map[order.Ground]*told{}
	for _, g := range v.phone.Agent().Screen().Grounds {
		t := &told{deadline: g.Deadline, days: map[int]bool{}}
		if g.Stage == order.Locked {
			t.locked, t.ends = v.stage.began, g.EndsAt
		}
		if g.Stage == order.Noticed || g.Stage == order.Locked {
			j.notices[g.Ground] = t
		}
	}
}

// look compares the screen with the story.
func (j *judge) look(v *victim) {
	now, screen := v.stage.clock.Now(), v.phone.Agent().Screen()
	for _, exit := range exits {
		if !slices.Contains(screen.WayOut, exit) {
			j.say(now, "the screen has no way out by "+string(exit))
		}
	}
	for _, g := range screen.Grounds {
		switch g.Stage {
		case order.Noticed:
			j.noticed(now, g)
		case order.Locked:
			if why := j.lock(v, now, g); why != "" {
				j.say(now, why)
			}
		}
	}
}

func (j *judge) say(now time.Time, why string) {
	if j.wrong == "" {
		j.wrong = fmt.Sprintf("%s (day %d)", why, dayOf(now))
	}
}

func (j *judge) noticed(now time.Time, g agent.GroundView) {
	t := j.notices[g.Ground]
	if t == nil || !t.locked.IsZero() { // a new round
		t = &told{first: now, days: map[int]bool{}}
		j.notices[g.Ground] = t
	}
	t.days[dayOf(now)] = true
	if g.Deadline.After(t.deadline) {
		t.deadline = g.Deadline
	}
}

// lock says why a lock on a ground is wrong, or "".
func (j *judge) lock(v *victim, now time.Time, g agent.GroundView) string {
	if !slices.Contains(v.lawful, g.Ground) && !(j.old && g.Ground == rule("sudan")) {
		return "locked on " + g.Ground.String() + ", which nothing signed gives for this phone"
	}
	if j.hidden {
		return "locked on " + g.Ground.String() + " by an order that no witness cosigned"
	}
	t := j.notices[g.Ground]
	if t == nil {
		return "locked without any notice"
	}
	if t.locked.IsZero() {
		t.locked, j.fresh = now, true
		if why := j.early(g.Ground, t, now); why != "" {
			return why
		}
	}
	end := t.ends
	if end.IsZero() {
		end = t.locked.Add(lockDays * day)
	}
	if g.Ground.Kind == order.Warrant && v.stage.scene.ends.Before(end) {
		end = v.stage.scene.ends
	}
	if now.After(end.Add(clockLeeway)) {
		return fmt.Sprintf("still locked %v after its end", now.Sub(end).Round(time.Hour))
	}
	return ""
}

// early says why a lock came too soon after its notice, or "".
func (j *judge) early(g order.Ground, t *told, now time.Time) string {
	if ahead := t.deadline.Sub(now); ahead > clockLeeway && j.dates {
		j.ahead = max(j.ahead, ahead)
	} else if ahead > clockLeeway {
		return fmt.Sprintf("locked %v before the date told", t.deadline.Sub(now).Round(time.Hour))
	}
	if t.first.IsZero() {
		return ""
	}
	seen := now.Sub(t.first)
	if j.shortest == 0 || seen < j.shortest {
		j.shortest = seen
	}
	least := order.MinNotice
	if g.Kind == order.Rule {
		least = noticeDays*day - clockLeeway
	}
	if seen < least {
		return fmt.Sprintf("locked %v after its notice", seen.Round(time.Hour))
	}
	if len(t.days) < order.MinShownDays {
		return fmt.Sprintf("locked after a notice seen on %d days", len(t.days))
	}
	return ""
}
