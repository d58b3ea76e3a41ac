package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// WriteTable prints a report for people.
func WriteTable(w io.Writer, r *Report) error {
	var out strings.Builder
	out.WriteString(wrapped("", r.Machine))
	fmt.Fprintf(&out, "%s, %s\n\n", r.Go, r.Date)
	var table strings.Builder
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\tvalue\tbound\tratio")
	for i := range r.Rows {
		value, bound, ratio := r.Rows[i].cells()
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.Rows[i].Name, value, bound, ratio)
	}
	t.Flush()
	head, lines, _ := strings.Cut(table.String(), "\n")
	fmt.Fprintln(&out, head)
	for i, line := range strings.Split(strings.TrimSuffix(lines, "\n"), "\n") {
		if i >= len(r.Rows) {
			break
		}
		fmt.Fprintln(&out, line)
		out.WriteString(wrapped("    ", r.Rows[i].Note))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// WriteList prints what rows there are, for people.
func WriteList(w io.Writer) error {
	var out strings.Builder
	for _, row := range List() {
		against := "against " + row.Bound
		if row.Bound == bar {
			against = "against a bar"
		}
		fmt.Fprintf(&out, "%-24s %s, %s\n", row.Name, row.Unit, against)
		out.WriteString(wrapped("    ", row.About))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// bar is the name of a bound that the issue sets, and no other measurement gives.
const bar = "bar"

// columns is the width of the terminal that tables for people fit.
const columns = 80

// wrapped breaks a text at its spaces into indented lines that fit; empty for an empty text.
func wrapped(indent, text string) string {
	var out strings.Builder
	width := 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case width == 0:
			out.WriteString(indent + word)
			width = len(indent) + n
		case width+1+n > columns:
			out.WriteString("\n" + indent + word)
			width = len(indent) + n
		default:
			out.WriteString(" " + word)
			width += 1 + n
		}
	}
	if width > 0 {
		out.WriteByte('\n')
	}
	return out.String()
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
		if r.BoundName != bar {
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
