package authority

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Bounds of a simulation.
const (
	simulationParts   = 256 // of the key space; each is read on a snapshot of its own
	simulationStep    = 16  // parts in a step
	simulationModels  = 200 // told apart; the rest is counted together
	simulationSamples = 20  // of those noticed, of those locked, and of those lifted
)

// Outcome counts what a policy would do to devices, if every one of them checked in at this moment and officers approved all.
type Outcome struct {
	Devices int `json:"devices"`
	Denied  int `json:"denied"`  // decisions that deny, whether or not anything follows
	Unclear int `json:"unclear"` // indeterminate decisions
	Noticed int `json:"noticed"` // would get a notice that they do not have
	Locked  int `json:"locked"`  // have had their notice and would be locked: by a wave that an officer approves
	Lifted  int `json:"lifted"`  // are noticed or locked by a rule, and would not be any more
}

func (o *Outcome) add(p Outcome) {
	o.Devices, o.Denied, o.Unclear = o.Devices+p.Devices, o.Denied+p.Denied, o.Unclear+p.Unclear
	o.Noticed, o.Locked, o.Lifted = o.Noticed+p.Noticed, o.Locked+p.Locked, o.Lifted+p.Lifted
}

// BeforeAfter sets the policy in force beside the one that is simulated. Before is zero when no policy is in force.
type BeforeAfter struct {
	Before Outcome `json:"before"`
	After  Outcome `json:"after"`
}

func (b *BeforeAfter) add(c BeforeAfter) { b.Before.add(c.Before); b.After.add(c.After) }

// SimulationSample is a device to which the policy would do something else than the one in force.
type SimulationSample struct {
	Device    device.ID      `json:"device"`
	Model     string         `json:"model"`
	Territory territory.Code `json:"territory"` // of activation
	Rule      string         `json:"rule"`
	What      string         `json:"what"` // "noticed", "locked", "lifted"
	Before    policy.Verdict `json:"before"`
	After     policy.Verdict `json:"after"`
	Why       string         `json:"why"` // reason of the decision under the new policy
}

// Simulation is what came of simulating a policy: the Result of a SimulationJob.
type Simulation struct {
	Policy      string                          `json:"policy"` // SHA-256 of the file, hexadecimal
	Title       string                          `json:"title"`
	At          time.Time                       `json:"at"`                // when it would be: now, or when the policy takes effect
	Against     string                          `json:"against,omitempty"` // title of the policy in force
	Total       BeforeAfter                     `json:"total"`
	ByTerritory map[territory.Code]*BeforeAfter `json:"by_territory"` // of activation; "" while not established
	ByModel     map[string]*BeforeAfter         `json:"by_model"`     // "others" for those beyond 200
	Samples     []SimulationSample              `json:"samples"`      // spread over the fleet
}

type simulationArguments struct {
	Name   string    `json:"name"`
	Source string    `json:"source"`
	At     time.Time `json:"at"`
}

// Simulate begins a job that counts what a policy would do to every device, beside what the policy in force does: who would be noticed, who
// locked, who lifted. It changes nothing. The policy needs no signatures; one with failing tests is refused.
func (s *Service) Simulate(ctx context.Context, actor *Officer, name string, source []byte) (*Job, error) {
	if err := allow(actor, MayInvestigate); err != nil {
		return nil, err
	}
	name, err := line("name", name, 1, 100)
	if err != nil {
		return nil, err
	}
	now := s.now()
	e, _, err := checkedEdition(name, source, now)
	if err != nil {
		return nil, err
	}
	j, err := newJob(SimulationJob, "", actor.Name, now, simulationArguments{name, string(source), later(now, e.extract.Effective)})
	if err != nil {
		return nil, err
	}
	j.Total = simulationParts
	if err := s.update(ctx, func(tx Tx) error { return begin(tx, j) }); err != nil {
		return nil, err
	}
	s.handOver(ctx, j)
	return j, nil
}

// simulationStep counts some parts of the key space.
func (s *Service) simulationStep(ctx context.Context, j *Job) error {
	var a simulationArguments
	var part int
	result := Simulation{ByTerritory: map[territory.Code]*BeforeAfter{}, ByModel: map[string]*BeforeAfter{}}
	if err := unpack(j, &a, &part, &result); err != nil {
		return err
	}
	sim, err := s.simulation(ctx, a)
	if err != nil {
		return err
	}
	counts := make([]*Simulation, min(simulationStep, simulationParts-part))
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range counts {
		group.Go(func() (err error) {
			counts[i], err = sim.part(working, part+i)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	sim.head(&result)
	for _, c := range counts {
		result.merge(c)
	}
	now := s.now()
	err = s.update(ctx, func(tx Tx) error {
		next := *j
		next.Done = int64(part + len(counts))
		if next.Done == simulationParts {
			next.State = JobDone
		}
		return advance(tx, now, &next, part+len(counts), result)
	})
	if err == nil && part+len(counts) == simulationParts {
		s.counters.jobs.WithLabelValues(j.Kind, string(JobDone)).Inc()
	}
	return err
}

// simulation is two policies, held side by side at one moment.
type simulation struct {
	s        *Service
	at       time.Time
	old, new *edition // old is nil when no policy is in force
	grounds  []order.Ground
}

// simulated keeps the policies that the last few simulations are about, so that a step need not read one and run its tests again. The zero
// value is empty.
type simulated struct {
	mu   sync.Mutex
	list []compiledPolicy // the one that was asked for last at the end
}

type compiledPolicy struct {
	of      [32]byte // hash of the arguments
	edition *edition
}

// maxSimulated is how many are kept: more are hardly simulated at once.
const maxSimulated = 4

// edition returns the policy of these arguments, as checkedEdition does.
func (m *simulated) edition(a simulationArguments) (*edition, error) {
	text, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	of := sha256.Sum256(text)
	m.mu.Lock()
	defer m.mu.Unlock() // whoever comes for the same one meanwhile waits for it
	if i := slices.IndexFunc(m.list, func(c compiledPolicy) bool { return c.of == of }); i >= 0 {
		found := m.list[i]
		m.list = append(slices.Delete(m.list, i, i+1), found)
		return found.edition, nil
	}
	e, _, err := checkedEdition(a.Name, []byte(a.Source), a.At)
	if err != nil {
		return nil, err
	}
	if len(m.list) >= maxSimulated {
		m.list = slices.Delete(m.list, 0, 1)
	}
	m.list = append(m.list, compiledPolicy{of, e})
	return e, nil
}

func (s *Service) simulation(ctx context.Context, a simulationArguments) (*simulation, error) {
	e, err := s.simulated.edition(a)
	if err != nil {
		return nil, err
	}
	sim := &simulation{s: s, at: a.At, new: e}
	if sim.old, err = s.inForce(ctx, a.At); err != nil && !errors.Is(err, ErrNoPolicy) {
		return nil, err
	}
	seen := make(map[string]bool)
	editions, err := s.editions(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range append(slices.Clone(editions), e) {
		for _, entry := range e.policy.Territories() {
			if !seen[entry.Rule] {
				seen[entry.Rule] = true
				sim.grounds = append(sim.grounds, order.Ground{Kind: order.Rule, ID: entry.Rule})
			}
		}
	}
	return sim, nil
}

func (m *simulation) head(r *Simulation) {
	r.Policy, r.Title, r.At = hex.EncodeToString(m.new.document.Hash[:]), m.new.policy.Title, m.at
	if m.old != nil {
		r.Against = m.old.policy.Title
	}
}

// bounds are the ids of a part: from the first one on, to just before the second, which is zero for the last part.
func bounds(part int) (from, to device.ID) {
	const width = 1 << 56 // 2⁶⁴ in 256 parts
	binary.BigEndian.PutUint64(from[:], uint64(part)*width)
	if part < simulationParts-1 {
		binary.BigEndian.PutUint64(to[:], uint64(part+1)*width)
	}
	return from, to
}

var errEnough = errors.New("enough for a step")

// part counts one part on a snapshot.
func (m *simulation) part(ctx context.Context, n int) (c *Simulation, err error) {
	from, to := bounds(n)
	err = m.s.view(ctx, func(tx Tx) error {
		c = &Simulation{ByTerritory: map[territory.Code]*BeforeAfter{}, ByModel: map[string]*BeforeAfter{}}
		active, err := m.active(tx, from, to)
		if err != nil {
			return err
		}
		i := 0
		var doubts []doubt
		err = tx.ScanDevices(from, to, func(d *Device) error {
			if i++; i%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			doubts = m.count(c, d, active[d.ID], doubts)
			return nil
		})
		if err != nil {
			return err
		}
		for _, d := range doubts {
			if err := c.settle(tx, d); err != nil {
				return err
			}
		}
		return nil
	})
	return c, err
}

// doubt is a device that would be noticed, unless the ground was lifted for good: which is looked up when the scan is over.
type doubt struct {
	id     device.ID
	ground order.Ground
	after  bool // by the new policy; otherwise by the one in force
	place  territory.Code
	model  string
}

// settle takes a notice out of the counts that would not be given: a lift that a person, a case or a code brought is final.
func (c *Simulation) settle(tx Tx, d doubt) error {
	r, err := tx.Restriction(d.id, d.ground)
	if none, err := absent(err); none || err != nil {
		return err
	}
	if r.Stage != order.Lifted || r.Cause == order.ByRule {
		return nil
	}
	for _, n := range []*BeforeAfter{&c.Total, c.ByTerritory[d.place], c.ByModel[d.model]} {
		if d.after {
			n.After.Noticed--
		} else {
			n.Before.Noticed--
		}
	}
	c.Samples = slices.DeleteFunc(c.Samples, func(s SimulationSample) bool { return s.Device == d.id && s.What == "noticed" })
	return nil
}

// active reads what is noticed or locked by rules in a part: in most parts little, so that no device needs a look-up of its own.
func (m *simulation) active(tx Tx, from, to device.ID) (map[device.ID][]*Restriction, error) {
	all := make(map[device.ID][]*Restriction)
	for _, g := range m.grounds {
		for after := justBefore(from); ; {
			page, err := tx.ActiveOn(g, after, sweepPage)
			if err != nil {
				return nil, err
			}
			over := len(page) < sweepPage
			for _, r := range page {
				if after = r.Device; !to.IsZero() && bytes.Compare(r.Device[:], to[:]) >= 0 {
					over = true
					break
				}
				all[r.Device] = append(all[r.Device], r)
			}
			if over {
				break
			}
		}
	}
	return all, nil
}

// justBefore is an id that comes before all from the given one on; only its first 8 bytes are looked at.
func justBefore(id device.ID) (b device.ID) {
	if n := binary.BigEndian.Uint64(id[:]); n > 0 {
		binary.BigEndian.PutUint64(b[:], n-1)
		copy(b[8:], "\xff\xff\xff\xff\xff\xff\xff\xff")
	}
	return b
}

// count asks both policies about a device.
func (m *simulation) count(c *Simulation, d *Device, active []*Restriction, doubts []doubt) []doubt {
	facts := m.s.factsOf(d)
	var place territory.Code
	if d.Activation != nil {
		place = d.Activation.Territory
	}
	var both BeforeAfter
	var was policy.Decision
	if m.old != nil {
		was = m.old.policy.Decide(facts, m.at)
		both.Before, _ = m.outcome(m.old, d, was, active)
		if both.Before.Noticed > 0 {
			doubts = append(doubts, doubt{d.ID, order.Ground{Kind: order.Rule, ID: was.Rule}, false, place, strings.Clone(facts.Model)})
		}
	}
	is := m.new.policy.Decide(facts, m.at)
	var rule string
	both.After, rule = m.outcome(m.new, d, is, active)
	if both.After.Noticed > 0 {
		doubts = append(doubts, doubt{d.ID, order.Ground{Kind: order.Rule, ID: is.Rule}, true, place, strings.Clone(facts.Model)})
	}
	c.Total.add(both)
	into(c.ByTerritory, place).add(both)
	model := facts.Model
	if c.ByModel[model] == nil {
		model = strings.Clone(model) // the record is good for this call only
	}
	into(c.ByModel, model).add(both)
	a, b := both.After, both.Before
	if a.Noticed != b.Noticed || a.Locked != b.Locked || a.Lifted != b.Lifted {
		c.sample(d, facts.Model, place, rule, was, is, both)
	}
	return doubts
}

func into[K comparable](m map[K]*BeforeAfter, k K) *BeforeAfter {
	v := m[k]
	if v == nil {
		v = new(BeforeAfter)
		m[k] = v
	}
	return v
}

// outcome is what a decision leads to, by the rules of a check-in and a sweep, and by which rule.
func (m *simulation) outcome(e *edition, d *Device, decision policy.Decision, active []*Restriction) (o Outcome, rule string) {
	o.Devices, rule = 1, decision.Rule
	standing := standingOf(d, restriction.Unclear)
	standing.HasPolicy = true
	terms := m.s.terms(e)
	stands := false
	for _, r := range active {
		stands = stands || r.Ground.ID == decision.Rule
		standing.Support = restriction.OfRule(r.Ground.ID, decision)
		switch restriction.Due(r, standing, terms, m.at) {
		case restriction.Propose:
			o.Locked = 1
		case restriction.LiftGone, restriction.LiftEnd:
			o.Lifted, rule = 1, r.Ground.ID
		case restriction.Nothing:
			if r.Stage == order.Noticed && r.Wave != 0 { // it waits for an officer
				o.Locked = 1
			}
		}
	}
	switch decision.Verdict {
	case policy.Indeterminate:
		o.Unclear = 1
	case policy.Deny:
		o.Denied = 1
		_, speaks := m.s.ruleBasis(e, decision.Rule, d)
		standing.Support = restriction.Holds
		if !stands && speaks && restriction.Due(nil, standing, terms, m.at) == restriction.Notify {
			o.Noticed = 1
		}
	}
	return o, rule
}

// sample keeps a device as an example of what would become different, as long as there is room for its sort in this part.
func (c *Simulation) sample(d *Device, model string, place territory.Code, rule string, was, is policy.Decision, both BeforeAfter) {
	what := "locked"
	switch a, b := both.After, both.Before; {
	case a.Noticed != b.Noticed:
		what = "noticed"
	case a.Lifted != b.Lifted:
		what = "lifted"
	}
	if slices.ContainsFunc(c.Samples, func(s SimulationSample) bool { return s.What == what }) {
		return
	}
	one := SimulationSample{Device: d.ID, Model: strings.Clone(model), Territory: place, Rule: rule, What: what, Before: was.Verdict, After: is.Verdict}
	if len(is.Reasons) > 0 {
		one.Why = is.Reasons[0].Text
	}
	c.Samples = append(c.Samples, one)
}

// merge adds what was counted in a part.
func (c *Simulation) merge(part *Simulation) {
	c.Total.add(part.Total)
	for place, n := range part.ByTerritory {
		into(c.ByTerritory, place).add(*n)
	}
	models := make([]string, 0, len(part.ByModel))
	for model := range part.ByModel {
		models = append(models, model)
	}
	slices.SortFunc(models, func(a, b string) int { // the most frequent first, so that they are told apart
		return cmp.Or(part.ByModel[b].After.Devices-part.ByModel[a].After.Devices, strings.Compare(a, b))
	})
	for _, model := range models {
		name := model
		if c.ByModel[name] == nil && len(c.ByModel) >= simulationModels {
			name = "others"
		}
		into(c.ByModel, name).add(*part.ByModel[model])
	}
	for _, s := range part.Samples {
		if n := count(c.Samples, func(o SimulationSample) bool { return o.What == s.What }); n < simulationSamples {
			c.Samples = append(c.Samples, s)
		}
	}
}

func count[T any](list []T, fits func(T) bool) (n int) {
	for _, v := range list {
		if fits(v) {
			n++
		}
	}
	return n
}
