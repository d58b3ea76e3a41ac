package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// patience is how long a page waits for the job that it began: a small one is over by then.
const patience = 2 * time.Second

func jobPath(id int64) string { return fmt.Sprintf("/console/jobs/%d", id) }

// finished waits for a job for a moment, and reads what came of it if it is over.
func (c *console) finished(r *http.Request, j *authority.Job, result any) (over bool, err error) {
	j, err = c.service.AwaitJob(r.Context(), j.ID, patience)
	if err != nil || !j.State.Finished() {
		return false, nil // it was begun, and goes on
	}
	if j.State != authority.JobDone {
		return true, j.Err()
	}
	return true, json.Unmarshal(j.Result, result)
}

// jobView is a job as pages show it.
type jobView struct {
	*authority.Job
	Name    string
	Percent int    // of Total
	Far     string // in words, with an estimate
	Fault   string
	Figures []web.JobFigure
	Result  string // as it is, when nothing else shows it
	Machine bool   // whether there is a result for machines
	Policy  *simulationView
	Running bool
	Cancel  bool // may be called off by who looks
}

var jobNames = map[string]string{
	authority.ReleaseJob: "Release", authority.WaveJob: "Locks of wave", authority.SimulationJob: "Simulation of a policy",
	authority.ImportJob: "Import", authority.RetentionJob: "Retention", authority.CountJob: "Count of", authority.NoticeJob: "Notices of",
}

func jobOf(j *authority.Job, o *authority.Officer) jobView {
	v := jobView{Job: j, Name: jobNames[j.Kind], Running: !j.State.Finished()}
	if v.Name == "" {
		v.Name = j.Kind
	}
	if about := web.JobAbout(j); about != "" {
		v.Name += " " + about
	}
	switch {
	case j.State == authority.JobDone:
		v.Percent = 100
	case j.Total > 0:
		v.Percent = int(100 * j.Done / j.Total)
	}
	v.Far = web.JobProgress(j.Kind, j.Done, j.Total, j.Left())
	if err := j.Err(); err != nil {
		e := authority.AsError(err)
		v.Fault = web.Sentence(e.Detail) + " " + web.Sentence(e.Fix)
	}
	v.Cancel = v.Running && o.Can(authority.MayInvestigate) && j.Cancellable()
	return v
}

func (c *console) jobs(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	list, err := c.service.Jobs(r.Context(), listLimit)
	if err != nil {
		return err
	}
	views := make([]jobView, len(list))
	for i, j := range list {
		views[i] = jobOf(j, o)
	}
	return c.show(w, r, o, http.StatusOK, "jobs", "Jobs", views)
}

func (c *console) jobInPath(r *http.Request) (*authority.Job, error) {
	id, err := numberInPath(r)
	if err != nil {
		return nil, err
	}
	return c.service.Job(r.Context(), id)
}

func (c *console) job(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	j, err := c.jobInPath(r)
	if err != nil {
		return err
	}
	v := jobOf(j, o)
	v.Machine = len(j.Result) > 0
	v.Policy, v.Figures = simulationOf(j), web.JobFigures(j.Kind, j.Result)
	var pretty bytes.Buffer
	if v.Policy == nil && v.Figures == nil && v.Machine && json.Indent(&pretty, j.Result, "", "  ") == nil {
		v.Result = pretty.String()
	}
	return c.show(w, r, o, http.StatusOK, "job", fmt.Sprintf("Job %d", j.ID), v)
}

// jobResult gives out what has come of a job, for machines.
func (c *console) jobResult(w http.ResponseWriter, r *http.Request, _ *authority.Officer) error {
	j, err := c.jobInPath(r)
	if err != nil {
		return err
	}
	if len(j.Result) == 0 {
		return authority.ErrNotFound
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="job-%d.json"`, j.ID))
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write(j.Result)
	return err
}

func (c *console) cancelJob(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	id, err := numberInPath(r)
	if err != nil {
		return err
	}
	if err := caseAction(r, o); err != nil {
		return err
	}
	_, err = c.service.CancelJob(r.Context(), o, id)
	return c.done(w, r, jobPath(id), "Called off. What was done stays done.", err)
}

type stragglersView struct {
	Case, Warrant string
	List          []authority.Straggler
	Next          string // the page behind; empty at the end
}

func (c *console) stragglers(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	view := stragglersView{Case: r.PathValue("id"), Warrant: r.PathValue("warrant")}
	var after device.ID
	if text := r.FormValue("after"); text != "" {
		var err error
		if after, err = device.ParseID(text); err != nil {
			return web.Invalid("the place to go on at is no device", "begin at the first page")
		}
	}
	var err error
	if view.List, err = c.service.Stragglers(r.Context(), view.Warrant, after, listLimit); err != nil {
		return err
	}
	if len(view.List) == listLimit {
		view.Next = casePath(view.Case) + "/stragglers/" + view.Warrant + "?after=" + view.List[listLimit-1].Device.String()
	}
	return c.show(w, r, o, http.StatusOK, "stragglers", "Not confirmed", view)
}

// simulatePolicy counts what a checked policy would do to the fleet.
func (c *console) simulatePolicy(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := must(o, authority.MayInvestigate); err != nil {
		return err
	}
	name, source, err := checkedSource(r)
	if err != nil {
		return err
	}
	j, err := c.service.Simulate(r.Context(), o, name, source)
	if err != nil {
		return c.done(w, r, "/console/policy", "", err)
	}
	return web.Redirect(w, r, jobPath(j.ID))
}

// countRow is a line of a simulation's table.
type countRow struct {
	Name string
	authority.BeforeAfter
}

// simulationView is the result of a simulation, for people.
type simulationView struct {
	authority.Simulation
	Places, Models []countRow
	Chart          template.HTML // the territories that would feel it most; empty when none would
}

// mostBars is how many territories the picture of a simulation has; the table below it has all.
const mostBars = 12

// chartOf draws where most devices would be noticed, locked or lifted.
func chartOf(rows []countRow) template.HTML {
	var bars []web.Bar
	for _, r := range rows {
		n := r.After
		if all := n.Noticed + n.Locked + n.Lifted; all > 0 {
			class := "lifted"
			if n.Locked > 0 {
				class = "locked"
			} else if n.Noticed > 0 {
				class = "noticed"
			}
			bars = append(bars, web.Bar{Name: r.Name, Value: all, Class: class,
				Note: fmt.Sprintf("%s noticed, %s locked, %s lifted", web.Number(n.Noticed), web.Number(n.Locked), web.Number(n.Lifted))})
		}
	}
	if len(bars) == 0 {
		return ""
	}
	slices.SortStableFunc(bars, func(a, b web.Bar) int { return b.Value - a.Value })
	return web.Bars(bars[:min(len(bars), mostBars)])
}

// rowsOf sorts counts, those that concern most devices first, and leaves out where nothing would be done.
func rowsOf[K ~string](counts map[K]*authority.BeforeAfter, name func(K) string) (rows []countRow) {
	weight := func(n authority.BeforeAfter) int {
		return n.Before.Denied + n.After.Denied + n.Before.Noticed + n.After.Noticed + n.Before.Locked + n.After.Locked + n.Before.Lifted + n.After.Lifted
	}
	for k, n := range counts {
		if weight(*n) > 0 {
			rows = append(rows, countRow{name(k), *n})
		}
	}
	slices.SortFunc(rows, func(a, b countRow) int {
		return cmp.Or(weight(b.BeforeAfter)-weight(a.BeforeAfter), strings.Compare(a.Name, b.Name))
	})
	return rows
}

func simulationOf(j *authority.Job) *simulationView {
	if j.Kind != authority.SimulationJob || len(j.Result) == 0 {
		return nil
	}
	v := &simulationView{}
	if err := json.Unmarshal(j.Result, &v.Simulation); err != nil {
		return nil
	}
	v.Places = rowsOf(v.ByTerritory, func(c territory.Code) string {
		if c == territory.Unknown {
			return "Not activated"
		}
		return web.Place(c)
	})
	v.Models = rowsOf(v.ByModel, same)
	v.Chart = chartOf(v.Places)
	return v
}
