package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteTable prints a report for people.
func WriteTable(w io.Writer, r *Report) error {
	fmt.Fprintf(w, "%s\n%s, %s\n\n", r.Machine, r.Go, r.Date)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\tvalue\tbound\tratio\tnote")
	for i := range r.Rows {
		row := &r.Rows[i]
		value, bound, ratio := row.cells()
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", row.Name, value, bound, ratio, oneLine(row.Note))
	}
	return t.Flush()
}

// WriteMarkdown prints a report as docs/performance.md has it: the table, and on paper what it takes for large fleets.
func WriteMarkdown(w io.Writer, r *Report) error {
	fmt.Fprintf(w, "%s; %s; %s.\n\n| Row | Value | Bound | Ratio | Note |\n|---|---|---|---|---|\n", r.Machine, r.Go, day(r.Date))
	for i := range r.Rows {
		row := &r.Rows[i]
		value, bound, ratio := row.cells()
		if _, err := fmt.Fprintf(w, "| `%s` | %s | %s | %s | %s |\n", row.Name, value, bound, ratio, strings.ReplaceAll(oneLine(row.Note), "|", "\\|")); err != nil {
			return err
		}
	}
	if c, ok := costOf(r); ok {
		return c.write(w)
	}
	return nil
}

// oneLine keeps a table whole whose note is an error of many lines.
func oneLine(note string) string { return strings.Join(strings.Fields(note), " ") }

func day(date string) string {
	day, _, _ := strings.Cut(date, "T")
	return day
}

func (r *Row) cells() (value, bound, ratio string) {
	if !r.Measured() {
		return "–", "–", "–"
	}
	value = Figure(r.Value) + " " + r.Unit
	bound, ratio = "–", "–"
	if r.Bound != 0 {
		bound = Figure(r.Bound) + " " + r.Unit
		if r.BoundName != "bar" {
			bound += " " + r.BoundName
		}
		ratio = strconv.FormatFloat(r.Ratio, 'f', 2, 64)
	}
	return value, bound, ratio
}

// Figure writes a value as tables have it: it has three digits that mean something, and none behind the point from a hundred on.
func Figure(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return thousands(int64(math.Round(v)))
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
