package targets

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bailiwick-dev/bailiwick/internal/cohort"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// AttachedCohort is under what name a warrant's proposal carries whom it is for, as package cohort writes it.
const AttachedCohort = "cohort"

// Hold is what a warrant proposal lists, taken apart.
type Hold struct {
	Warrant *protocol.Warrant // the new one; nil when signatures are renewed
	Cohort  *cohort.Cohort    // whom it is for: computed again, it is the one that the warrant names
	Models  []ModelCount      // of the cohort, the most devices first
	Kept    []string          // warrants that stay listed
	Dropped []string          // warrants that were listed and no longer are
}

// ModelCount counts devices of one model.
type ModelCount struct {
	TAC     string `json:"tac"` // Type Allocation Code: an IMEI's first eight digits say which model it is
	Devices int    `json:"devices"`
}

// ReadWarrant takes a warrant proposal apart and computes the root of its cohort again from the list beside it. It fails with ErrMismatch,
// tufrepo.ErrProposal, or a fault of packages protocol and cohort.
func ReadWarrant(p *tufrepo.Proposal) (*Hold, error) {
	before, after, err := p.Listed()
	if err != nil {
		return nil, err
	}
	h := &Hold{}
	for path := range after {
		if before[path] == after[path] {
			h.Kept = append(h.Kept, warrantID(path))
		}
	}
	for path := range before {
		if _, listed := after[path]; !listed {
			h.Dropped = append(h.Dropped, warrantID(path))
		}
	}
	slices.Sort(h.Kept)
	slices.Sort(h.Dropped)
	files := p.Files()
	if len(files) == 0 {
		return h, nil
	}
	if len(files) > 1 {
		return nil, fmt.Errorf("%w: the proposal brings %d warrants; it brings one", ErrMismatch, len(files))
	}
	if h.Warrant, err = protocol.ParseWarrant(files[0].Data); err != nil {
		return nil, fmt.Errorf("%w: %s is no warrant: %w", ErrMismatch, files[0].Path, err)
	}
	if tuf.WarrantPath(h.Warrant.ID) != files[0].Path {
		return nil, fmt.Errorf("%w: %s is the warrant %s under another name", ErrMismatch, files[0].Path, h.Warrant.ID)
	}
	if length := h.Warrant.EndsAt.Sub(h.Warrant.IssuedAt); length > order.MaxHold {
		return nil, fmt.Errorf("%w: a hold of %d days, and devices refuse more than %d (Charter C8)", ErrMismatch, int(length.Hours()/24), int(order.MaxHold.Hours()/24))
	}
	return h, h.readCohort(p)
}

func warrantID(path string) string {
	return strings.TrimSuffix(strings.TrimPrefix(path, "warrant/"), ".cbor")
}

func (h *Hold) readCohort(p *tufrepo.Proposal) error {
	list, found := p.Attachment(AttachedCohort)
	if !found {
		return fmt.Errorf("%w: there is no list of the devices that the warrant is for", ErrMismatch)
	}
	whom, err := cohort.Parse(list)
	if err != nil {
		return fmt.Errorf("%w: the list of devices: %w", ErrMismatch, err)
	}
	tree, err := whom.Tree()
	if err != nil {
		return fmt.Errorf("%w: the list of devices: %w", ErrMismatch, err)
	}
	if got, want := tree.Summary(), h.Warrant.Cohort; got != want {
		return fmt.Errorf("%w: the warrant is not for the devices of the list beside it: the list has %d and comes to the root %x, the warrant says %d and %x",
			ErrMismatch, got.Size, got.Root, want.Size, want.Root)
	}
	h.Cohort = whom
	counts := map[string]int{}
	for _, n := range whom.Devices {
		counts[string(cohort.IMEI(n))[:8]]++
	}
	for tac, n := range counts {
		h.Models = append(h.Models, ModelCount{tac, n})
	}
	slices.SortFunc(h.Models, func(a, b ModelCount) int {
		return cmp.Or(cmp.Compare(b.Devices, a.Devices), cmp.Compare(a.TAC, b.TAC))
	})
	return nil
}
