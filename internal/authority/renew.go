package authority

import (
	"context"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// renewWithin is how long before the end of officers' signatures they are asked to renew them.
const renewWithin = 30 * 24 * time.Hour

// sweepSignatures keeps the metadata fresh, says whose signatures end, and lets a sandbox's officers renew theirs.
func (s *Service) sweepSignatures(ctx context.Context, now time.Time) error {
	g, err := s.readSignatures(ctx)
	if err != nil {
		return err
	}
	if !g.founded() || !g.sound() {
		return nil
	}
	if g, err = s.fresh(ctx, now); err != nil {
		return err
	}
	for _, role := range offlineRoles {
		s.counters.signatures.WithLabelValues(role).Set(g.expires[role].Sub(now).Seconds())
	}
	ending := g.ending(now)
	if len(ending) == 0 {
		return nil
	}
	if s.cfg.Signer != nil {
		return s.renew(ctx, g, ending)
	}
	if last := s.warned.Load(); now.Unix() < last || now.Unix() >= last+24*3600 {
		s.warned.Store(now.Unix())
		for _, r := range ending {
			s.cfg.Logger.Warn("officers' signatures end: have them renewed, or nothing can be escalated any more", "role", r.Role, "ends", r.Ends)
		}
	}
	return nil
}

// RoleEnd is when the signatures of officers in a role end.
type RoleEnd struct {
	Role string // tuf.Root, tuf.Targets, tuf.Policy or tuf.Warrant
	Ends time.Time
}

// ending lists the roles whose signatures end within renewWithin, or have ended.
func (g *signatures) ending(now time.Time) (list []RoleEnd) {
	for _, role := range offlineRoles {
		if g.sound() && now.Add(renewWithin).After(g.expires[role]) {
			list = append(list, RoleEnd{role, g.expires[role]})
		}
	}
	return list
}

// renew has the officers whose keys the server holds sign anew what ends.
func (s *Service) renew(ctx context.Context, g *signatures, ending []RoleEnd) error {
	for _, r := range ending {
		p, err := s.renewal(ctx, g, r.Role)
		if err != nil {
			return err
		}
		if err := s.cfg.Signer.Sign(p); err != nil {
			return proposalFault(err)
		}
		if _, err := s.publish(ctx, startUp, p, ""); err != nil {
			return err
		}
		if r.Role == tuf.Root || r.Role == tuf.Targets {
			return nil // all roles were signed with it
		}
	}
	return nil
}

func (s *Service) renewal(ctx context.Context, g *signatures, role string) (p *tufrepo.Proposal, err error) {
	now := s.now()
	switch role {
	case tuf.Policy:
		keep, err := s.keepPolicies(ctx, now)
		if err != nil {
			return nil, err
		}
		beside, err := s.embedded(ctx, nil)
		if err != nil {
			return nil, err
		}
		p, err = g.repository.ProposePolicy(beside, keep, now)
		return p, named(err)
	case tuf.Warrant:
		kept, err := s.keptWarrants(ctx)
		if err != nil {
			return nil, err
		}
		p, err = g.repository.ProposeWarrant(nil, func(path string) bool { return kept[path] }, now)
		return p, named(err)
	}
	p, err = g.repository.ProposeOfficers(tufrepo.Changes{Now: now})
	return p, named(err)
}

// named is proposalFault, or nil.
func named(err error) error {
	if err == nil {
		return nil
	}
	return proposalFault(err)
}
