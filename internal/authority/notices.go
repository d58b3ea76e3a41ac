package authority

import (
	"context"
	"errors"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/cohort"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// NoticeAtOnce is for how many devices, at most, a warrant is counted and its notices are given in the call that publishes it; above it a NoticeJob
// does. What either leaves, be it for a crash, check-ins do: a notice reaches its device at one in any case.
const NoticeAtOnce = 10_000

// Noticed is what has come of the notices of a warrant: the Result of a NoticeJob. Each device is looked at once, as it is then.
type Noticed struct {
	Enrolled int `json:"enrolled"` // devices of the cohort
	Noticed  int `json:"noticed"`  // of these: given their notice here
	Before   int `json:"before"`   // had it already: they checked in before their turn
	Left     int `json:"left"`     // nothing may be escalated now, such as with a doubtful clock: theirs comes at a check-in, when it may
}

func (n *Noticed) add(page Noticed) {
	n.Enrolled, n.Noticed, n.Before, n.Left = n.Enrolled+page.Enrolled, n.Noticed+page.Noticed, n.Before+page.Before, n.Left+page.Left
}

// noticeCursor is where notices go on: the position in the cohort, which is frozen.
type noticeCursor struct {
	At int `json:"at"`
}

// inForce is a warrant by which notices may be given now.
type inForce struct {
	warrant     *Warrant
	consignment string
	cohort      *cohort.Tree
}

// inForce reads a warrant inside the transaction that gives notices by it. An error of a rule says why none may be.
func (t *turn) inForce(b *book, id string) (*inForce, error) {
	w, c, err := warrantIn(t.tx, id)
	if err != nil {
		return nil, err
	}
	tree, counts, err := t.s.authentic(t.tx, b.signed, w)
	switch {
	case err != nil:
		return nil, err
	case c.State == CaseConcluded:
		return nil, ErrCaseConcluded
	case !t.now.Before(w.EndsAt):
		return nil, ErrNoNotices.saying("%s has ended", id)
	case !counts:
		return nil, ErrNoNotices.saying("officers' signatures do not list %s as it is kept here", id)
	case !b.signed.stands(tuf.Warrant, t.now):
		return nil, ErrNoNotices.saying("the officers' signatures on warrants have ended, and phones would refuse a notice").
			fixing("renew them with bailiwick warrant renew; the phones that are left get theirs at a check-in after that")
	}
	return &inForce{w, c.Consignment, tree}, nil
}

// noticePage gives notice to those of a page of a warrant's cohort that may have one and have none.
func (t *turn) noticePage(b *book, by *inForce, page []device.IMEI) (n Noticed, err error) {
	if err := b.current(t.tx); err != nil {
		return n, err
	}
	devices, had, err := t.cohortDevices(by, page)
	if err != nil {
		return n, err
	}
	n.Enrolled = len(devices)
	var due []*Restriction
	var bases []basis
	for _, d := range devices {
		r, rests := had[d.ID], t.s.warrantBasis(by.warrant, d)
		deadline := restriction.Deadline(rests.place, rests.terms, t.now)
		switch {
		case restriction.Due(r, standingOf(d, restriction.Holds), rests.terms, t.now) == restriction.Notify && deadline.Before(by.warrant.EndsAt):
			due, bases = append(due, rests.restriction(d.ID, t.now, deadline)), append(bases, rests)
		case r != nil:
			n.Before++
		default:
			n.Left++
		}
	}
	n.Noticed, err = t.noticeAll(due, bases)
	n.Before += len(due) - n.Noticed
	return n, err
}

// cohortDevices reads the enrolled devices of a page of a cohort, as far as the production records still have them in the consignment, and what they
// have on the warrant's ground.
func (t *turn) cohortDevices(by *inForce, page []device.IMEI) (list []*Device, had map[device.ID]*Restriction, err error) {
	found, err := t.tx.DevicesByIMEIs(page)
	if err != nil {
		return nil, nil, err
	}
	var ids []device.ID
	for _, d := range found {
		if by.enrolled(d) {
			list, ids = append(list, d), append(ids, d.ID)
		}
	}
	had = make(map[device.ID]*Restriction)
	if len(ids) == 0 {
		return nil, had, nil
	}
	restrictions, err := t.tx.RestrictionsOfAll(ids)
	for _, r := range restrictions {
		if r.Ground == warrantGround(by.warrant.ID) {
			had[r.Device] = r
		}
	}
	return list, had, err
}

// enrolled reports whether a device that was found for a member of the cohort, nil for none, is one that the warrant is for.
func (by *inForce) enrolled(d *Device) bool {
	return d != nil && d.Made != nil && d.Made.Consignment == by.consignment
}

// noticeAll gives notices to devices that stand in the list once, as notify does to one, and returns how many. One that has its notice already is left alone.
func (t *turn) noticeAll(list []*Restriction, bases []basis) (int, error) {
	hit, err := t.tx.NoticeAllIfFree(list)
	if err != nil {
		return 0, err
	}
	var orders []*Order
	var events []Event
	for i, r := range list {
		if !hit[i] {
			continue
		}
		o, err := t.order(r.Device, bases[i].notice(r.Deadline))
		if err != nil {
			return 0, err
		}
		orders, events = append(orders, o), append(events, bases[i].noticed(r.Device, t.now, r.Deadline))
	}
	if err := t.issueAll(orders); err != nil {
		return 0, err
	}
	return len(orders), t.tx.AddEvents(events)
}

// countEnrolled counts the enrolled devices of a cohort, on one snapshot.
func countEnrolled(tx Tx, by *inForce) (n int, err error) {
	for at := 0; at < by.cohort.Size(); at += bulkPage {
		devices, err := tx.DevicesByIMEIs(by.cohort.Part(at, bulkPage))
		if err != nil {
			return 0, err
		}
		for _, d := range devices {
			if by.enrolled(d) {
				n++
			}
		}
	}
	return n, nil
}

// noticeAtOnce gives the notices of a small cohort.
func (s *Service) noticeAtOnce(ctx context.Context, w *Warrant) error {
	now := s.now()
	b, err := s.book(ctx, now)
	if err != nil {
		return err
	}
	over := false
	for at := 0; !over; at += bulkPage {
		err := s.turn(WithManyWrites(ctx), now, b, func(t *turn) error {
			by, err := t.inForce(b, w.ID)
			if err != nil {
				return err
			}
			over = at+bulkPage >= by.cohort.Size()
			_, err = t.noticePage(b, by, by.cohort.Part(at, bulkPage))
			return err
		})
		if errors.Is(err, ErrCaseConcluded) || errors.Is(err, ErrNoNotices) { // in the same moment: it was published all the same
			s.cfg.Logger.Warn("a warrant that was just published gives no notices", "warrant", w.ID, "error", err)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// noticeStep gives the notices of a page of a large cohort. It rests on guards: of what it reads, devices and their restrictions are written with the
// notice, and whoever concludes the case ends the job, which the step writes, too.
func (s *Service) noticeStep(ctx context.Context, j *Job) error {
	var c noticeCursor
	var result Noticed
	if err := unpack(j, &struct{}{}, &c, &result); err != nil {
		return err
	}
	now := s.now()
	b, err := s.book(ctx, now)
	if err != nil {
		return err
	}
	over := false
	err = s.turn(WithGuardsOnly(WithManyWrites(ctx)), now, b, func(t *turn) error {
		if err := t.at(j); err != nil {
			return err
		}
		next, c, result := *j, c, result
		by, err := t.inForce(b, j.Subject)
		if err != nil {
			return err
		}
		page := by.cohort.Part(c.At, bulkPage)
		n, err := t.noticePage(b, by, page)
		if err != nil {
			return err
		}
		result.add(n)
		c.At += len(page)
		next.Done, next.Total = int64(c.At), int64(by.cohort.Size())
		if over = c.At >= by.cohort.Size(); over {
			next.State = JobDone
		}
		if err := t.tx.SetDevicesIfInForce(by.warrant.ID, result.Enrolled); err != nil {
			return err
		}
		return t.advance(&next, c, result)
	})
	switch {
	case errors.Is(err, ErrNoNotices), errors.Is(err, ErrCaseConcluded):
		return s.stopNotices(ctx, j, err)
	case err == nil && over:
		s.counters.jobs.WithLabelValues(j.Kind, string(JobDone)).Inc()
	}
	return err
}

// stopNotices ends a job whose warrant gives no notices any more; why says so. Nothing failed, and what was noticed stays.
func (s *Service) stopNotices(ctx context.Context, j *Job, why error) error {
	if err := s.endJob(ctx, j.ID, j.Step, JobCancelled, faultOf(why)); err != nil {
		return err
	}
	s.counters.jobs.WithLabelValues(j.Kind, string(JobCancelled)).Inc()
	return nil
}

// stopNoticesOf ends, in the transaction that concludes a case, the job that still gives notices by a warrant of it, and reports whether there was one. It is
// the job's row in which the two meet: no page of notices is given after that.
func stopNoticesOf(tx Tx, w *Warrant, by string, now time.Time) (stopped bool, err error) {
	j, err := tx.LastJob(NoticeJob, w.ID, "")
	if none, err := absent(err); none || err != nil {
		return false, err
	}
	if j.State.Finished() {
		return false, nil
	}
	why := ErrCaseConcluded.saying("%s concluded %s: no more notices are given", by, w.Case)
	return true, end(tx, j, JobCancelled, faultOf(why), now)
}

// openNotices finds the jobs that give warrants' notices, but those that have given them all.
func openNotices(tx Tx, warrants []*Warrant) (map[string]*Job, error) {
	jobs := make(map[string]*Job)
	for _, w := range warrants {
		j, err := tx.LastJob(NoticeJob, w.ID, "")
		if none, err := absent(err); err != nil {
			return nil, err
		} else if !none && j.State != JobDone {
			jobs[w.ID] = j
		}
	}
	return jobs, nil
}

// Follow brings p up to date with its job of notices as that is now: the warrant is for as many devices as have been counted.
func (p *Published) Follow(j *Job) {
	p.Notices = j
	var n Noticed
	if err := unpack(j, &struct{}{}, &noticeCursor{}, &n); err == nil {
		p.Warrant.DevicesAtIssue = n.Enrolled
	}
}
