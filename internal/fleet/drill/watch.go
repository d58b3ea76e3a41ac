package drill

import (
	"fmt"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// MonitorEvery is how often whoever monitors the ledger looks: what `bailiwick ledger monitor` does unless it is told otherwise.
const MonitorEvery = time.Minute

// Who may notice, in the words of a report.
const (
	monitor = "ledger monitor"
	counter = "whoever counts the ledger"
	phones  = "phones, in their evidence"
	cosig   = "the witness"
	owner   = "an owner, by ledger explain --public"

	unenrolled = "new phones, which do not enrol"
)

// finding is that somebody noticed something, so long after the attack began.
type finding struct {
	who, what string
	after     time.Duration
}

// watch is everybody who could notice. They run the code that people run; nothing is asserted.
type watch struct {
	stage    *stage
	auditor  *ledger.Auditor
	signed   map[[32]byte]edition // policies, by hash
	looked   time.Time
	seen     []byte // checkpoint at the last look
	found    ledger.Audited
	counted  map[order.ID]bool
	refused  int // by the witness, so far
	findings []finding
}

// edition is what the public knows of one signed policy.
type edition struct {
	effective time.Time
	codes     map[string][]territory.Code // by rule
}

func newWatch(st *stage) (*watch, error) {
	w := &watch{stage: st, signed: map[[32]byte]edition{}, counted: map[order.ID]bool{}, looked: st.began}
	trust := st.scene.trust
	verifier, err := proof.New(trust.Origin, trust.LogKey, trust.Witnesses, trust.Quorum)
	if err != nil {
		return nil, err
	}
	for _, d := range st.policies {
		p, err := policy.Parse(d.Name, d.Source)
		if err != nil {
			return nil, err
		}
		extract := p.DeviceExtract()
		e := edition{extract.Effective.Time(), map[string][]territory.Code{}}
		for _, r := range extract.Rules {
			e.codes[r.ID] = r.Codes
		}
		w.signed[d.Hash] = e
	}
	w.auditor = ledger.NewAuditor(st.public, verifier, nil, st.clock.Now)
	if w.found, err = w.auditor.Audit(st.ctx, nil); err != nil {
		return nil, fmt.Errorf("the ledger before the attack: %w", err)
	}
	w.seen = st.public.checkpoint
	return w, nil
}

// note keeps the first time that somebody notices the same thing.
func (w *watch) note(who, what string, at time.Time) {
	if !slices.ContainsFunc(w.findings, func(f finding) bool { return f.who == who && f.what == what }) {
		w.findings = append(w.findings, finding{who, what, at.Sub(w.stage.struck())})
	}
}

// until lets the monitor look at its times up to t, when there is anything new.
func (w *watch) until(t time.Time) error {
	w.witness()
	for next := w.looked.Add(MonitorEvery); !next.After(t); next = w.looked.Add(MonitorEvery) {
		if string(w.seen) == string(w.stage.public.checkpoint) {
			w.looked = t.Truncate(MonitorEvery)
			w.fresh(w.looked) // nothing else can have changed in between
			return nil
		}
		w.looked = next
		if err := w.look(next); err != nil {
			return err
		}
	}
	return nil
}

// witness takes down what the witness refused.
func (w *watch) witness() {
	b := w.stage.public
	for ; w.refused < len(b.refusals); w.refused++ {
		w.note(cosig, "refuses to cosign", w.stage.clock.Now())
	}
}

// look is one look of a monitor that also counts.
func (w *watch) look(at time.Time) error {
	w.seen = w.stage.public.checkpoint
	found, err := w.auditor.Audit(w.stage.ctx, func(_ uint64, raw []byte) error {
		leaf, err := order.ParseLeaf(raw)
		if err != nil {
			return fmt.Errorf("%w: %w", ledger.ErrNotOrder, err)
		}
		if id := order.LeafID(raw); !w.counted[id] { // a broken ledger is read again from the beginning
			w.counted[id] = true
			if what := w.strange(raw, leaf, at); what != "" {
				w.note(counter, what, at)
			}
		}
		return nil
	})
	fault := ledger.FaultOf(err)
	if err != nil && fault == "" {
		return err
	}
	if fault != "" {
		w.note(monitor, fault, at)
		w.found = ledger.Audited{} // of a broken ledger it says no more
		return nil
	}
	w.found = found
	w.fresh(at)
	return nil
}

// fresh is what a monitor that knows the witnesses says of the age of their cosignatures.
func (w *watch) fresh(at time.Time) {
	if err := w.found.Fresh(at); err != nil {
		w.note(monitor, ledger.FaultOf(err), at)
	}
}

// strange says what an order in the public ledger has that signed policies, signed warrants and officers' own decisions do not
// account for, or "".
func (w *watch) strange(raw []byte, leaf order.Leaf, at time.Time) string {
	if w.stage.scene.own[order.LeafID(raw)] {
		return ""
	}
	if leaf.Ground.Kind == order.Warrant {
		signed, err := w.stage.warrant(leaf.Ground)
		switch {
		case err != nil:
			return "orders by a warrant that nobody signed"
		case signed.Hash != leaf.Authority:
			return "orders by another warrant under a signed one's name"
		case !leaf.IssuedAt.Before(signed.EndsAt):
			return "orders by a warrant that has ended"
		}
	} else {
		e, known := w.signed[leaf.Authority]
		switch {
		case !known:
			return "orders by a policy that nobody signed"
		case !slices.Contains(e.codes[leaf.Ground.ID], leaf.Territory):
			return "orders on a territory that the rule does not name"
		}
		for _, other := range w.signed {
			if other.effective.After(e.effective) && !other.effective.After(leaf.IssuedAt) {
				return "orders by a policy that another one has replaced"
			}
		}
	}
	if leaf.IssuedAt.Before(at.Add(-day)) {
		return "orders that say they are older than their place in the ledger"
	}
	if leaf.Kind == order.Lock {
		return "locks that no officer approved"
	}
	return ""
}

// evidence takes down what a phone refused. It reaches the attacker's server, which may drop it, and is signed all the same.
func (w *watch) evidence(v *victim, said *evidence.Claims) {
	if said.ClockDoubt {
		w.note(phones, "a doubtful clock", w.stage.clock.Now())
	}
	for _, r := range said.Refusals {
		w.note(phones, r.Reason, w.stage.clock.Now())
	}
}
