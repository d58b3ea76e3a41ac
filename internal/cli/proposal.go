package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/targets"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// readProposal reads and checks a proposal file; - is standard input.
func readProposal(env Environment, name string) (*tufrepo.Proposal, error) {
	from := env.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return nil, fmt.Errorf("%s is a folder: name the proposal in it", name)
		}
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, tufrepo.MaxProposal+1))
	if err != nil {
		return nil, err
	}
	p, err := tufrepo.ParseProposal(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// writeProposal writes a proposal whole or not at all; - is standard output.
func writeProposal(env Environment, name string, p *tufrepo.Proposal) error {
	data, err := p.Marshal()
	if err != nil {
		return err
	}
	if name == "-" {
		_, err := env.Stdout.Write(data)
		return err
	}
	return replaceFile(name, data, modeOf(p))
}

// modeOf is who may read a proposal: that of a warrant carries the IMEIs of those whom it is for.
func modeOf(p *tufrepo.Proposal) os.FileMode {
	if p.Subject() == tufrepo.Warrant {
		return 0o600
	}
	return 0o644
}

// signerView is an officer as JSON.
type signerView struct {
	Name  string `json:"name"`
	KeyID string `json:"key_id"`
}

func signersOf(keys []tufrepo.PublicKey) []signerView {
	list := []signerView{}
	for _, k := range keys {
		list = append(list, signerView{k.Name(), k.ID()})
	}
	return list
}

// quorumView is how far officers have got with one part.
type quorumView struct {
	Threshold int          `json:"threshold"`
	Signed    []signerView `json:"signed"`
	Open      []signerView `json:"may_still_sign"`
}

func quorumOf(q tufrepo.Quorum) quorumView {
	return quorumView{q.Threshold, signersOf(q.Signed), signersOf(q.Open)}
}

type partView struct {
	Role    string    `json:"role"`
	Version uint64    `json:"version"`
	Expires time.Time `json:"expires"`
	quorumView
	Before   *quorumView `json:"officers_until_now,omitempty"` // of a root that follows another
	Complete bool        `json:"complete"`
}

// termsView is who stands behind a repository.
type termsView struct {
	Officers  []signerView `json:"officers"`
	Threshold int          `json:"threshold"`
	Online    *signerView  `json:"online,omitempty"`
}

func termsOf(t tufrepo.Terms) *termsView {
	if len(t.Officers) == 0 {
		return nil
	}
	return &termsView{signersOf(t.Officers), t.Threshold, &signerView{t.Online.Name(), t.Online.ID()}}
}

// proposalView is what a proposal says, computed again from what is in it.
type proposalView struct {
	What     string            `json:"what"` // proposal
	File     string            `json:"file"`
	Subject  tufrepo.Subject   `json:"subject"`
	Created  time.Time         `json:"created"`
	Complete bool              `json:"complete"` // enough have signed
	Parts    []partView        `json:"parts"`
	Before   *termsView        `json:"officers_before,omitempty"`
	After    *termsView        `json:"officers_after"`
	Policy   *policyDifference `json:"policy,omitempty"`
	Others   *otherFiles       `json:"other_files,omitempty"`
	Warrant  *warrantView      `json:"warrant,omitempty"`
}

// otherFiles are borders and messages beside a policy.
type otherFiles struct {
	Changed []string `json:"changed"`
	Foreign []string `json:"not_as_in_this_program"`
	Dropped []string `json:"policies_dropped"`
}

// aids are what helps to explain a proposal beside what is in it.
type aids struct {
	against string // a file, a server or a folder that has the policy in force
	foreign bool   // borders and messages of another version are accepted
}

// errForeign is a proposal whose borders or messages this program cannot vouch for.
var errForeign = errors.New("borders or messages in the proposal are not those of this program")

// examine checks a proposal, computes again what follows from what, and says what it would change.
func examine(ctx context.Context, file string, p *tufrepo.Proposal, a aids) (*proposalView, error) {
	status := p.Status()
	if status.Fault != nil {
		return nil, fmt.Errorf("%s: %w", file, status.Fault)
	}
	before, after, err := p.Terms()
	if err != nil {
		return nil, err
	}
	v := &proposalView{What: "proposal", File: file, Subject: p.Subject(), Created: p.Created(), Complete: status.Complete(), Before: termsOf(before), After: termsOf(after)}
	for _, part := range status.Parts {
		view := partView{part.Role, part.Version, part.Expires, quorumOf(part.Quorum), nil, part.Complete()}
		if part.Before != nil {
			q := quorumOf(*part.Before)
			view.Before = &q
		}
		v.Parts = append(v.Parts, view)
	}
	switch p.Subject() {
	case tufrepo.Policy:
		err = v.examinePolicy(ctx, p, a)
	case tufrepo.Warrant:
		err = v.examineWarrant(p)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return v, nil
}

func (v *proposalView) examinePolicy(ctx context.Context, p *tufrepo.Proposal, a aids) error {
	l, err := targets.ReadPolicies(p)
	if err != nil {
		return err
	}
	v.Others = &otherFiles{Changed: l.Changed, Foreign: l.Foreign, Dropped: []string{}}
	for _, hash := range l.Dropped {
		v.Others.Dropped = append(v.Others.Dropped, fmt.Sprintf("%x", hash))
	}
	if changed := slices.DeleteFunc(slices.Clone(l.Foreign), func(path string) bool { return !slices.Contains(l.Changed, path) }); len(changed) > 0 && !a.foreign {
		return fmt.Errorf("%w: %s\n  Use the version of bailiwick that made the proposal, or accept them with --foreign-files once you have compared them", errForeign, strings.Join(changed, ", "))
	}
	if len(l.New) == 0 {
		return nil // signatures are renewed, or policies dropped
	}
	newest := l.New[len(l.New)-1]
	if before := append(slices.Clone(l.Kept), l.Dropped...); len(before) > 0 {
		old, err := followed(ctx, p, newest, before, a.against)
		if err != nil {
			return err
		}
		label := "in force"
		if old.EffectiveFrom.After(p.Created()) {
			label = "signed, not yet in force"
		}
		d := compare(label, old, "proposed", newest)
		v.Policy = &d
		return nil
	}
	d := compare("", nil, "proposed", newest)
	v.Policy = &d
	return nil
}

// followed returns the policy that a new one would follow, the one in force as a rule: one of those that the proposal's base lists. Whoever brings
// it, the hash in the officers' own listing vouches for it.
func followed(ctx context.Context, p *tufrepo.Proposal, next *policy.Policy, listed [][32]byte, against string) (*policy.Policy, error) {
	var blobs [][]byte
	for _, name := range p.Attachments() {
		if data, ok := p.Attachment(name); ok {
			blobs = append(blobs, data)
		}
	}
	if against != "" {
		more, err := policyBlobs(ctx, against, listed)
		if err != nil {
			return nil, err
		}
		blobs = append(blobs, more...)
	}
	var known []*policy.Policy
	for _, hash := range listed {
		if old, ok := targets.Find(hash, blobs); ok {
			known = append(known, old)
		}
	}
	if len(known) < len(listed) {
		return nil, fmt.Errorf("the difference to the policy in force cannot be shown: the proposal does not carry that policy (sha256 %x)\n  Give it with --against, as a file, a server or a folder; what is in it is held to the officers' signatures", listed[0])
	}
	if old := targets.Follows(known, next); old != nil {
		return old, nil
	}
	if old := targets.InForce(known, p.Created()); old != nil { // the new one would be before it: the difference says so
		return old, nil
	}
	return known[0], nil
}

// policyBlobs reads policy files from a file, a server or a folder.
func policyBlobs(ctx context.Context, from string, listed [][32]byte) (blobs [][]byte, err error) {
	if info, err := os.Stat(from); err == nil && !info.IsDir() {
		data, err := os.ReadFile(from)
		return [][]byte{data}, err
	}
	source, err := openSource(ctx, from)
	if err != nil {
		return nil, err
	}
	for _, hash := range listed {
		data, err := source.read(fmt.Sprintf("targets/policy/%x.%x.yaml", hash, hash), maxPolicyFile)
		if err != nil {
			return nil, err
		}
		blobs = append(blobs, data)
	}
	return blobs, nil
}

// subjectText says what a proposal is about.
var subjectText = map[tufrepo.Subject]string{
	tufrepo.Founding: "founding: the first officers",
	tufrepo.Officers: "change of officers",
	tufrepo.Policy:   "policy",
	tufrepo.Warrant:  "warrant",
}

// write says in words what the proposal would change, and who has signed.
func (v *proposalView) write(w io.Writer) {
	fmt.Fprintf(w, "%s: a proposal, %s, made %s\n", v.File, subjectText[v.Subject], v.Created.Format(inWords))
	switch v.Subject {
	case tufrepo.Founding, tufrepo.Officers:
		v.writeOfficers(w)
	case tufrepo.Policy:
		v.writePolicy(w)
	case tufrepo.Warrant:
		v.Warrant.write(w)
	}
	fmt.Fprintln(w)
	v.writeSignatures(w)
}

func (v *proposalView) writePolicy(w io.Writer) {
	fmt.Fprintln(w)
	if v.Policy == nil {
		fmt.Fprintln(w, "No policy is new: the signatures of the policies in force are renewed.")
	} else {
		v.Policy.write(w)
	}
	for _, hash := range v.Others.Dropped {
		fmt.Fprintf(w, "\nNo longer listed: the policy with sha256 %s\n", hash)
	}
	if v.Policy != nil && v.Policy.Old == nil {
		fmt.Fprintf(w, "\nBorders and message catalogues: %d files, as they are in this program.\n", len(v.Others.Changed)-len(v.Others.Foreign))
	} else if len(v.Others.Changed) > 0 {
		fmt.Fprintf(w, "\nBorders or messages that change: %s\n", strings.Join(v.Others.Changed, ", "))
	}
	if len(v.Others.Foreign) > 0 {
		fmt.Fprintf(w, "\nNot as in this program: %s\n", strings.Join(v.Others.Foreign, ", "))
	}
	fmt.Fprintln(w, "\nChecked: the extract that devices read was computed again from the policy file, and is the one in the proposal; its own tests pass.")
}

func (v *proposalView) writeOfficers(w io.Writer) {
	was := map[string]bool{}
	if v.Before != nil {
		for _, o := range v.Before.Officers {
			was[o.KeyID] = true
		}
	}
	is := map[string]bool{}
	fmt.Fprintf(w, "\n%d of these officers sign everything from then on:\n", v.After.Threshold)
	for _, o := range v.After.Officers {
		is[o.KeyID] = true
		note := ""
		if v.Before != nil && !was[o.KeyID] {
			note = "   (new)"
		}
		fmt.Fprintf(w, "\n  %s%s\n  %s\n", o.Name, note, strings.ReplaceAll(groups(o.KeyID), "\n", "\n  "))
	}
	if v.Before != nil {
		for _, o := range v.Before.Officers {
			if !is[o.KeyID] {
				fmt.Fprintf(w, "\n  %s   (leaves)\n  %s\n", o.Name, strings.ReplaceAll(groups(o.KeyID), "\n", "\n  "))
			}
		}
		if v.Before.Threshold != v.After.Threshold {
			fmt.Fprintf(w, "\n%d must sign instead of %d.\n", v.After.Threshold, v.Before.Threshold)
		}
	}
	note := "the server's own key, which can say only what is the latest"
	if v.Before != nil && v.Before.Online.KeyID != v.After.Online.KeyID {
		note = "another key of the server than before"
	}
	fmt.Fprintf(w, "\n  %s   (%s)\n  %s\n", v.After.Online.Name, note, strings.ReplaceAll(groups(v.After.Online.KeyID), "\n", "\n  "))
}

// partText says what a role is for.
var partText = map[string]string{tuf.Root: "officers (root)", tuf.Targets: "delegation (targets)", tuf.Policy: "policies", tuf.Warrant: "warrants"}

func (v *proposalView) writeSignatures(w io.Writer) {
	line := func(what string, q quorumView) {
		state := "complete"
		if missing := q.Threshold - len(q.Signed); missing > 0 {
			state = fmt.Sprintf("%d missing: %s may still sign", missing, namesOf(q.Open))
		}
		signed := "nobody has signed"
		if len(q.Signed) > 0 {
			signed = "signed by " + namesOf(q.Signed)
		}
		fmt.Fprintf(w, "%-44s %s; needs %d, %s\n", what, signed, q.Threshold, state)
	}
	for _, part := range v.Parts {
		line(fmt.Sprintf("%s %d, until %s", partText[part.Role], part.Version, part.Expires.Format(time.DateOnly)), part.quorumView)
		if part.Before != nil {
			line("  the officers until now", *part.Before)
		}
	}
	if v.Complete {
		fmt.Fprintf(w, "\nEnough have signed. Publish it with: bailiwick %s publish %s\n", verbOf[v.Subject], v.File)
	} else {
		fmt.Fprintf(w, "\nNot enough have signed. An officer signs with: bailiwick %s sign %s --key KEY\n", verbOf[v.Subject], v.File)
	}
}

// verbOf is the command that a subject belongs to.
var verbOf = map[tufrepo.Subject]string{tufrepo.Founding: "officer", tufrepo.Officers: "officer", tufrepo.Policy: "policy", tufrepo.Warrant: "warrant"}

func namesOf(list []signerView) string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.Name
	}
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}
