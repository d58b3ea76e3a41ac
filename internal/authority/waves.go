package authority

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Bounds of waves.
const (
	maxWave    = 1 << 20 // restrictions looked at
	lockChunk  = 500     // per transaction
	maxListing = 1000    // rows of any list
)

// Waves lists waves, newest first. limit is 1 to 1,000.
func (s *Service) Waves(ctx context.Context, limit int) (list []*Wave, err error) {
	err = s.view(ctx, func(tx Tx) (err error) {
		list, err = tx.Waves(bounded(limit))
		return err
	})
	return list, err
}

func bounded(limit int) int { return min(max(limit, 1), maxListing) }

// ApproveWave orders the locks of an open wave. Each restriction is looked at again first: what no longer holds leaves the wave and
// is counted under its reason. A wave that is out of proportion needs its size typed in, see WaveDetail.Confirm. Of several officers
// one approves; the others get ErrWaveDecided.
func (s *Service) ApproveWave(ctx context.Context, actor *Officer, id int64, a WaveApproval) (*WaveResult, error) {
	if err := allow(actor, MayDecideWaves); err != nil {
		return nil, err
	}
	note, err := line("note", a.Note, 0, 500)
	if err != nil {
		return nil, err
	}
	detail, err := s.WaveDetail(ctx, id)
	if err != nil {
		return nil, err
	}
	if detail.Wave.State != WaveOpen {
		return nil, ErrWaveDecided
	}
	if a.Shown != 0 && detail.Wave.Size > a.Shown {
		return nil, hasGrown(a.Shown, detail.Wave.Size)
	}
	if detail.Confirm != 0 && a.Confirm != detail.Confirm {
		return nil, outOfProportion(detail)
	}
	now := s.now()
	book, err := s.book(ctx, now)
	if err != nil {
		return nil, err
	}
	items, err := s.waveItems(ctx, id)
	if err != nil {
		return nil, err
	}
	result := &WaveResult{Skipped: make(map[string]int)}
	if err := s.clearWave(ctx, book, items, now, result); err != nil {
		return nil, err
	}
	cleared := 0
	for _, n := range result.Skipped {
		cleared += n
	}
	err = s.update(ctx, func(tx Tx) error {
		if w, err := tx.Wave(id); err != nil {
			return err
		} else if w.Size > detail.Wave.Size-cleared && w.State == WaveOpen {
			return hasGrown(detail.Wave.Size-cleared, w.Size)
		}
		err := tx.DecideIfOpen(id, WaveApproved, actor.Name, now, note)
		if errors.Is(err, ErrConflict) {
			return ErrWaveDecided.because(err)
		} else if err != nil {
			return err
		}
		return tx.AddEvent(Event{At: now, Kind: "wave", Actor: actor.Name, Detail: "A wave of locks was approved."})
	})
	if err != nil {
		return nil, err
	}
	s.unsettled.Store(id, actor.Name)
	if err := s.lockWave(ctx, book, id, actor.Name, now, result); err != nil {
		return result, err // decided: the next sweep orders the rest
	}
	for reason, n := range result.Skipped {
		s.counters.waves.WithLabelValues(reason).Add(float64(n))
	}
	return result, nil
}

// hasGrown says that a sweep has put locks into a wave that the officer has not seen.
func hasGrown(shown, size int) error {
	return ErrChanged.saying("the wave has grown from %d to %d locks since you looked at it", shown, size)
}

func outOfProportion(d *WaveDetail) error {
	for _, odd := range d.Odd {
		if odd.Stops {
			return ErrWaveProportion.saying("this wave needs a second look: %s", odd.Text).
				fixing("look at the samples; to approve it all the same, type the number of locks in it: %d", d.Confirm)
		}
	}
	return ErrWaveProportion
}

// RejectWave sets the restrictions of an open wave free: they stay noticed, and may be proposed again in a later wave.
func (s *Service) RejectWave(ctx context.Context, actor *Officer, id int64, note string) error {
	if err := allow(actor, MayDecideWaves); err != nil {
		return err
	}
	note, err := line("note", note, 1, 500)
	if err != nil {
		return err
	}
	now := s.now()
	return s.update(ctx, func(tx Tx) error {
		err := tx.DecideIfOpen(id, WaveRejected, actor.Name, now, note)
		if errors.Is(err, ErrConflict) {
			return ErrWaveDecided.because(err)
		} else if err != nil {
			return err
		}
		return tx.AddEvent(Event{At: now, Kind: "wave", Actor: actor.Name, Detail: "A wave of locks was rejected: " + note})
	})
}

func (s *Service) waveItems(ctx context.Context, id int64) (items []*Restriction, err error) {
	err = s.view(ctx, func(tx Tx) (err error) {
		items, err = tx.WaveItems(id, maxWave)
		return err
	})
	return items, err
}

// clearWave takes out of a wave that is still open what may not be locked any more.
func (s *Service) clearWave(ctx context.Context, b *book, items []*Restriction, now time.Time, result *WaveResult) error {
	for chunk := range slices.Chunk(items, lockChunk) {
		var skipped map[string]int
		err := s.turn(ctx, now, b, func(t *turn) error {
			skipped = make(map[string]int)
			for _, item := range chunk {
				r, l, err := t.again(b, item)
				if err != nil {
					return err
				}
				if why := l.hindrance(r, t.s.cfg.LockMargin, now); why != restriction.None {
					skipped[string(why)]++
					if err := t.withdraw(r); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for why, n := range skipped {
			result.Skipped[why] += n
		}
	}
	return nil
}

// again reads a restriction and how it stands, inside the transaction that acts on it.
func (t *turn) again(b *book, item *Restriction) (*Restriction, *look, error) {
	r, err := t.tx.Restriction(item.Device, item.Ground)
	if err != nil {
		return nil, nil, err
	}
	l, err := t.lookAgain(b, r)
	return r, l, err
}

// lookAgain decides anew about a restriction.
func (t *turn) lookAgain(b *book, r *Restriction) (*look, error) {
	d, err := t.tx.Device(r.Device)
	if err != nil {
		return nil, err
	}
	return t.look(b, d, r)
}

// hindrance adds to the rules what only orders know: a hold whose warrant ends before the lock could begin is not ordered.
func (l *look) hindrance(r *Restriction, margin time.Duration, now time.Time) restriction.Hinder {
	if why := restriction.Hindrance(r, l.standing, l.terms, now); why != restriction.None {
		return why
	}
	if !l.endsAt.IsZero() && !restriction.Effect(l.basis.place, r.Deadline, now, margin).Before(l.endsAt) {
		return restriction.WarrantEnded
	}
	return restriction.None
}

// lockWave orders the locks of an approved wave, in transactions of lockChunk. It can be called again after it was cut short: what
// is locked already is passed over. What became hindered since the wave was cleared waits, with its approval, for a later sweep.
func (s *Service) lockWave(ctx context.Context, b *book, id int64, officer string, now time.Time, result *WaveResult) error {
	items, err := s.waveItems(ctx, id)
	if err != nil {
		return err
	}
	items = slices.DeleteFunc(items, func(r *Restriction) bool { return r.Stage != order.Noticed })
	waiting := 0
	for chunk := range slices.Chunk(items, lockChunk) {
		var locked, held int
		var late map[string]int
		err := s.turn(ctx, now, b, func(t *turn) error {
			locked, held, late = 0, 0, make(map[string]int)
			for _, item := range chunk {
				r, l, err := t.again(b, item)
				if err != nil {
					return err
				}
				if r.Stage != order.Noticed || r.Wave != id {
					late[string(restriction.NotNoticed)]++
					continue
				}
				if why := l.hindrance(r, s.cfg.LockMargin, now); why != restriction.None {
					late[string(why)]++
					held++
					continue
				}
				if err := t.lockApproved(b, r, l, officer); err != nil {
					return err
				}
				locked++
			}
			return nil
		})
		if err != nil {
			return err
		}
		result.Locked += locked
		waiting += held
		for why, n := range late {
			result.Skipped[why] += n
		}
		s.counters.waves.WithLabelValues("locked").Add(float64(locked))
	}
	if waiting == 0 {
		s.unsettled.Delete(id)
	}
	return nil
}

// lockApproved orders one lock: from noon of a day that leaves the device time to hear of it, until the sunset of the policy or
// the end of the warrant.
func (t *turn) lockApproved(b *book, r *Restriction, l *look, officer string) error {
	effect := restriction.Effect(l.basis.place, r.Deadline, t.now, t.s.cfg.LockMargin)
	ends := l.endsAt
	if r.Ground.Kind == order.Rule {
		ends = effect.Add(min(time.Duration(b.edition.policy.Sunset)*24*time.Hour, order.MaxLock))
	}
	l.basis.actor = officer
	return t.lock(r, l.basis, effect, ends)
}

// finishWaves orders what interrupted approvals left. After a start it looks at the newest waves; later, only at its own.
func (s *Service) finishWaves(ctx context.Context, now time.Time) error {
	if _, looked := s.unsettled.LoadOrStore(int64(0), "looked"); !looked {
		waves, err := s.Waves(ctx, 50)
		if err != nil {
			s.unsettled.Delete(int64(0))
			return err
		}
		for _, w := range waves {
			if w.State == WaveApproved {
				s.unsettled.Store(w.ID, w.DecidedBy)
			}
		}
	}
	book, err := s.book(ctx, now)
	if err != nil {
		return err
	}
	officers := make(map[int64]string)
	s.unsettled.Range(func(id, officer any) bool {
		if id.(int64) != 0 {
			officers[id.(int64)] = officer.(string)
		}
		return true
	})
	for _, id := range slices.Sorted(maps.Keys(officers)) { // in the order in which they were approved
		if err := s.lockWave(ctx, book, id, officers[id], now, &WaveResult{Skipped: make(map[string]int)}); err != nil {
			return err
		}
	}
	return nil
}
