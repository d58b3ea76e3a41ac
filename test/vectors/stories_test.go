package vectors

import (
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

func makeLives(t *testing.T) (made []life) {
	tell := func(w *writer) { made = append(made, w.life) }

	w := activated(t, "notice, lock, and a lift by a person", cuba)
	w.locked()
	w.applied(w.checkIn(w.seal(w.lift(ruleCuba, order.ByHuman))), 1)
	w.wait(31 * oneDay)
	w.take(step{Do: "tick"})
	w.refusedFor(w.checkIn(w.seal(w.notice(ruleCuba))), "ground-finally-lifted")
	tell(w)

	w = activated(t, "a lock ends by itself, in a device that is offline", cuba)
	lock := w.locked()
	w.wait(lock.EndsAt.Sub(w.now) - time.Second)
	w.take(step{Do: "tick"})
	w.wait(time.Second)
	w.take(step{Do: "tick"})
	tell(w)

	w = activated(t, "a lift without a network, after a boot with a wrong clock", cuba)
	w.locked()
	w.offset = -20 * 365 * oneDay
	w.off(time.Hour)
	w.take(step{Do: "lift", Data: must(w.seal(w.lift(ruleCuba, order.ByRule)).Marshal())(t)})
	tell(w)

	w = activated(t, "a clock set forward hurries nothing", cuba)
	n := w.notice(ruleCuba)
	w.applied(w.checkIn(w.seal(n), w.seal(w.lock(n))), 2)
	w.offset = 20 * oneDay
	w.take(step{Do: "tick"})
	w.off(time.Hour)
	w.take(step{Do: "tick"})
	tell(w)

	w = activated(t, "a hold by warrant, and its end", berlin)
	v := w.warrant()
	hn, hl := w.hold(v)
	first := w.seal(hn)
	w.applied(w.deliver(w.with(v), w.seal(hl), first), 2) // the wrong way round
	w.liveDays(berlin, 11)
	w.wait(v.EndsAt.Sub(w.now))
	w.take(step{Do: "tick"})
	tell(w)

	for _, r := range ruleRefusals() {
		place := cuba
		if r.elsewhere {
			place = berlin
		}
		w := newWriter(t, "refused: "+r.reason+r.note)
		w.take(step{Do: "enrol", Data: w.enrolAnswer()})
		if !r.unseen {
			w.liveDays(place, 3)
		}
		w.refusedFor(r.last(w), r.reason)
		tell(w)
	}
	for _, r := range officersRefusals() {
		place := cuba
		if r.elsewhere {
			place = berlin
		}
		w := activated(t, "refused: "+r.reason+r.note, place)
		w.refusedFor(r.last(w), r.reason)
		tell(w)
	}
	for _, r := range holdRefusals() {
		w := activated(t, "refused: "+r.reason+r.note, berlin)
		w.refusedFor(r.last(w), r.reason)
		tell(w)
	}
	return made
}

// refusing is a life that ends with an order, or a policy, that is refused.
type refusing struct {
	reason, note      string
	elsewhere, unseen bool
	last              func(w *writer) step
}

// one is a life that ends with one order.
func one(l func(w *writer) order.Leaf) func(w *writer) step {
	return func(w *writer) step { w.t.Helper(); return w.checkIn(w.seal(l(w))) }
}

func notice(w *writer) order.Leaf { return w.notice(ruleCuba) }

func ruleRefusals() []refusing {
	today := func(w *writer) territory.Day { return territory.DayOf(w.now) }
	reviewed := func(change func(w *writer, p *protocol.Policy)) func(w *writer) step {
		return func(w *writer) step {
			w.review(func(p *protocol.Policy) { change(w, p) })
			return w.checkIn(w.seal(w.notice(ruleCuba)))
		}
	}
	return []refusing{
		{reason: "leaf-malformed", last: func(w *writer) step {
			s := w.seal(notice(w))
			s.Leaf = []byte{0xa1, 0, 9}
			s.Proof = w.ledger.proof(w.ledger.append(s.Leaf))
			return w.checkIn(s)
		}},
		{reason: "commitment-mismatch", last: func(w *writer) step {
			s := w.commit(notice(w), "another")
			s.Proof = w.ledger.proof(w.ledger.append(s.Leaf))
			return w.checkIn(s)
		}},
		{reason: "salt-reused", last: func(w *writer) step {
			first := w.seal(notice(w))
			w.applied(w.checkIn(first), 1)
			l := notice(w)
			l.Deadline = l.Deadline.Add(oneDay)
			return w.checkIn(w.again(l, first))
		}},
		{reason: "proof-invalid", last: func(w *writer) step {
			s := w.commit(notice(w), "life")
			s.Proof = w.ledger.proof(w.ledger.append([]byte("another entry")))
			return w.checkIn(s)
		}},
		{reason: "policy-unknown", last: one(func(w *writer) order.Leaf { l := notice(w); l.Authority = seed("no policy"); return l })},
		{reason: "policy-not-effective", last: reviewed(func(w *writer, p *protocol.Policy) { p.Effective = w.now.Add(20 * oneDay) })},
		{reason: "policy-stale", last: reviewed(func(w *writer, p *protocol.Policy) { p.Rules[0].ReviewBy = today(w) - 1 })},
		{reason: "rule-not-in-force", last: reviewed(func(w *writer, p *protocol.Policy) { p.Rules[0].Until = today(w) - 1 })},
		{reason: "rule-unknown", last: one(func(w *writer) order.Leaf { l := notice(w); l.Ground.ID = "atlantis"; return l })},
		{reason: "territory-not-in-rule", last: one(func(w *writer) order.Leaf { l := notice(w); l.Territory = "IR"; return l })},
		{reason: "no-own-activation", unseen: true, last: one(notice)},
		{reason: "activated-elsewhere", elsewhere: true, last: one(notice)},
		{reason: "activation-mixed", unseen: true, last: func(w *writer) step {
			w.liveDays(berlin, 1)
			w.liveDays(cuba, 4)
			return w.checkIn(w.seal(notice(w)))
		}},
		{reason: "activated-before-policy", last: reviewed(func(w *writer, p *protocol.Policy) { p.AppliesFrom = today(w) })},
		{reason: "activated-outside-rule", last: reviewed(func(w *writer, p *protocol.Policy) { p.Rules[0].Since = today(w) })},
		{reason: "boot-not-verified", last: one(func(w *writer) order.Leaf { w.boot = evidence.BootCustom; return notice(w) })},
		{reason: "boot-not-verified", note: ", for a lock", last: one(func(w *writer) order.Leaf {
			n := w.noticed()
			w.boot = evidence.BootUnlocked
			return w.lock(n)
		})},
		{reason: "clock-doubtful", last: func(w *writer) step { w.off(100 * oneDay); return w.checkIn(w.seal(notice(w))) }},
		{reason: "notice-too-short", note: " for the Charter", last: one(func(w *writer) order.Leaf {
			l := notice(w)
			l.IssuedAt, l.Deadline = l.IssuedAt.Add(-5*oneDay), w.now.Add(order.MinNotice-time.Second)
			return l
		})},
		{reason: "notice-too-short", note: " for the policy", last: one(func(w *writer) order.Leaf {
			l := notice(w)
			l.Deadline = l.IssuedAt.Add(10*oneDay - time.Second)
			return l
		})},
		{reason: "deadline-moved-earlier", last: one(func(w *writer) order.Leaf { l := w.noticed(); l.Deadline = l.Deadline.Add(-time.Second); return l })},
		{reason: "no-notice", last: one(func(w *writer) order.Leaf { return w.lock(notice(w)) })},
		{reason: "lock-too-long", last: one(func(w *writer) order.Leaf {
			l := w.lock(w.noticed())
			l.EndsAt = l.EffectAt.Add(365*oneDay + time.Second)
			return l
		})},
		{reason: "end-passed", last: one(func(w *writer) order.Leaf {
			l := w.lock(w.noticed())
			w.wait(43 * oneDay)
			w.take(step{Do: "tick"})
			return l
		})},
		{reason: "already-locked", last: one(func(w *writer) order.Leaf {
			l := w.locked()
			l.EndsAt = l.EndsAt.Add(oneDay)
			return l
		})},
		{reason: "overtaken-by-notice", last: func(w *writer) step {
			n := w.noticed()
			w.applied(w.checkIn(w.seal(w.lock(n))), 1)
			later := n
			later.Deadline = n.Deadline.Add(5 * oneDay)
			w.checkIn(w.seal(later))
			return step{Refused: w.take(step{Do: "evidence"}).Claims.Refusals}
		}},
		{reason: "overtaken-by-lock", last: func(w *writer) step {
			n := w.noticed()
			w.applied(w.checkIn(w.seal(w.lock(n))), 1)
			later := w.lock(n)
			later.EndsAt = later.EndsAt.Add(oneDay)
			w.checkIn(w.seal(later))
			return step{Refused: w.take(step{Do: "evidence"}).Claims.Refusals}
		}},
		{reason: "older-than-lift", last: func(w *writer) step {
			n := notice(w)
			w.wait(time.Minute)
			w.applied(w.checkIn(w.seal(w.lift(ruleCuba, order.ByRule))), 1)
			return w.checkIn(w.seal(n))
		}},
		{reason: "policy-rolled-back", last: func(w *writer) step {
			return w.review(func(p *protocol.Policy) { p.Effective = p.Effective.Add(-time.Hour) })
		}},
	}
}

func holdRefusals() []refusing {
	notified := func(change func(v *protocol.Warrant)) func(w *writer) step {
		return func(w *writer) step {
			v := w.warrant()
			change(&v)
			n, _ := w.hold(v)
			return w.deliver(w.with(v), w.seal(n))
		}
	}
	return []refusing{
		{reason: "warrant-missing", last: func(w *writer) step { n, _ := w.hold(w.warrant()); return w.checkIn(w.seal(n)) }},
		{reason: "warrant-mismatch", last: func(w *writer) step {
			v := w.warrant()
			n, _ := w.hold(v)
			v.Reason = "Something else"
			return w.deliver(w.with(v), w.seal(n))
		}},
		{reason: "warrant-end-too-far", last: notified(func(v *protocol.Warrant) { v.EndsAt = v.IssuedAt.Add(order.MaxHold + time.Second) })},
		{reason: "warrant-ended", last: notified(func(v *protocol.Warrant) {
			v.IssuedAt, v.EndsAt = v.IssuedAt.Add(-10*oneDay), v.IssuedAt.Add(-oneDay)
		})},
		{reason: "end-not-warrants", last: func(w *writer) step {
			v := w.warrant()
			n, l := w.hold(v)
			w.applied(w.deliver(w.with(v), w.seal(n)), 1)
			l.EndsAt = l.EndsAt.Add(-time.Second)
			return w.deliver(w.with(v), w.seal(l))
		}},
		{reason: "too-many-grounds", last: func(w *writer) step {
			for i := range evidence.MaxGrounds {
				v := w.warrant()
				v.ID = "w-" + string(rune('a'+i))
				n, _ := w.hold(v)
				w.applied(w.deliver(w.with(v), w.seal(n)), 1)
			}
			v := w.warrant()
			n, _ := w.hold(v)
			return w.deliver(w.with(v), w.seal(n))
		}},
	}
}
