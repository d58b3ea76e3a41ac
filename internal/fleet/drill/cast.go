package drill

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/fleet"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// The days of the honest story. Day 0 is fleet.Start, when the policy takes effect.
const (
	newPolicyDay = 12 // the policy that no longer names Sudan
	caseDay      = 6  // a case is opened on a diverted consignment, and another one on a second
	releaseDay   = 20 // the second case is concluded
	warrantDays  = 40 // from caseDay until the warrants end
	takeover     = 26 // the attacker has the server from the morning of this day on
)

// The cast of the story, by name.
const (
	madrid       = "at home in Madrid"
	newYork      = "imported to New York"
	traveller    = "of Madrid and travelling in Tehran"
	emigrant     = "two days in Madrid and then in Tehran for good"
	tehranNew    = "new in Tehran"
	havanaNew    = "new in Havana"
	tehranNotice = "in Tehran with a notice"
	havanaLocked = "in Havana and locked"
	damascusFree = "in Damascus and lifted by a person"
	khartoumFree = "in Khartoum and lifted with the new policy"
	khartoumOld  = "in Khartoum and long offline"
	held         = "of the diverted consignment and held"
	heldOffline  = "of the diverted consignment and long offline"
	neighbour    = "bought in the same shop as those of the consignment"
	released     = "of the second consignment and released"
)

const (
	firstConsignment  = "SHIP-2021-07-114"
	secondConsignment = "SHIP-2021-07-115"
)

// role is one phone's part: its life, and what ought to be possible with it at most.
type role struct {
	name        string
	market      territory.Code
	consignment string
	start       int                       // day on which it is switched on
	at          func(day int) phone.Place // where it is; days of the story
	online      func(day int) bool
	// lawful are the grounds on which this phone may be locked at all, known from how its life was written. Nothing else may
	// lock it, whatever the server says.
	lawful []order.Ground
}

func rule(id string) order.Ground { return order.Ground{Kind: order.Rule, ID: id} }

func stays(p phone.Place) func(int) phone.Place { return func(int) phone.Place { return p } }

// from is at one place before a day, and at another from then on.
func from(day int, before, after phone.Place) func(int) phone.Place {
	return func(d int) phone.Place {
		if d < day {
			return before
		}
		return after
	}
}

func always(int) bool { return true }

func until(day int) func(int) bool { return func(d int) bool { return d < day } }

func outside(from, to int) func(int) bool { return func(d int) bool { return d < from || d >= to } }

// cast writes every phone's part. first is the warrant for the first consignment.
func cast(first order.Ground) []role {
	return []role{
		{name: madrid, market: "ES", at: stays(phone.Madrid), online: always},
		{name: newYork, market: "ES", at: stays(phone.NewYork), online: always},
		{name: traveller, market: "ES", at: from(21, phone.Madrid, phone.Tehran), online: always},
		{name: emigrant, market: "ES", start: 18, at: from(20, phone.Madrid, phone.Tehran), online: always},
		{name: tehranNew, market: "AE", start: takeover - 2, at: stays(phone.Tehran), online: always, lawful: []order.Ground{rule("iran")}},
		{name: havanaNew, market: "MX", start: takeover - 2, at: stays(phone.Havana), online: always, lawful: []order.Ground{rule("cuba")}},
		{name: tehranNotice, market: "AE", start: takeover - 10, at: stays(phone.Tehran), online: always, lawful: []order.Ground{rule("iran")}},
		{name: havanaLocked, market: "MX", at: stays(phone.Havana), online: always, lawful: []order.Ground{rule("cuba")}},
		{name: damascusFree, market: "AE", at: stays(phone.Damascus), online: always},
		{name: khartoumFree, market: "AE", at: stays(phone.Khartoum), online: always},
		{name: khartoumOld, market: "AE", start: 8, at: stays(phone.Khartoum), online: outside(10, takeover)},
		{name: held, market: "IN", consignment: firstConsignment, at: stays(phone.Dubai), online: always, lawful: []order.Ground{first}},
		{name: heldOffline, market: "IN", consignment: firstConsignment, at: stays(phone.Dubai), online: until(5)},
		{name: neighbour, market: "AE", at: stays(phone.Dubai), online: always},
		{name: released, market: "IN", consignment: secondConsignment, at: stays(phone.Dubai), online: always},
	}
}

// world is what the phone sees on a day of the story: an honest sky, the network of the place, a SIM of its first place.
func (r *role) world(day int) phone.World {
	p := r.at(day)
	return phone.World{
		Fix:  &territory.Fix{Lat: p.Lat, Lon: p.Lon, AccuracyM: 15},
		Cell: p.Cell, SIM: r.at(r.start).Cell, WiFi: p.WiFi, Address: p.Addr(), Online: r.online(day),
	}
}

// dayOf is the day of the story at a time.
func dayOf(t time.Time) int { return int(t.Sub(fleet.Start) / (24 * time.Hour)) }

// morning is when a day of the story begins.
func morning(day int) time.Time { return fleet.Start.Add(time.Duration(day) * 24 * time.Hour) }
