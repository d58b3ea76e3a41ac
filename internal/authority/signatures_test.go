package authority_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/cohort"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/targets"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

var admin = &authority.Officer{Name: "root", Role: authority.RoleAdmin}

// people are officers with keys of their own, on machines of their own.
type people []*tufrepo.Key

func newPeople(t *testing.T, names ...string) (p people) {
	t.Helper()
	for _, name := range names {
		k, err := tufrepo.NewKey(tufrepo.ES256, name, rand.Reader)
		must(t, err)
		p = append(p, k)
	}
	return p
}

func (p people) public() (keys []tufrepo.PublicKey) {
	for _, k := range p {
		keys = append(keys, k.Public())
	}
	return keys
}

// sign is what officers do with a proposal file.
func (p people) sign(t *testing.T, proposal []byte) []byte {
	t.Helper()
	parsed, err := tufrepo.ParseProposal(proposal)
	must(t, err)
	for _, k := range p {
		must(t, parsed.Sign(k))
	}
	signed, err := parsed.Marshal()
	must(t, err)
	return signed
}

// unfounded is a rig whose server holds no officer's key, and whose officers have not met yet.
func unfounded(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.Service = newEmpty(t, r)
	r.ana, r.ben, r.sam = r.officer("ana", authority.RoleOfficer), r.officer("ben", authority.RoleOfficer), r.officer("sam", authority.RoleSupport)
	return r
}

func (r *rig) found(p people) {
	r.Helper()
	keys, err := r.SigningKeys(ctx)
	must(r.T, err)
	founding, err := tufrepo.Found(tufrepo.FoundingTerms{Officers: p.public(), Threshold: 2, Online: keys.Online, Now: r.now()})
	must(r.T, err)
	data, err := founding.Marshal()
	must(r.T, err)
	if _, err := r.Publish(ctx, r.ana, p[:2].sign(r.T, data)); !errors.Is(err, authority.ErrForbidden) {
		r.Fatalf("an officer who is no admin founds: %v", err)
	}
	if _, err := r.Publish(ctx, admin, p[:1].sign(r.T, data)); !errors.Is(err, authority.ErrNeedsSignatures) {
		r.Fatalf("one signature founds: %v", err)
	}
	out, err := r.Publish(ctx, admin, p[:2].sign(r.T, data))
	must(r.T, err)
	if out.Subject != tufrepo.Founding || len(out.Signers) != 2 || out.Versions.Root != 1 {
		r.Fatalf("%+v", out)
	}
	if _, err := r.Publish(ctx, admin, p[1:].sign(r.T, data)); !errors.Is(err, authority.ErrFounded) {
		r.Fatalf("founded twice: %v", err)
	}
}

// From nothing to a hold by files alone: founding, policy, warrant, with officers whose keys the server never sees.
func TestOfficersSignByFiles(t *testing.T) {
	r := unfounded(t)
	imei := r.made("C-7", "diverter", "ES")
	p := r.newPhone(imei)
	token, err := p.EnrolmentToken(r.Epoch(ctx))
	must(t, err)
	if _, err := r.Enrol(ctx, token); !errors.Is(err, authority.ErrNoPolicy) {
		t.Fatalf("enrolled under nobody's policy: %v", err)
	}
	if _, _, err := r.ProposePolicy(ctx, r.ana, "terms.yaml", policies.Terms202109); !errors.Is(err, authority.ErrUnfounded) {
		t.Fatal(err)
	}
	ada := newPeople(t, "Ada", "Bela", "Cleo")
	r.found(ada)

	// A policy.
	if _, _, err := r.PublishPolicy(ctx, r.ana, "terms.yaml", policies.Terms202109); !errors.Is(err, authority.ErrNeedsSignatures) {
		t.Fatalf("the server alone published a policy: %v", err)
	}
	proposal, _, err := r.ProposePolicy(ctx, r.ana, "terms.yaml", policies.Terms202109)
	must(t, err)
	for who, few := range map[string]people{"nobody": nil, "one": ada[:1]} {
		if _, err := r.Publish(ctx, r.ana, few.sign(t, proposal)); !errors.Is(err, authority.ErrNeedsSignatures) {
			t.Fatalf("signed by %s: %v", who, err)
		}
	}
	if _, err := r.Publish(ctx, r.sam, ada[:2].sign(t, proposal)); !errors.Is(err, authority.ErrForbidden) {
		t.Fatalf("published by support: %v", err)
	}
	out, err := r.Publish(ctx, r.ana, ada[:2].sign(t, proposal))
	must(t, err)
	if out.Policy == nil || out.Policy.Name != "terms.yaml" || fmt.Sprint(out.Policy.Signers) != "[Ada Bela]" || out.Policy.By != "ana" {
		t.Fatalf("%+v", out.Policy)
	}
	p.enrol()
	p.live(2, madrid)

	// A warrant, drafted in two cases at once: the second has to be proposed anew, and stays the same warrant.
	first, err := r.OpenCase(ctx, r.ana, "Phones of one shipment", "C-7")
	must(t, err)
	late := r.newPhone(r.made("C-7", "diverter", "ES")) // its record is there before the draft
	w, one, err := r.DraftWarrant(ctx, r.ana, first.ID, why, r.now().Add(60*day))
	must(t, err)
	second, two, err := r.DraftWarrant(ctx, r.ana, first.ID, why, r.now().Add(50*day))
	must(t, err)
	after := r.newPhone(r.made("C-7", "diverter", "ES")) // and this one's after it
	if _, err := r.CountersignWarrant(ctx, r.ben, w.ID); !errors.Is(err, authority.ErrNeedsSignatures) {
		t.Fatal(err)
	}
	out, err = r.Publish(ctx, r.ana, ada[1:].sign(t, one))
	must(t, err)
	if out.Warrant == nil || out.Warrant.CountersignBy != "Bela" || fmt.Sprint(out.Warrant.Signers) != "[Bela Cleo]" || out.Warrant.DevicesAtIssue != 1 {
		t.Fatalf("%+v", out.Warrant)
	}
	_, err = r.Publish(ctx, r.ana, ada[1:].sign(t, two))
	if e := authority.AsError(err); !errors.Is(err, authority.ErrStale) || !strings.Contains(e.Fix, "anew") {
		t.Fatalf("on a stale base: %v", err)
	}
	again, two, err := r.ProposeWarrant(ctx, r.ana, second.ID)
	must(t, err)
	if again.ID != second.ID || !bytes.Equal(again.Document, second.Document) {
		t.Fatal("proposed anew, it is another warrant")
	}
	_, err = r.Publish(ctx, r.ana, ada[:2].sign(t, two))
	must(t, err)
	if _, err := r.Publish(ctx, r.ana, ada[:2].sign(t, two)); !errors.Is(err, authority.ErrStale) {
		t.Fatalf("published twice: %v", err)
	}

	// The cohort was frozen at the draft.
	for _, held := range []*phone{p, late.enrol()} {
		held.sync()
		held.stage(order.Ground{Kind: order.Warrant, ID: w.ID}, order.Noticed, order.Noticed)
	}
	after.enrol().sync()
	after.stage(order.Ground{Kind: order.Warrant, ID: w.ID}, order.Observed, order.Observed)

	// What officers got to see is what they signed for.
	parsed, err := tufrepo.ParseProposal(one)
	must(t, err)
	list, found := parsed.Attachment(targets.AttachedCohort)
	if !found {
		t.Fatal("no list of devices in the proposal")
	}
	whom, err := cohort.Parse(list)
	must(t, err)
	tree, err := whom.Tree()
	must(t, err)
	if len(whom.Devices) != 2 || !tree.Contains(imei) || tree.Contains(after.imei) {
		t.Fatalf("%v", whom.Devices)
	}
}

// What a proposal brings is checked against this server's own reading, however many have signed it.
func TestProposalsThatAreRefused(t *testing.T) {
	r := unfounded(t)
	ada := newPeople(t, "Ada", "Bela")
	r.found(ada)
	proposal, _, err := r.ProposePolicy(ctx, r.ana, "terms.yaml", policies.Terms202109)
	must(t, err)
	_, err = r.Publish(ctx, r.ana, ada.sign(t, proposal))
	must(t, err)
	repository, err := r.Repository(ctx)
	must(t, err)
	everything := func(string) bool { return true }
	made := func(subject tufrepo.Subject, keep func(string) bool, files ...tufrepo.File) []byte {
		propose := repository.ProposePolicy
		if subject == tufrepo.Warrant {
			propose = repository.ProposeWarrant
		}
		p, err := propose(files, keep, r.now())
		must(t, err)
		data, err := p.Marshal()
		must(t, err)
		return ada.sign(t, data)
	}
	newer := append([]byte("# newer\n"), policies.Terms202109...)
	parsed, err := policy.Parse("newer.yaml", newer)
	must(t, err)
	file := tufrepo.File{Path: fmt.Sprintf("policy/%x.yaml", parsed.Hash()), Data: newer}
	extract := protocol.Policy{Hash: parsed.Hash(), ID: "other"}
	other, err := (func() ([]byte, error) { // the extract of another policy, in this one's place
		listed, err := repository.Listed(tuf.Policy)
		if err != nil {
			return nil, err
		}
		for path, at := range listed {
			if strings.HasSuffix(path, ".cbor") {
				return r.TargetFile(ctx, path, at.SHA256)
			}
		}
		return nil, errors.New("no extract is listed")
	})()
	must(t, err)
	warrant, err := protocol.Warrant{ID: "warrant-0009", Case: "case-0001", Reason: why, IssuedAt: r.now(), EndsAt: r.now().Add(30 * day),
		Cohort: protocol.Cohort{Size: 1}}.Marshal()
	must(t, err)
	for name, tc := range map[string]struct {
		proposal []byte
		want     *authority.Error
	}{
		"no proposal":                      {[]byte("{}"), authority.ErrProposalFaulty},
		"100 MB":                           {make([]byte, 100<<20), authority.ErrProposalOversized},
		"a policy without its extract":     {made(tufrepo.Policy, everything, file), authority.ErrProposalFaulty},
		"a policy with another's extract":  {made(tufrepo.Policy, everything, file, tufrepo.File{Path: tuf.PolicyPath(extract.Hash), Data: other}), authority.ErrProposalFaulty},
		"no policy in force any more":      {made(tufrepo.Policy, func(path string) bool { return !strings.HasPrefix(path, "policy/") }), authority.ErrProposalFaulty},
		"no borders any more":              {made(tufrepo.Policy, func(path string) bool { return !strings.HasPrefix(path, "borders/") }), authority.ErrProposalFaulty},
		"other borders":                    {made(tufrepo.Policy, everything, tufrepo.File{Path: "borders/borders.bin", Data: []byte("mine")}), authority.ErrProposalFaulty},
		"messages that nobody has":         {made(tufrepo.Policy, everything, tufrepo.File{Path: "messages/owner.xx.json", Data: []byte("{}")}), authority.ErrProposalFaulty},
		"a warrant that was never drafted": {made(tufrepo.Warrant, everything, tufrepo.File{Path: "warrant/warrant-0009.cbor", Data: warrant}), authority.ErrProposalFaulty},
	} {
		if _, err := r.Publish(ctx, admin, tc.proposal); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %s", name, err, tc.want.Name)
		}
	}
	if history, err := r.PolicyHistory(ctx, 10); err != nil || len(history) != 1 {
		t.Errorf("%+v, %v", history, err)
	}
}

// C7: who can write into the store, but not sign as two officers, makes no rule and holds nobody; and the server says so.
func TestRowsSlippedIntoTheStoreDoNotCount(t *testing.T) {
	r := newRig(t)
	held, cuban := r.newPhone(r.made("C-7", "diverter", "ES")).enrol(), r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	held.live(2, madrid)
	cuban.live(2, madrid)
	c, err := r.OpenCase(ctx, r.ana, "Phones of one shipment", "C-7")
	must(t, err)
	w, _, err := r.DraftWarrant(ctx, r.ana, c.ID, why, r.now().Add(60*day))
	must(t, err)

	// A policy that prohibits Spain, in force since a minute ago; and the draft, countersigned, with its case holding.
	spain := strings.NewReplacer("codes: [ES]", "codes: [CU]", "codes: [CU]", "codes: [ES]", "until: 2021-09-20", "until: 2031-09-20").Replace(freed)
	spain, _, _ = strings.Cut(spain, "\ntests:")
	mine, err := policy.Parse("spain.yaml", []byte(spain))
	must(t, err)
	w.CountersignBy, w.CountersignAt, w.Hash = "ben", r.now(), sha256.Sum256(w.Document)
	c.State = authority.CaseHolding
	must(t, r.store.Update(ctx, func(tx authority.Tx) error {
		return errors.Join(tx.CountersignIfDraft(w), tx.PutCaseIfState(c, authority.CaseOpen),
			tx.InsertPolicy(&authority.PolicyDocument{Hash: mine.Hash(), Name: "spain.yaml", Source: mine.Source(), ActivateAt: r.now().Add(-time.Minute),
				By: "ana", PublishedAt: r.now(), Signers: []string{"Ada", "Bela"}, Version: 9}))
	}))
	r.open()
	must(t, r.Sweep(ctx))
	for _, p := range []*phone{held, cuban} {
		p.live(3, madrid)
		must(t, r.Sweep(ctx))
		if d := p.detail(); len(d.Restrictions) != 0 || len(d.Orders) != 0 {
			t.Fatalf("%+v", d.Restrictions)
		}
	}
	if _, d, err := r.PolicyInForce(ctx); err != nil || d.Name != "terms-2021-09.yaml" {
		t.Fatalf("in force is %+v, %v", d, err)
	}
	history, err := r.PolicyHistory(ctx, 10)
	must(t, err)
	for _, e := range history {
		if e.Signed != (e.Document.Name == "terms-2021-09.yaml") {
			t.Errorf("%s: signed %v", e.Document.Name, e.Signed)
		}
	}

	// Devices added to a cohort that officers did sign for: the warrant no longer says what it did, and holds nobody.
	honest, signed := r.warrant("C-1", 60*day)
	if honest.State == authority.CaseConcluded || signed.DevicesAtIssue != 1 {
		t.Fatalf("%+v", signed)
	}
	r.sequence()
	cuban.sync()
	cuban.stage(order.Ground{Kind: order.Warrant, ID: signed.ID}, order.Noticed, order.Noticed)

	// Metadata that no officer signed: nothing counts, and nothing new is restricted.
	must(t, r.store.Update(ctx, func(tx authority.Tx) error {
		last, err := tx.LatestMetadata(tuf.Policy)
		if err != nil {
			return err
		}
		return tx.InsertMetadata(authority.Metadata{Role: tuf.Policy, Version: last.Version + 1,
			Document: bytes.Replace(last.Document, []byte(`"length":`), []byte(`"length":1`), 1)})
	}))
	r.open()
	if _, _, err := r.PolicyInForce(ctx); !errors.Is(err, authority.ErrNoPolicy) {
		t.Fatalf("a policy counts on metadata that do not hold: %v", err)
	}
	if _, err := r.SigningKeys(ctx); !errors.Is(err, authority.ErrSignaturesBroken) {
		t.Fatal(err)
	}
	must(t, r.Sweep(ctx))
	held.live(2, havana)
	if d := held.detail(); len(d.Restrictions) != 0 {
		t.Fatalf("%+v", d.Restrictions)
	}
}
