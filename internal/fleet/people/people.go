// Package people writes the days of ordinary people with phones, for measurements: where they live and travel, what their phones see of it
// several times a day, and what the real assessment of package territory makes of that, as an agent would keep it.
//
//	p := people.New(1, 42, territory.DayOf(now)-90)
//	days := p.Days(territory.DayOf(now)-89, 90)
//
// The same seed and number give the same days. The shares are assumptions, told by [Distribution]; package fleet has the stories that try
// the rules out, which are no sample of anybody.
package people

import (
	"math/rand/v2"

	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Distribution says who the people are, in one sentence for whoever reads a figure that was measured with them.
const Distribution = "78 % stay home, 18 % make one to three trips of 2 to 16 days, 4 % cross a border most days; 3 % of days switched off, 4 looks a day, " +
	"each with GNSS 55 %, cell 97 %, SIM 98 %, Wi-Fi 50 %, address 80 %; 4 % behind a foreign address, 4 % with a foreign SIM"

// Horizon is for how many days from the first one a person's journeys are written; they are at home before and after.
const Horizon = 180

// Person is somebody with a phone. It may be used by many goroutines.
type Person struct {
	seed, number uint64
	home         phone.Place
	sim          territory.PLMN
	address      territory.Code
	trips        []trip
	across       *phone.Place // where a commuter works, beyond the border
}

type trip struct {
	from, to territory.Day // to is the day after
	place    phone.Place
}

var (
	homes = []phone.Place{phone.Madrid, phone.Rome, phone.Paris, phone.Berlin, phone.Warsaw, phone.MexicoCity, phone.Delhi, phone.Jakarta, phone.Kyiv,
		phone.Dubai, phone.NewYork}
	// elsewhere is where people travel to, a prohibited territory now and then.
	elsewhere = append([]phone.Place{phone.Havana, phone.Tehran, phone.Khartoum}, append(homes, homes...)...)
	// banned are homes in territories that both sample policies prohibit, without a general licence for phones.
	banned = []phone.Place{phone.Simferopol, phone.Pyongyang}
	// borders are homes and the workplaces on the other side; the policies allow both sides.
	borders = [][2]phone.Place{{phone.Basra, phone.Dubai}, {phone.Berlin, phone.Warsaw}, {phone.Paris, phone.Berlin}, {phone.Madrid, phone.Paris}}
)

// New returns person number n of a seed, whose journeys begin on the day from or later.
func New(seed, n uint64, from territory.Day) *Person {
	p := &Person{seed: seed, number: n}
	r := rand.New(rand.NewPCG(seed, n))
	p.settle(homes[r.IntN(len(homes))])
	switch share := r.Float64(); {
	case share < .04:
		pair := borders[r.IntN(len(borders))]
		p.settle(pair[0])
		p.across = &pair[1]
	case share < .22:
		at := from
		for range 1 + r.IntN(3) {
			at += territory.Day(r.IntN(Horizon / 3))
			t := trip{from: at, to: at + territory.Day(2+r.IntN(15)), place: elsewhere[r.IntN(len(elsewhere))]}
			p.trips, at = append(p.trips, t), t.to
		}
	}
	if r.Float64() < .04 {
		p.address = homes[r.IntN(len(homes))].Code.Country()
	}
	if r.Float64() < .04 {
		p.sim = homes[r.IntN(len(homes))].Cell
	}
	return p
}

// Banned returns person number n of those who live where the sample policies prohibit it, and stay there.
func Banned(seed, n uint64) *Person {
	p := &Person{seed: seed, number: n}
	p.settle(banned[n%uint64(len(banned))])
	return p
}

func (p *Person) settle(home phone.Place) {
	p.home, p.sim, p.address = home, home.Cell, home.Code.Country()
}

// Home is where the person lives.
func (p *Person) Home() phone.Place { return p.home }

// Day is what the phone keeps of a day; false when it was switched off. It never has coordinates.
func (p *Person) Day(d territory.Day) (territory.DayRecord, bool) {
	r := rand.New(rand.NewPCG(p.seed^uint64(d)*0x9e3779b97f4a7c15, p.number))
	if r.Float64() < .03 {
		return territory.DayRecord{}, false
	}
	var seen [4]territory.Assessment
	for look := range seen {
		seen[look] = territory.Assess(p.look(p.place(d, look, r), r))
	}
	return territory.Combine(d, seen[:]...), true
}

// Days are the days with a record among the n from first on, oldest first.
func (p *Person) Days(first territory.Day, n int) []territory.DayRecord {
	days := make([]territory.DayRecord, 0, n)
	for i := range n {
		if d, on := p.Day(first + territory.Day(i)); on {
			days = append(days, d)
		}
	}
	return days
}

// place is where the person is at one of the looks of a day.
func (p *Person) place(d territory.Day, look int, r *rand.Rand) phone.Place {
	if p.across != nil && d%7 < 5 && (look == 1 || look == 2) && r.Float64() < .8 {
		return *p.across
	}
	for _, t := range p.trips {
		if d >= t.from && d < t.to {
			return t.place
		}
	}
	return p.home
}

// look is what the phone sees at a place.
func (p *Person) look(at phone.Place, r *rand.Rand) (s territory.Signals) {
	scatter := .3
	if at.Tight {
		scatter = .0005
	}
	if r.Float64() < .55 {
		s.GNSS = &territory.Fix{Lat: at.Lat + scatter*(r.Float64()-.5), Lon: at.Lon + scatter*(r.Float64()-.5), AccuracyM: 5 + 60*r.Float64()}
	}
	if r.Float64() < .97 {
		s.Cell = at.Cell
	}
	if r.Float64() < .98 {
		s.SIM = p.sim
	}
	if r.Float64() < .5 {
		s.WiFi = at.WiFi
	}
	if r.Float64() < .8 {
		s.IP = p.address
	}
	return s
}
