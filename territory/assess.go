package territory

import (
	"cmp"
	"math"
	"slices"
)

// Fix is a satellite fix: degrees in WGS 84, and the radius in metres that holds the true place with 68 %, as Android's
// Location.getAccuracy gives it. It stays on the device.
type Fix struct{ Lat, Lon, AccuracyM float64 }

// Signals is what a device sees at one moment. Zero values mean absent.
type Signals struct {
	GNSS *Fix
	Cell PLMN // the network that serves the device
	SIM  PLMN // the home network of the SIM
	WiFi Code // the country that access points announce
	IP   Code // the territory of the public address
}

// Candidate is a territory and the probability that the device is in it, 0 to 1.
type Candidate struct {
	Territory   Code
	Probability float64
}

// Assessment is what one moment's signals say of the territory.
type Assessment struct {
	// Candidates, the likeliest first, at most 4. Their sum is at most 1: the rest is for candidates not listed and for
	// territories that no signal names. Empty when nothing is known.
	Candidates []Candidate
	Agree      Kinds // signals that may be met in the first candidate
	Against    Kinds // signals that name others only
	// Unsettled is set when there is a usable fix that does not single out a territory: its circle touches more than
	// one, or reaches beyond MaxAccuracyM, or its centre is in none. Such an assessment never decides, whatever the
	// other signals say.
	Unsettled bool
}

// Model is the likelihood model, with the network table that it reads. The zero value reads the embedded table.
type Model struct{ Networks *PLMNTable }

// The constants of the model. All rates but those with a source are assumptions, chosen on the side of doubt, and
// docs/assessment.md gives the reason for each.
const (
	wrongGNSS     = 0.002 // a fix, its circle widened as below, lies in no territory that the device is in: spoofed or false
	wrongCell     = 0.08  // a serving cell is of another territory: border towers and errors of the table
	wrongCellNear = 0.35  // the same, when a fix shows that the cell's territory is within towerReachM
	wrongCellFar  = 0.02  // the same, when a fix shows that no tower of the cell's territory can be heard
	wrongSIM      = 0.40  // a SIM is from another territory than the device is in
	wrongWiFi     = 0.20  // access points announce another country
	wrongIP       = 0.40  // the public address is of another territory: VPN, home-routed roaming, errors of the table

	minorShare = 0.01 // prior of a territory where a network merely cannot be excluded; the network's whole is 1

	circleFactor  = 3      // radius of the circle looked at, in 68 % radii
	bordersErrorM = 300    // added to it: the embedded borders are drawn to about 200 m
	noAccuracyM   = 100    // assumed when a receiver gives no accuracy
	maxAccuracyM  = 50_000 // a fix less accurate than this is no fix
	towerReachM   = 35_000 // GSM's largest timing advance, 63 steps of 554 m (3GPP TS 45.010)

	maxCandidates = 4
)

// Assess weighs the signals by the documented model, with the embedded network table. It is pure, and costs a few
// microseconds and two small allocations.
//
// Each signal is read as a set of territories. A fix names those that a circle touches, of three times its 68 % radius
// and 300 m more. A network code names those of the table; a Wi-Fi country and an address name theirs, and RU also what
// MCC 250 cannot exclude; an address of UA-43 or UA-40 names both. A signal that may be met in a territory that the fix names is read as naming that one.
//
// Each territory that a signal names has a prior: the largest share that a signal gives it, where a signal parts 1
// evenly among its set, but gives 0.01 to each member that the table lists as merely not excluded. Elsewhere, all
// territories that no signal names, has what the priors of all but the best candidate leave of 1.
//
// Each candidate's score is its prior times, for each signal, 1−e if the signal names it and e if not. Elsewhere's is
// its prior times every e. The e are: GNSS 0.002; cell 0.08, but with a fix that the cell does not agree with 0.35 if
// a territory of the cell's is within 35 km and 0.02 if not; SIM 0.4; Wi-Fi 0.2; address 0.4. A SIM and an address that
// name a common candidate count once, as naming what either names: roaming data leaves through the SIM's home. Scores over their sum are probabilities.
//
// Example: a phone in Havana, no fix, cell 368-01, SIM 214-01 (Spain), Wi-Fi CU, no address.
//
//	CU         1 × 0.92 × 0.40 × 0.80 = 0.2944
//	ES         1 × 0.08 × 0.60 × 0.20 = 0.0096
//	elsewhere  0 × 0.08 × 0.40 × 0.20 = 0
//	P(CU) = 0.2944 / 0.3040 = 0.968, cell and wifi agree, sim is against
func Assess(s Signals) Assessment { return Model{}.Assess(s) }

// Assess is the package's Assess with m's network table.
func (m Model) Assess(s Signals) Assessment {
	var b balance
	b.candidates, b.circle = b.room[:0], b.circleRoom[:0]
	b.read(m.table(), s)
	return b.weigh()
}

func (m Model) table() *PLMNTable {
	if m.Networks != nil {
		return m.Networks
	}
	return EmbeddedPLMNs()
}

// Decided returns the first candidate if its probability, rounded down to per cent, reaches percent, and the evidence
// may establish a territory: a fix that singles it out, or the serving cell together with the SIM or Wi-Fi. An address,
// a SIM, Wi-Fi or a cell alone never do, nor address, SIM and Wi-Fi together, whatever percent says. Percents under 50
// count as 50; none above 99 is ever reached.
func (a Assessment) Decided(percent uint8) (Code, bool) {
	if a.Unsettled || len(a.Candidates) == 0 || !mayEstablish(a.Agree) || a.percent() < max(percent, 50) {
		return Unknown, false
	}
	return a.Candidates[0].Territory, true
}

// mayEstablish reports whether signals of these kinds together are evidence of presence.
func mayEstablish(agree Kinds) bool {
	return agree.Has(GNSS) || agree.Has(Cell) && (agree.Has(SIM) || agree.Has(WiFi))
}

// percent is the first candidate's probability, rounded down, at most 99. The small term undoes binary fractions only.
func (a Assessment) percent() uint8 {
	return uint8(min(math.Floor(a.Candidates[0].Probability*100+1e-9), 99))
}

// balance is the working of one assessment.
type balance struct {
	readings   [kindCount]reading // by Kind; only those present count
	circle     []Code             // what the fix names
	candidates []weighed
	unsettled  bool

	circleRoom [8]Code
	room       [16]weighed
}

// reading is a signal as a set of territories.
type reading struct {
	present bool
	row     plmnRow
	fixed   bool // agrees with the fix: it is read as naming what the fix names
	wrong   float64
}

type weighed struct {
	code         Code
	prior, score float64
}

func (b *balance) read(networks *PLMNTable, s Signals) {
	if s.GNSS != nil && s.GNSS.usable() {
		b.readFix(*s.GNSS)
	}
	b.readNetwork(Cell, networks.row(s.Cell), wrongCell)
	b.readNetwork(SIM, networks.row(s.SIM), wrongSIM)
	b.readCountry(WiFi, s.WiFi, wrongWiFi)
	b.readCountry(IP, s.IP, wrongIP)
	for k := Cell; k < kindCount; k++ {
		r := &b.readings[k]
		r.fixed = r.present && slices.ContainsFunc(b.circle, r.row.stands)
	}
	if cell := &b.readings[Cell]; cell.present && len(b.circle) > 0 && !cell.fixed {
		cell.wrong = wrongCellFar
		if s.GNSS.near(&cell.row) {
			cell.wrong = wrongCellNear
		}
	}
}

// usable reports whether the fix says anything: a place on Earth, and an accuracy that a country could be told by.
func (f Fix) usable() bool {
	return f.Lat >= -90 && f.Lat <= 90 && f.Lon >= -180 && f.Lon <= 180 &&
		f.AccuracyM >= 0 && f.AccuracyM <= maxAccuracyM // NaN fails every comparison
}

// radius is that of the circle which the true place leaves once in 30,000 times if errors are normal; real ones have
// heavier tails.
func (f Fix) radius() float64 {
	if f.AccuracyM == 0 {
		f.AccuracyM = noAccuracyM
	}
	return circleFactor*f.AccuracyM + bordersErrorM
}

func (f Fix) near(cell *plmnRow) bool {
	var room [16]Code
	return slices.ContainsFunc(LocateWithin(room[:0], f.Lat, f.Lon, f.radius()+towerReachM), cell.stands)
}

func (b *balance) readFix(f Fix) {
	b.circle = LocateWithin(b.circle, f.Lat, f.Lon, f.radius())
	b.unsettled = len(b.circle) != 1 || Locate(f.Lat, f.Lon) == Unknown || f.radius() > MaxAccuracyM
	if len(b.circle) > 0 {
		b.readings[GNSS] = reading{present: true, row: plmnRow{serves: b.circle, all: b.circle}, wrong: wrongGNSS}
	}
}

func (b *balance) readNetwork(k Kind, row *plmnRow, wrong float64) {
	if row == nil || len(row.all) == 0 {
		return
	}
	r := reading{present: true, row: *row, wrong: wrong}
	if k == SIM {
		r.row.absent = nil // where its network does not serve its SIM can still be
	}
	b.readings[k] = r
}

// occupied are the territories where Russia's codes are in use: a Russian country code does not exclude them.
var occupied = [...]Code{"UA-43", "UA-40", "UA-14", "UA-09", "UA-23", "UA-65"}

var russia = plmnRow{
	serves: []Code{"RU"}, maybe: occupied[:], all: append([]Code{"RU"}, occupied[:]...),
}

// crimea is what an address of either code stands for: one carrier's networks reach customers in both.
var crimea = []Code{"UA-43", "UA-40"}

func (b *balance) readCountry(k Kind, c Code, wrong float64) {
	if !c.Valid() {
		return
	}
	var row plmnRow
	switch {
	case c == "RU":
		row = russia
	case k == IP && slices.Contains(crimea, c):
		row = plmnRow{serves: crimea, all: crimea}
	default:
		i, sub := slices.BinarySearch(subdivisions[:], c)
		one := subdivisions[i:min(i+1, len(subdivisions))]
		if !sub {
			i, _ = slices.BinarySearch(countries[:], c)
			one = countries[i : i+1]
		}
		row = plmnRow{serves: one, all: one}
	}
	b.readings[k] = reading{present: true, row: row, wrong: wrong}
}

// names reports whether a signal, read in the light of the fix, names c.
func (b *balance) names(k Kind, c Code) bool {
	r := &b.readings[k]
	return r.row.stands(c) && (!r.fixed || slices.Contains(b.circle, c))
}

func (b *balance) weigh() Assessment {
	b.nominate()
	if len(b.candidates) == 0 {
		return Assessment{Unsettled: b.unsettled}
	}
	joined := b.homeRouted()
	for i := range b.candidates {
		c := &b.candidates[i]
		c.score = c.prior * b.likelihood(joined, func(k Kind) bool { return b.names(k, c.code) })
	}
	slices.SortFunc(b.candidates, func(x, y weighed) int {
		return cmp.Or(cmp.Compare(y.score, x.score), cmp.Compare(x.code, y.code))
	})
	left, sum := 1.0, 0.0
	for i, c := range b.candidates {
		sum += c.score
		if i > 0 {
			left -= c.prior
		}
	}
	sum += max(left, 0) * b.likelihood(joined, func(Kind) bool { return false })
	return b.assessment(sum)
}

// nominate lists the candidates with their priors.
func (b *balance) nominate() {
	for k := range kindCount {
		r := &b.readings[k]
		if !r.present || r.fixed {
			continue
		}
		share := (1 - minorShare*float64(len(r.row.maybe))) / float64(len(r.row.serves))
		for i, c := range r.row.all {
			if i >= len(r.row.serves) {
				share = minorShare
			}
			b.propose(c, share)
		}
	}
}

func (b *balance) propose(c Code, prior float64) {
	for i := range b.candidates {
		if b.candidates[i].code == c {
			b.candidates[i].prior = max(b.candidates[i].prior, prior)
			return
		}
	}
	b.candidates = append(b.candidates, weighed{code: c, prior: prior})
}

// homeRouted reports whether SIM and address name a common candidate: they are then one witness.
func (b *balance) homeRouted() bool {
	if !b.readings[SIM].present || !b.readings[IP].present {
		return false
	}
	return slices.ContainsFunc(b.candidates, func(c weighed) bool { return b.names(SIM, c.code) && b.names(IP, c.code) })
}

func (b *balance) likelihood(joined bool, names func(Kind) bool) float64 {
	l := 1.0
	for k := range kindCount {
		r := &b.readings[k]
		if !r.present || joined && k == IP {
			continue
		}
		if names(k) || joined && k == SIM && names(IP) {
			l *= 1 - r.wrong
		} else {
			l *= r.wrong
		}
	}
	return l
}

func (b *balance) assessment(sum float64) Assessment {
	a := Assessment{Unsettled: b.unsettled}
	n := min(len(b.candidates), maxCandidates)
	a.Candidates = make([]Candidate, n)
	for i, c := range b.candidates[:n] {
		a.Candidates[i] = Candidate{c.code, c.score / sum}
	}
	first := a.Candidates[0].Territory
	for k := range kindCount {
		switch {
		case !b.readings[k].present:
		case b.names(k, first):
			a.Agree = a.Agree.With(k)
		default:
			a.Against = a.Against.With(k)
		}
	}
	return a
}
