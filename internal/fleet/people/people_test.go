package people_test

import (
	"slices"
	"testing"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/fleet/people"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const first = territory.Day(20_690)

// What is measured with these people depends on how their days look: most are at home and sure of it, some are not.
func TestPeopleAreVaried(t *testing.T) {
	const n = 600
	one, several, unsure, off, kinds := 0, 0, 0, 0, map[territory.Kinds]bool{}
	for i := range uint64(n) {
		p := people.New(7, i, first)
		days := p.Days(first, 90)
		off += 90 - len(days)
		seen := map[territory.Code]bool{}
		for _, d := range days {
			kinds[d.Agree] = true
			if d.Territory == territory.Unknown {
				unsure++
			} else {
				seen[d.Territory] = true
			}
		}
		if len(seen) > 1 {
			several++
		} else {
			one++
		}
	}
	if several < n/10 || several > n/3 {
		t.Errorf("%d of %d people were in more than one territory", several, n)
	}
	if off < n*90/50 || off > n*90/20 {
		t.Errorf("phones were off on %d of %d days", off, n*90)
	}
	if unsure == 0 || unsure > n*90/20 {
		t.Errorf("%d of %d days are without a territory", unsure, n*90)
	}
	if len(kinds) < 4 {
		t.Errorf("only %d sets of signals agreed", len(kinds))
	}
}

func TestTheSameSeedGivesTheSameDays(t *testing.T) {
	a, b, other := people.New(3, 9, first), people.New(3, 9, first), people.New(4, 9, first)
	if !slices.Equal(a.Days(first, 90), b.Days(first, 90)) {
		t.Error("the same person has other days")
	}
	if slices.Equal(a.Days(first, 90), other.Days(first, 90)) {
		t.Error("another seed gives the same days")
	}
}

func TestTheirDaysAreEvidence(t *testing.T) {
	for i := range uint64(200) {
		c := evidence.Claims{Device: [16]byte{1}, Sequence: 1, Epoch: make([]byte, 24), IssuedAt: (first + 91).Time(), Boot: evidence.BootVerified,
			Software: "1", Days: people.New(1, i, first).Days(first, 90)}
		if err := c.Validate(); err != nil {
			t.Fatalf("person %d: %v", i, err)
		}
	}
}

func TestTheBannedAreActivatedThere(t *testing.T) {
	for i := range uint64(50) {
		p := people.Banned(1, i)
		a, ok := territory.Establish(p.Days(first, 21), territory.Observation{Days: 5, Window: 21, Percent: 95})
		if !ok || a.Mixed || a.Territory != p.Home().Code {
			t.Errorf("person %d of %s: %+v %v", i, p.Home().Name, a, ok)
		}
	}
}
