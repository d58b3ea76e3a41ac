package agent_test

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

// What officers do in a history, and what a server does that has every key but theirs.

// officersWork is honest: they sign anew, come and go, or the server refreshes its part. The device must take it.
func (h *history) officersWork(t *rapid.T) {
	repository := h.officers.Repository
	switch rapid.IntRange(0, 3).Draw(t, "officers") {
	case 0:
		h.officers.SignAnew(h.phone.True)
	case 1:
		if repository.Versions().Root < 20 {
			repository.Rotate(h.phone.True, tuftest.Rotation{Add: 1, Remove: 1})
		}
	case 2:
		if repository.Versions().Root < 20 {
			repository.Rotate(h.phone.True, tuftest.Rotation{Online: true})
		}
	}
	h.tellTime(t)
	out, ok := h.post(func(ans *protocol.CheckInAnswer) { ans.Metadata = h.metadata() })
	if ok && !h.lying && len(out.Refused) != 0 {
		h.Fatalf("the officers' own metadata were refused: %v", out.Refused)
	}
}

// post has the agent take an answer and reports whether it could be saved.
func (h *history) post(change func(ans *protocol.CheckInAnswer), sealed ...order.Sealed) (agent.Outcome, bool) {
	h.Helper()
	token, err := h.agent.Evidence()
	if !h.tolerate(err) {
		return agent.Outcome{}, false
	}
	h.left(token)
	ans := h.answer(h.tokens, sealed...)
	change(&ans)
	data, err := ans.Marshal()
	must(h, err)
	out, err := h.agent.Accept(data)
	h.told = h.tolerate(err)
	return out, h.told
}

// The grounds of attacks: nothing that two officers signed speaks of them.
var (
	ruleGermany = order.Ground{Kind: order.Rule, ID: "germany"}
	holdUnheld  = order.Ground{Kind: order.Warrant, ID: "unheld"}
)

// attack brings a policy, a warrant and orders under metadata that two officers did not sign. None of it may have an effect, now or
// after the days of a notice.
func (h *history) attack(t *rapid.T) {
	p, w := forged(), h.rig.warrant(holdUnheld.ID)
	metadata := h.forgedMetadata(t, p, &w)
	notice, lock := h.hold(w)
	rule := h.notice(ruleGermany)
	rule.Territory, rule.Authority = "DE", p.Hash
	sealed := []order.Sealed{h.seal(notice), h.seal(lock), h.seal(rule), h.seal(h.lock(rule))}
	out, ok := h.post(func(ans *protocol.CheckInAnswer) {
		ans.Policy, ans.Warrants, ans.Metadata = &p, h.held(w), metadata
	}, sealed...)
	if ok && len(out.Applied) != 0 {
		h.Fatalf("orders were followed that rest on nothing: %+v", out)
	}
	h.look()
	for range rapid.SampledFrom([]int{0, 0, 12}).Draw(t, "days after") {
		h.tryShown()
		h.passes(day)
		h.tick()
	}
}

func (h *history) forgedMetadata(t *rapid.T, p protocol.Policy, w *protocol.Warrant) *tuf.Update {
	list := func(r *tuftest.Repository) {
		data, err := p.Marshal()
		must(h, err)
		r.Add(tuf.Policy, tuf.PolicyPath(p.Hash), data)
		data, err = w.Marshal()
		must(h, err)
		r.Add(tuf.Warrant, tuf.WarrantPath(w.ID), data)
	}
	honest := h.metadata()
	own := h.officers.Repository.Clone()
	list(own)
	lacking := []tuftest.Fault{tuftest.OneSignature, tuftest.SignerTwice, tuftest.KeyTwice, tuftest.ThresholdOne}
	switch rapid.IntRange(0, 6).Draw(t, "attack") {
	case 0: // metadata that are genuine, and list neither
		return honest
	case 1:
		u := own.Break(rapid.SampledFrom(lacking).Draw(t, "fault"), tuf.Policy).Update(0)
		return &u
	case 2:
		u := own.Break(rapid.SampledFrom(lacking).Draw(t, "fault"), tuf.Warrant).Update(0)
		return &u
	case 3: // all officers replaced, by a root that only the new ones signed
		u := own.Break(tuftest.Usurped, tuf.Root).Update(0)
		return &u
	case 4: // other people's repository
		other := tuftest.New(tuftest.Options{Seed: "others", Now: h.phone.True})
		list(other)
		other.Publish(h.phone.True)
		return fresh(other, h.officers.Repository, h.serverTime())
	case 5: // its policies and warrants under our own timestamp
		other := tuftest.New(tuftest.Options{Seed: "others", Now: h.phone.True})
		list(other)
		other.Publish(h.phone.True)
		u := tuftest.Mix(*honest, other.Update(0))
		return &u
	}
	// A warrant that officers did sign, for other devices.
	cohort, _, err := agenttest.Cohort("another", "356938035643809", "490154203237518")
	must(h, err)
	w.Cohort = cohort
	c, _ := h.cohort() // so that the proof has the form of one
	w.Cohort.Size = c.Size
	must(h, h.officers.SignWarrant(*w))
	return h.metadata()
}

// lacksOfficers reports what counts although two officers did not sign for it, in a view of the screen after a step.
func (h *history) lacksOfficers(before, after agent.GroundView) {
	if after.Ground == ruleGermany || after.Ground == holdUnheld {
		h.Fatalf("%v is %v, and two officers signed no such thing for this device", after.Ground, after.Stage)
	}
	risen := after.Stage > before.Stage || before.Stage == order.Lifted
	until := h.officers.Signed.AddDate(0, 0, 400)
	if after.Ground.Kind == order.Rule && risen && h.told && !h.lying && !h.phone.True.Before(until) {
		h.Fatalf("%v became %v at %v; the officers' signatures lasted until %v", after.Ground, after.Stage, h.phone.True, until)
	}
}

// unsigned are the ways in which metadata lack two distinct officers' signatures behind a role.
func unsigned() []tuftest.Fault {
	return slices.DeleteFunc(tuftest.Faults(), func(f tuftest.Fault) bool {
		return !slices.Contains([]tuftest.Fault{
			tuftest.OneSignature, tuftest.SignerTwice, tuftest.KeyTwice, tuftest.ThresholdOne, tuftest.OnlineKey,
		}, f)
	})
}
