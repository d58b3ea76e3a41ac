package authority

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Bounds of waves.
const (
	lockChunk  = 500  // per transaction
	maxListing = 1000 // rows of any list
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
// one approves; the others get ErrWaveDecided. It returns when all is done; see BeginApproval for large waves.
func (s *Service) ApproveWave(ctx context.Context, actor *Officer, id int64, a WaveApproval) (*WaveResult, error) {
	j, err := s.BeginApproval(ctx, actor, id, a)
	if err != nil {
		return nil, err
	}
	result := &WaveResult{}
	if err := s.finished(ctx, j, result); err != nil {
		return nil, err
	}
	return result, nil
}

// waveArguments are what a WaveJob is asked for.
type waveArguments struct {
	Wave int64  `json:"wave"`
	Note string `json:"note,omitempty"`
	Size int    `json:"size"` // as the officer approved it
}

// BeginApproval checks an approval as ApproveWave does, and leaves its work to a job (WaveJob), whose Result is a WaveResult.
func (s *Service) BeginApproval(ctx context.Context, actor *Officer, id int64, a WaveApproval) (*Job, error) {
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
	size := detail.Wave.Size
	j, err := newJob(WaveJob, strconv.FormatInt(id, 10), actor.Name, s.now(), waveArguments{id, note, size})
	if err != nil {
		return nil, err
	}
	j.Total = 2 * int64(size) // each is looked at, and then locked
	err = s.update(ctx, func(tx Tx) error {
		err := begin(tx, j)
		if errors.Is(err, ErrConflict) {
			return ErrWaveDecided.saying("somebody is approving this wave already")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.handOver(ctx, j)
	return j, nil
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

// lockTimes are from when until when a lock holds: from noon of a day that leaves the device time to hear of it, until the sunset of the
// policy or the end of the warrant.
func (t *turn) lockTimes(b *book, a approved) (effect, ends time.Time) {
	effect, ends = restriction.Effect(a.look.basis.place, a.restriction.Deadline, t.now, t.s.cfg.LockMargin), a.look.endsAt
	if a.restriction.Ground.Kind == order.Rule {
		ends = effect.Add(min(time.Duration(b.edition.policy.Sunset)*24*time.Hour, order.MaxLock))
	}
	return effect, ends
}

// lockPage orders the locks of a page of an approved wave, and says why it did not order others. held are those of them that wait, with
// their approval, for a later sweep. looked is the length of the page; last is nil behind the end.
func (t *turn) lockPage(b *book, id int64, after RestrictionKey, officer string) (looked int, last *Restriction, locked, held int, late map[string]int, err error) {
	items, err := t.tx.WaveItems(id, after, bulkPage)
	if err != nil || len(items) == 0 {
		return 0, nil, 0, 0, nil, err
	}
	late = make(map[string]int)
	var free []approved
	for _, r := range items {
		if r.Stage != order.Noticed {
			continue // locked by an earlier attempt, or lifted
		}
		l, err := t.lookAgain(b, r)
		if err != nil {
			return 0, nil, 0, 0, nil, err
		}
		if why := l.hindrance(r, t.s.cfg.LockMargin, t.now); why != restriction.None {
			late[string(why)]++
			held++
			continue
		}
		free = append(free, approved{r, l})
	}
	locked, err = t.lockAll(b, free, officer)
	if n := len(free) - locked; n > 0 {
		late[string(restriction.NotNoticed)] += n
	}
	t.count = append(t.count, func() { t.s.counters.waves.WithLabelValues("locked").Add(float64(locked)) })
	return len(items), items[len(items)-1], locked, held, late, err
}

// finishWaves orders what approvals left, because something hindered it. After a start it looks at the newest waves; later, only at its
// own. Waves that a job still works at are left to it.
func (s *Service) finishWaves(ctx context.Context, now time.Time, busy map[order.Ground]bool) error {
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
		if id.(int64) != 0 && !busy[waveGround(id.(int64))] {
			officers[id.(int64)] = officer.(string)
		}
		return true
	})
	for _, id := range slices.Sorted(maps.Keys(officers)) { // in the order in which they were approved
		if err := s.finishWave(ctx, book, id, officers[id], now); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) finishWave(ctx context.Context, b *book, id int64, officer string, now time.Time) error {
	waiting := 0
	for after := (RestrictionKey{}); ; {
		var last *Restriction
		held := 0
		err := s.turn(ctx, now, b, func(t *turn) (err error) {
			_, last, _, held, _, err = t.lockPage(b, id, after, officer)
			return err
		})
		if err != nil {
			return err
		}
		if last == nil {
			break
		}
		after, waiting = keyOf(last), waiting+held
	}
	if waiting == 0 {
		s.unsettled.Delete(id)
	}
	return nil
}
