package authority

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/custody"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// CountAtOnce is up to how many production records a consignment is counted whenever somebody looks at its case; above it a CountJob does.
const CountAtOnce = 10_000

// Bounds of a count.
const (
	countPages      = 10    // of sweepPage production records, in a step
	countConsignees = 1_000 // told apart; the rest is counted together
)

// CohortCount is what is known of a case's consignment: the Result of a CountJob. A job counts page by page, each as it is then.
type CohortCount struct {
	Devices     int                    `json:"devices"` // produced in the consignment
	Enrolled    int                    `json:"enrolled"`
	Observed    int                    `json:"observed"` // enrolled and never restricted by a warrant of the case
	Noticed     int                    `json:"noticed"`
	Locked      int                    `json:"locked"`
	Lifted      int                    `json:"lifted"`
	Stragglers  int                    `json:"stragglers"`  // of a concluded case: lifted here, not yet reported as lifted by the device
	Activations map[territory.Code]int `json:"activations"` // by territory of activation; "" while not established
	Markets     map[territory.Code]int `json:"markets"`
	Consignees  map[string]*Diversion  `json:"consignees"` // "others" for those beyond 1,000
}

// member is a production record of a consignment, and what has come of it.
type member struct {
	made   Production
	device *Device     // nil when it is not enrolled
	stage  order.Stage // as far as the warrants of the case have gone with it
}

// cohortPage reads the next members of a case's consignment behind an IMEI.
func cohortPage(tx Tx, c *Case, warrants []*Warrant, after device.IMEI) ([]member, error) {
	made, devices, err := consigned(tx, c.Consignment, after, sweepPage)
	if err != nil {
		return nil, err
	}
	page, places, ids := make([]member, len(made)), make(map[device.ID]int), make([]device.ID, 0, len(made))
	for i, d := range devices {
		page[i] = member{made: made[i], device: d}
		if d != nil {
			places[d.ID], ids = i, append(ids, d.ID)
		}
	}
	if len(warrants) == 0 || len(ids) == 0 {
		return page, nil
	}
	restrictions, err := tx.RestrictionsOfAll(ids)
	for _, r := range restrictions {
		if slices.ContainsFunc(warrants, func(w *Warrant) bool { return warrantGround(w.ID) == r.Ground }) {
			m := &page[places[r.Device]]
			m.stage = further(m.stage, r.Stage)
		}
	}
	return page, err
}

// further is how far warrants have gone with a device, one after the other: the strictest stage that is not lifted, Lifted when all are.
func further(so, next order.Stage) order.Stage {
	switch {
	case so == order.Observed, so == order.Lifted:
		return next
	case next == order.Lifted:
		return so
	}
	return max(so, next)
}

func (c *CohortCount) add(page []member) {
	if c.Consignees == nil {
		c.Activations, c.Markets, c.Consignees = map[territory.Code]int{}, map[territory.Code]int{}, map[string]*Diversion{}
	}
	for i := range page {
		m := &page[i]
		shipment := shipmentOf(m.made, m.device)
		c.Devices++
		c.Markets[shipment.Market]++
		c.consignee(shipment.Consignee).add(shipment)
		if m.device == nil {
			continue
		}
		c.Enrolled++
		c.Activations[shipment.Activation]++
		switch m.stage {
		case order.Noticed:
			c.Noticed++
		case order.Locked:
			c.Locked++
		case order.Lifted:
			c.Lifted++
		default:
			c.Observed++
		}
	}
}

func shipmentOf(p Production, d *Device) custody.Shipment {
	s := custody.Shipment{Consignee: p.Consignee, Market: p.Market}
	if d != nil && d.Activation != nil && !d.Activation.Mixed {
		s.Activation = d.Activation.Territory
	}
	return s
}

func (c *CohortCount) consignee(name string) *Diversion {
	if c.Consignees[name] == nil && len(c.Consignees) >= countConsignees {
		name = "others"
	}
	d := c.Consignees[name]
	if d == nil {
		d = &Diversion{Consignee: name}
		c.Consignees[name] = d
	}
	return d
}

func (d *Diversion) add(s custody.Shipment) {
	d.Devices++
	if s.Activation != territory.Unknown {
		d.Activated++
	}
	if s.Outside() {
		d.Outside++
	}
}

// put sets the numbers of a case to those of a count.
func (c *CohortCount) put(d *CaseDetail) {
	d.Devices, d.Enrolled, d.Observed, d.Noticed, d.Locked, d.Lifted, d.Stragglers = c.Devices, c.Enrolled, c.Observed, c.Noticed, c.Locked, c.Lifted, c.Stragglers
	d.Activations, d.Market, d.Diverted = ranked(c.Activations), territory.Code(mostOf(c.Markets).Name), 0
	d.Consignees = make([]Diversion, 0, len(c.Consignees))
	for _, of := range c.Consignees {
		d.Consignees = append(d.Consignees, *of)
		d.Diverted += of.Outside
	}
	slices.SortFunc(d.Consignees, func(a, b Diversion) int { return cmp.Or(b.Outside-a.Outside, cmp.Compare(a.Consignee, b.Consignee)) })
}

// finish counts what is read at once.
func (c *CohortCount) finish(tx Tx, of *Case, warrants []*Warrant) (err error) {
	if of.State == CaseConcluded {
		c.Stragglers, err = stragglers(tx, warrants)
	}
	return err
}

// CaseDetail returns a case with its cohort: counted now, or by the last CountJob when its consignment is larger than CountAtOnce.
func (s *Service) CaseDetail(ctx context.Context, id string) (*CaseDetail, error) {
	detail, now := &CaseDetail{}, s.now()
	err := s.view(ctx, func(tx Tx) (err error) {
		*detail = CaseDetail{}
		if detail.Case, err = tx.Case(id); err != nil {
			return err
		}
		if detail.Warrants, err = tx.Warrants(id); err != nil {
			return err
		}
		if detail.Events, err = tx.CaseEvents(id, maxListing); err != nil {
			return err
		}
		if detail.Notices, err = openNotices(tx, detail.Warrants); err != nil {
			return err
		}
		n, err := tx.CountProductions(detail.Case.Consignment, CountAtOnce+1)
		if err != nil {
			return err
		}
		if n > CountAtOnce {
			return detail.readCount(tx)
		}
		return detail.countNow(tx, now)
	})
	if err != nil {
		return nil, err
	}
	return detail, nil
}

func (d *CaseDetail) countNow(tx Tx, now time.Time) error {
	var c CohortCount
	for after := device.IMEI(""); ; {
		page, err := cohortPage(tx, d.Case, d.Warrants, after)
		if err != nil {
			return err
		}
		c.add(page)
		if len(page) < sweepPage {
			break
		}
		after = page[len(page)-1].made.IMEI
	}
	if err := c.finish(tx, d.Case, d.Warrants); err != nil {
		return err
	}
	c.put(d)
	d.CountedAt = now
	return nil
}

// readCount reads the last count, and how far one is that is under way or has failed since.
func (d *CaseDetail) readCount(tx Tx) error {
	d.ByJob = true
	last, err := tx.LastJob(CountJob, d.Case.ID, "")
	if none, err := absent(err); none || err != nil {
		return err
	}
	if !last.State.Finished() || last.State == JobFailed {
		d.Counting = last
	}
	done, err := tx.LastJob(CountJob, d.Case.ID, JobDone)
	if none, err := absent(err); none || err != nil {
		return err
	}
	var c CohortCount
	if err := unpack(done, &struct{}{}, &countCursor{}, &c); err != nil {
		return err
	}
	c.put(d)
	d.CountedAt = done.FinishedAt
	return nil
}

// BeginCount has the consignment of a case counted anew by a job, whose Result is a CohortCount; one that is under way goes on instead.
func (s *Service) BeginCount(ctx context.Context, actor *Officer, caseID string) (*Job, error) {
	if err := allow(actor, MayInvestigate); err != nil {
		return nil, err
	}
	now := s.now()
	var j *Job
	err := s.update(ctx, func(tx Tx) (err error) {
		if _, err := tx.Case(caseID); err != nil {
			return err
		}
		j, err = tx.LastJob(CountJob, caseID, "")
		if none, err := absent(err); err != nil || !none && !j.State.Finished() {
			return err
		}
		j, err = beginCount(tx, caseID, actor.Name, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.handOver(ctx, j)
	return j, nil
}

func beginCount(tx Tx, caseID, by string, now time.Time) (*Job, error) {
	j, err := newJob(CountJob, caseID, by, now, struct{}{})
	if err != nil {
		return nil, err
	}
	return j, begin(tx, j)
}

// countCursor is where a count goes on.
type countCursor struct {
	After device.IMEI `json:"after"`
}

// countStep counts some pages. It reads, each on a snapshot of its own, so that none is kept for long.
func (s *Service) countStep(ctx context.Context, j *Job) error {
	var c countCursor
	var count CohortCount
	if err := unpack(j, &struct{}{}, &c, &count); err != nil {
		return err
	}
	next := *j
	over := false
	for n := 0; n < countPages && !over; n++ {
		var page []member
		err := s.view(ctx, func(tx Tx) error {
			of, err := tx.Case(j.Subject)
			if err != nil {
				return err
			}
			if j.Step == 0 && n == 0 {
				all, err := tx.CountProductions(of.Consignment, 0)
				if err != nil {
					return err
				}
				next.Total = int64(all)
			}
			warrants, err := tx.Warrants(of.ID)
			if err != nil {
				return err
			}
			if page, err = cohortPage(tx, of, warrants, c.After); err != nil {
				return err
			}
			if over = len(page) < sweepPage; over {
				err = count.finish(tx, of, warrants)
			}
			return err
		})
		if err != nil {
			return err
		}
		count.add(page)
		next.Done += int64(len(page))
		if len(page) > 0 {
			c.After = page[len(page)-1].made.IMEI
		}
	}
	now := s.now()
	err := s.update(ctx, func(tx Tx) error {
		next := next // a store may ask twice
		if over {
			next.State, next.Total = JobDone, next.Done // records may have come meanwhile
		}
		return advance(tx, now, &next, c, count)
	})
	if err == nil && over {
		s.counters.jobs.WithLabelValues(j.Kind, string(JobDone)).Inc()
	}
	return err
}
