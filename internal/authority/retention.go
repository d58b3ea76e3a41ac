package authority

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Retention is how long records are kept. What is zero is kept for ever.
type Retention struct {
	Days     int           // days of a device's record, from today back; a check-in drops older ones by itself
	Records  time.Duration // settled orders, and lines of time lines
	Contacts time.Duration // how to reach an owner, after the answer to an appeal
	Jobs     time.Duration // jobs, after their end
}

// DefaultRetention is that of a server whose operator says nothing else: 90 days, three years, 90 days, 90 days.
func DefaultRetention() Retention {
	const day = 24 * time.Hour
	return Retention{Days: 90, Records: 3 * 365 * day, Contacts: 90 * day, Jobs: 90 * day}
}

// Forgotten is what has come of a RetentionJob: its Result.
type Forgotten struct {
	Devices  int64 `json:"devices"`  // whose records lost days
	Orders   int64 `json:"orders"`   // settled, and on a ground on which nothing is noticed or locked
	Events   int64 `json:"events"`   // lines of time lines
	Contacts int64 `json:"contacts"` // of answered appeals
	Jobs     int64 `json:"jobs"`
}

// Bounds of a step.
const (
	retentionScan = 5000 // devices looked at
	retentionPage = 1000 // records written or deleted in a transaction
	retentionLook = time.Hour
)

// daily is the subject of the job of each day.
const daily = "daily"

// When the daily job begins, by the server's clock and in its time zone.
const (
	retentionHour  = 3              // o'clock
	retentionNight = 3 * time.Hour  // from then on it may begin
	retentionLate  = 36 * time.Hour // after the last one it begins at any hour
	retentionQuiet = 2 * time.Hour  // after a start, when devices come that could not before
)

// retentionDue reports whether the daily job should begin: last is when one began, the zero time for never, and started when this server did.
// A server that is down every night still begins one, by day.
func retentionDue(last, started, now time.Time) bool {
	if now.Sub(started) < retentionQuiet {
		return false
	}
	hour := time.Date(now.Year(), now.Month(), now.Day(), retentionHour, 0, 0, 0, now.Location())
	if hour.After(now) {
		hour = hour.AddDate(0, 0, -1)
	}
	return last.Before(hour) && (now.Sub(hour) < retentionNight || now.Sub(last) >= retentionLate)
}

// beginRetention begins the daily job when it is due. It looks once an hour.
func (s *Service) beginRetention(ctx context.Context, now time.Time) error {
	if s.cfg.Retention == (Retention{}) || now.Sub(s.started) < retentionQuiet || now.Sub(time.Unix(s.kept.Load(), 0)) < retentionLook {
		return nil
	}
	here := now.In(s.cfg.Now().Location())
	err := s.update(ctx, func(tx Tx) error {
		var last time.Time
		j, err := tx.LastJob(RetentionJob, daily, "")
		switch none, err := absent(err); {
		case err != nil:
			return err
		case none:
		case !j.State.Finished():
			return nil
		default:
			last = j.CreatedAt
		}
		if !retentionDue(last, s.started, here) {
			return nil
		}
		devices, err := tx.CountDevices()
		if err != nil {
			return err
		}
		if j, err = newJob(RetentionJob, daily, "rule", now, s.cfg.Retention); err != nil {
			return err
		}
		j.Total = int64(devices)
		return begin(tx, j)
	})
	if err == nil || errors.Is(err, ErrChanged) { // another server was first
		s.kept.Store(now.Unix())
		return nil
	}
	return err
}

// retentionCursor is where it goes on: devices first, then one sort of record after the other.
type retentionCursor struct {
	Phase int       `json:"phase"`
	After device.ID `json:"after"`
}

// retentionStep forgets a page.
func (s *Service) retentionStep(ctx context.Context, j *Job) error {
	var keep Retention
	var c retentionCursor
	var result Forgotten
	if err := unpack(j, &keep, &c, &result); err != nil {
		return err
	}
	if c.Phase == 0 {
		return s.forgetDays(ctx, j, keep, c, result)
	}
	now := s.now()
	sorts := []struct {
		name  string
		keep  time.Duration
		tally *int64
		do    func(Tx, time.Time, int) (int, error)
	}{
		{"order", keep.Records, &result.Orders, Tx.ForgetOrders}, {"event", keep.Records, &result.Events, Tx.ForgetEvents},
		{"contact", keep.Contacts, &result.Contacts, Tx.ForgetContacts}, {"job", keep.Jobs, &result.Jobs, Tx.DeleteJobs},
	}
	sort := sorts[min(c.Phase, len(sorts))-1]
	before, n := *sort.tally, 0
	err := s.update(WithManyWrites(ctx), func(tx Tx) (err error) {
		next, c := *j, c
		n = 0
		if sort.keep > 0 {
			if n, err = sort.do(tx, now.Add(-sort.keep), retentionPage); err != nil {
				return err
			}
		}
		*sort.tally = before + int64(n)
		if n < retentionPage {
			if c.Phase++; c.Phase > len(sorts) {
				next.State, next.Done = JobDone, next.Total
			}
		}
		return advance(tx, now, &next, c, result)
	})
	if err == nil {
		s.counters.forgotten.WithLabelValues(sort.name).Add(float64(n))
	}
	return err
}

// forgetDays takes days that are too old out of some records: those of devices that have not checked in for long, since a check-in does so by
// itself. It looks beside the writer.
func (s *Service) forgetDays(ctx context.Context, j *Job, keep Retention, c retentionCursor, result Forgotten) error {
	now := s.now()
	oldest := territory.DayOf(now) - territory.Day(keep.Days)
	var stale []device.ID
	last, looked := c.After, 0
	err := s.view(ctx, func(tx Tx) error {
		stale, last, looked = nil, c.After, 0
		err := tx.EachDevice(c.After, func(d *Device) error {
			if looked == retentionScan || len(stale) == retentionPage {
				return errEnough
			}
			looked++
			last = d.ID
			if keep.Days > 0 && len(d.Days) > 0 && d.Days[0].Day < oldest {
				stale = append(stale, d.ID)
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	n := 0
	err = s.update(WithManyWrites(ctx), func(tx Tx) error {
		next, result := *j, result
		n = 0
		for _, id := range stale {
			d, err := tx.Device(id)
			if err != nil {
				return err
			}
			had := len(d.Days)
			d.Days = slices.DeleteFunc(slices.Clone(d.Days), func(r territory.DayRecord) bool { return r.Day < oldest })
			if len(d.Days) == had {
				continue // it has checked in meanwhile
			}
			if err := tx.PutDevice(d); err != nil {
				return err
			}
			n++
		}
		result.Devices += int64(n)
		cursor := retentionCursor{After: last}
		next.Done += int64(looked)
		if looked < retentionScan && len(stale) < retentionPage {
			cursor = retentionCursor{Phase: 1}
		}
		return advance(tx, now, &next, cursor, result)
	})
	if err == nil {
		s.counters.forgotten.WithLabelValues("days").Add(float64(n))
	}
	return err
}

// EraseDevice forgets what a device told of its owner, at the owner's request: its days and territories, its time line, its settled orders, and
// the words of its appeals. What stays is what names the device, its key and its counters, without which it could not be answered, and
// which restrictions a person lifted for good (Charter C9); so stay the commitments in the public ledger, which name nobody. While
// anything is noticed or locked, or a lift has not arrived, it is refused: the way out rests on these records (C1). The names of individual
// licences stay, too, which officers gave it and without which its next check-in could lead to a notice. It returns how many records were
// forgotten. If the device is in use still, its record begins anew with the next check-in.
func (s *Service) EraseDevice(ctx context.Context, actor *Officer, id device.ID, reason string) (n int, err error) {
	if err := allow(actor, MayErase); err != nil {
		return 0, err
	}
	if reason, err = line("reason", reason, 5, 500); err != nil {
		return 0, err
	}
	err = s.turn(ctx, s.now(), nil, func(t *turn) error {
		d, err := t.tx.Device(id)
		if err != nil {
			return err
		}
		if err := t.mayErase(id); err != nil {
			return err
		}
		if n, err = t.tx.ForgetHistory(id); err != nil {
			return err
		}
		kept := &Device{ID: d.ID, IMEI: d.IMEI, Serial: d.Serial, Model: d.Model, Key: d.Key, Attestation: d.Attestation, KeyCeiling: d.KeyCeiling, Boot: d.Boot,
			Sequence: d.Sequence, EnrolledAt: d.EnrolledAt, Unlocks: d.Unlocks, LicenceNames: d.LicenceNames}
		if err := t.tx.PutDevice(kept); err != nil {
			return err
		}
		return t.note(id, "erased", order.Ground{}, actor.Name, "The history of the device was erased at its owner's request: %s", reason)
	})
	if err == nil {
		s.counters.forgotten.WithLabelValues("erased").Add(float64(n))
	}
	return n, err
}

// mayErase refuses while something hangs on the records of a device.
func (t *turn) mayErase(id device.ID) error {
	restrictions, err := t.tx.Restrictions(id)
	if err != nil {
		return err
	}
	for _, r := range restrictions {
		if r.Active() {
			return ErrErasureHeld.saying("the device is %s on the ground %s, and the way out rests on its records", r.Stage, r.Ground).
				fixing("lift the restriction first, and wait until the device has confirmed it")
		}
	}
	orders, err := t.tx.OrdersOf(id, maxListing)
	if err != nil {
		return err
	}
	for _, o := range orders {
		if !o.Settled {
			return ErrErasureHeld.saying("the device has not confirmed yet that the restriction on the ground %s is lifted", o.Ground).
				fixing("wait until it has; without a network, give its owner an unlock code")
		}
	}
	return nil
}
