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

	tried, unseen []string
	seen          []sighting
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

// Ways says in which ways a drill is tried.
func (d Drill) Ways() []string {
	ways := make([]string, len(d.attacks))
	for i, a := range d.attacks {
		ways[i] = a.name
	}
	return ways
}

// WriteTable prints a row for each drill.
func WriteTable(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "drill\twrongly locked\tnoticed first by\tafter")
	for _, r := range results {
		by, after := "nobody", "never"
		if len(r.seen) > 0 {
			by, after = r.seen[0].who, r.seen[0].span()
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", r.Drill, r.WronglyLocked, by, after)
	}
	return t.Flush()
}

// WriteMarkdown writes the table of docs/threat-model.md.
func WriteMarkdown(w io.Writer, results []Result) error {
	fmt.Fprint(w, "| Drill | Ways | Wrongly locked | Noticed by | After |\n|---|---|---|---|---|\n")
	for _, r := range results {
		var by, after []string
		for _, s := range r.seen {
			by, after = append(by, s.who+": "+strings.Join(s.what, ", ")), append(after, s.span())
		}
		for _, way := range r.unseen {
			by, after = append(by, "nobody: "+way), append(after, "never")
		}
		_, err := fmt.Fprintf(w, "| `%s` | %d | %d | %s | %s |\n", r.Drill, len(r.tried), r.WronglyLocked, strings.Join(by, "<br>"), strings.Join(after, "<br>"))
		if err != nil {
			return err
		}
	}
	return nil
}

// WriteStory prints all that there is to say of each drill.
func WriteStory(w io.Writer, results []Result) error {
	for _, r := range results {
		fmt.Fprintf(w, "%s: phones wrongly locked: %d\n\ntried:\n", r.Drill, r.WronglyLocked)
		for _, way := range r.tried {
			fmt.Fprintf(w, "  - %s\n", way)
		}
		fmt.Fprintln(w, "\nnoticed by:")
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, s := range r.seen {
			fmt.Fprintf(t, "  %s\tafter %s\t%s\n", s.who, s.span(), strings.Join(s.what, ", "))
		}
		if err := t.Flush(); err != nil {
			return err
		}
		for _, way := range r.unseen {
			fmt.Fprintf(w, "  nobody: %s\n", way)
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return nil
}

// sum adds the outcomes of a drill's attacks up.
func (d Drill) sum(r *Result, all []*outcome) {
	for i, o := range all {
		r.tried = append(r.tried, d.attacks[i].name+o.remains())
		r.WronglyLocked += len(o.wrong)
		r.Wrong = append(r.Wrong, o.wrong...)
		if len(o.findings) == 0 {
			r.unseen = append(r.unseen, d.attacks[i].name)
		}
	}
	r.Attack = strings.Join(r.tried, "; ")
	r.seen = sightings(all)
	var by, after []string
	for _, s := range r.seen {
		by, after = append(by, s.who+" ("+strings.Join(s.what, ", ")+")"), append(after, s.span())
	}
	if len(r.unseen) > 0 {
		by, after = append(by, "nobody: "+strings.Join(r.unseen, "; ")), append(after, "never")
	}
	r.NoticedBy, r.NoticedAfter = strings.Join(by, "; "), strings.Join(after, "; ")
}

// remains says plainly what an attack reached without a wrong lock.
func (o *outcome) remains() string {
	if len(o.locked) == 0 {
		return ""
	}
	text := fmt.Sprintf(" [locked as signatures allow: %s", strings.Join(o.locked, ", "))
	if o.shortest > 0 {
		text += fmt.Sprintf(", %s after the notice", inWords(o.shortest))
	}
	if o.ahead > 0 {
		text += fmt.Sprintf(", %s before the date on the screen", inWords(o.ahead))
	}
	return text + "]"
}

// sighting is what somebody noticed of a drill's attacks.
type sighting struct {
	who           string
	what          []string
	first, latest time.Duration // from the first hostile act, in the attacks that they noticed
}

func (s sighting) span() string {
	first, latest := inWords(s.first), inWords(s.latest)
	if first == latest {
		return first
	}
	return first + " to " + latest
}

// sightings are who noticed what, the quickest first.
func sightings(all []*outcome) []sighting {
	byWho := map[string]*sighting{}
	for _, o := range all {
		first := map[string]time.Duration{}
		for _, f := range o.findings {
			s := byWho[f.who]
			if s == nil {
				s = &sighting{who: f.who, first: f.after}
				byWho[f.who] = s
			}
			if t, known := first[f.who]; !known || f.after < t {
				first[f.who] = f.after
			}
			if !slices.Contains(s.what, f.what) {
				s.what = append(s.what, f.what)
			}
		}
		for who, t := range first {
			byWho[who].first, byWho[who].latest = min(byWho[who].first, t), max(byWho[who].latest, t)
		}
	}
	var list []sighting
	for _, s := range byWho {
		slices.Sort(s.what)
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b sighting) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.latest, b.latest), cmp.Compare(a.who, b.who))
	})
	return list
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
