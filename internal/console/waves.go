package console

import (
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const listLimit = 200

func (c *console) waves(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	list, err := c.service.Waves(r.Context(), listLimit)
	if err != nil {
		return err
	}
	return c.show(w, r, o, http.StatusOK, "waves", "Waves", list)
}

type waveView struct {
	*authority.WaveDetail
	Territories, Grounds, Models, Consignees template.HTML
	Share                                    string // of the fleet
	Decides                                  bool
}

func (c *console) wave(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	id, err := numberInPath(r)
	if err != nil {
		return err
	}
	d, err := c.service.WaveDetail(r.Context(), id)
	if err != nil {
		return err
	}
	view := waveView{d, countBars(d.ByTerritory, placeName), countBars(d.ByGround, groundName), countBars(d.ByModel, same),
		countBars(d.ByConsignee, same), share(d.Wave.Size, d.Fleet), o.Can(authority.MayDecideWaves)}
	return c.show(w, r, o, http.StatusOK, "wave", fmt.Sprintf("Wave %d", id), view)
}

// Basis says what the counts come from, where that is not the whole wave.
func (v waveView) Basis() string {
	size, state := v.Wave.Size, v.Wave.State
	switch {
	case v.LookedAt >= size:
		return ""
	case v.Sampled:
		return "Counted in a sample of " + web.Number(v.LookedAt) + ", spread over the wave."
	case state == authority.WaveRejected:
		return "What it proposed was let go when it was rejected, so that there is nothing to count any more."
	case v.LookedAt == 0:
		return "None of its locks is left: there is nothing to count any more."
	}
	return "Counted in what is left of it: " + web.Count(v.LookedAt, "lock", "locks") + " of " + web.Number(size) + "."
}

func share(part, whole int) string {
	if whole == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f %%", float64(part)/float64(whole)*100)
}

func same(s string) string { return s }

// placeName names a count that stands under a territory's code.
func placeName(s string) string { return web.Place(territory.Code(s)) }

// groundName names a count that stands under order.Ground.String.
func groundName(s string) string {
	if g, err := order.ParseGround(s); err == nil {
		return web.GroundText(g)
	}
	return s
}

func countBars(counts []authority.Count, name func(string) string) template.HTML {
	bars := make([]web.Bar, len(counts))
	for i, n := range counts {
		bars[i] = web.Bar{Name: name(n.Name), Value: n.Count}
		if bars[i].Name == "" {
			bars[i].Name = "unknown"
		}
	}
	return web.Bars(bars)
}

func (c *console) approveWave(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	id, err := waveAction(r, o)
	if err != nil {
		return err
	}
	approval := authority.WaveApproval{Note: r.PostFormValue("note")}
	approval.Shown, _ = strconv.Atoi(r.PostFormValue("shown")) // the page fills it in; 0 when it is missing
	back := fmt.Sprintf("/console/waves/%d", id)
	if typed := strings.TrimSpace(r.PostFormValue("confirm")); typed != "" {
		if approval.Confirm, err = strconv.Atoi(typed); err != nil {
			return c.done(w, r, back, "", web.Invalid("the number of locks is not a number", "type it as it is shown"))
		}
	}
	j, err := c.service.BeginApproval(r.Context(), o, id, approval)
	if err != nil {
		return c.done(w, r, back, "", err)
	}
	result := &authority.WaveResult{}
	over, err := c.finished(r, j, result)
	switch {
	case err != nil:
		return c.done(w, r, back, "", err)
	case !over:
		return c.done(w, r, jobPath(j.ID), "The approval is under way: each device is looked at again, and its lock ordered.", nil)
	}
	return c.done(w, r, back, "Approved: "+resultText(result), nil)
}

// resultText says what an approval did, and what it left alone and why.
func resultText(result *authority.WaveResult) string {
	text := web.Count(result.Locked, "lock", "locks") + " ordered."
	reasons := make([]string, 0, len(result.Skipped))
	for reason, n := range result.Skipped {
		reasons = append(reasons, fmt.Sprintf("%s %s", web.Number(n), strings.ReplaceAll(reason, "-", " ")))
	}
	if len(reasons) == 0 {
		return text
	}
	slices.Sort(reasons)
	return text + " Left alone when looked at again: " + strings.Join(reasons, ", ") + "."
}

func (c *console) rejectWave(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	id, err := waveAction(r, o)
	if err != nil {
		return err
	}
	err = c.service.RejectWave(r.Context(), o, id, r.PostFormValue("note"))
	return c.done(w, r, fmt.Sprintf("/console/waves/%d", id), "Rejected. Nothing was locked.", err)
}

func waveAction(r *http.Request, o *authority.Officer) (int64, error) {
	if err := must(o, authority.MayDecideWaves); err != nil {
		return 0, err
	}
	id, err := numberInPath(r)
	if err != nil {
		return 0, err
	}
	return id, web.ParseForm(r)
}

func numberInPath(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, authority.ErrNotFound
	}
	return id, nil
}
