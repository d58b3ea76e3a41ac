package authority

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

const maxSamples = 50

// WaveDetail shows a wave as it has to be shown to whoever decides it: how many, where, on which ground, which models, what is odd,
// and samples spread over it with the why of each.
func (s *Service) WaveDetail(ctx context.Context, id int64) (*WaveDetail, error) {
	now := s.now()
	book, err := s.book(ctx, now)
	if err != nil {
		return nil, err
	}
	detail := &WaveDetail{}
	err = s.view(ctx, func(tx Tx) (err error) {
		*detail = WaveDetail{}
		if detail.Wave, err = tx.Wave(id); err != nil {
			return err
		}
		if detail.Fleet, err = tx.CountDevices(); err != nil {
			return err
		}
		items, err := waveSample(tx, detail.Wave)
		if err != nil {
			return err
		}
		before, err := tx.Waves(20)
		if err != nil {
			return err
		}
		detail.Sampled = detail.Wave.Size > maxCensus
		t := &turn{s: s, tx: tx, now: now}
		census, err := t.census(book, detail, items)
		if err != nil {
			return err
		}
		s.oddities(book, detail, census, before, now)
		return s.mindSimulation(tx, book.edition, detail, now)
	})
	if err != nil {
		return nil, err
	}
	return detail, nil
}

// A wave of up to maxCensus restrictions is counted whole; of a larger one, so many at evenly spread places of the key space: device ids
// are random, so that this is a fair sample. Whatever is approved is looked at one by one all the same.
const (
	maxCensus    = 5000
	censusPlaces = 100
)

func waveSample(tx Tx, w *Wave) (items []*Restriction, err error) {
	if w.Size <= maxCensus {
		return tx.WaveItems(w.ID, RestrictionKey{}, maxCensus)
	}
	var last RestrictionKey
	for i := range censusPlaces {
		var at device.ID
		binary.BigEndian.PutUint64(at[:], uint64(i)*(math.MaxUint64/censusPlaces))
		page, err := tx.WaveItems(w.ID, RestrictionKey{Device: at}, maxCensus/censusPlaces)
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			if bytes.Compare(r.Device[:], last.Device[:]) > 0 || len(items) == 0 { // where the wave is thin, places overlap
				items, last = append(items, r), keyOf(r)
			}
		}
	}
	return items, nil
}

// census is what is counted over a wave, or over a sample of it.
type census struct {
	doubted    int // clock doubt, or an appraisal other than genuine
	unseen     int // not seen for three days
	undecided  int // the decision made now is not a denial
	models     map[string]int
	consignees map[string]int
	places     map[string]int
	grounds    map[string]int
}

func (t *turn) census(b *book, detail *WaveDetail, items []*Restriction) (*census, error) {
	c := &census{models: map[string]int{}, consignees: map[string]int{}, places: map[string]int{}, grounds: map[string]int{}}
	step := max(1, (len(items)+maxSamples-1)/maxSamples)
	for i, r := range items {
		d, err := t.tx.Device(r.Device)
		if err != nil {
			return nil, err
		}
		l, err := t.look(b, d, r)
		if err != nil {
			return nil, err
		}
		c.add(t, d, r, l)
		if i%step == 0 && len(detail.Samples) < maxSamples {
			made, err := production(t.tx, d)
			if err != nil {
				return nil, err
			}
			sample := WaveSample{Restriction: r, Device: d, Production: made, Why: l.decision.Reasons, RuleName: ruleName(b.edition, r.Ground)}
			if r.Ground.Kind == order.Warrant {
				sample.RuleName = l.reason
			}
			detail.Samples = append(detail.Samples, sample)
		}
	}
	detail.LookedAt = len(items)
	detail.ByTerritory, detail.ByGround = ranked(c.places), ranked(c.grounds)
	detail.ByModel, detail.ByConsignee = ranked(c.models), ranked(c.consignees)
	return c, nil
}

func (c *census) add(t *turn, d *Device, r *Restriction, l *look) {
	if d.ClockDoubt || d.Attestation != policy.Genuine {
		c.doubted++
	}
	if t.now.Sub(d.LastSeen) > 3*24*time.Hour {
		c.unseen++
	}
	if r.Ground.Kind == order.Rule && l.decision.Verdict != policy.Deny {
		c.undecided++
	}
	model, consignee := d.Model, ""
	if made := d.Made; made != nil {
		model, consignee = cmp.Or(made.Model, d.Model), made.Consignee
	}
	place := string(r.Territory)
	if place == "" {
		place = string(d.Present())
	}
	c.models[model]++
	c.consignees[consignee]++
	c.places[place]++
	c.grounds[r.Ground.String()]++
}

// ranked lists counts, most first; equal ones by name.
func ranked[K ~string](counts map[K]int) []Count {
	list := make([]Count, 0, len(counts))
	for name, n := range counts {
		list = append(list, Count{string(name), n})
	}
	slices.SortFunc(list, func(a, b Count) int { return cmp.Or(b.Count-a.Count, cmp.Compare(a.Name, b.Name)) })
	return list
}

// oddities lists what an officer should look at. The two that stop are the breaker (DESIGN, flow 5).
func (s *Service) oddities(b *book, detail *WaveDetail, c *census, before []*Wave, now time.Time) {
	size := detail.Wave.Size
	if detail.Wave.State != WaveOpen || size == 0 {
		return
	}
	odd := func(stops bool, name, format string, args ...any) {
		detail.Odd = append(detail.Odd, Oddity{Name: name, Text: fmt.Sprintf(format, args...), Stops: stops})
	}
	br := s.cfg.Breaker
	if size > br.Least && float64(size) > br.Share*float64(detail.Fleet) {
		odd(true, "size", "%d locks would reach %.0f %% of the %d enrolled devices; more than %.0f %% is out of proportion.",
			size, 100*float64(size)/float64(max(detail.Fleet, 1)), detail.Fleet, 100*br.Share)
	}
	if e := b.edition; e != nil && size > br.Least && now.Sub(e.document.ActivateAt) < br.PolicyAge {
		odd(true, "policy-new", "The policy %q has been in force for %s only.", e.document.Name, now.Sub(e.document.ActivateAt).Round(time.Hour))
	}
	if b.edition != nil && !b.signed.stands(tuf.Policy, now) {
		odd(false, "signatures-ended", "The officers' signatures on the policy have ended: nothing is locked by it until they are renewed.")
	}
	if e := b.edition; e != nil && detail.Wave.PolicyHash != e.document.Hash {
		odd(false, "policy-changed", "Another policy was in force when this wave was opened; every restriction is decided about anew at approval.")
	}
	size = detail.LookedAt // what is said of parts is said of those that were looked at
	if c.undecided > 0 {
		odd(false, "undecided", "%d of %d are no longer denied by the policy and will be left out.", c.undecided, size)
	}
	if c.doubted > 0 {
		odd(false, "clock-doubt", "%d of %d have a doubtful clock or a system that is not appraised as genuine, and will be left out.", c.doubted, size)
	}
	if c.unseen > 0 {
		odd(false, "unseen", "%d of %d were not seen for three days.", c.unseen, size)
	}
	if usual := usualSize(before, detail.Wave.ID); usual > 0 && detail.Wave.Size > br.Least && detail.Wave.Size > 5*usual {
		odd(false, "spike", "This wave has %d locks; the waves before it had %d in the middle.", detail.Wave.Size, usual)
	}
	if n := mostOf(c.consignees); n.Name != "" && size >= 10 && n.Count*10 >= size*9 {
		odd(false, "one-consignee", "%d of %d were shipped to %s: perhaps a matter for a case rather than for its last buyers.", n.Count, size, n.Name)
	}
	if n := mostOf(c.models); len(c.models) == 1 && size >= 10 {
		odd(false, "one-model", "All %d are of the model %s.", size, n.Name)
	}
	if slices.ContainsFunc(detail.Odd, func(o Oddity) bool { return o.Stops }) {
		detail.Confirm = detail.Wave.Size
	}
}

// simulationAge is how long after a policy came into force it matters whether somebody has simulated it. What it does is known by then; jobs are forgotten later.
const simulationAge = 30 * 24 * time.Hour

// mindSimulation tells whoever decides a large wave by a young policy that nobody has counted beforehand what it would do to the fleet.
func (s *Service) mindSimulation(tx Tx, e *edition, detail *WaveDetail, now time.Time) error {
	if detail.Wave.State != WaveOpen || detail.Wave.Size <= s.cfg.Breaker.Least || e == nil || now.Sub(e.document.ActivateAt) >= simulationAge {
		return nil
	}
	jobs, err := tx.Jobs(maxUnfinished)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		var of struct {
			Policy string `json:"policy"`
		}
		if j.Kind == SimulationJob && j.State == JobDone && json.Unmarshal(j.Result, &of) == nil && of.Policy == hex.EncodeToString(e.document.Hash[:]) {
			return nil
		}
	}
	detail.Odd = append(detail.Odd, Oddity{Name: "policy-not-simulated",
		Text: fmt.Sprintf("No simulation of the policy %q is on record: nobody has counted what it does to this fleet (bailiwick policy simulate). Say in the note why it is approved all the same.", e.document.Name)})
	return nil
}

func mostOf[K ~string](counts map[K]int) Count {
	if list := ranked(counts); len(list) > 0 {
		return list[0]
	}
	return Count{}
}

// usualSize is the median size of the approved waves before.
func usualSize(before []*Wave, id int64) int {
	var sizes []int
	for _, w := range before {
		if w.ID != id && w.State == WaveApproved {
			sizes = append(sizes, w.Size)
		}
	}
	if len(sizes) < 3 {
		return 0
	}
	slices.Sort(sizes)
	return sizes[len(sizes)/2]
}

// ruleName is what people call a rule; empty for a warrant, and for a rule that the policy in force does not have.
func ruleName(e *edition, g order.Ground) string {
	if e == nil || g.Kind != order.Rule {
		return ""
	}
	return e.entries[g.ID].Name
}
