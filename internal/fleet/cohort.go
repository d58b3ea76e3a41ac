package fleet

import (
	"math/rand/v2"
	"time"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// truth is what ought to happen to a phone, known from how its life was written and from nothing that the system says.
type truth uint8

const (
	neverRestricted  truth = iota // lawful: no notice, no lock
	lockedInTheEnd                // notice, then a lock by the last day
	noticedNotLocked              // prohibited place, but a doubt that favours the owner: a lock is wrong
	heldAndReleased               // held by the case, lifted by its release
	liftedOnAppeal                // noticed or locked, then lifted for good by a human
)

// life is one phone's story: where it is on each day and what is odd about it. Day 0 is the day it is switched on.
type life struct {
	at          func(day int) phone.Place // where it is
	sim         territory.PLMN            // home network of its SIM; empty means the network of the first place
	cell        func(day int) territory.PLMN
	address     *phone.Place  // whose address it has, for a VPN
	noFix       bool          // no satellite reception
	accuracy    float64       // metres; 0 means 8 to 40 m, drawn
	boot        evidence.Boot // 0 means verified
	clockOffset func(day int, r *rand.Rand) time.Duration
	online      func(day int) bool
	restarts    bool // reboots every day
}

// cohort is a group of phones with one story.
type cohort struct {
	name        string
	expected    string // one sentence, for the report
	truth       truth
	share       float64 // of the fleet
	model       model
	market      func(r *rand.Rand) phone.Place // where it is meant to be sold
	consignment string
	consignee   string
	live        func(home phone.Place, r *rand.Rand) life
}

type model struct{ name, tac string }

var (
	lanternP = model{"Lantern P", "00100101"}
	lanternS = model{"Lantern S", "00100202"} // covered by the sample policy's general licence
)

const (
	divertedConsignment = "SHIP-2021-07-114"
	divertedConsignee   = "CONSIGNEE-17"
	aidConsignee        = "EXAMPLE-AID"
)

// markets are the official markets that phones of the story are made for.
var markets = []phone.Place{phone.Madrid, phone.Rome, phone.Paris, phone.Berlin, phone.Warsaw, phone.MexicoCity, phone.Delhi, phone.Jakarta, phone.Kyiv, phone.Dubai}

func anyMarket(r *rand.Rand) phone.Place { return markets[r.IntN(len(markets))] }

func always(c phone.Place) func(*rand.Rand) phone.Place {
	return func(*rand.Rand) phone.Place { return c }
}

func stays(places ...phone.Place) func(phone.Place, *rand.Rand) life {
	return func(_ phone.Place, r *rand.Rand) life {
		c := places[r.IntN(len(places))]
		return life{at: func(int) phone.Place { return c }}
	}
}

func staysHome(home phone.Place, _ *rand.Rand) life {
	return life{at: func(int) phone.Place { return home }}
}

// with changes a life that another story wrote.
func with(base func(phone.Place, *rand.Rand) life, change func(*life, *rand.Rand)) func(phone.Place, *rand.Rand) life {
	return func(home phone.Place, r *rand.Rand) life {
		l := base(home, r)
		change(&l, r)
		return l
	}
}

var prohibitedCities = []phone.Place{phone.Havana, phone.Tehran, phone.Damascus, phone.Pyongyang, phone.Khartoum, phone.Simferopol}

// travels lives at home for some days, then weeks in a prohibited territory, and comes back.
func travels(home phone.Place, r *rand.Rand) life {
	leave := 7 + r.IntN(8)
	back := leave + 14 + r.IntN(28)
	abroad := prohibitedCities[r.IntN(len(prohibitedCities))]
	return life{sim: home.Cell, at: func(day int) phone.Place {
		if day >= leave && day < back {
			return abroad
		}
		return home
	}}
}

// fliesTheNextDay is switched on at home for a day or two and then taken abroad for good: nobody can call that an
// activation abroad without doubt.
func fliesTheNextDay(home phone.Place, r *rand.Rand) life {
	leave := 1 + r.IntN(2)
	abroad := prohibitedCities[r.IntN(len(prohibitedCities))]
	return life{sim: home.Cell, at: func(day int) phone.Place {
		if day < leave {
			return home
		}
		return abroad
	}}
}

func cohorts() []cohort {
	return []cohort{
		{name: "home market", share: .21, truth: neverRestricted, model: lanternP, market: anyMarket, live: staysHome,
			expected: "activated where it was to be sold: never restricted"},
		{name: "traveller", share: .09, truth: neverRestricted, model: lanternP, market: anyMarket, live: travels,
			expected: "activated at home, weeks in a prohibited territory: never restricted"},
		{name: "flies out the next day", share: .02, truth: neverRestricted, model: lanternP, market: anyMarket, live: fliesTheNextDay,
			expected: "switched on at home, then abroad for good: doubt favours the owner"},
		{name: "unsupported market", share: .06, truth: neverRestricted, model: lanternP, market: always(phone.Madrid), live: stays(phone.NewYork),
			expected: "imported to the United States, which is no official market: allowed"},

		{name: "Cuba", share: .05, truth: lockedInTheEnd, model: lanternP, market: always(phone.MexicoCity), live: stays(phone.Havana, phone.Santiago),
			expected: "activated there: notice, date, lock"},
		{name: "Iran", share: .06, truth: lockedInTheEnd, model: lanternP, market: always(phone.Dubai), live: stays(phone.Tehran, phone.Shiraz),
			expected: "activated there: notice, date, lock"},
		{name: "Syria", share: .05, truth: lockedInTheEnd, model: lanternP, market: always(phone.Dubai), live: stays(phone.Damascus, phone.Aleppo),
			expected: "activated there: notice, date, lock"},
		{name: "North Korea", share: .02, truth: lockedInTheEnd, model: lanternP, market: always(phone.Delhi), live: stays(phone.Pyongyang),
			expected: "activated there: notice, date, lock"},
		{name: "Sudan", share: .04, truth: lockedInTheEnd, model: lanternP, market: always(phone.Dubai), live: stays(phone.Khartoum, phone.PortSudan),
			expected: "activated there: notice, date, lock"},
		{name: "Crimea", share: .04, truth: lockedInTheEnd, model: lanternP, market: always(phone.Kyiv), live: stays(phone.Simferopol, phone.Kerch),
			expected: "activated there: notice, date, lock"},
		{name: "Sevastopol", share: .02, truth: lockedInTheEnd, model: lanternP, market: always(phone.Warsaw), live: stays(phone.Sevastopol),
			expected: "activated there: notice, date, lock"},

		{name: "general licence", share: .03, truth: neverRestricted, model: lanternS, market: always(phone.MexicoCity), live: stays(phone.Havana),
			expected: "a class of goods that a general licence covers: never restricted"},
		{name: "individual licence", share: .02, truth: neverRestricted, model: lanternP, market: always(phone.Dubai), live: stays(phone.Damascus, phone.Aleppo),
			consignment: "SHIP-2021-06-031", consignee: aidConsignee,
			expected: "shipped to a consignee that holds a licence: never restricted"},

		{name: "border, lawful side", share: .04, truth: neverRestricted, model: lanternP, market: anyMarket,
			live:     with(stays(phone.Henichesk, phone.Chaplynka, phone.Khanaqin, phone.Basra, phone.Munsan), foreignTowers),
			expected: "kilometres from a prohibited territory, towers of both sides: never restricted"},
		{name: "border, prohibited side", share: .03, truth: lockedInTheEnd, model: lanternP, market: anyMarket,
			live:     stays(phone.Armiansk, phone.QasreShirin, phone.Kaesong),
			expected: "activated just inside: notice, date, lock"},
		{name: "on the line", share: .015, truth: neverRestricted, model: lanternP, market: anyMarket,
			live:     with(stays(phone.AtTheLine...), func(l *life, _ *rand.Rand) { l.accuracy = 2000 }),
			expected: "the fix reaches over the border: stays undecided, never restricted"},

		{name: "foreign SIM", share: .02, truth: neverRestricted, model: lanternP, market: anyMarket,
			live:     with(staysHome, func(l *life, r *rand.Rand) { l.sim = prohibitedCities[r.IntN(len(prohibitedCities))].Cell }),
			expected: "a SIM of a prohibited territory, at home: never restricted"},
		{name: "VPN address", share: .02, truth: neverRestricted, model: lanternP, market: anyMarket,
			live:     with(staysHome, func(l *life, _ *rand.Rand) { l.address = &phone.Tehran }),
			expected: "an address of a prohibited territory, at home: never restricted"},
		{name: "VPN address abroad", share: .01, truth: lockedInTheEnd, model: lanternP, market: always(phone.Dubai),
			live:     with(stays(phone.Tehran), func(l *life, _ *rand.Rand) { l.address = &phone.Berlin }),
			expected: "activated there behind a foreign address: notice, date, lock"},
		{name: "no GNSS", share: .02, truth: neverRestricted, model: lanternP, market: anyMarket,
			live:     with(staysHome, func(l *life, _ *rand.Rand) { l.noFix = true }),
			expected: "at home, without satellite reception: never restricted"},
		{name: "no GNSS, foreign SIM", share: .01, truth: neverRestricted, model: lanternP, market: anyMarket,
			live: with(staysHome, func(l *life, _ *rand.Rand) {
				l.noFix = true
				l.sim = phone.Havana.Cell
			}),
			expected: "at home, no satellites and a SIM of a prohibited territory: never restricted"},
		{name: "custom OS", share: .02, truth: neverRestricted, model: lanternP, market: always(phone.Dubai),
			live: with(stays(phone.Tehran, phone.Havana, phone.Damascus), func(l *life, r *rand.Rand) {
				l.boot = []evidence.Boot{evidence.BootCustom, evidence.BootUnlocked}[r.IntN(2)]
			}),
			expected: "another system in a prohibited territory: out of reach, not punished"},
		{name: "wrong clock, home", share: .01, truth: neverRestricted, model: lanternP, market: anyMarket,
			live:     with(staysHome, wrongClock),
			expected: "the clock is years off: never restricted"},
		{name: "wrong clock, abroad", share: .01, truth: lockedInTheEnd, model: lanternP, market: always(phone.Dubai),
			live:     with(stays(phone.Havana, phone.Tehran), wrongClock),
			expected: "a clock that is off but runs does no harm: notice, date, lock"},
		{name: "clock jumps daily", share: .01, truth: noticedNotLocked, model: lanternP, market: always(phone.Dubai),
			live:     with(stays(phone.Tehran, phone.Khartoum), jumpingClock),
			expected: "a clock that nobody can trust: noticed at most, doubt favours the owner"},
		{name: "weeks offline, home", share: .015, truth: neverRestricted, model: lanternP, market: anyMarket,
			live:     with(staysHome, offlineWeeks),
			expected: "weeks without a network: never restricted"},
		{name: "weeks offline, abroad", share: .015, truth: lockedInTheEnd, model: lanternP, market: always(phone.Dubai),
			live:     with(stays(phone.Tehran, phone.Damascus), offlineWeeks),
			expected: "weeks without a network: noticed and locked only after coming back"},
		{name: "appealed", share: .005, truth: liftedOnAppeal, model: lanternP, market: always(phone.Dubai), live: stays(phone.Damascus),
			expected: "the owner appeals, a human grants it: lifted for good"},
		{name: "diverted consignment", share: .03, truth: heldAndReleased, model: lanternP, market: always(phone.Delhi), live: diverted,
			consignment: divertedConsignment, consignee: divertedConsignee,
			expected: "held by the case with an end date, released when it is concluded"},
		{name: "diverted, then offline", share: .01, truth: heldAndReleased, model: lanternP, market: always(phone.Delhi),
			live:        with(diverted, offlineAtTheRelease),
			consignment: divertedConsignment, consignee: divertedConsignee,
			expected: "held, offline at the release: released when it comes back"},
	}
}

// foreignTowers lets the phone be served, on some days, by a tower from over the border.
func foreignTowers(l *life, r *rand.Rand) {
	over := map[territory.Code]territory.PLMN{"UA": "250-32", "IQ": "432-11", "KR": "467-05"}
	home := l.at(0)
	phase := r.IntN(3)
	l.cell = func(day int) territory.PLMN {
		if day%3 == phase {
			return over[home.Code.Country()]
		}
		return home.Cell
	}
}

func wrongClock(l *life, r *rand.Rand) {
	off := time.Duration(-1-r.IntN(50)) * 365 * 24 * time.Hour
	if r.IntN(3) == 0 {
		off = time.Duration(1+r.IntN(10)) * 365 * 24 * time.Hour
	}
	l.clockOffset = func(int, *rand.Rand) time.Duration { return off }
	l.restarts = r.IntN(2) == 0
}

func jumpingClock(l *life, _ *rand.Rand) {
	l.clockOffset = func(_ int, r *rand.Rand) time.Duration { return time.Duration(r.IntN(4000)-2000) * 24 * time.Hour }
	l.restarts = true
}

func offlineWeeks(l *life, r *rand.Rand) {
	from := 10 + r.IntN(6)
	until := from + 14 + r.IntN(8)
	l.online = func(day int) bool { return day < from || day >= until }
}

// diverted phones were shipped for one market and sold in others.
func diverted(_ phone.Place, r *rand.Rand) life {
	return stays(phone.Dubai, phone.NewYork, phone.Warsaw)(phone.Place{}, r)
}

func offlineAtTheRelease(l *life, r *rand.Rand) {
	back := releaseDay + 4 + r.IntN(5)
	l.online = func(day int) bool { return day < releaseDay-2-activationSpread || day >= back }
}

// world is what the phone sees on a day of its life.
func (l *life) world(day int, r *rand.Rand) phone.World {
	c := l.at(day)
	w := phone.World{Cell: c.Cell, SIM: l.sim, WiFi: c.WiFi, Address: c.Addr(), Online: true}
	if l.sim == "" {
		w.SIM = l.at(0).Cell
	}
	if l.cell != nil {
		w.Cell = l.cell(day)
	}
	if l.address != nil {
		w.Address = l.address.Addr()
	}
	if l.online != nil {
		w.Online = l.online(day)
	}
	scatter, accuracy := .02, 8+32*r.Float64()
	if c.Tight {
		scatter = .0005
	}
	if l.accuracy != 0 {
		accuracy = l.accuracy
	}
	fix := territory.Fix{Lat: c.Lat + scatter*(r.Float64()-.5), Lon: c.Lon + scatter*(r.Float64()-.5), AccuracyM: accuracy}
	if !l.noFix {
		w.Fix = &fix
	}
	return w
}
