// Package bench measures what the system does against bounds that are measured in the same run, on the same machine, beside it: absolute
// figures do not carry over to another machine, ratios do.
//
//	report, err := bench.Run(ctx, bench.Setup{Dir: dir, Quick: true}, "checkin", "decide")
//	bench.WriteTable(os.Stdout, report)
//
// Every measurement is one named row. Rows are independent of each other but for what they share by saying so: the costs and the
// latency of a check-in come from the run that measured its peak, so that nothing is measured twice with different code.
//
// `bailiwick bench` is its command line, docs/performance.md its manual.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Row is one measurement. Bound is what nobody can beat, or what was asked for, in the same unit, see BoundName; Ratio is the value over the
// bound. A row that could not be measured has a note that says why, and no value.
type Row struct {
	Name      string  `json:"name"`
	Value     float64 `json:"value"`
	Unit      string  `json:"unit"`
	Bound     float64 `json:"bound"`
	BoundName string  `json:"bound_name"`
	Ratio     float64 `json:"ratio"`
	Note      string  `json:"note"`
}

// Measured reports whether the row has a value: it was neither left out nor did it fail.
func (r *Row) Measured() bool {
	return !strings.HasPrefix(r.Note, leftOutPrefix) && !strings.HasPrefix(r.Note, failedPrefix)
}

// Report is what a run measured.
type Report struct {
	Machine string `json:"machine"`
	Go      string `json:"go"`
	Date    string `json:"date"` // of the beginning, RFC 3339, UTC
	Rows    []Row  `json:"rows"`
}

// Setup is what measurements need of the world.
type Setup struct {
	Dir      string    // scratch, which must exist; each measurement cleans up behind itself
	Quick    bool      // smaller populations and shorter runs: under a minute for each row
	Database string    // PostgreSQL, a database whose contents may be dropped; empty for a cluster of one's own, if there are the binaries
	Source   string    // a folder within the source tree, for what is built; the working folder when empty
	Progress Progress  // may be nil
	Now      time.Time // of the report; now when zero

	// Serve makes the command that runs a server with these arguments of `bailiwick serve`; rows with a server of their own are left out when nil.
	Serve func(ctx context.Context, args ...string) *exec.Cmd
}

// Progress is told what goes on; its calls may come from many goroutines.
type Progress interface {
	Row(name string)              // a measurement begins
	Stage(name string, steps int) // of it: what is done, and how many steps it has, 0 when nobody knows
	Step(steps int)
	Done(Row)
}

// measurement is one row and how it is measured.
type measurement struct {
	name, unit string
	boundName  string
	about      string // one sentence: what is measured, against what
	run        func(context.Context, *session) (Row, error)
}

// session is one run of measurements, with what they share.
type session struct {
	Setup
	tiny      bool       // for tests
	peak      *peak      // of check-ins over HTTP
	peakFault error      // why it could not be measured: not tried again for each row that needs it
	local     *localPeak // of check-ins without sockets
	templates []template // records that the authority itself made
	sizes     map[string]*recordSizes
	cluster   *cluster

	largest       *fleetOf // the largest population, see large
	largestIn     string
	removeLargest func()
}

// These begin the notes of rows without a value.
const (
	leftOutPrefix = "left out: "
	failedPrefix  = "failed: "
)

// leftOut is why a row cannot be measured here. It is no failure.
type leftOut string

func (e leftOut) Error() string { return string(e) }

// Named is a row's name with what it is, for lists.
type Named struct {
	Name  string `json:"name"`
	Unit  string `json:"unit"`
	Bound string `json:"bound"`
	About string `json:"about"`
}

// List names every row, in the order in which they are measured.
func List() []Named {
	all := measurements()
	list := make([]Named, len(all))
	for i, m := range all {
		list[i] = Named{m.name, m.unit, m.boundName, m.about}
	}
	return list
}

// Run measures the rows with these names, or all. A row that fails says so in its note and leaves the others alone; the error has all of them,
// and comes with the report.
func Run(ctx context.Context, setup Setup, only ...string) (*Report, error) {
	chosen, err := choose(only)
	if err != nil {
		return nil, err
	}
	if setup.Progress == nil {
		setup.Progress = silent{}
	}
	if setup.Now.IsZero() {
		setup.Now = time.Now()
	}
	return run(ctx, &session{Setup: setup, sizes: map[string]*recordSizes{}}, chosen)
}

func run(ctx context.Context, s *session, chosen []measurement) (*Report, error) {
	setup := &s.Setup
	report := &Report{Machine: machine(setup.Dir), Go: runtime.Version(), Date: setup.Now.UTC().Format(time.RFC3339), Rows: []Row{}}
	var failed []error
	for _, m := range chosen {
		setup.Progress.Row(m.name)
		row, err := m.measure(ctx, s)
		if ctx.Err() != nil {
			failed = append(failed, ctx.Err())
			break
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", m.name, err))
			row = Row{Name: m.name, Unit: m.unit, BoundName: m.boundName, Note: failedPrefix + err.Error()}
		}
		report.Rows = append(report.Rows, row)
		setup.Progress.Done(row)
	}
	return report, errors.Join(append(failed, s.end())...)
}

func choose(only []string) ([]measurement, error) {
	all := measurements()
	if len(only) == 0 {
		return all, nil
	}
	for _, name := range only {
		if !slices.ContainsFunc(all, func(m measurement) bool { return m.name == name }) {
			var names []string
			for _, m := range all {
				names = append(names, m.name)
			}
			return nil, fmt.Errorf("there is no row %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	return slices.DeleteFunc(all, func(m measurement) bool { return !slices.Contains(only, m.name) }), nil
}

func (m *measurement) measure(ctx context.Context, s *session) (Row, error) {
	runtime.GC()
	row, err := m.run(ctx, s)
	var absent leftOut
	if errors.As(err, &absent) {
		return Row{Name: m.name, Unit: m.unit, BoundName: m.boundName, Note: leftOutPrefix + string(absent)}, ctx.Err()
	}
	if err != nil {
		return row, err
	}
	row.Name, row.Unit, row.BoundName = m.name, m.unit, m.boundName
	if row.Bound != 0 {
		row.Ratio = row.Value / row.Bound
	}
	return row, ctx.Err()
}

// end gives back what the session holds.
func (s *session) end() error {
	if s.largest != nil {
		s.removeLargest()
	}
	if s.cluster == nil {
		return nil
	}
	return s.cluster.stop()
}

// scratch makes a folder for one measurement and returns what removes it.
func (s *session) scratch(name string) (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp(s.Dir, "bench-"+name+"-")
	if err != nil {
		return "", nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}

// pick returns a size for a whole run or for a quick one; tests take a fiftieth of that.
func pick[T ~int | ~int64](s *session, whole, quick T) T {
	switch {
	case s.tiny:
		return max(1, quick/50)
	case s.Quick:
		return quick
	}
	return whole
}

type silent struct{}

func (silent) Row(string)        {}
func (silent) Stage(string, int) {}
func (silent) Step(int)          {}
func (silent) Done(Row)          {}
