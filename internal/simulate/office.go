package simulate

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// office is what officers do.
type office struct {
	w        *world
	officers [2]*authority.Officer
	editions map[[32]byte]edition
	version  int
}

// edition is what the office knows of a policy that it wrote.
type edition struct{ rules []rule }

type rule struct {
	id           string
	codes        []territory.Code
	since, until territory.Day
	reviewBy     territory.Day
}

var consignments = []string{"SHIP-1", "SHIP-2", ""}

func newOffice(w *world) office {
	return office{w: w, editions: map[[32]byte]edition{}, officers: [2]*authority.Officer{
		{Name: "ana", Role: authority.RoleOfficer}, {Name: "ben", Role: authority.RoleOfficer}}}
}

// any is one of the officers.
func (o *office) any() *authority.Officer { return pick(o.w.dice, o.officers[:]...) }

func (o *office) ask(what string, fn func(context.Context, *authority.Service) error) {
	_ = o.w.server.ask(what, fn) // what fails is tried again another day, or not at all
	o.w.after(o.w.dice.between(time.Second, time.Hour), func() { o.w.server.work(false) })
}

// turn is a day at the office, and queues the next one.
func (o *office) turn() {
	w, d := o.w, o.w.dice
	o.visit()
	switch n := d.IntN(100); {
	case n < 5:
		o.publish()
	case n < 9:
		o.investigate()
	case n < 11:
		o.conclude()
	case n < 12:
		o.answer()
	case n < 13:
		o.licence()
	case n < 14:
		o.liftOne()
	}
	if !w.quiet {
		w.after(d.between(8*day, 80*day), o.turn)
	}
}

// expect has somebody at the office look after a date that a notice told: locks are proposed then.
func (o *office) expect(deadline time.Time) {
	for range 2 {
		o.w.after(deadline.Sub(o.w.now)+o.w.dice.between(time.Hour, 6*day), o.visit)
	}
}

// visit is what a day at the office always brings: what time makes due, and the open wave.
func (o *office) visit() {
	o.w.server.work(true)
	o.waves()
}

// waves decides the open wave, if there is one: most are approved.
func (o *office) waves() {
	var open *authority.Wave
	_ = o.w.server.db.View(context.Background(), func(tx authority.Tx) (err error) { open, err = tx.OpenWave(); return err })
	if open == nil || o.w.dice.chance(0.2) {
		return
	}
	if o.w.dice.chance(0.1) {
		o.ask("reject wave", func(ctx context.Context, a *authority.Service) error {
			return a.RejectWave(ctx, o.any(), open.ID, "Not now.")
		})
		return
	}
	o.ask("approve wave", func(ctx context.Context, a *authority.Service) error {
		detail, err := a.WaveDetail(ctx, open.ID)
		if err != nil {
			return err
		}
		_, err = a.ApproveWave(ctx, o.any(), open.ID, authority.WaveApproval{Note: "Looked at.", Confirm: detail.Confirm, Shown: detail.Wave.Size})
		return err
	})
}

// publish writes a policy and publishes it: rules come and go, end, and lack a review.
func (o *office) publish() {
	w, d := o.w, o.w.dice
	o.version++
	today := territory.DayOf(w.now)
	var e edition
	for _, r := range []rule{{id: "cuba", codes: []territory.Code{"CU"}}, {id: "iran", codes: []territory.Code{"IR"}}, {id: "syria", codes: []territory.Code{"SY"}}} {
		if o.version > 1 && d.chance(0.2) {
			continue
		}
		r.since = territory.Day(11000)
		r.reviewBy = today + territory.Day(d.IntN(900)+200)
		if d.chance(0.15) {
			r.until = today + territory.Day(d.IntN(400)+1)
		}
		e.rules = append(e.rules, r)
	}
	source := o.write(e)
	o.ask("publish policy", func(ctx context.Context, a *authority.Service) error {
		published, report, err := a.PublishPolicy(ctx, o.any(), fmt.Sprintf("terms-%d.yaml", o.version), source)
		if published != nil {
			o.editions[published.Hash] = e
		} else if report != nil && !report.OK() {
			w.violate("office", "the policy of the simulation fails its own tests")
		}
		return err
	})
	o.remember()
	for _, h := range o.w.phones {
		h.called(5 * day)
	}
}

// remember learns the hash of a policy whose publication was durable though its reply was lost.
func (o *office) remember() {
	_ = o.w.server.db.View(context.Background(), func(tx authority.Tx) error {
		list, err := tx.Policies(1000)
		for _, p := range list {
			if _, known := o.editions[p.Hash]; !known {
				o.editions[p.Hash] = o.w.pendingEdition
			}
		}
		return err
	})
}

func (o *office) write(e edition) []byte {
	d := o.w.dice
	var b bytes.Buffer
	fmt.Fprintf(&b, "format: bailiwick-policy/1\nid: terms\nversion: %d\ntitle: Terms of the simulation\neffective_from: %s\n",
		o.version, o.w.now.Format(time.DateOnly))
	fmt.Fprintf(&b, "applies_to: {activated_on_or_after: %s}\n", o.w.began.Add(-day).Format(time.DateOnly))
	days := 3 + d.IntN(4)
	fmt.Fprintf(&b, "observation: {days: %d, window: %d, percent: 90}\n", days, days+10)
	fmt.Fprintf(&b, "notice: {days: %d, shown_days: %d}\nsunset: {days: %d}\n", 7+d.IntN(10), 3+d.IntN(3), pick(d, 30, 90, 180, 400, 730))
	b.WriteString("contact: {name: Support, email: a@b.example, owner_page: \"https://b.example/\"}\n" +
		"markets:\n- {codes: [ES, IT, PL, MX, IN], status: official}\n- {codes: [US], status: unsupported}\n")
	if len(e.rules) > 0 {
		b.WriteString("prohibited:\n")
	}
	for _, r := range e.rules {
		until := ""
		if r.until != 0 {
			until = ", until: " + r.until.String()
		}
		fmt.Fprintf(&b, "- {id: %s, name: %s, codes: [%s], legal_basis: Law, source: Book, since: %s%s, review_by: %s}\n",
			r.id, r.id, r.codes[0], r.since, until, r.reviewBy)
	}
	if len(e.rules) > 0 {
		fmt.Fprintf(&b, "licences:\n  individual:\n  - {id: aid, reference: R-1, title: Aid, consignees: [AID], territories: [%s], valid_from: 2000-01-01, valid_until: 2099-12-31, source: Book}\n",
			e.rules[0].codes[0])
	}
	o.w.pendingEdition = e
	return b.Bytes()
}

// supports reports whether a policy has the rule, in force on a day (give or take one, since a device's day may differ), reviewed in
// time, and for a territory.
func (o *office) supports(hash [32]byte, id string, place territory.Code, today territory.Day) bool {
	e, known := o.editions[hash]
	if !known {
		return false
	}
	for _, r := range e.rules {
		if r.id == id && slices.Contains(r.codes, place) {
			return today+1 >= r.since && (r.until == 0 || today-1 < r.until) && today-1 <= r.reviewBy
		}
	}
	return false
}

// investigate opens a case and holds its consignment: one officer drafts, the other countersigns some time later.
func (o *office) investigate() {
	d := o.w.dice
	var drafted *authority.Warrant
	o.ask("draft warrant", func(ctx context.Context, a *authority.Service) error {
		c, err := a.OpenCase(ctx, o.officers[0], "Diversion", pick(d, consignments[:2]...))
		if err != nil {
			return err
		}
		drafted, _, err = a.DraftWarrant(ctx, o.officers[0], c.ID, "We investigate a shipment.", o.w.now.Add(d.between(13*day, 89*day)))
		return err
	})
	if drafted == nil {
		return
	}
	o.w.after(d.between(time.Minute, 2*day), func() {
		o.ask("countersign warrant", func(ctx context.Context, a *authority.Service) error {
			_, err := a.CountersignWarrant(ctx, pick(d, o.officers[1], o.officers[1], o.officers[0]), drafted.ID)
			return err
		})
	})
}

// conclude releases the oldest case that holds.
func (o *office) conclude() {
	o.ask("conclude case", func(ctx context.Context, a *authority.Service) error {
		cases, err := a.Cases(ctx, 1000)
		for _, c := range slices.Backward(cases) {
			if c.State == authority.CaseHolding {
				_, err := a.ConcludeCase(ctx, o.any(), c.ID, "The buyers acted in good faith.")
				return err
			}
		}
		return err
	})
}

// answer answers the appeal that is due first.
func (o *office) answer() {
	grant := o.w.dice.chance(0.4)
	o.ask("answer appeal", func(ctx context.Context, a *authority.Service) error {
		rows, err := a.Appeals(ctx, authority.AppealOpen, 1)
		if err != nil || len(rows) == 0 {
			return err
		}
		return a.AnswerAppeal(ctx, o.any(), rows[0].Appeal.ID, grant, "We looked into it.")
	})
}

// some asks the server about one of its devices.
func (o *office) some(what string, fn func(context.Context, *authority.Service, *authority.Device) error) {
	h := pick(o.w.dice, o.w.phones...)
	o.ask(what, func(ctx context.Context, a *authority.Service) error {
		d, err := a.FindDevice(ctx, string(h.made.imei))
		if err != nil {
			return err
		}
		return fn(ctx, a, d)
	})
}

func (o *office) licence() {
	attach := o.w.dice.chance(0.7)
	o.some("licence", func(ctx context.Context, a *authority.Service, d *authority.Device) error {
		return a.AttachLicence(ctx, o.any(), d.ID, "aid", attach)
	})
}

// liftOne ends a restriction by hand.
func (o *office) liftOne() {
	o.some("lift", func(ctx context.Context, a *authority.Service, d *authority.Device) error {
		detail, err := a.DeviceDetail(ctx, d.ID)
		if err != nil {
			return err
		}
		for _, r := range detail.Restrictions {
			if r.Active() {
				return a.LiftByHuman(ctx, o.any(), d.ID, r.Ground, "A mistake.")
			}
		}
		return nil
	})
}

// production are the factory's records.
func (o *office) production() {
	var rows []authority.Production
	for _, h := range o.w.phones {
		market := territory.Code("ES")
		if h.n%3 == 0 {
			market = "MX"
		}
		if h.n%7 == 6 {
			continue // without a record
		}
		rows = append(rows, authority.Production{IMEI: h.made.imei, Serial: h.made.serial, Model: h.made.model, Market: market,
			Consignment: pick(o.w.dice, consignments...), Consignee: pick(o.w.dice, "TRADER", "TRADER", "AID"), ShippedOn: territory.DayOf(o.w.began)})
	}
	o.ask("import", func(ctx context.Context, a *authority.Service) error {
		_, err := a.ImportProduction(ctx, o.officers[0], rows)
		return err
	})
}
