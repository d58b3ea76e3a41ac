package console

import (
	"cmp"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// stageNames are the words for stages in links and filters.
var stageNames = map[string]order.Stage{"observed": order.Observed, "noticed": order.Noticed, "locked": order.Locked, "lifted": order.Lifted}

var stages = []order.Stage{order.Observed, order.Noticed, order.Locked, order.Lifted}

type overviewView struct {
	*authority.Overview
	Map        template.HTML
	Shown      string // stage that the map shows; "" for the strictest
	Tabs       []web.Choice
	Restricted []territoryRow // with somebody noticed, locked or lifted
	Free       []territoryRow
}

// newestLines is what fits beside the rest.
const newestLines = 8

// Newest are the latest events. What happened to many devices at once, such as a release, is one line with their number.
func (v overviewView) Newest() []authority.Event {
	var lines []authority.Event
	var counts []int
	for _, e := range v.Recent {
		last := len(lines) - 1
		if last >= 0 && lines[last].Detail == e.Detail && lines[last].Actor == e.Actor && lines[last].Device != e.Device {
			counts[last]++
			continue
		}
		if len(lines) == newestLines {
			break
		}
		lines, counts = append(lines, e), append(counts, 1)
	}
	for i, n := range counts {
		if n > 1 {
			lines[i].Detail = fmt.Sprintf("%s (%s)", lines[i].Detail, web.Count(n, "device", "devices"))
			lines[i].Device = device.ID{} // it stands for several
		}
	}
	return lines
}

// territoryRow is a line of the table below the map.
type territoryRow struct {
	Code   territory.Code
	Name   string
	Href   string
	Stages [4]int
	Total  int
}

// Observed and its siblings name the columns for the template.
func (t territoryRow) Observed() int { return t.Stages[order.Observed] }
func (t territoryRow) Noticed() int  { return t.Stages[order.Noticed] }
func (t territoryRow) Locked() int   { return t.Stages[order.Locked] }
func (t territoryRow) Lifted() int   { return t.Stages[order.Lifted] }

func (t territoryRow) title() string {
	return fmt.Sprintf("%s: %s; %s noticed, %s locked, %s lifted", t.Name, web.Count(t.Total, "device", "devices"),
		web.Number(t.Noticed()), web.Number(t.Locked()), web.Number(t.Lifted()))
}

func (c *console) overview(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	view, err := c.service.Overview(r.Context())
	if err != nil {
		return err
	}
	shown := r.URL.Query().Get("stage")
	if _, known := stageNames[shown]; !known {
		shown = ""
	}
	rows := territoryRows(view.Stages)
	tabs := []web.Choice{{Name: "Strictest stage", Href: "/console/", Current: shown == ""}}
	for _, s := range stages {
		name := web.StageClass(s)
		tabs = append(tabs, web.Choice{Name: web.StageName(s), Href: "/console/?stage=" + name, Current: shown == name})
	}
	free := slices.IndexFunc(rows, func(t territoryRow) bool { return t.Total == t.Observed() })
	if free < 0 {
		free = len(rows)
	}
	return c.show(w, r, o, http.StatusOK, "overview", "Overview", overviewView{view,
		web.WorldMap("Devices by territory", spots(rows, shown)), shown, tabs, rows[:free], rows[free:]})
}

// territoryRows gathers counts by territory, those with the most at stake first.
func territoryRows(counts []authority.StageCount) []territoryRow {
	byCode := make(map[territory.Code]*territoryRow)
	for _, n := range counts {
		row := byCode[n.Territory]
		if row == nil {
			row = &territoryRow{Code: n.Territory, Name: web.Place(n.Territory)}
			if n.Territory != territory.Unknown {
				row.Href = "/console/devices?territory=" + url.QueryEscape(string(n.Territory))
			}
			byCode[n.Territory] = row
		}
		if int(n.Stage) < len(row.Stages) {
			row.Stages[n.Stage] += n.Devices
			row.Total += n.Devices
		}
	}
	rows := make([]territoryRow, 0, len(byCode))
	for _, row := range byCode {
		rows = append(rows, *row)
	}
	slices.SortFunc(rows, func(a, b territoryRow) int {
		return cmp.Or(cmp.Compare(b.Locked(), a.Locked()), cmp.Compare(b.Noticed(), a.Noticed()),
			cmp.Compare(b.Lifted(), a.Lifted()), cmp.Compare(b.Total, a.Total), cmp.Compare(a.Code, b.Code))
	})
	return rows
}

// spots colours the map: by the strictest stage in each territory, or on a scale by the count of one stage.
func spots(rows []territoryRow, shown string) []web.Spot {
	most := 0
	for _, row := range rows {
		if shown != "" {
			most = max(most, row.Stages[stageNames[shown]])
		}
	}
	var list []web.Spot
	for _, row := range rows {
		spot := web.Spot{Code: row.Code, Title: row.title(), Href: row.Href}
		switch n := row.Stages[stageNames[shown]]; {
		case shown != "" && n == 0:
			continue
		case shown != "":
			spot.Class, spot.Count, spot.Href = web.Scale(n, most), n, row.Href+"&stage="+shown
		case row.Locked() > 0:
			spot.Class, spot.Count = "locked", row.Locked()
		case row.Noticed() > 0:
			spot.Class, spot.Count = "noticed", row.Noticed()
		case row.Lifted() > 0:
			spot.Class, spot.Count = "lifted", row.Lifted()
		default:
			spot.Class = "observed"
		}
		list = append(list, spot)
	}
	return list
}
