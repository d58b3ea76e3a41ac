package staged

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/cohort"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/targets"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// Signing is the staged repository of what officers sign, with the officers' keys: proposals and signatures are real.
type Signing struct {
	Keys       []*tufrepo.Key
	Online     *tufrepo.Key
	Repository *tufrepo.Repository
}

// founded is when the staged officers founded their repository.
var founded = time.Date(2021, 8, 30, 9, 0, 0, 0, time.UTC)

func newSigning(p *policy.Policy) (*Signing, error) {
	random := rand.NewChaCha8([32]byte{1})
	s := &Signing{}
	for _, name := range []string{"li", "nora", "samir", "bailiwick.example"} {
		k, err := tufrepo.NewKey(tufrepo.Ed25519, name, random)
		if err != nil {
			return nil, err
		}
		s.Keys = append(s.Keys, k)
	}
	s.Online, s.Keys = s.Keys[3], s.Keys[:3]
	terms := tufrepo.FoundingTerms{Threshold: tuf.Threshold, Online: s.Online.Public(), Now: founded}
	for _, k := range s.Keys {
		terms.Officers = append(terms.Officers, k.Public())
	}
	proposal, err := tufrepo.Found(terms)
	if err == nil {
		err = s.accept(proposal, founded)
	}
	if err != nil {
		return nil, err
	}
	if proposal, err = s.propose(p, founded.Add(24*time.Hour)); err == nil {
		err = s.accept(proposal, founded.Add(24*time.Hour))
	}
	return s, err
}

// accept signs as the first two officers, and puts the proposal in force.
func (s *Signing) accept(p *tufrepo.Proposal, at time.Time) (err error) {
	for _, k := range s.Keys[1:] {
		if err := p.Sign(k); err != nil {
			return err
		}
	}
	s.Repository, err = s.Repository.Accept(p, s.Online, at)
	return err
}

func (s *Signing) propose(p *policy.Policy, at time.Time) (*tufrepo.Proposal, error) {
	files, err := targets.OfPolicy(p)
	if err != nil {
		return nil, err
	}
	return s.Repository.ProposePolicy(files, func(string) bool { return true }, at)
}

// SigningKeys implements console.Service and publicpage.Service.
func (a *Authority) SigningKeys(context.Context) (*authority.SigningKeys, error) {
	if a.Fail != nil {
		return nil, a.Fail
	}
	k := &authority.SigningKeys{Founded: !a.Unfounded, Online: a.Signing.Online.Public(), SignsHere: a.SignsHere}
	if a.Unfounded {
		return k, nil
	}
	r, err := a.Signing.Repository, error(nil)
	if k.Officers, err = r.Officers(); err != nil {
		return nil, err
	}
	if k.Threshold, err = r.Threshold(tuf.Policy); err != nil {
		return nil, err
	}
	if k.Versions, err = r.Versions(); err != nil {
		return nil, err
	}
	k.Expires = make(map[string]time.Time)
	for _, role := range []string{tuf.Root, tuf.Targets, tuf.Policy, tuf.Warrant, tuf.Snapshot, tuf.Timestamp} {
		if k.Expires[role], err = r.Expires(role); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// ProposePolicy implements console.Service.
func (a *Authority) ProposePolicy(_ context.Context, actor *authority.Officer, name string, source []byte) ([]byte, *policy.Report, error) {
	p, err := policy.Parse(name, source)
	if err != nil {
		return nil, nil, authority.ErrPolicyFaulty
	}
	report := p.Check(Today)
	proposal, err := a.Signing.propose(p, Today)
	if err != nil {
		return nil, &report, err
	}
	a.called("ProposePolicy %s %s", name, actor.Name)
	data, err := proposal.Marshal()
	return data, &report, err
}

// ProposeWarrant implements console.Service.
func (a *Authority) ProposeWarrant(_ context.Context, actor *authority.Officer, id string) (*authority.Warrant, []byte, error) {
	if id != "warrant-0002" {
		return nil, nil, authority.ErrNotFound
	}
	whom, err := cohort.New([32]byte{2}, []device.IMEI{IMEI(1), IMEI(2), IMEI(3)})
	if err != nil {
		return nil, nil, err
	}
	tree, err := whom.Tree()
	if err != nil {
		return nil, nil, err
	}
	w := protocol.Warrant{ID: id, Case: "case-0001", Reason: "The consignee asked for two more weeks to produce its papers.", IssuedAt: Today.AddDate(0, 0, -1),
		EndsAt: Today.AddDate(0, 0, 60), Officers: [2]string{"nora", ""}, Cohort: tree.Summary()}
	document, err := w.Marshal()
	if err != nil {
		return nil, nil, err
	}
	proposal, err := a.Signing.Repository.ProposeWarrant([]tufrepo.File{{Path: tuf.WarrantPath(id), Data: document}}, func(string) bool { return true }, Today)
	if err != nil {
		return nil, nil, err
	}
	if err := proposal.Attach(targets.AttachedCohort, whom.Marshal()); err != nil {
		return nil, nil, err
	}
	a.called("ProposeWarrant %s %s", id, actor.Name)
	data, err := proposal.Marshal()
	return &authority.Warrant{ID: id}, data, err
}

// ProposeOfficers implements console.Service.
func (a *Authority) ProposeOfficers(_ context.Context, actor *authority.Officer, change authority.OfficerChanges) ([]byte, error) {
	proposal, err := a.Signing.Repository.ProposeOfficers(tufrepo.Changes{Add: change.Add, Remove: change.Remove, Threshold: change.Threshold, Online: change.Online, Now: Today})
	if err != nil {
		return nil, err
	}
	a.called("ProposeOfficers %s", actor.Name)
	return proposal.Marshal()
}

// Publish implements console.Service.
func (a *Authority) Publish(_ context.Context, actor *authority.Officer, data []byte) (*authority.Published, error) {
	p, err := tufrepo.ParseProposal(data)
	if err != nil {
		return nil, authority.ErrProposalFaulty
	}
	if !p.Status().Complete() {
		return nil, authority.ErrNeedsSignatures
	}
	a.called("Publish %s %s", p.Subject(), actor.Name)
	out := &authority.Published{Subject: p.Subject(), Signers: []string{"nora", "samir"}}
	switch p.Subject() {
	case tufrepo.Policy:
		out.Policy = &authority.PolicyDocument{ActivateAt: Today}
	case tufrepo.Warrant:
		out.Warrant = &authority.Warrant{ID: "warrant-0002", Case: "case-0001"}
	}
	return out, nil
}

// Sign signs a proposal with the keys of staged officers, by name.
func (s *Signing) Sign(data []byte, names ...string) ([]byte, error) {
	p, err := tufrepo.ParseProposal(data)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		signed := false
		for _, k := range s.Keys {
			if k.Public().Name() == name {
				signed = true
				if err := p.Sign(k); err != nil {
					return nil, err
				}
			}
		}
		if !signed {
			return nil, fmt.Errorf("staged: nobody is called %s", name)
		}
	}
	return p.Marshal()
}
