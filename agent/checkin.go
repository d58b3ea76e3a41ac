package agent

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// Outcome says what became of an answer's orders.
type Outcome struct {
	Applied     []order.ID         // followed now or before; a lock may still wait for its time
	Refused     []evidence.Refusal // not followed; so a policy, under its hash, and metadata, under the SHA-256 of their timestamp
	NextCheckIn time.Time          // by the platform's wall clock
}

// Evidence returns the signed evidence for a check-in. Its sequence is durable before the token is made, so that no
// two tokens ever carry the same one, whatever crashes. After Open it first saves a sequence further on: a storage of two
// generations may have given the older one, and whatever the lost one had sent is then behind.
func (a *Agent) Evidence() (evidence.Token, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	advance := func(s *state) (bool, error) {
		if !s.enrolled() {
			return false, ErrNotEnrolled
		}
		if len(s.Epoch) == 0 {
			return false, ErrNoEpoch
		}
		s.Sequence++
		return true, nil
	}
	if a.reopened {
		if err := a.change(advance); err != nil {
			return nil, err
		}
		a.reopened = false
	}
	if err := a.change(advance); err != nil {
		return nil, err
	}
	token, err := evidence.Sign(a.state.claims(a.platform), a.platform.Key)
	if err != nil {
		return nil, fmt.Errorf("agent: sign the evidence: %w", err)
	}
	return token, nil
}

// claims is what the device says of itself now.
func (s *state) claims(p Platform) *evidence.Claims {
	c := &evidence.Claims{
		Device:     s.Device,
		Sequence:   s.Sequence,
		Epoch:      s.Epoch,
		IssuedAt:   s.Clock.likely().Truncate(time.Second),
		Boot:       p.Boot(),
		Software:   p.Software,
		PolicyHash: s.Policy.Hash,
		Metadata:   metadataVersions(s.Officers),
		Days:       s.unreported(),
		Activation: s.Activation,
		Grounds:    s.groundStates(),
		ClockDoubt: s.Clock.Doubt,
	}
	for _, r := range s.Refusals {
		c.Refusals = append(c.Refusals, r.Refusal)
	}
	return c
}

// Accept takes the server's answer to evidence. Whatever else it is, every order in it is judged by itself; the outcome
// and the next evidence say which were refused, and why. An answer to other evidence than the last (a late or repeated one)
// brings orders, and what they rest on, only: its time, and what it acknowledges, are passed over.
//
// Officers' metadata come first, then a policy, then the orders. What is refused of these leaves the rest of the answer as it is:
// a lift needs nothing of them.
//
// An error means that the answer cannot be read, or that its effect could not be saved and does not count.
func (a *Agent) Accept(answer []byte) (Outcome, error) {
	ans, err := protocol.ParseCheckInAnswer(answer)
	if err != nil {
		return Outcome{}, fmt.Errorf("agent: the server's answer: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var out Outcome
	err = a.change(func(s *state) (bool, error) {
		if !s.enrolled() {
			return false, ErrNotEnrolled
		}
		if ans.Sequence == s.Sequence && ans.Sequence > s.Acked {
			s.contact(ans)
		}
		with := brought{warrants: ans.Warrants, listing: s.learn(ans.Metadata, a.platform.Root, &out), imei: a.platform.Identity.IMEI}
		if ans.Policy != nil {
			s.take(*ans.Policy, with.listing, &out)
		}
		if with.listing != nil {
			s.vouch(with.listing)
		}
		a.judge(s, ans.Orders, with, &out)
		return true, nil
	})
	if err != nil {
		return Outcome{}, err
	}
	out.NextCheckIn = a.platform.Now().Add(max(0, a.state.DueOn-a.state.Clock.Elapsed))
	return out, nil
}

// contact takes what only the answer to the last evidence may bring.
func (s *state) contact(ans *protocol.CheckInAnswer) {
	before := s.Clock.likely()
	s.Clock.contact(ans.Time)
	s.settle(ans.Time, before)
	s.acknowledge(ans.Sequence)
	s.Epoch = ans.Epoch
	s.DueOn = s.Clock.Elapsed + ans.NextCheckIn
	s.IP, s.IPOn = ans.IP, s.Clock.Elapsed
	s.Unlock.spent(ans.Unlocks)
}

// take puts a policy in the place of the present one, when officers signed it, or refuses it and keeps the present one.
func (s *state) take(p protocol.Policy, l *tuf.Listing, out *Outcome) {
	if p.Hash == s.Policy.Hash && s.Signed {
		return
	}
	reason := policySigned(&p, l)
	if reason == "" {
		reason = checkPolicy(p, &s.Policy)
	}
	if reason != "" {
		s.report(order.ID(p.Hash), reason, out)
		return
	}
	if p.Hash != s.Policy.Hash { // or else it is what an earlier version of the agent took unsigned
		s.PolicyBefore = s.Policy.Hash
	}
	s.Policy = p
	s.establish()
}

// report notes a refusal for the outcome and for the next evidence.
func (s *state) report(id order.ID, reason Reason, out *Outcome) {
	s.refuse(id, reason)
	out.Refused = append(out.Refused, evidence.Refusal{Order: id, Reason: string(reason)})
}

// AcceptLift takes a lift that came another way than a check-in: the bytes of order.Sealed.Marshal, or the text of a QR code
// (order.Sealed.QRText). No network is needed to end a restriction (Charter C9). Other orders do not come this way and are an error.
func (a *Agent) AcceptLift(lift []byte) (Outcome, error) {
	one, err := parseLift(lift)
	if err != nil {
		return Outcome{}, fmt.Errorf("agent: the lift: %w", err)
	}
	if leaf, err := order.ParseLeaf(one.Leaf); err == nil && leaf.Kind != order.Lift {
		return Outcome{}, fmt.Errorf("agent: a %v comes with a check-in only", leaf.Kind)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var out Outcome
	err = a.change(func(s *state) (bool, error) {
		if !s.enrolled() {
			return false, ErrNotEnrolled
		}
		a.judge(s, []order.Sealed{one}, brought{}, &out)
		return true, nil
	})
	if err != nil {
		return Outcome{}, err
	}
	out.NextCheckIn = a.platform.Now().Add(max(0, a.state.DueOn-a.state.Clock.Elapsed))
	return out, nil
}

// parseLift tells the two forms apart: no CBOR array begins as the text of a QR code does.
func parseLift(data []byte) (order.Sealed, error) {
	if bytes.HasPrefix(data, []byte(order.QRPrefix[:3])) {
		return order.ParseQRText(string(data))
	}
	return order.ParseSealed(data)
}

// judge checks that the orders are genuine and for this device, and has them obeyed in the ledger's sequence, in which a
// notice comes before its lock however the answer lists them.
func (a *Agent) judge(s *state, orders []order.Sealed, with brought, out *Outcome) {
	genuine := make([]opened, 0, len(orders))
	for _, sealed := range orders {
		o, reason := a.open(s, sealed)
		if reason != "" {
			s.report(sealed.ID(), reason, out)
			continue
		}
		genuine = append(genuine, o)
	}
	slices.SortStableFunc(genuine, func(x, y opened) int { return cmp.Compare(x.index, y.index) })
	boot := a.platform.Boot()
	for _, o := range genuine {
		reason := Reason("")
		if s.commits(o) && o.leaf.Kind != order.Lift { // a genuine lift always counts (Charter C9)
			reason = SaltReused
		} else {
			reason = s.obey(o, boot, with)
		}
		if reason != "" {
			s.report(o.id, reason, out)
		} else {
			s.forgive(o.id)
			out.Applied = append(out.Applied, o.id)
		}
	}
}

// forgive takes back the refusal of an order that was followed after all.
func (s *state) forgive(id order.ID) {
	s.Refusals = slices.DeleteFunc(s.Refusals, func(e refusalEntry) bool { return e.Order == id })
}

// open checks one order's leaf, commitment and proof (Charter C6). Witnesses count here too: the quorum that Trust asks
// for is checked with the proof, and is 0 for a ledger without witnesses.
func (a *Agent) open(s *state, sealed order.Sealed) (opened, Reason) {
	leaf, err := sealed.Open(s.Device)
	switch {
	case order.FaultOf(err) == order.ErrCommitment:
		return opened{}, CommitmentMismatch
	case err != nil:
		return opened{}, LeafMalformed
	case len(sealed.Proof) == 0:
		return opened{}, ProofMissing
	}
	checked, err := a.verifier.Verify(sealed.Leaf, sealed.Proof)
	if err != nil {
		return opened{}, ProofInvalid
	}
	return opened{id: sealed.ID(), index: checked.Index, leaf: leaf}, ""
}
