package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/cohort"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// warrantView is what a warrant proposal says, computed again.
type warrantView struct {
	ID      string       `json:"id,omitempty"` // empty when no warrant is new
	Case    string       `json:"case,omitempty"`
	Reason  string       `json:"reason,omitempty"`
	Drafted time.Time    `json:"drafted_at,omitzero"`
	Ends    time.Time    `json:"ends_at,omitzero"`
	Devices uint64       `json:"devices,omitempty"`
	Root    string       `json:"cohort_root,omitempty"` // of the tree over the cohort, hexadecimal
	Models  []modelCount `json:"models,omitempty"`      // by Type Allocation Code
	Kept    []string     `json:"kept"`                  // warrants that stay in force
	Dropped []string     `json:"dropped"`

	cohort *cohort.Cohort
}

// modelCount counts devices of one model: an IMEI's first eight digits say which it is.
type modelCount struct {
	TAC     string `json:"tac"`
	Devices int    `json:"devices"`
}

// attachedCohort is under what name a proposal carries the list of devices.
const attachedCohort = "cohort"

// errCohort is a warrant whose devices are not those of the list beside it.
var errCohort = errors.New("the warrant is not for the devices of the list beside it")

// examineWarrant computes the cohort's root again from the list in the proposal.
func (v *proposalView) examineWarrant(p *tufrepo.Proposal) error {
	before, after, err := p.Listed()
	if err != nil {
		return err
	}
	w := &warrantView{Kept: []string{}, Dropped: []string{}}
	for path := range after {
		if before[path] == after[path] {
			w.Kept = append(w.Kept, warrantID(path))
		}
	}
	for path := range before {
		if _, listed := after[path]; !listed {
			w.Dropped = append(w.Dropped, warrantID(path))
		}
	}
	slices.Sort(w.Kept)
	slices.Sort(w.Dropped)
	v.Warrant = w
	files := p.Files()
	switch len(files) {
	case 0:
		return nil // the signatures are renewed
	case 1:
	default:
		return fmt.Errorf("it brings %d warrants; a proposal brings one", len(files))
	}
	document, err := protocol.ParseWarrant(files[0].Data)
	if err != nil {
		return fmt.Errorf("%s is no warrant: %w", files[0].Path, err)
	}
	if tuf.WarrantPath(document.ID) != files[0].Path {
		return fmt.Errorf("%s is the warrant %s under another name", files[0].Path, document.ID)
	}
	return w.read(document, p)
}

func warrantID(path string) string {
	return strings.TrimSuffix(strings.TrimPrefix(path, "warrant/"), ".cbor")
}

func (w *warrantView) read(document *protocol.Warrant, p *tufrepo.Proposal) error {
	if document.EndsAt.Sub(document.IssuedAt) > order.MaxHold {
		return fmt.Errorf("a hold of %d days: the Charter allows %d (C8), and devices refuse it", int(document.EndsAt.Sub(document.IssuedAt).Hours()/24), int(order.MaxHold.Hours()/24))
	}
	list, found := p.Attachment(attachedCohort)
	if !found {
		return fmt.Errorf("%w: there is no list", errCohort)
	}
	whom, err := cohort.Parse(list)
	if err != nil {
		return fmt.Errorf("%w: %w", errCohort, err)
	}
	tree, err := whom.Tree()
	if err != nil {
		return fmt.Errorf("%w: %w", errCohort, err)
	}
	if tree.Summary() != document.Cohort {
		return fmt.Errorf("%w: the list has %d devices and the root %x, the warrant %d and %x", errCohort,
			tree.Summary().Size, tree.Summary().Root, document.Cohort.Size, document.Cohort.Root)
	}
	w.ID, w.Case, w.Reason, w.Drafted, w.Ends = document.ID, document.Case, document.Reason, document.IssuedAt, document.EndsAt
	w.Devices, w.Root, w.cohort = document.Cohort.Size, hex.EncodeToString(document.Cohort.Root[:]), whom
	counts := map[string]int{}
	for _, n := range whom.Devices {
		counts[string(cohort.IMEI(n))[:8]]++
	}
	for tac, n := range counts {
		w.Models = append(w.Models, modelCount{tac, n})
	}
	slices.SortFunc(w.Models, func(a, b modelCount) int {
		if a.Devices != b.Devices {
			return b.Devices - a.Devices
		}
		return strings.Compare(a.TAC, b.TAC)
	})
	return nil
}

// mostModels bounds how many models are named in words.
const mostModels = 20

func (w *warrantView) write(out io.Writer) {
	fmt.Fprintln(out)
	if w.ID == "" {
		fmt.Fprintln(out, "No warrant is new: the signatures of the warrants in force are renewed.")
	} else {
		fmt.Fprintf(out, "Warrant %s, in %s: a hold of %d devices until %s.\n\n  Every owner reads: %s\n\n", w.ID, w.Case, w.Devices, w.Ends.Format(inWords), oneLineOf(w.Reason))
		fmt.Fprintf(out, "Drafted %s. The hold ends by itself %d days after that.\n\ndevices by model (the first eight digits of the IMEI):\n", w.Drafted.Format(inWords), int(w.Ends.Sub(w.Drafted).Hours()/24))
		for i, m := range w.Models {
			if i == mostModels {
				fmt.Fprintf(out, "  and %d other models\n", len(w.Models)-i)
				break
			}
			fmt.Fprintf(out, "  %s  %d\n", m.TAC, m.Devices)
		}
		fmt.Fprintf(out, "\nChecked: the list in the proposal has these %d devices, and comes to the root that the warrant names. Write it out with --cohort-csv.\n", w.Devices)
	}
	if len(w.Kept) > 0 {
		fmt.Fprintf(out, "Stay in force: %s\n", strings.Join(w.Kept, ", "))
	}
	if len(w.Dropped) > 0 {
		fmt.Fprintf(out, "No longer listed: %s\n", strings.Join(w.Dropped, ", "))
	}
}

// oneLineOf keeps a terminal from obeying what somebody wrote, without cutting it.
func oneLineOf(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == ' ' }), " ")
}

// writeCSV writes whom the warrant is for.
func (w *warrantView) writeCSV(name string) error {
	var b bytes.Buffer
	lines := csv.NewWriter(&b)
	if err := lines.Write([]string{"imei"}); err != nil {
		return err
	}
	for _, n := range w.cohort.Devices {
		if err := lines.Write([]string{string(cohort.IMEI(n))}); err != nil {
			return err
		}
	}
	lines.Flush()
	if err := lines.Error(); err != nil {
		return err
	}
	return writePrivate(name, b.Bytes())
}
