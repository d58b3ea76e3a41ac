package authority

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/cohort"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/internal/targets"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// DraftWarrant writes a warrant for a hold of the case's consignment, and the proposal that officers sign and Publish takes. Text and
// cohort are frozen here: the devices are those that production records name now. It is nothing until two officers have signed it.
func (s *Service) DraftWarrant(ctx context.Context, actor *Officer, caseID, reason string, ends time.Time) (w *Warrant, proposal []byte, err error) {
	if err := allow(actor, MayInvestigate); err != nil {
		return nil, nil, err
	}
	if reason, err = line("reason", reason, 10, 500); err != nil {
		return nil, nil, err
	}
	now := s.now()
	ends = ends.UTC().Truncate(time.Second)
	if err := holdEnds(now, now, ends); err != nil {
		return nil, nil, err
	}
	if _, err := s.founded(ctx); err != nil {
		return nil, nil, err
	}
	whom, tree, err := s.freeze(ctx, caseID)
	if err != nil {
		return nil, nil, err
	}
	w = &Warrant{Case: caseID, Reason: reason, DraftedBy: actor.Name, DraftedAt: now, EndsAt: ends}
	err = s.update(ctx, func(tx Tx) error {
		c, err := tx.Case(caseID)
		if err != nil {
			return err
		}
		if c.State == CaseConcluded {
			return ErrCaseConcluded
		}
		n, err := tx.NextNumber("warrant")
		if err != nil {
			return err
		}
		w.ID = fmt.Sprintf("warrant-%04d", n)
		if w.Document, err = documentOf(w, tree.Summary()).Marshal(); err != nil {
			return err
		}
		if err := errors.Join(tx.InsertWarrant(w), tx.InsertCohort(w.ID, whom)); err != nil {
			return err
		}
		return tx.AddEvent(Event{At: now, Kind: "warrant", Ground: warrantGround(w.ID), Case: w.Case, Actor: actor.Name,
			Detail: fmt.Sprintf("The warrant %s was drafted for %s and %d devices; it needs the signatures of two officers.", w.ID, caseID, tree.Size())})
	})
	if err != nil {
		return nil, nil, err
	}
	s.cohorts.keep(w.ID, tree)
	_, proposal, err = s.ProposeWarrant(ctx, actor, w.ID)
	return w, proposal, err
}

// freeze lists the devices of a case's consignment, and computes their tree; beside the writer, since there may be many.
func (s *Service) freeze(ctx context.Context, caseID string) (*cohort.Cohort, *cohort.Tree, error) {
	var devices []device.IMEI
	err := s.view(ctx, func(tx Tx) error {
		devices = nil
		c, err := tx.Case(caseID)
		if err != nil {
			return err
		}
		for after := device.IMEI(""); ; {
			made, err := tx.Productions(c.Consignment, after, sweepPage)
			if err != nil {
				return err
			}
			for _, p := range made {
				devices = append(devices, p.IMEI)
			}
			if len(made) < sweepPage {
				return nil
			}
			after = made[len(made)-1].IMEI
		}
	})
	if err != nil {
		return nil, nil, err
	}
	secret, err := s.newSalt()
	if err != nil {
		return nil, nil, err
	}
	c, err := cohort.New(secret, devices)
	if err != nil {
		return nil, nil, ErrInvalid.because(err).saying("no warrant can be for the %d devices of this consignment", len(devices)).
			fixing("a warrant is for 1 to %d devices; import their production records first", cohort.MaxDevices)
	}
	t, err := c.Tree()
	return c, t, err
}

// ProposeWarrant makes the proposal for a drafted warrant anew, on what is in force now: the warrant keeps its number, its text and its
// cohort. It is what helps when something else was published meanwhile.
func (s *Service) ProposeWarrant(ctx context.Context, actor *Officer, warrantID string) (w *Warrant, proposal []byte, err error) {
	if err := allow(actor, MayInvestigate); err != nil {
		return nil, nil, err
	}
	w, p, err := s.proposeWarrant(ctx, warrantID)
	if err != nil {
		return nil, nil, err
	}
	var whom *cohort.Cohort
	err = s.view(ctx, func(tx Tx) (err error) {
		whom, err = tx.Cohort(warrantID)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if err := p.Attach(targets.AttachedCohort, whom.Marshal()); err != nil {
		return nil, nil, proposalFault(err)
	}
	if proposal, err = p.Marshal(); err != nil {
		return nil, nil, proposalFault(err)
	}
	return w, proposal, nil
}

func (s *Service) proposeWarrant(ctx context.Context, warrantID string) (w *Warrant, p *tufrepo.Proposal, err error) {
	now := s.now()
	g, err := s.founded(ctx)
	if err != nil {
		return nil, nil, err
	}
	var c *Case
	err = s.view(ctx, func(tx Tx) (err error) {
		w, c, err = warrantIn(tx, warrantID)
		return err
	})
	if err == nil {
		err = mayTakeForce(w, c, now)
	}
	if err != nil {
		return nil, nil, err
	}
	kept, err := s.keptWarrants(ctx)
	if err != nil {
		return nil, nil, err
	}
	p, err = g.repository.ProposeWarrant([]tufrepo.File{{Path: tuf.WarrantPath(w.ID), Data: w.Document}}, func(path string) bool { return kept[path] }, now)
	if err != nil {
		return nil, nil, proposalFault(err)
	}
	return w, p, nil
}

func warrantIn(tx Tx, id string) (*Warrant, *Case, error) {
	w, err := tx.Warrant(id)
	if err != nil {
		return nil, nil, err
	}
	c, err := tx.Case(w.Case)
	return w, c, err
}

// mayTakeForce refuses what no signature could put in force.
func mayTakeForce(w *Warrant, c *Case, now time.Time) error {
	switch {
	case w.CountersignBy != "":
		return ErrWarrantDone
	case c.State == CaseConcluded:
		return ErrCaseConcluded
	case len(w.Document) == 0:
		return ErrWarrantOld
	}
	return holdEnds(w.DraftedAt, now, w.EndsAt)
}

// keptWarrants lists the paths of the warrants that hold: those that have ended, or whose case has, are listed no longer.
func (s *Service) keptWarrants(ctx context.Context) (map[string]bool, error) {
	holds, err := s.readHolds(ctx)
	kept := make(map[string]bool)
	for _, list := range holds {
		for _, h := range list {
			kept[tuf.WarrantPath(h.warrant.ID)] = true
		}
	}
	return kept, err
}

// holdEnds checks a warrant's end against the Charter (C8), and that a hold could begin at now before it.
func holdEnds(drafted, now, ends time.Time) error {
	least := now.Add(order.MinNotice + restriction.Arrival + 2*24*time.Hour)
	most := drafted.Add(order.MaxHold)
	switch {
	case ends.Before(least):
		return ErrInvalid.saying("a hold that ends on %s could not begin: notice comes first", clock(ends)).fixing("choose an end after %s", clock(least))
	case ends.After(most):
		return ErrInvalid.saying("a hold ends within %d days (Charter C8)", int(order.MaxHold.Hours()/24)).fixing("choose an end until %s", clock(most))
	}
	return nil
}

// CountersignWarrant is BeginHold, and returns when all notices are given.
func (s *Service) CountersignWarrant(ctx context.Context, actor *Officer, warrantID string) (*Warrant, error) {
	out, err := s.BeginHold(ctx, actor, warrantID)
	if err != nil {
		return nil, err
	}
	if out.Notices != nil {
		var n Noticed
		if err := s.finished(ctx, out.Notices, &n); err != nil {
			return nil, err
		}
		out.Warrant.DevicesAtIssue = n.Enrolled
	}
	return out.Warrant, nil
}

// BeginHold puts a warrant in force at once, signed by the officers whose keys the server holds: in the names of who drafted it and of actor, who must
// be another one. Without Config.Signer it fails with ErrNeedsSignatures. Every enrolled device of the cohort gets a notice, of a large
// one by a job, and those that enrol later get theirs at a check-in.
func (s *Service) BeginHold(ctx context.Context, actor *Officer, warrantID string) (*Published, error) {
	if err := allow(actor, MayInvestigate); err != nil {
		return nil, err
	}
	if s.cfg.Signer == nil {
		return nil, ErrNeedsSignatures
	}
	var w *Warrant
	err := s.view(ctx, func(tx Tx) (err error) {
		w, err = tx.Warrant(warrantID)
		return err
	})
	if err != nil {
		return nil, err
	}
	if w.DraftedBy == actor.Name {
		return nil, ErrSameOfficer
	}
	for attempt := 1; ; attempt++ {
		_, p, err := s.proposeWarrant(ctx, warrantID)
		if err != nil {
			return nil, err
		}
		if err := s.cfg.Signer.Sign(p); err != nil {
			return nil, proposalFault(err)
		}
		out, err := s.publish(ctx, actor, p, actor.Name)
		if errors.Is(err, ErrStale) && attempt < signAttempts { // of another warrant, at the same moment
			continue
		}
		if err != nil {
			return nil, err
		}
		return out, nil
	}
}

// checkWarrant looks at what a warrant proposal lists: at most one more warrant, the draft of an open case as it was drafted.
func (c *change) checkWarrant(ctx context.Context) error {
	c.event.Kind = "warrant"
	kept, err := c.s.keptWarrants(ctx)
	if err != nil {
		return err
	}
	for path := range kept {
		if _, listed := c.after.listed[tuf.Warrant][path]; !listed {
			return ErrProposalFaulty.saying("it drops %s, which holds", path).fixing("make the proposal anew, on this server; to end a hold, conclude its case")
		}
	}
	files := c.proposal.Files()
	switch len(files) {
	case 0:
		c.event.Detail = "The signatures of the warrants were renewed" + c.by() + "."
		return nil
	case 1:
		return c.newWarrant(ctx, files[0])
	}
	return ErrProposalFaulty.saying("it brings %d warrants: a proposal brings one", len(files))
}

func (c *change) newWarrant(ctx context.Context, f tufrepo.File) error {
	id := strings.TrimSuffix(strings.TrimPrefix(f.Path, "warrant/"), ".cbor")
	var w *Warrant
	var tree *cohort.Tree
	err := c.s.view(ctx, func(tx Tx) error {
		found, opened, err := warrantIn(tx, id)
		if none, err := absent(err); err != nil {
			return err
		} else if none || !bytes.Equal(found.Document, f.Data) {
			return ErrProposalFaulty.saying("%s is not what was drafted on this server", f.Path).
				fixing("draft the warrant in its case, and have that proposal signed")
		}
		if err := mayTakeForce(found, opened, c.now); err != nil {
			return err
		}
		if tree, err = c.s.tree(tx, id); err != nil {
			return err
		}
		if tree == nil || !documents(found, tree.Summary()) {
			return ErrProposalFaulty.saying("the record of %s does not say what was drafted", id).fixing("draft a new warrant")
		}
		if w = found; tree.Size() <= NoticeAtOnce {
			w.DevicesAtIssue, err = countEnrolled(tx, &inForce{w, opened.Consignment, tree}) // beside the writer
		}
		return err
	})
	if err != nil {
		return err
	}
	w.CountersignBy, w.CountersignAt, w.Hash, w.Signers = c.second(w), c.now, sha256.Sum256(w.Document), c.out.Signers
	c.out.Warrant = w
	c.event.Ground, c.event.Case = warrantGround(w.ID), w.Case
	c.event.Detail = fmt.Sprintf("The warrant %s was published%s; it ends on %s.", w.ID, c.by(), clock(w.EndsAt))
	c.put = append(c.put, func(tx Tx) error { return takeForce(tx, w) })
	if tree.Size() <= NoticeAtOnce {
		return nil
	}
	if c.out.Notices, err = newJob(NoticeJob, w.ID, c.actor, c.now, struct{}{}); err != nil {
		return err
	}
	c.out.Notices.Total = int64(tree.Size())
	c.put = append(c.put, func(tx Tx) error { return begin(tx, c.out.Notices) })
	return nil
}

// second names the officer beside the one who drafted the warrant.
func (c *change) second(w *Warrant) string {
	if c.countersigner != "" {
		return c.countersigner
	}
	for _, name := range c.out.Signers { // two or more, all different
		if name != w.DraftedBy {
			return name
		}
	}
	return ""
}

// takeForce puts a warrant in force, unless its case was concluded meanwhile.
func takeForce(tx Tx, w *Warrant) error {
	c, err := tx.Case(w.Case)
	if err != nil {
		return err
	}
	if c.State == CaseConcluded {
		return ErrCaseConcluded
	}
	if err := tx.CountersignIfDraft(w); errors.Is(err, ErrConflict) {
		return ErrWarrantDone.because(err)
	} else if err != nil {
		return err
	}
	if was := c.State; was != CaseHolding {
		c.State = CaseHolding
		return tx.PutCaseIfState(c, was)
	}
	return nil
}
