// Package staged is an authority on paper: it answers the pages with made-up records of one autumn, so that they can be
// tested and looked at without a store, a ledger or devices. Actions check roles and remember what was asked.
package staged

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Today is the moment at which the records were taken.
var Today = time.Date(2021, 10, 14, 10, 20, 0, 0, time.UTC)

// Now is a clock that stands still.
func Now() time.Time { return Today }

// Passwords of the staged officers; their session tokens are "token-" and the name.
const Password = "a long enough password"

// Authority answers like *authority.Service. The zero value is not usable; call New.
type Authority struct {
	Policy    *policy.Policy
	Document  *authority.PolicyDocument
	Calls     []string // actions asked for, "ApproveWave 7 nora"
	Hostile   string   // replaces every text that people or devices wrote, to see that it is escaped
	Fail      error    // returned by every report when set
	StopsLock bool     // an appeal takes a lock back
	Confirm   int      // what the wave asks to be typed in
	Signing   *Signing // what officers sign
	Unfounded bool     // nobody has founded it
	Slow      bool     // jobs are not over at once
	SignsHere bool     // it is a sandbox, with officers' keys of its own

	mu    sync.Mutex
	last  *authority.Job // that somebody began
	fleet []*authority.DeviceDetail
}

// New returns the staged authority.
func New() (*Authority, error) {
	p, err := policy.Parse("terms-2021-09.yaml", policies.Terms202109)
	if err != nil {
		return nil, err
	}
	a := &Authority{Policy: p, Document: &authority.PolicyDocument{Hash: p.Hash(), Name: "terms-2021-09.yaml",
		Source: policies.Terms202109, ActivateAt: time.Date(2021, 9, 1, 0, 0, 0, 0, time.UTC), By: "nora", Signers: []string{"nora", "samir"}, PublishedAt: time.Date(2021, 8, 31, 9, 0, 0, 0, time.UTC), Version: 2}}
	if a.Signing, err = newSigning(p); err != nil {
		return nil, err
	}
	a.fleet = a.stageFleet()
	return a, nil
}

func (a *Authority) called(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.Calls = append(a.Calls, fmt.Sprintf(format, args...))
}

// say returns what somebody wrote, or the hostile text in its place.
func (a *Authority) say(s string) string {
	if a.Hostile != "" {
		return a.Hostile
	}
	return s
}

var officerList = []*authority.Officer{
	{Name: "admin", Role: "admin", CreatedAt: Today.AddDate(0, -2, 0)},
	{Name: "nora", Role: "officer", CreatedAt: Today.AddDate(0, -2, 3)},
	{Name: "samir", Role: "officer", CreatedAt: Today.AddDate(0, -1, 0)},
	{Name: "li", Role: "support", CreatedAt: Today.AddDate(0, -1, 4)},
	{Name: "newcomer", Role: "officer", MustChange: true, CreatedAt: Today.AddDate(0, 0, -1)},
	{Name: "gone", Role: "support", CreatedAt: Today.AddDate(0, -2, 0), DisabledAt: Today.AddDate(0, 0, -9)},
}

func officer(name string) *authority.Officer {
	if i := slices.IndexFunc(officerList, func(o *authority.Officer) bool { return o.Name == name }); i >= 0 {
		return officerList[i]
	}
	return nil
}

// Login implements console.Sessions.
func (a *Authority) Login(_ context.Context, name, password string) (string, *authority.Officer, error) {
	o := officer(name)
	if o == nil || password != Password || !o.DisabledAt.IsZero() {
		return "", nil, authority.ErrLoginFailed
	}
	return "token-" + name, o, nil
}

func (a *Authority) Logout(_ context.Context, token string) error {
	a.called("Logout %s", token)
	return nil
}

func (a *Authority) Authenticate(_ context.Context, token string) (*authority.Officer, error) {
	name, ok := strings.CutPrefix(token, "token-")
	if o := officer(name); ok && o != nil {
		return o, nil
	}
	return nil, authority.ErrNoSession
}

func (a *Authority) ChangePassword(_ context.Context, o *authority.Officer, old, new string) error {
	switch {
	case old != Password:
		return authority.ErrLoginFailed
	case len(new) < 10:
		return authority.ErrWeakPassword
	}
	a.called("ChangePassword %s", o.Name)
	return nil
}

func (a *Authority) AddOfficer(_ context.Context, by *authority.Officer, name, role string) (string, error) {
	if !by.Can(authority.MayManageOfficers) {
		return "", authority.ErrForbidden
	}
	if officer(name) != nil {
		return "", authority.ErrOfficerExists
	}
	a.called("AddOfficer %s %s", name, role)
	return "marmot-violin-cedar-41", nil
}

func (a *Authority) DisableOfficer(_ context.Context, by *authority.Officer, name string) error {
	if !by.Can(authority.MayManageOfficers) {
		return authority.ErrForbidden
	}
	a.called("DisableOfficer %s", name)
	return nil
}

func (a *Authority) Officers(context.Context) ([]*authority.Officer, error) {
	return officerList, a.Fail
}

func (a *Authority) BeginApproval(_ context.Context, actor *authority.Officer, id int64, ap authority.WaveApproval) (*authority.Job, error) {
	if !actor.Can(authority.MayDecideWaves) {
		return nil, authority.ErrForbidden
	}
	if ap.Confirm != a.Confirm {
		return nil, authority.ErrWaveProportion
	}
	a.called("ApproveWave %d %s", id, actor.Name)
	return a.began(authority.WaveJob, fmt.Sprint(id), `{"locked":61,"skipped":{"appealed":2}}`), nil
}

func (a *Authority) RejectWave(_ context.Context, actor *authority.Officer, id int64, note string) error {
	if !actor.Can(authority.MayDecideWaves) {
		return authority.ErrForbidden
	}
	a.called("RejectWave %d %s: %s", id, actor.Name, note)
	return nil
}

func (a *Authority) OpenCase(_ context.Context, actor *authority.Officer, title, consignment string) (*authority.Case, error) {
	a.called("OpenCase %s %s", actor.Name, consignment)
	return &authority.Case{ID: "case-0002", Title: title, Consignment: consignment, State: authority.CaseOpen}, nil
}

func (a *Authority) DraftWarrant(_ context.Context, actor *authority.Officer, caseID, reason string, ends time.Time) (*authority.Warrant, []byte, error) {
	a.called("DraftWarrant %s %s until %s", caseID, actor.Name, ends.Format(time.DateOnly))
	return &authority.Warrant{ID: "warrant-0003", Case: caseID, Reason: reason, EndsAt: ends}, []byte("a proposal"), nil
}

func (a *Authority) BeginHold(_ context.Context, actor *authority.Officer, id string) (*authority.Published, error) {
	if actor.Name == "nora" {
		return nil, authority.ErrSameOfficer
	}
	a.called("BeginHold %s %s", id, actor.Name)
	out := &authority.Published{Warrant: &authority.Warrant{ID: id, DevicesAtIssue: 203}}
	if a.Slow {
		out.Notices = a.began(authority.NoticeJob, id, `{"enrolled":300000,"noticed":299000,"before":900,"left":100}`)
	}
	return out, nil
}

func (a *Authority) BeginConclusion(_ context.Context, actor *authority.Officer, caseID, finding string) (*authority.Job, error) {
	a.called("ConcludeCase %s %s", caseID, actor.Name)
	return a.began(authority.ReleaseJob, caseID, `{"lifted":96,"stragglers":7}`), nil
}

func (a *Authority) AnswerAppeal(_ context.Context, actor *authority.Officer, id int64, grant bool, answer string) error {
	a.called("AnswerAppeal %d %v %s", id, grant, actor.Name)
	return nil
}

func (a *Authority) LiftByHuman(_ context.Context, actor *authority.Officer, id device.ID, g order.Ground, reason string) error {
	a.called("LiftByHuman %s %s %s", id, g.ID, actor.Name)
	return nil
}

// AttachLicence implements console.Service.
func (a *Authority) AttachLicence(_ context.Context, actor *authority.Officer, id device.ID, licence string, attach bool) error {
	if licence == "" {
		return &authority.Error{Kind: authority.Invalid, Name: "invalid", Detail: "the licence is empty"}
	}
	a.called("AttachLicence %s %s %v %s", id, licence, attach, actor.Name)
	return a.Fail
}

func (a *Authority) UnlockCode(_ context.Context, actor *authority.Officer, id device.ID, challenge, justification string) (string, error) {
	a.called("UnlockCode %s %s", id, actor.Name)
	return "4031 7725", nil
}

func (a *Authority) PublishPolicy(_ context.Context, actor *authority.Officer, name string, source []byte) (*authority.PolicyDocument, *policy.Report, error) {
	p, err := policy.Parse(name, source)
	if err != nil {
		return nil, nil, authority.ErrPolicyFaulty
	}
	report := p.Check(Today)
	a.called("PublishPolicy %s %x", name, p.Hash())
	return &authority.PolicyDocument{Hash: p.Hash(), Name: name, ActivateAt: p.EffectiveFrom, By: actor.Name}, &report, nil
}

// FileAppeal implements ownerpage.Service.
func (a *Authority) FileAppeal(ctx context.Context, imei, reference, text, contact string) (*authority.Appeal, error) {
	o, err := a.OwnerLook(ctx, imei, reference)
	if err != nil {
		return nil, err
	}
	if !o.CanAppeal {
		return nil, authority.ErrAppealOpen
	}
	a.called("FileAppeal %s: %s", imei, text)
	return &authority.Appeal{ID: 9, Text: text, Contact: contact, OpenedAt: Today, DueAt: Today.AddDate(0, 0, 7),
		StoppedLock: a.StopsLock}, nil
}

func day(y int, m time.Month, d int) territory.Day {
	return territory.DayOf(time.Date(y, m, d, 0, 0, 0, 0, time.UTC))
}
