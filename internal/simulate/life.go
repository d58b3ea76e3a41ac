package simulate

import (
	"bytes"
	"context"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const day = 24 * time.Hour

var (
	allowed    = []phone.Place{phone.Madrid, phone.Rome, phone.Warsaw, phone.MexicoCity, phone.Delhi, phone.NewYork}
	prohibited = []phone.Place{phone.Havana, phone.Santiago, phone.Tehran, phone.Shiraz, phone.Damascus}
)

// stay is a time at a place.
type stay struct {
	from, to time.Time
	place    phone.Place
}

// life is a device's story: where it is, what system it runs, how often it is used and in a network.
type life struct {
	home     phone.Place
	trips    []stay
	online   float64 // chance to be in a network when it is used
	used     float64 // chance that its owner looks at the screen
	switched float64 // chance to be switched off after use
	flipAt   time.Time
	from, to evidence.Boot // state of the boot chain before and after flipAt
	wipes    float64       // chance of a factory reset at a wake
	fiddles  float64       // chance that somebody sets the clock at a wake
}

func newLife(w *world, born time.Time) life {
	d := w.dice
	l := life{home: pick(d, prohibited...), online: pick(d, 0.5, 0.9, 0.97), used: pick(d, 0.5, 0.9), switched: pick(d, 0.02, 0.2, 0.5),
		from: evidence.BootVerified, to: evidence.BootVerified, fiddles: pick(d, 0, 0, 0.005, 0.05), wipes: pick(d, 0, 0, 0.002)}
	if d.chance(0.3) {
		l.home = pick(d, allowed...)
	}
	switch n := d.IntN(20); {
	case n == 0:
		l.from, l.to = evidence.BootCustom, evidence.BootCustom
	case n == 1:
		l.from, l.to = evidence.BootVerified, evidence.BootUnlocked
	case n == 2:
		l.from, l.to = evidence.BootUnlocked, evidence.BootVerified
	}
	l.flipAt = born.Add(d.between(10*day, 400*day))
	if d.chance(0.15) { // set up elsewhere than where it stays
		l.trips = append(l.trips, stay{born, born.Add(d.between(6*time.Hour, 6*day)), pick(d, append(allowed, prohibited...)...)})
	}
	for at := born.Add(d.between(8*day, 300*day)); d.chance(0.6); at = at.Add(d.between(60*day, 500*day)) {
		l.trips = append(l.trips, stay{at, at.Add(d.between(day, 40*day)), pick(d, append(allowed, prohibited...)...)})
	}
	return l
}

func (l *life) boot(now time.Time) evidence.Boot {
	if now.Before(l.flipAt) {
		return l.from
	}
	return l.to
}

func (l *life) at(now time.Time) phone.Place {
	for _, t := range l.trips {
		if !now.Before(t.from) && now.Before(t.to) {
			return t.place
		}
	}
	return l.home
}

// signals are what the device sees now. strong ones name the place for certain.
func (h *handset) signals() (s territory.Signals, strong bool) {
	d, place := h.w.dice, h.life.at(h.w.now)
	if d.chance(0.75) {
		s.GNSS = &territory.Fix{Lat: place.Lat, Lon: place.Lon, AccuracyM: 15}
	}
	if d.chance(0.95) {
		s.Cell = place.Cell
	}
	if d.chance(0.5) {
		s.WiFi = place.WiFi
	}
	if d.chance(0.8) {
		s.SIM = h.life.home.Cell
	}
	return s, s.GNSS != nil && s.Cell != ""
}

// turn queues the device's next turn, in the place of one that was queued before.
func (h *handset) turn(wait time.Duration) {
	h.turns++
	h.due = h.w.now.Add(wait)
	this := h.turns
	h.w.after(wait, func() {
		if this == h.turns {
			h.wake()
		}
	})
}

// called has the device come sooner than it would: settled devices check in every day, and only those check-ins that change something
// are simulated.
func (h *handset) called(within time.Duration) {
	d := h.w.dice
	wait := d.between(time.Minute, within)
	if h.agent != nil && h.agent.Enrolled() && h.due.After(h.w.now.Add(wait)) && d.chance(0.7) {
		h.turn(wait)
	}
}

// wake is a device's turn: it is switched on if it was off, used, and switched off again or left on until the next time.
func (h *handset) wake() {
	w := h.w
	w.result.Wakes++
	h.mishaps()
	h.boot()
	if h.on {
		h.use()
	}
	wait := h.pause()
	if h.on && w.dice.chance(h.life.switched) {
		h.off()
		wait = h.drawer(wait)
	}
	if !w.quiet {
		h.turn(wait)
	}
}

// mishaps are what happens to a device between two times of use.
func (h *handset) mishaps() {
	w, d := h.w, h.w.dice
	if !w.quiet && d.chance(h.life.fiddles*w.wild) {
		w.fault(ClockJump)
		h.touched, h.offset = w.now, pick(d, 0, d.between(-20*time.Hour, 20*time.Hour), d.between(-400*day, 400*day), time.Unix(0, 0).Sub(w.now))
	}
	if w.strikes(FullDisk, 0.01) {
		h.flash.fullTo = w.now.Add(d.between(time.Hour, 30*day))
	}
	switch record, err := h.flash.Load(); {
	case err != nil, w.quiet:
	case d.chance(h.life.wipes * w.wild):
		w.fault(LostRecord)
		h.reset()
	case h.counter != nil && h.old != nil && !bytes.Equal(h.old, record) && w.strikes(RolledBack, 0.004):
		h.off()
		h.flash.putBack(h.old)
		h.audit.rolledBack()
	case h.counter != nil && d.chance(0.1):
		h.old = record
	}
}

// reset is a factory reset: the record is gone, and what was kept of it elsewhere.
func (h *handset) reset() {
	h.off()
	h.flash.slots, h.old, h.wiped, h.refusedAtServer = [2][]byte{}, nil, true, nil
	h.audit.wiped()
}

// use is what an owner, a network and time make of a device that is on.
func (h *handset) use() {
	w, d := h.w, h.w.dice
	screen := h.audit.screen // of the tick after its boot, or new
	if h.audit.lookedAt != w.now {
		screen = h.agent.Screen()
	}
	hot := screen.Activation == nil || h.open(&screen) || w.quiet
	if hot || d.chance(0.15) {
		s, strong := h.signals()
		if h.do("observe", func() error { return h.agent.Observe(s) }) {
			h.audit.observed(h.life.at(w.now).Code, strong)
		}
	} else {
		h.do("tick", h.agent.Tick)
	}
	if h.on && (screen.Stage == order.Noticed || d.chance(0.05)) && d.chance(h.life.used) {
		h.audit.showing()
		h.do("shown", h.agent.Shown)
	}
	if !h.on || !w.quiet && !d.chance(h.life.online) {
		h.offline()
		return
	}
	if h.refusedAtServer != nil && (w.quiet || d.chance(0.3)) { // its owner resets it
		h.reset()
		h.boot()
	}
	if h.on && !h.agent.Enrolled() {
		h.enrol()
	}
	if h.on && h.agent.Enrolled() {
		if h.checkIn() {
			w.result.CheckIns++
		}
		h.appeal()
	}
}

// open reports whether the screen tells of something under way. A notice whose date is long past waits for what may never come.
func (h *handset) open(s *agent.Screen) bool {
	for i := range s.Grounds {
		g := &s.Grounds[i]
		if g.Stage == order.Noticed && h.w.now.Before(g.Deadline.Add(12*day)) || g.Stage == order.Locked && h.w.now.After(g.EndsAt.Add(-2*day)) {
			return true
		}
	}
	return false
}

// pause is how long it takes to the next turn: not long while something is under way or a date comes, and long when all is settled.
func (h *handset) pause() time.Duration {
	w, d := h.w, h.w.dice
	if !h.on || h.agent == nil { // it lost its power
		return d.between(time.Minute, pick(d, time.Hour, 2*day))
	}
	s := h.audit.screen
	wait := d.between(200*day, 700*day)
	switch {
	case !h.agent.Enrolled(), s.Activation == nil && w.now.Sub(h.born) < 60*day, h.open(&s):
		wait = d.between(4*time.Hour, 44*time.Hour)
	case s.Stage == order.Noticed, s.Stage == order.Locked:
		wait = d.between(10*day, 170*day)
	case s.Stage == order.Lifted && d.chance(0.1):
		wait = d.between(day, 20*day)
	}
	for _, g := range s.Grounds {
		for _, date := range []time.Time{g.EffectAt, g.EndsAt, g.Deadline} {
			if until := date.Sub(w.now); until > 0 && until < wait {
				wait = until + d.between(0, 2*time.Hour)
			}
		}
	}
	return wait
}

// drawer is for how long a device stays switched off that would have been used again after a while.
func (h *handset) drawer(wait time.Duration) time.Duration {
	w, d := h.w, h.w.dice
	if w.quiet || !d.chance(0.04) {
		return wait
	}
	w.fault(LongOff)
	wait = d.between(46*day, 500*day)
	if d.chance(0.3) { // the battery of its clock ran empty
		w.fault(ClockJump)
		h.touched, h.offset = w.now.Add(wait), time.Unix(0, 0).Sub(w.now)-wait
	}
	return wait
}

// offline is what an owner may do without a network: type a code that support gave on the telephone, or show a lift as a QR code.
func (h *handset) offline() {
	d := h.w.dice
	if !h.on || !h.agent.Enrolled() || h.w.quiet {
		return
	}
	s := h.audit.screen
	switch {
	case s.Stage == order.Locked && d.chance(0.1):
		h.code(s)
	case (s.Stage == order.Locked || s.Stage == order.Noticed) && d.chance(0.1):
		h.scan(s)
	}
}

func (h *handset) code(s agent.Screen) {
	w := h.w
	code := "12345678" // a guess
	if w.dice.chance(0.8) {
		err := w.server.ask("unlock code", func(ctx context.Context, a *authority.Service) error {
			d, err := a.FindDevice(ctx, string(h.made.imei))
			if err == nil {
				code, err = a.UnlockCode(ctx, w.office.officers[0], d.ID, s.Challenge, "The owner called.")
			}
			return err
		})
		if err != nil {
			return
		}
	}
	var result agent.CodeResult
	h.do("code", func() (err error) { result, err = h.agent.EnterCode(code); return err })
	h.audit.coded(result)
}

func (h *handset) scan(s agent.Screen) {
	var sealed *order.Sealed
	err := h.w.server.ask("owner's order", func(ctx context.Context, a *authority.Service) (err error) {
		sealed, err = a.OwnerOrder(ctx, string(h.made.imei), s.Reference)
		return err
	})
	if err != nil {
		return
	}
	h.w.books.leaf(h.made.imei, sealed)
	code, err := sealed.Marshal()
	if err != nil {
		h.w.violate("C9", "an order does not fit into a QR code: %v", err)
		return
	}
	answer := liftOnly(sealed)
	if answer == nil {
		return
	}
	h.audit.expect(answer)
	var out agent.Outcome
	var failed error
	h.do("scan", func() error { out, failed = h.agent.AcceptLift(code); return failed })
	h.audit.accepted(answer, out, failed)
}

// appeal is an owner's objection, now and then.
func (h *handset) appeal() {
	w := h.w
	if !h.on || w.quiet {
		return
	}
	s := h.audit.screen
	if s.Stage != order.Noticed && s.Stage != order.Locked || !w.dice.chance(0.03) {
		return
	}
	_ = w.server.ask("appeal", func(ctx context.Context, a *authority.Service) error {
		_, err := a.FileAppeal(ctx, string(h.made.imei), s.Reference, "I object.", "")
		return err
	})
	w.after(w.dice.between(day, 12*day), w.office.answer)
}
