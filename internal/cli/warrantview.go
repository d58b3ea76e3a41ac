package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/bailiwick-dev/bailiwick/internal/cohort"
	"github.com/bailiwick-dev/bailiwick/internal/targets"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
)

// warrantView is what a warrant proposal says, computed again.
type warrantView struct {
	ID      string               `json:"id,omitempty"` // empty when no warrant is new
	Case    string               `json:"case,omitempty"`
	Reason  string               `json:"reason,omitempty"`
	Drafted time.Time            `json:"drafted_at,omitzero"`
	Ends    time.Time            `json:"ends_at,omitzero"`
	Devices uint64               `json:"devices,omitempty"`
	Root    string               `json:"cohort_root,omitempty"` // of the tree over the cohort, hexadecimal
	Models  []targets.ModelCount `json:"models,omitempty"`
	Kept    []string             `json:"kept"`    // warrants that stay in force
	Dropped []string             `json:"dropped"` // warrants that are listed no longer

	cohort *cohort.Cohort
}

func (v *proposalView) examineWarrant(p *tufrepo.Proposal) error {
	hold, err := targets.ReadWarrant(p)
	if err != nil {
		return err
	}
	v.Warrant = &warrantView{Kept: append([]string{}, hold.Kept...), Dropped: append([]string{}, hold.Dropped...), Models: hold.Models, cohort: hold.Cohort}
	if w := hold.Warrant; w != nil {
		v.Warrant.ID, v.Warrant.Case, v.Warrant.Reason, v.Warrant.Drafted, v.Warrant.Ends = w.ID, w.Case, w.Reason, w.IssuedAt, w.EndsAt
		v.Warrant.Devices, v.Warrant.Root = w.Cohort.Size, hex.EncodeToString(w.Cohort.Root[:])
	}
	return nil
}

// mostModels bounds how many models are named in words.
const mostModels = 20

func (w *warrantView) write(out io.Writer) {
	fmt.Fprintln(out)
	if w.ID == "" {
		fmt.Fprintln(out, "No warrant is new: the signatures of the warrants in force are renewed.")
	} else {
		fmt.Fprintf(out, "Warrant %s, in %s: a hold of %d devices until %s.\n\n  Every owner reads: %s\n\n", w.ID, w.Case, w.Devices, w.Ends.Format(inWords), harmless(w.Reason))
		fmt.Fprintf(out, "Drafted %s. The hold ends by itself %d days after that.\n\ndevices by model (the first eight digits of the IMEI):\n", w.Drafted.Format(inWords), int(w.Ends.Sub(w.Drafted).Hours()/24))
		for i, m := range w.Models {
			if i == mostModels {
				fmt.Fprintf(out, "  and %d other models\n", len(w.Models)-i)
				break
			}
			fmt.Fprintf(out, "  %s  %d\n", m.TAC, m.Devices)
		}
		fmt.Fprintf(out, "\nChecked: the list in the proposal has these %d devices, and comes to the root that the warrant names.\n", w.Devices)
	}
	if len(w.Kept) > 0 {
		fmt.Fprintf(out, "Stay in force: %s\n", strings.Join(w.Kept, ", "))
	}
	if len(w.Dropped) > 0 {
		fmt.Fprintf(out, "No longer listed: %s\n", strings.Join(w.Dropped, ", "))
	}
}

// harmless is a text of somebody else on one line, without control characters, which a terminal would obey; nothing is cut.
func harmless(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
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
	return writeNew(name, b.Bytes(), 0o600)
}
