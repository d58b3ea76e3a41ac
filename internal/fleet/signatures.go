package fleet

import (
	"bytes"
	"io"
	"net/http"
	"time"

	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// notary stands beside one phone and checks Charter C7 from what reached the phone: it keeps its own trust in the officers, begun
// from the root of the phone's enrolment, verifies with package tuf what answers bring, and notes which policies and warrants two
// officers have signed. It asks neither the agent nor the server.
type notary struct {
	trusted *tuf.Trusted
	signed  map[[32]byte]bool // hashes of policies and warrants that two officers signed
	orders  map[order.ID]order.Leaf
	faults  []string
}

// hear takes an answer on its way to the phone, at true time now. What it cannot read, the phone cannot either.
func (n *notary) hear(path string, body []byte, now time.Time, imei func(protocol.Held) error) {
	if n.signed == nil {
		n.signed, n.orders = map[[32]byte]bool{}, map[order.ID]order.Leaf{}
	}
	switch path {
	case protocol.PathEnrol:
		if a, err := protocol.ParseEnrolAnswer(body); err == nil && len(a.Metadata.Roots) > 0 {
			if n.trusted == nil {
				n.trusted, err = tuf.Open(a.Metadata.Roots[0])
			}
			if err == nil {
				n.policy(&a.Policy, n.learn(&a.Metadata, now))
			}
		}
	case protocol.PathCheckIn:
		a, err := protocol.ParseCheckInAnswer(body)
		if err != nil {
			return
		}
		listing := n.learn(a.Metadata, now)
		n.policy(a.Policy, listing)
		for _, held := range a.Warrants {
			n.warrant(held, listing, imei)
		}
		for _, sealed := range a.Orders {
			if leaf, err := order.ParseLeaf(sealed.Leaf); err == nil {
				n.orders[order.LeafID(sealed.Leaf)] = leaf
			}
		}
	}
}

// learn applies metadata; those that are refused list nothing.
func (n *notary) learn(u *tuf.Update, now time.Time) *tuf.Listing {
	if u == nil || n.trusted == nil {
		return nil
	}
	next, listing, err := n.trusted.Apply(*u, now)
	if err != nil {
		n.faults = append(n.faults, "officers' metadata are refused: "+err.Error())
		return nil
	}
	n.trusted = next
	return listing
}

func (n *notary) policy(p *protocol.Policy, l *tuf.Listing) {
	if p == nil || l == nil {
		return
	}
	if data, err := p.Marshal(); err == nil && l.Verify(tuf.Policy, tuf.PolicyPath(p.Hash), data) == nil {
		n.signed[p.Hash] = true
	}
}

func (n *notary) warrant(held protocol.Held, l *tuf.Listing, member func(protocol.Held) error) {
	if l == nil {
		return
	}
	data, err := held.Warrant.Marshal()
	if err != nil || l.Verify(tuf.Warrant, tuf.WarrantPath(held.Warrant.ID), data) != nil || member(held) != nil {
		return
	}
	if hash, err := held.Warrant.Hash(); err == nil {
		n.signed[hash] = true
	}
}

// vouches reports whether an escalation on a ground, of those that reached the phone, rests on what two officers signed. The phone follows
// one of them; which one it names in its evidence.
func (n *notary) vouches(g order.Ground, kind order.Kind) bool {
	for _, leaf := range n.orders {
		if leaf.Ground == g && leaf.Kind == kind && n.signed[leaf.Authority] {
			return true
		}
	}
	return false
}

// rests reports whether this very order rests on what two officers signed.
func (n *notary) rests(id order.ID) bool {
	leaf, reached := n.orders[id]
	return reached && n.signed[leaf.Authority]
}

// overhear lets the notary hear an answer.
func (a *auditor) overhear(path string, response *http.Response) error {
	if response.StatusCode != http.StatusOK || path != protocol.PathEnrol && path != protocol.PathCheckIn {
		return nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	config := a.member.phone.Config()
	a.notary.hear(path, body, config.Now(), func(h protocol.Held) error { return h.Member.Verify(h.Warrant.Cohort, config.IMEI) })
	return nil
}
