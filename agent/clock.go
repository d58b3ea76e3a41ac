package agent

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// The figures of the rules on time. The package documentation says why.
const (
	clockSlack    = 12 * time.Hour      // by how much two clocks may differ and still agree
	longestOff    = 45 * 24 * time.Hour // a longer time switched off is not believed from the wall clock
	clockSaveStep = 15 * time.Minute    // how much of the own time a crash may cost

	// Where counts stop, so that no sum of them overflows whatever the clocks are set to.
	year          = 365 * 24 * time.Hour
	mostUptime    = mostElapsed
	mostElapsed   = 90 * year
	latestSeconds = int64(190 * year / time.Second) // Unix seconds, in 2159
	mostOwed      = int64(200 * year / time.Millisecond)
)

// reading is one look at the platform's clocks.
type reading struct {
	wall   int64 // Unix seconds, by the wall clock
	uptime time.Duration
	boot   string
}

// clock is the device's own account of time. It is a value: the agent advances it with readings and with the times
// that servers told, and asks it. The zero clock has not begun.
type clock struct {
	Begun bool

	// Elapsed is the device's own time since the clock began. It never goes back. Gap is the part of it, since the last
	// contact, that nobody but the wall clock vouches for: time switched off.
	Elapsed time.Duration
	Gap     time.Duration

	// The last reading.
	Wall   int64
	Uptime time.Duration
	Boot   string

	// Longest is the most that can have passed: Elapsed, and also the time switched off that was too long to be believed.
	// It ends restrictions, and is good for nothing else.
	Longest time.Duration

	// Server is the time, in Unix seconds, that the last contact told when Elapsed was ServerAt. Before the first
	// contact it is the first wall clock reading.
	Server    int64
	ServerAt  time.Duration
	Contacted bool

	// Base + Elapsed numbers the device's own days. It is set twice in a life: at the beginning and at enrolment.
	Base int64

	// Doubt forbids escalation.
	Doubt bool

	// Owed is by how many milliseconds servers have led the date away from the device's own time, in all: forward, and negative
	// for back. A server that agrees with its own lie at the next contact still owes it. Excused is how far forward of that was
	// believed because the device may have been switched off, and Booted says that it booted since the last contact.
	Owed    int64
	Excused time.Duration
	Booted  bool

	// ProofDue is the own time from which a contact that agrees proves the date that the first one told; 0 once it is proved. Before
	// nobody can say which of two dates was wrong, and none is held against anybody.
	ProofDue time.Duration
}

// read advances the clock to r. It reports whether something happened that must not be forgotten in a crash: a boot, or a
// wall clock that was set.
func (c *clock) read(r reading) (notable bool) {
	r.wall = min(max(r.wall, 0), latestSeconds)
	r.uptime = min(max(r.uptime, 0), mostUptime)
	if !c.Begun {
		*c = clock{Begun: true, Wall: r.wall, Uptime: r.uptime, Boot: r.boot, Server: r.wall, Base: r.wall}
		return true
	}
	walled := seconds(r.wall - c.Wall)
	if r.boot == c.Boot && r.uptime >= c.Uptime {
		grew := r.uptime - c.Uptime
		c.grow(grew) // whatever the wall clock was set to in the meantime
		notable = (walled - grew).Abs() > time.Minute
	} else {
		c.reboot(r, walled)
		notable = true
	}
	c.Wall, c.Uptime, c.Boot = r.wall, r.uptime, r.boot
	return notable
}

func (c *clock) grow(by time.Duration) {
	c.Elapsed = min(c.Elapsed+by, mostElapsed)
	c.Longest = min(c.Longest+by, mostElapsed)
}

// reboot accounts for the time between the last reading and a boot. What the device has been up since is certain.
func (c *clock) reboot(r reading, walled time.Duration) {
	up := r.uptime
	c.Booted = true
	if r.boot == c.Boot { // the monotonic clock went back within a boot: it vouches for nothing
		up, c.Doubt = 0, true
	}
	c.grow(up)
	switch {
	case walled < 0:
		c.Doubt = true
	case walled > longestOff:
		c.Doubt = true
		c.Longest = min(c.Longest+max(walled-up, 0), mostElapsed)
	case walled > up:
		c.grow(walled - up)
		c.Gap = min(c.Gap+walled-up, c.Elapsed-c.ServerAt)
	}
}

// contact takes the time that a server told just now. It raises doubt when the server's time and the device's own went
// different ways since the last contact, and ends it when they went the same way. At the first contact there is
// nothing to compare; shift is then by how many days the days numbered so far have to be moved.
func (c *clock) contact(server time.Time) (shift territory.Day) {
	now := min(max(server.Unix(), 0), latestSeconds)
	if !c.Contacted {
		likely := c.likely()
		shift = territory.DayOf(server) - territory.DayOf(likely)
		c.Base += now - likely.Unix()
		c.Doubt, c.ProofDue = false, min(c.Elapsed+clockSlack, mostElapsed)
	} else {
		drift := seconds(now-c.Server) - (c.Elapsed - c.ServerAt)
		c.owe(drift)
		c.Doubt = drift.Abs() > clockSlack || (time.Duration(c.Owed)*time.Millisecond).Abs() > clockSlack
	}
	c.Contacted, c.Server, c.ServerAt, c.Gap, c.Booted = true, now, c.Elapsed, 0, false
	return shift
}

// owe keeps the account of what servers tell beside the own time, which nobody can set while the device is on. Two honest clocks
// go apart by less than one second in a thousand; so much is forgotten as time passes. The way back pays what is owed. A boot excuses
// what time switched off explains of the rest: any time forward, and back what the wall clock alone vouched for. An excused step forward
// may be taken back.
func (c *clock) owe(drift time.Duration) {
	switch {
	case c.ProofDue == 0:
	case drift.Abs() > clockSlack:
		c.ProofDue = min(c.Elapsed+clockSlack, mostElapsed)
		return
	case c.Elapsed >= c.ProofDue:
		c.ProofDue = 0
	}
	leak := int64((c.Elapsed - c.ServerAt) / (1000 * time.Millisecond))
	owed := time.Duration(c.Owed-min(max(c.Owed, -leak), leak)) * time.Millisecond
	switch {
	case drift > 0:
		paid := min(drift, max(-owed, 0))
		owed, drift = owed+paid, drift-paid
		if c.Booted {
			if drift > clockSlack {
				c.Excused = min(drift, mostElapsed)
			}
			drift = 0
		}
	case drift < 0:
		paid := min(-drift, max(owed, 0))
		owed, drift = owed-paid, drift+paid
		drift += min(-drift, c.Gap)
		back := min(-drift, c.Excused)
		c.Excused, drift = c.Excused-back, drift+back
	}
	c.Owed = min(max(owed.Milliseconds()+drift.Milliseconds(), -mostOwed), mostOwed) // their sum as durations could overflow
}

// likely is the best estimate of the time now: what the server last told, and the own time since. A wall clock that is
// wrong by a constant does not touch it. Days are numbered by it, and it ends restrictions.
func (c clock) likely() time.Time { return c.told().Add(c.Elapsed - c.ServerAt) }

// latest is the later of the best estimate and the device's own calendar, which has counted since the enrolment and includes what the
// wall clock says of time switched off. What an escalation rests on has ended as soon as either says so: a server that lies the date
// back, by what the device was switched off or by more, keeps no old policy and no ended warrant alive.
func (c clock) latest() time.Time {
	own, likely := time.Unix(c.Base, 0).UTC().Add(c.Elapsed), c.likely()
	if own.After(likely) {
		return own
	}
	return likely
}

// certain is the least that the time can be if the server was right: the time switched off since then is not counted,
// because whoever sets the wall clock before a boot makes it. Restrictions begin by it.
func (c clock) certain() time.Time { return c.told().Add(c.Elapsed - c.ServerAt - c.Gap) }

func (c clock) told() time.Time { return time.Unix(c.Server, 0).UTC() }

// instant is a point of the device's own time.
type instant struct{ Elapsed, Longest time.Duration }

func (c clock) now() instant { return instant{c.Elapsed, c.Longest} }

// ended reports whether any reading says that a restriction is over which began at since, for span, until end
// (Charter C8): the estimate came to its end, or as much of its own time as it was told may have passed.
func (c clock) ended(end time.Time, since instant, span time.Duration) bool {
	return !c.likely().Before(end) || c.Elapsed-since.Elapsed >= span || c.Longest-since.Longest >= span
}

// today is the number of the day by the best estimate.
func (c clock) today() territory.Day { return territory.DayOf(c.likely()) }

// dayMark tells days apart in a way that neither a server that lies about the time nor an owner who sets the clock can
// hurry: a new day begins when both the certain time and the device's own time have come to another day.
type dayMark struct {
	Certain territory.Day
	Own     territory.Day
}

func (c clock) mark() dayMark {
	return dayMark{
		Certain: territory.DayOf(c.certain()),
		Own:     territory.DayOf(time.Unix(c.Base, 0).Add(c.Elapsed)),
	}
}

// after reports whether m is another day than before. Certain days need not ascend: a server that told a wrong time
// and mends it must not stop the count for years.
func (m dayMark) after(before dayMark) bool { return m.Own > before.Own && m.Certain != before.Certain }

// seconds is n seconds, at most 190 years either way.
func seconds(n int64) time.Duration {
	return time.Duration(min(max(n, -latestSeconds), latestSeconds)) * time.Second
}
