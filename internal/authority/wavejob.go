package authority

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

// waveCursor is where an approval goes on: first everything is looked at again while the wave is open, then the wave is decided, then
// the locks are ordered.
type waveCursor struct {
	Phase   string          `json:"phase"`           // "", which is clearing, "deciding", "locking"
	After   *RestrictionKey `json:"after,omitempty"` // nil at the beginning
	Cleared int             `json:"cleared"`         // left the wave
	Waiting int             `json:"waiting"`         // approved and hindered
}

func (c *waveCursor) place() RestrictionKey {
	if c.After == nil {
		return RestrictionKey{}
	}
	return *c.After
}

// waveStep does a step of an approval.
func (s *Service) waveStep(ctx context.Context, j *Job) error {
	var a waveArguments
	var c waveCursor
	result := WaveResult{Skipped: make(map[string]int)}
	if err := unpack(j, &a, &c, &result); err != nil {
		return err
	}
	now := s.now()
	b, err := s.book(ctx, now)
	if err != nil {
		return err
	}
	switch c.Phase {
	case "":
		return s.clearWave(ctx, b, j, a, c, result, now)
	case "deciding":
		return s.decideWave(ctx, j, a, c, result, now)
	}
	return s.lockWave(ctx, b, j, a, c, result, now)
}

// unpack reads what a job was asked for, where it goes on and what has come of it.
func unpack(j *Job, arguments, cursor, result any) error {
	for _, part := range []struct {
		text []byte
		into any
	}{{j.Arguments, arguments}, {j.Cursor, cursor}, {j.Result, result}} {
		if len(part.text) == 0 {
			continue
		}
		if err := json.Unmarshal(part.text, part.into); err != nil {
			return ErrInvalid.because(err).saying("job %d is of another release of this server: %v", j.ID, err)
		}
	}
	return nil
}

// clearWave takes out of a wave that is still open what may not be locked any more, a page at a time.
func (s *Service) clearWave(ctx context.Context, b *book, j *Job, a waveArguments, c waveCursor, result WaveResult, now time.Time) error {
	return s.turn(WithManyWrites(ctx), now, b, func(t *turn) error {
		next, c, result := *j, c, WaveResult{Skipped: maps.Clone(result.Skipped)}
		if w, err := t.tx.Wave(a.Wave); err != nil {
			return err
		} else if w.State != WaveOpen {
			return ErrWaveDecided
		}
		items, err := t.tx.WaveItems(a.Wave, c.place(), bulkPage)
		if err != nil {
			return err
		}
		for _, r := range items {
			l, err := t.lookAgain(b, r)
			if err != nil {
				return err
			}
			if why := l.hindrance(r, s.cfg.LockMargin, now); why != restriction.None {
				result.Skipped[string(why)]++
				c.Cleared++
				if err := t.withdraw(r); err != nil {
					return err
				}
			}
		}
		if len(items) > 0 {
			c.After = new(keyOf(items[len(items)-1]))
		}
		next.Done += int64(len(items))
		if len(items) < bulkPage {
			c.Phase, c.After = "deciding", nil
		}
		return t.advance(&next, c, result)
	})
}

// decideWave approves it, unless it has grown or somebody else has decided.
func (s *Service) decideWave(ctx context.Context, j *Job, a waveArguments, c waveCursor, result WaveResult, now time.Time) error {
	err := s.update(ctx, func(tx Tx) error {
		next, c := *j, c
		left := a.Size - c.Cleared
		if w, err := tx.Wave(a.Wave); err != nil {
			return err
		} else if w.Size > left && w.State == WaveOpen {
			return hasGrown(left, w.Size)
		}
		err := tx.DecideIfOpen(a.Wave, WaveApproved, j.By, now, a.Note)
		if errors.Is(err, ErrConflict) {
			return ErrWaveDecided.because(err)
		} else if err != nil {
			return err
		}
		if err := tx.AddEvent(Event{At: now, Kind: "wave", Actor: j.By, Detail: "A wave of locks was approved."}); err != nil {
			return err
		}
		c.Phase = "locking"
		next.Total = next.Done + int64(left)
		return advance(tx, now, &next, c, result)
	})
	if err == nil {
		s.unsettled.Store(a.Wave, j.By)
	}
	return err
}

// lockWave orders a page of the locks. What became hindered since the wave was cleared waits, with its approval, for a later sweep.
func (s *Service) lockWave(ctx context.Context, b *book, j *Job, a waveArguments, c waveCursor, result WaveResult, now time.Time) error {
	var done bool
	var waiting int
	skipped := maps.Clone(result.Skipped)
	err := s.turn(WithManyWrites(ctx), now, b, func(t *turn) error {
		next, c, result := *j, c, WaveResult{Locked: result.Locked, Skipped: maps.Clone(result.Skipped)}
		looked, last, locked, held, late, err := t.lockPage(b, a.Wave, c.place(), j.By)
		if err != nil {
			return err
		}
		result.Locked += locked
		c.Waiting += held
		for why, n := range late {
			result.Skipped[why] += n
		}
		if last == nil {
			next.State = JobDone
			next.Done = next.Total
		} else {
			c.After = new(keyOf(last))
			next.Done += int64(looked)
			next.Total = max(next.Total, next.Done)
		}
		done, waiting, skipped = last == nil, c.Waiting, result.Skipped
		return t.advance(&next, c, result)
	})
	if err != nil || !done {
		return err
	}
	for reason, n := range skipped {
		s.counters.waves.WithLabelValues(reason).Add(float64(n))
	}
	s.counters.jobs.WithLabelValues(j.Kind, string(JobDone)).Inc()
	if waiting == 0 {
		s.unsettled.Delete(a.Wave)
	}
	return nil
}

// waveGround stands for a wave among the grounds that jobs work at; no restriction has it.
func waveGround(id int64) order.Ground { return order.Ground{ID: "wave " + strconv.FormatInt(id, 10)} }

// busy says which grounds and waves unfinished jobs work at: a sweep leaves them alone.
func (s *Service) busy(ctx context.Context) (grounds map[order.Ground]bool, err error) {
	err = s.view(ctx, func(tx Tx) (err error) {
		grounds, err = busyIn(tx)
		return err
	})
	return grounds, err
}

func busyIn(tx Tx) (map[order.Ground]bool, error) {
	grounds := make(map[order.Ground]bool)
	jobs, err := tx.UnfinishedJobs(maxUnfinished)
	for _, j := range jobs {
		switch j.Kind {
		case WaveJob:
			id, _ := strconv.ParseInt(j.Subject, 10, 64)
			grounds[waveGround(id)] = true
		case ReleaseJob:
			warrants, err := tx.Warrants(j.Subject)
			if err != nil {
				return nil, err
			}
			for _, w := range warrants {
				grounds[warrantGround(w.ID)] = true
			}
		}
	}
	return grounds, err
}
