package authority

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
)

// ConcludeCase writes the finding down and releases the cohort: every hold of the case is lifted for good. It returns when all is done;
// see BeginConclusion for large cohorts. What an interruption leaves, its job lifts.
func (s *Service) ConcludeCase(ctx context.Context, actor *Officer, caseID, finding string) (*Release, error) {
	j, err := s.BeginConclusion(ctx, actor, caseID, finding)
	if err != nil {
		return nil, err
	}
	release := &Release{}
	if err := s.finished(ctx, j, release); err != nil {
		return nil, err
	}
	return release, nil
}

// BeginConclusion writes the finding down, and leaves the release to a job (ReleaseJob), whose Result is a Release. Notices that are still being given
// stop.
func (s *Service) BeginConclusion(ctx context.Context, actor *Officer, caseID, finding string) (*Job, error) {
	if err := allow(actor, MayInvestigate); err != nil {
		return nil, err
	}
	finding, err := line("finding", finding, 10, 2000)
	if err != nil {
		return nil, err
	}
	now := s.now()
	j, err := newJob(ReleaseJob, caseID, actor.Name, now, struct{}{})
	if err != nil {
		return nil, err
	}
	stopped := 0
	err = s.update(ctx, func(tx Tx) error {
		c, err := tx.Case(caseID)
		if err != nil {
			return err
		}
		if c.State == CaseConcluded {
			return ErrCaseConcluded
		}
		was := c.State
		c.State, c.Finding, c.ConcludedBy, c.ConcludedAt = CaseConcluded, finding, actor.Name, now
		if err := tx.PutCaseIfState(c, was); errors.Is(err, ErrConflict) {
			return ErrCaseConcluded.because(err)
		} else if err != nil {
			return err
		}
		if _, err := tx.NextNumber(rulesSeries); err != nil {
			return err
		}
		warrants, err := tx.Warrants(caseID)
		if err != nil {
			return err
		}
		j.Total, stopped = 0, 0
		for _, w := range warrants {
			if stops, err := stopNoticesOf(tx, w, actor.Name, now); err != nil {
				return err
			} else if stops {
				stopped++
			}
			n, err := tx.CountActiveOn(warrantGround(w.ID))
			if err != nil {
				return err
			}
			j.Total += int64(n)
		}
		if err := tx.AddEvent(Event{At: now, Kind: "case", Case: caseID, Actor: actor.Name, Detail: "The case " + caseID + " was concluded: " + finding}); err != nil {
			return err
		}
		return begin(tx, j)
	})
	if err != nil {
		return nil, err
	}
	s.counters.jobs.WithLabelValues(NoticeJob, string(JobCancelled)).Add(float64(stopped))
	s.handOver(ctx, j)
	return j, s.catchUp(ctx)
}

// releaseCursor is where a release goes on.
type releaseCursor struct {
	Warrant int       `json:"warrant"` // of the case's, in their order
	After   device.ID `json:"after"`
}

// releaseStep lifts a page of a case's holds. What it lifts it reads while the page before is lifted, and makes the orders of, beside the writer; nothing
// comes to be held by a case that is concluded, and the last step looks whether that is so.
func (s *Service) releaseStep(ctx context.Context, j *Job) error {
	var c releaseCursor
	var result Release
	if err := unpack(j, &struct{}{}, &c, &result); err != nil {
		return err
	}
	now := s.now()
	w, page := s.ahead.take(j.ID, c)
	if w == nil {
		var err error
		if w, page, err = s.nextHolds(ctx, j.Subject, c); err != nil {
			return err
		}
	}
	if w == nil {
		return s.endRelease(ctx, j, c, result, now)
	}
	if len(page) < releasePage {
		c = releaseCursor{Warrant: c.Warrant + 1}
	} else {
		c.After = page[len(page)-1].Device
		var reading sync.WaitGroup
		defer reading.Wait()
		reading.Go(func() {
			if w, page, err := s.nextHolds(ctx, j.Subject, c); err == nil {
				s.ahead.put(j.ID, c, w, page)
			}
		})
	}
	plan, err := s.planLifts(now, page, w.Hash, order.ByCase)
	if err != nil {
		return err
	}
	return s.turn(WithGuardsOnly(WithManyWrites(ctx)), now, nil, func(t *turn) error {
		if err := t.at(j); err != nil {
			return err
		}
		next, result := *j, result
		lifted, err := t.liftAll(warrantGround(w.ID), plan, w.Hash, order.ByCase, j.By, "The case was concluded, and its hold released.")
		if err != nil {
			return err
		}
		result.Lifted += lifted
		next.Done += int64(lifted)
		return t.advance(&next, c, result)
	})
}

// readAhead is a page of holds that was read while the one before it was lifted. Whether they still stand is the guard of their lift, as for any page.
type readAhead struct {
	mu     sync.Mutex
	job    int64
	cursor releaseCursor
	w      *Warrant // nil for nothing
	page   []*Restriction
}

func (a *readAhead) put(job int64, c releaseCursor, w *Warrant, page []*Restriction) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.job, a.cursor, a.w, a.page = job, c, w, page
}

// take returns the page of a job at a place, once; nil when another one was read.
func (a *readAhead) take(job int64, c releaseCursor) (w *Warrant, page []*Restriction) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.job == job && a.cursor == c {
		w, page = a.w, a.page
	}
	a.w, a.page = nil, nil
	return w, page
}

// nextHolds reads what a step of a release is about: the next holds of a warrant; w is nil when all warrants are through.
func (s *Service) nextHolds(ctx context.Context, caseID string, c releaseCursor) (w *Warrant, page []*Restriction, err error) {
	err = s.view(ctx, func(tx Tx) error {
		w, page = nil, nil
		warrants, err := tx.Warrants(caseID)
		if err != nil || c.Warrant >= len(warrants) {
			return err
		}
		w = warrants[c.Warrant]
		page, err = tx.ActiveOn(warrantGround(w.ID), c.After, releasePage)
		return err
	})
	return w, page, err
}

// endRelease ends the job, or begins again with a warrant that still holds a device.
func (s *Service) endRelease(ctx context.Context, j *Job, c releaseCursor, result Release, now time.Time) error {
	done := false
	err := s.turn(ctx, now, nil, func(t *turn) error {
		next, c, result := *j, c, result
		warrants, err := t.tx.Warrants(j.Subject)
		if err != nil {
			return err
		}
		done = true
		for i, w := range warrants {
			held, err := t.tx.ActiveOn(warrantGround(w.ID), device.ID{}, 1)
			if err != nil {
				return err
			}
			if len(held) > 0 {
				done, c = false, releaseCursor{Warrant: i}
				return t.advance(&next, c, result)
			}
		}
		next.State = JobDone
		if result.Stragglers, err = stragglers(t.tx, warrants); err != nil {
			return err
		}
		return t.advance(&next, c, result)
	})
	if err == nil && done {
		s.counters.jobs.WithLabelValues(j.Kind, string(JobDone)).Inc()
	}
	return err
}

// Straggler is a device that has not confirmed the lift of a hold.
type Straggler struct {
	Device      device.ID
	IMEI        device.IMEI
	Warrant     string
	LiftedAt    time.Time
	DeliveredAt time.Time // last put into an answer to it; zero before
	LastSeen    time.Time
}

// Stragglers lists, by device, those that have not confirmed the lift by a warrant of a concluded case, behind the given one. limit is 1 to 1,000.
func (s *Service) Stragglers(ctx context.Context, warrantID string, after device.ID, limit int) (list []Straggler, err error) {
	err = s.view(ctx, func(tx Tx) error {
		list = nil
		w, err := tx.Warrant(warrantID)
		if errors.Is(err, ErrAbsent) {
			named := ErrNotFound.saying("there is no warrant %q", warrantID)
			named.Fix = "bailiwick case show CASE, or the case's page in the console, lists the warrants of a case"
			return named.because(err)
		}
		if err != nil {
			return err
		}
		orders, err := tx.Unsettled(warrantGround(w.ID), after, bounded(limit))
		if err != nil {
			return err
		}
		for _, o := range orders {
			d, err := tx.Device(o.Device)
			if err != nil {
				return err
			}
			list = append(list, Straggler{d.ID, d.IMEI, w.ID, o.IssuedAt, o.DeliveredAt, d.LastSeen})
		}
		return nil
	})
	return list, err
}

// stragglers counts the devices that have not reported a lift by these warrants yet.
func stragglers(tx Tx, warrants []*Warrant) (total int, err error) {
	for _, w := range warrants {
		n, err := tx.CountUnsettled(warrantGround(w.ID))
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}
