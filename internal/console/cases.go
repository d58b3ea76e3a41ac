package console

import (
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

type casesView struct {
	Cases   []*authority.Case
	Decides bool
}

func (c *console) cases(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	list, err := c.service.Cases(r.Context(), listLimit)
	if err != nil {
		return err
	}
	return c.show(w, r, o, http.StatusOK, "cases", "Cases", casesView{list, o.Can(authority.MayInvestigate)})
}

func (c *console) openCase(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := caseAction(r, o); err != nil {
		return err
	}
	opened, err := c.service.OpenCase(r.Context(), o, r.PostFormValue("title"), r.PostFormValue("consignment"))
	if err != nil {
		return c.done(w, r, "/console/cases", "", err)
	}
	return c.done(w, r, casePath(opened.ID), "The case is open. Nothing is held yet.", nil)
}

type caseView struct {
	*authority.CaseDetail
	Chart     template.HTML
	Count     *jobView            // counts the consignment now, or has failed to
	Notices   map[string]*jobView // by warrant: gives its notices, or stopped before all were given
	Decides   bool
	Me        string
	LeastEnd  string // of a hold, for the form
	MostEnd   string
	OpenDraft bool // a draft waits for signatures
	Signers   *signersView
}

func (c *console) caseFile(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	d, err := c.service.CaseDetail(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	now := c.site.Now()
	view := caseView{CaseDetail: d, Chart: activationBars(d.Activations, d.Market), Decides: o.Can(authority.MayInvestigate), Me: o.Name,
		LeastEnd: now.Add(24 * time.Hour).UTC().Format(time.DateOnly), MostEnd: now.Add(order.MaxHold - 24*time.Hour).UTC().Format(time.DateOnly)}
	if d.Counting != nil {
		job := jobOf(d.Counting, o)
		view.Count = &job
	}
	view.Notices = make(map[string]*jobView)
	for id, j := range d.Notices {
		job := jobOf(j, o)
		view.Notices[id] = &job
	}
	if view.Signers, err = c.signers(r.Context()); err != nil {
		return err
	}
	for _, warrant := range d.Warrants {
		view.OpenDraft = view.OpenDraft || warrant.CountersignBy == ""
	}
	return c.show(w, r, o, http.StatusOK, "case", d.Case.ID, view)
}

// activationBars sets where devices were activated against where they should have been sold.
func activationBars(counts []authority.Count, market territory.Code) template.HTML {
	bars := make([]web.Bar, len(counts))
	for i, n := range counts {
		code := territory.Code(n.Name)
		bars[i] = web.Bar{Name: web.Place(code), Value: n.Count, Class: "outside", Note: "outside"}
		switch {
		case code == territory.Unknown:
			bars[i].Class, bars[i].Note = "", ""
		case market.Covers(code):
			bars[i].Class, bars[i].Note = "", "market"
		}
	}
	return web.Bars(bars)
}

// count has a large consignment counted anew.
func (c *console) count(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := caseAction(r, o); err != nil {
		return err
	}
	back := casePath(r.PathValue("id"))
	j, err := c.service.BeginCount(r.Context(), o, r.PathValue("id"))
	if err != nil {
		return c.done(w, r, back, "", err)
	}
	if over, err := c.finished(r, j, new(authority.CohortCount)); err != nil || over {
		return c.done(w, r, back, "Counted.", err)
	}
	return c.done(w, r, back, "", nil)
}

func (c *console) draftWarrant(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := caseAction(r, o); err != nil {
		return err
	}
	id := r.PathValue("id")
	day, err := time.Parse(time.DateOnly, r.PostFormValue("ends"))
	if err != nil {
		return c.done(w, r, casePath(id), "", web.Invalid("the end of the hold is not a date", "write it as 2026-12-31"))
	}
	_, _, err = c.service.DraftWarrant(r.Context(), o, id, r.PostFormValue("reason"), day.Add(12*time.Hour))
	return c.done(w, r, casePath(id), "The warrant is drafted. It counts once two officers have signed it.", err)
}

func (c *console) countersign(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := caseAction(r, o); err != nil {
		return err
	}
	back := casePath(r.PathValue("id"))
	out, err := c.service.BeginHold(r.Context(), o, r.PostFormValue("warrant"))
	if err != nil {
		return c.done(w, r, back, "", err)
	}
	return c.holds(w, r, out, back, "")
}

// holds goes to where the notices of a warrant that is in force now can be followed: its case or, of a large cohort, their job.
func (c *console) holds(w http.ResponseWriter, r *http.Request, out *authority.Published, back, by string) error {
	told := out.Warrant.DevicesAtIssue
	if out.Notices != nil {
		var n authority.Noticed
		if over, err := c.finished(r, out.Notices, &n); err != nil || !over {
			return c.done(w, r, jobPath(out.Notices.ID), "The warrant is in force, and its notices are being given."+by, err)
		}
		told = n.Enrolled
	}
	return c.done(w, r, back, "The warrant is in force: "+web.Count(told, "phone is", "phones are")+" told of it."+by, nil)
}

func (c *console) conclude(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := caseAction(r, o); err != nil {
		return err
	}
	back := casePath(r.PathValue("id"))
	j, err := c.service.BeginConclusion(r.Context(), o, r.PathValue("id"), r.PostFormValue("finding"))
	if err != nil {
		return c.done(w, r, back, "", err)
	}
	var release authority.Release
	if over, err := c.finished(r, j, &release); err != nil || !over {
		return c.done(w, r, jobPath(j.ID), "Concluded. The holds are being lifted.", err)
	}
	text := "Concluded: " + web.Count(release.Lifted, "hold", "holds") + " lifted."
	if release.Stragglers > 0 {
		text += " " + web.Count(release.Stragglers, "device has", "devices have") + " still to report it."
	}
	return c.done(w, r, back, text, nil)
}

func caseAction(r *http.Request, o *authority.Officer) error {
	if err := must(o, authority.MayInvestigate); err != nil {
		return err
	}
	return web.ParseForm(r)
}

func casePath(id string) string { return "/console/cases/" + url.PathEscape(id) }
