package authority

import (
	"context"
	"errors"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
)

// PublishPolicy checks a policy, runs its inline tests, and puts it in force at activateAt; the zero time means now. The report is
// given whenever the policy could be read; with failed tests it is not published. It must not take effect before the one that it
// replaces, since devices refuse to go back.
func (s *Service) PublishPolicy(ctx context.Context, actor *Officer, name string, source []byte, activateAt time.Time) (*PolicyDocument, *policy.Report, error) {
	if err := allow(actor, MayPublishPolicy); err != nil {
		return nil, nil, err
	}
	return s.publishPolicy(ctx, actor.Name, name, source, activateAt)
}

// EnsurePolicy publishes a policy when none was ever published, as a first start does with the sample.
func (s *Service) EnsurePolicy(ctx context.Context, name string, source []byte) (published bool, err error) {
	documents, err := s.Policies(ctx, 1)
	if err != nil || len(documents) > 0 {
		return false, err
	}
	_, _, err = s.publishPolicy(ctx, "start-up", name, source, time.Time{})
	if errors.Is(err, ErrPolicyPublished) { // another server was first
		return false, nil
	}
	return err == nil, err
}

func (s *Service) publishPolicy(ctx context.Context, by, name string, source []byte, activateAt time.Time) (*PolicyDocument, *policy.Report, error) {
	name, err := line("name", name, 1, 100)
	if err != nil {
		return nil, nil, err
	}
	now := s.now()
	p, err := policy.Parse(name, source)
	if err != nil {
		return nil, nil, ErrPolicyFaulty.because(err).saying("%v", err)
	}
	report := p.Check(now)
	if !report.OK() {
		return nil, &report, ErrPolicyFaulty.saying("%d of its own tests fail", report.Failed)
	}
	activateAt = activateAt.UTC().Truncate(time.Second)
	if activateAt.Before(now) {
		activateAt = now
	}
	d := &PolicyDocument{Hash: p.Hash(), Name: name, Source: p.Source(), ActivateAt: activateAt, By: by}
	next, err := newEdition(d)
	if err != nil {
		return nil, &report, ErrPolicyFaulty.because(err).saying("devices could not read it: %v", err)
	}
	s.rules.publishing.Lock()
	defer s.rules.publishing.Unlock()
	if err := s.notBackwards(ctx, next); err != nil {
		return nil, &report, err
	}
	err = s.update(ctx, func(tx Tx) error {
		if err := tx.InsertPolicy(d); errors.Is(err, ErrConflict) {
			return ErrPolicyPublished.because(err)
		} else if err != nil {
			return err
		}
		return tx.AddEvent(Event{Device: device.ID{}, At: now, Kind: "policy", Ground: order.Ground{}, Actor: by,
			Detail: "The policy " + p.String() + " was published; it is in force from " + clock(activateAt) + "."})
	})
	if err != nil {
		return nil, &report, err
	}
	if _, err := s.readRules(ctx); err != nil {
		return d, &report, err
	}
	return d, &report, nil
}

// notBackwards refuses a policy that would make devices go back, which they refuse: one that takes effect before the one that it
// replaces, or after one that is to follow it.
func (s *Service) notBackwards(ctx context.Context, next *edition) error {
	present, err := s.inForce(ctx, next.document.ActivateAt)
	switch {
	case errors.Is(err, ErrNoPolicy):
	case err != nil:
		return err
	case next.extract.Effective.Before(present.extract.Effective):
		return ErrPolicyFaulty.saying("it takes effect on %s, before the policy that it replaces (%s); devices refuse to go back",
			next.extract.Effective.Format(time.DateOnly), present.extract.Effective.Format(time.DateOnly)).
			fixing("set effective_from to %s or later", present.extract.Effective.Format(time.DateOnly))
	}
	for _, e := range s.editionsAfter(next.document.ActivateAt) {
		if e.extract.Effective.Before(next.extract.Effective) {
			return ErrPolicyFaulty.saying("it takes effect on %s, after the policy that follows it on %s (%s); devices refuse to go back",
				next.extract.Effective.Format(time.DateOnly), clock(e.document.ActivateAt), e.extract.Effective.Format(time.DateOnly)).
				fixing("set effective_from to %s or earlier", e.extract.Effective.Format(time.DateOnly))
		}
	}
	return nil
}

// PolicyInForce returns the policy in force, ErrNoPolicy when there is none.
func (s *Service) PolicyInForce(ctx context.Context) (*policy.Policy, *PolicyDocument, error) {
	e, err := s.inForce(ctx, s.now())
	if err != nil {
		return nil, nil, err
	}
	return e.policy, e.document, nil
}

// Policies lists published policies, newest first. limit is 1 to 1,000.
func (s *Service) Policies(ctx context.Context, limit int) (list []*PolicyDocument, err error) {
	err = s.view(ctx, func(tx Tx) (err error) {
		list, err = tx.Policies(bounded(limit))
		return err
	})
	return list, err
}
