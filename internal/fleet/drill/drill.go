// Package drill tries to break the Charter with a server that was taken over: the attacker has its store, the ledger's key, the TLS
// key, the online key of the officers' metadata and the unlock master, and not the officers' keys.
//
// An honest story is staged once ([Stage]): a real server, a witness, and real agents that enrol, are noticed, held, locked and
// lifted as they ought to be. Each attack of each [Drill] then begins with copies of all of it on the morning of the takeover: it
// reads the server's own files, signs checkpoints with the ledger's key, and answers the phones whatever it wants, over weeks in
// which phones and owners go on living. Whether a lock is wrong is judged by the story and the screen (see judge), not by what the
// agents check; who notices is found by running what people run: the ledger's auditor, a count of its entries against what was
// signed, the witness, and the phones' evidence.
package drill

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
)

// Drill is one aim of an attacker, tried in several ways.
type Drill struct {
	Name  string // for the command line
	About string // what the attacker wants

	attacks []attack
}

// Result is what became of a drill.
type Result struct {
	Drill         string `json:"drill"`
	Attack        string `json:"attack"`         // every way in which it was tried, and what remains
	WronglyLocked int    `json:"wrongly_locked"` // phones
	NoticedBy     string `json:"noticed_by"`
	NoticedAfter  string `json:"noticed_after"`

	Wrong []string `json:"-"` // who was wrongly locked, and how
}

// Drills lists every drill.
func Drills() []Drill {
	return []Drill{
		lockTraveller, lockUnlisted, oneOfficer, backDate, lieAboutDate, replayLock, hideOrder, hideOrderOwn, twoLedgers, twoLedgersOwn,
		oldPolicy, rollBack, holdWithout, holdOutside, prolongHold, reuseID, wipe,
	}
}

// Find returns a drill by its name.
func Find(name string) (Drill, error) {
	var names []string
	for _, d := range Drills() {
		if d.Name == name {
			return d, nil
		}
		names = append(names, d.Name)
	}
	return Drill{}, fmt.Errorf("there is no drill %q; there are %s", name, strings.Join(names, ", "))
}

// Run stages the honest story and performs the drills on it, two at a time. done, when not nil, hears of each as it ends; it is called
// by one goroutine at a time. Results come in the order of the drills.
func Run(ctx context.Context, drills []Drill, done func(Result)) (_ []Result, err error) {
	dir, err := os.MkdirTemp("", "bailiwick-drill-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	scene, err := Stage(ctx, dir)
	if err != nil {
		return nil, err
	}
	return scene.Perform(ctx, drills, done)
}

// Perform performs drills on a scene that was staged before.
func (s *Scene) Perform(ctx context.Context, drills []Drill, done func(Result)) ([]Result, error) {
	loot, err := plunder(ctx, s.serverDir())
	if err != nil {
		return nil, fmt.Errorf("taking the server over: %w", err)
	}
	results := make([]Result, len(drills))
	ended := make(chan Result)
	told := make(chan struct{})
	go func() { // ends when ended is closed
		defer close(told)
		for r := range ended {
			if done != nil {
				done(r)
			}
		}
	}()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for i, d := range drills {
		g.Go(func() (err error) {
			if results[i], err = d.perform(ctx, s, loot); err == nil {
				ended <- results[i]
			}
			return err
		})
	}
	err = g.Wait()
	close(ended)
	<-told
	return results, err
}

func (d Drill) perform(ctx context.Context, s *Scene, loot *loot) (Result, error) {
	r := Result{Drill: d.Name}
	var all []*outcome
	for i := range d.attacks {
		o, err := d.attacks[i].perform(ctx, s, loot)
		if err != nil {
			return r, fmt.Errorf("drill %s: %w", d.Name, err)
		}
		all = append(all, o)
	}
	d.sum(&r, all)
	return r, nil
}

// Wrong counts the phones that were wrongly locked.
func Wrong(results []Result) (n int) {
	for _, r := range results {
		n += r.WronglyLocked
	}
	return n
}

// WriteTable prints results for people.
func WriteTable(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "drill\twrongly locked\tnoticed by\tafter")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", r.Drill, r.WronglyLocked, r.NoticedBy, r.NoticedAfter)
	}
	return t.Flush()
}

// sum adds the outcomes of a drill's attacks up.
func (d Drill) sum(r *Result, all []*outcome) {
	var tried []string
	for i, o := range all {
		text := d.attacks[i].name
		if len(o.locked) > 0 {
			text += fmt.Sprintf(" [what signatures allow: %s]", strings.Join(o.locked, ", "))
		}
		tried = append(tried, text)
		r.WronglyLocked += len(o.wrong)
		r.Wrong = append(r.Wrong, o.wrong...)
	}
	r.Attack = strings.Join(tried, "; ")
	r.NoticedBy, r.NoticedAfter = d.noticed(all)
}

// noticed says who noticed the attacks, and how long after the first hostile act at the latest; and which attacks nobody noticed.
func (d Drill) noticed(all []*outcome) (by, after string) {
	what, latest := map[string][]string{}, map[string]time.Duration{}
	var nobody []string
	for i, o := range all {
		if len(o.findings) == 0 {
			nobody = append(nobody, d.attacks[i].name)
		}
		first := map[string]time.Duration{}
		for _, f := range o.findings {
			if t, known := first[f.who]; !known || f.after < t {
				first[f.who] = f.after
			}
			if !slices.Contains(what[f.who], f.what) {
				what[f.who] = append(what[f.who], f.what)
			}
		}
		for name, t := range first {
			latest[name] = max(latest[name], t)
		}
	}
	who := slices.Collect(maps.Keys(what))
	slices.SortFunc(who, func(a, b string) int { return cmp.Or(cmp.Compare(latest[a], latest[b]), cmp.Compare(a, b)) })
	var names, times []string
	for _, name := range who {
		slices.Sort(what[name])
		names = append(names, name+" ("+strings.Join(what[name], ", ")+")")
		times = append(times, inWords(latest[name]))
	}
	if len(nobody) > 0 {
		names, times = append(names, "nobody: "+strings.Join(nobody, "; ")), append(times, "never")
	}
	return strings.Join(names, "; "), strings.Join(times, "; ")
}

// inWords is a time for people, in its largest unit.
func inWords(t time.Duration) string {
	switch {
	case t < time.Minute:
		return "at once"
	case t < 2*time.Hour:
		return fmt.Sprintf("%d min", t/time.Minute)
	case t < 2*day:
		return fmt.Sprintf("%d h", t/time.Hour)
	}
	return fmt.Sprintf("%d days", t/day)
}
