package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// Problem is one fault in a policy file.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`   // from 1
	Column  int    `json:"column"` // from 1, in characters
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do about it
}

// String returns "file:line:column: message (hint)".
func (p Problem) String() string {
	s := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
	if p.Hint != "" {
		s += " (" + p.Hint + ")"
	}
	return s
}

// Problems is the error of [Parse]: every fault found, in the order of the file, at most maxProblems of them.
type Problems []Problem

// maxProblems keeps a file of nothing but faults from filling a terminal or a log.
const maxProblems = 100

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// inOrder sorts problems by place, drops repetitions, and cuts the tail of a hopeless file.
func (ps Problems) inOrder() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	ps = slices.Compact(ps)
	if more := len(ps) - maxProblems; more > 0 {
		last := ps[maxProblems]
		last.Message, last.Hint = fmt.Sprintf("and %d more problems", more), "mend those above first"
		ps = append(ps[:maxProblems:maxProblems], last)
	}
	return ps
}

// suggest returns "did you mean X?" for the candidate nearest to s, or the other hint when none is near.
func suggest(s string, candidates []string, otherwise string) string {
	best, least := "", 1+max(1, len(s)/3)
	for _, c := range candidates {
		if d := distance(strings.ToLower(s), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	if best == "" {
		return otherwise
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// oneOf lists candidates for a hint.
func oneOf(candidates []string) string {
	return "one of: " + strings.Join(candidates, ", ")
}

// distance is the edit distance between two short texts, counting a swap of neighbours as one. Long texts count as far.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			change := row[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			next[j] = min(change, row[j]+1, next[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// habitual maps what people write to what ISO 3166 says.
var habitual = map[string]territory.Code{
	"UK": "GB", "EL": "GR", "EN": "GB", "SP": "ES", "NK": "KP", "DPRK": "KP", "SK": "KR", "ROK": "KR", "USA": "US",
	"UAE": "AE", "CUB": "CU", "CRIMEA": "UA-43", "SEVASTOPOL": "UA-40", "RU-CR": "UA-43", "RU-SEV": "UA-40", "CUBA": "CU", "IRAN": "IR",
	"SYRIA": "SY", "SUDAN": "SD", "PRK": "KP", "IRN": "IR", "SYR": "SY", "SDN": "SD", "UKRAINE": "UA",
}

// suggestTerritory returns a hint for a code that ISO 3166 does not know.
func suggestTerritory(s string) string {
	const otherwise = `ISO 3166-1 alpha-2 such as "CU", or ISO 3166-2 such as "UA-43"`
	upper := strings.ToUpper(strings.TrimSpace(s))
	if c, ok := habitual[upper]; ok {
		return fmt.Sprintf("did you mean %q?", string(c))
	}
	upper = strings.NewReplacer("_", "-", " ", "-").Replace(upper)
	if c, err := territory.ParseCode(upper); err == nil {
		return fmt.Sprintf("did you mean %q?", string(c))
	}
	if len(upper) > 2 && upper[2] != '-' && len(upper) <= 5 {
		if c, err := territory.ParseCode(upper[:2] + "-" + upper[2:]); err == nil {
			return fmt.Sprintf("did you mean %q?", string(c))
		}
	}
	if len(upper) > 3 && upper[2] == '-' {
		if c, err := territory.ParseCode(upper[:2]); err == nil {
			return fmt.Sprintf("%q is known, this part of it is not", string(c))
		}
	}
	return otherwise
}
