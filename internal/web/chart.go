package web

import (
	"fmt"
	"html"
	"html/template"
	"strings"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// Bar is one row of a bar chart.
type Bar struct {
	Name  string
	Value int
	Class string // "" or what colours it
	Note  string // behind the number, for instance "market"
}

// Bars draws horizontal bars with their numbers, as a list that reads well without the drawing.
func Bars(bars []Bar) template.HTML {
	most := 1
	for _, b := range bars {
		most = max(most, b.Value)
	}
	var out strings.Builder
	out.WriteString(`<ul class="bars" role="list">`)
	for _, b := range bars {
		width := float64(b.Value) / float64(most) * 100
		if b.Value > 0 {
			width = max(width, 0.6)
		}
		fmt.Fprintf(&out, `<li><span class="bar-name">%s</span><svg class="bar %s" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">`+
			`<rect class="track" width="100" height="10"/><rect class="value" width="%.2f" height="10"/></svg><span class="bar-value">%s`,
			html.EscapeString(b.Name), html.EscapeString(b.Class), width, Number(b.Value))
		if b.Note != "" {
			out.WriteString(` <small>` + html.EscapeString(b.Note) + `</small>`)
		}
		out.WriteString(`</span></li>`)
	}
	out.WriteString(`</ul>`)
	return template.HTML(out.String())
}

// DaySeries is one line of a chart by days.
type DaySeries struct {
	Name   string
	Class  string
	Counts []int // one per day
}

// DayChart draws one small row of columns per series, all to one scale, from the given day on. The rows share their axis, so
// that colour carries no meaning of its own.
func DayChart(from territory.Day, series []DaySeries) template.HTML {
	days, most := 0, 1
	for _, s := range series {
		days = max(days, len(s.Counts))
		for _, n := range s.Counts {
			most = max(most, n)
		}
	}
	if days == 0 {
		return ""
	}
	const height = 40
	var out strings.Builder
	out.WriteString(`<div class="daychart">`)
	for _, s := range series {
		total := 0
		var columns strings.Builder
		for i, n := range s.Counts {
			total += n
			if n == 0 {
				continue
			}
			h := max(1.5, float64(n)/float64(most)*height)
			fmt.Fprintf(&columns, `<rect x="%.1f" y="%.2f" width="7" height="%.2f"><title>%s: %s</title></rect>`, float64(i)*8+0.5, height-h, h,
				from+territory.Day(i), Number(n))
		}
		fmt.Fprintf(&out, `<div class="dayrow"><span class="dayname">%s <small>%s</small></span>`+
			`<svg class="columns %s" viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-label="%s: %s from %s to %s">`+
			`<line x1="0" y1="%d" x2="%d" y2="%d"/>%s</svg></div>`,
			html.EscapeString(s.Name), Number(total), html.EscapeString(s.Class), days*8, height+1, html.EscapeString(s.Name), Number(total),
			from, from+territory.Day(days-1), height, days*8, height, columns.String())
	}
	fmt.Fprintf(&out, `<div class="dayaxis" aria-hidden="true"><span>%s</span><span>most in a day: %s</span><span>%s</span></div></div>`,
		Day(from), Number(most), Day(from+territory.Day(days-1)))
	return template.HTML(out.String())
}

// DayStrip is a device's days as squares, and the same in words.
type DayStrip struct {
	Drawing template.HTML
	Runs    []DayRun
}

// DayRun is an unbroken run of days in one territory.
type DayRun struct {
	From, To  territory.Day
	Days      int
	Territory territory.Code
	Place     string // class of the squares: "place-0" … "place-5", "undecided"
}

const dayStripDays = 90

// DayWords are the words in the drawing of days, in the reader's language.
type DayWords struct {
	Place           func(territory.Code) string
	Day             func(territory.Day) string
	Percent         func(int) string
	Undecided, None string
}

// EnglishDays are the words for officers.
var EnglishDays = DayWords{Place, Day, func(n int) string { return itoa(n) + " %" }, "undecided", "no evidence"}

// Days draws the last 90 days up to today, one square each. The most frequent territory has the first colour; a day
// without evidence is an outline.
func Days(records []territory.DayRecord, today territory.Day, words DayWords) DayStrip {
	class := placeClasses(records)
	byDay := make(map[territory.Day]territory.DayRecord, len(records))
	for _, r := range records {
		byDay[r.Day] = r
	}
	const perRow, cell = 30, 12
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="days" viewBox="0 0 %d %d" aria-hidden="true">`, perRow*cell, dayStripDays/perRow*cell)
	for i := range dayStripDays {
		day := today - territory.Day(dayStripDays-1-i)
		r, known := byDay[day]
		name, kind := words.None, "none"
		if known {
			name, kind = words.Undecided, "undecided"
			if r.Territory != territory.Unknown {
				name, kind = words.Place(r.Territory)+", "+words.Percent(int(r.Percent)), class[r.Territory]
			}
		}
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="10" height="10" rx="2"><title>%s: %s</title></rect>`,
			kind, i%perRow*cell+1, i/perRow*cell+1, html.EscapeString(words.Day(day)), html.EscapeString(name))
	}
	b.WriteString(`</svg>`)
	return DayStrip{template.HTML(b.String()), runs(records, class)}
}

func placeClasses(records []territory.DayRecord) map[territory.Code]string {
	count := make(map[territory.Code]int)
	var codes []territory.Code
	for _, r := range records {
		if r.Territory == territory.Unknown {
			continue
		}
		if count[r.Territory] == 0 {
			codes = append(codes, r.Territory)
		}
		count[r.Territory]++
	}
	sortByCount(codes, count)
	class := make(map[territory.Code]string, len(codes))
	for i, c := range codes {
		class[c] = "place-" + itoa(min(i, 5))
	}
	return class
}

func runs(records []territory.DayRecord, class map[territory.Code]string) []DayRun {
	var list []DayRun
	for _, r := range records {
		place := "undecided"
		if r.Territory != territory.Unknown {
			place = class[r.Territory]
		}
		if n := len(list) - 1; n >= 0 && list[n].Territory == r.Territory && r.Day-list[n].To <= 1 {
			list[n].To, list[n].Days = r.Day, list[n].Days+1
			continue
		}
		list = append(list, DayRun{r.Day, r.Day, 1, r.Territory, place})
	}
	return list
}
