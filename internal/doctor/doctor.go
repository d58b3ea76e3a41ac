// Package doctor looks a server over without changing anything, beside it or from elsewhere: its data folder, its database, its answers.
//
// Each check comes to a [Finding] with a verdict: ok, a warning (it works, and will not for ever), a fault (something is broken or unsafe now), or
// unknown (it could not be looked at). Checks only read: files are opened for reading, SQLite through a connection that cannot write,
// PostgreSQL in a read-only transaction, a server by GET.
package doctor

import (
	"context"
	"net/http"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
)

// Verdict is what a check comes to.
type Verdict string

// The verdicts, from good to bad. Unknown says that a check could not be made.
const (
	OK      Verdict = "ok"
	Unknown Verdict = "unknown"
	Warning Verdict = "warning"
	Fault   Verdict = "fault"
)

// Finding is the outcome of one check.
type Finding struct {
	Check   string  `json:"check"` // stable name, such as "folder.permissions"
	Verdict Verdict `json:"verdict"`
	Detail  string  `json:"detail"`        // what was found
	Fix     string  `json:"fix,omitempty"` // what to do about it
}

// Patient is what to look at. Parts that are left zero are left out.
type Patient struct {
	Dir       string           // data folder
	Keys      string           // folder of the keys, where servers share them; keys in Dir when empty
	Database  string           // PostgreSQL that keeps the records
	Server    string           // base URL of a running server
	Witnesses []ledger.Witness // of the ledger

	Whole bool // read the whole ledger and every index of the records, not only what is quick
	Now   func() time.Time
	HTTP  *http.Client // with a time-out; http.DefaultClient when nil
}

// Examine makes all checks that the patient allows, in a fixed order.
func Examine(ctx context.Context, p Patient) []Finding {
	if p.HTTP == nil {
		p.HTTP = &http.Client{Timeout: 10 * time.Second}
	}
	x := &examination{Patient: p}
	if p.Dir != "" {
		x.folder(ctx)
	}
	if p.Database != "" {
		x.database(ctx)
	}
	if p.Server != "" {
		x.server(ctx)
	}
	for _, w := range p.Witnesses {
		x.witness(ctx, w)
	}
	return x.findings
}

// Worst is the worst verdict of a list; Unknown counts as better than a warning.
func Worst(list []Finding) Verdict {
	worst := OK
	rank := map[Verdict]int{OK: 0, Unknown: 1, Warning: 2, Fault: 3}
	for _, f := range list {
		if rank[f.Verdict] > rank[worst] {
			worst = f.Verdict
		}
	}
	return worst
}

type examination struct {
	Patient
	findings []Finding
	signed   []byte // the ledger's checkpoint, when it was found
}

func (x *examination) found(check string, v Verdict, detail, fix string) {
	if v == OK {
		fix = ""
	}
	x.findings = append(x.findings, Finding{check, v, detail, fix})
}
