package tufrepo

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/corpus"
)

var update = flag.Bool("update", false, "write the golden proposal and the seeds again")

const golden = "testdata/proposal.json"

// goldenProposal has one of everything: two kinds of keys, a signature, a file, an attachment.
func goldenProposal(t testing.TB) *Proposal {
	t.Helper()
	w := newWorld(t)
	p, err := w.repository.ProposeWarrant([]File{{"warrant/w-1.cbor", []byte("a warrant")}}, all, founded.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Attach("cohort", []byte("490154203237518\n")); err != nil {
		t.Fatal(err)
	}
	return signed(t, p, w.bela)
}

// TestGoldenProposal keeps the format: a proposal that was made by one version is on its way when the next one is installed.
func TestGoldenProposal(t *testing.T) {
	made := marshalled(t, goldenProposal(t))
	if *update {
		if err := os.WriteFile(golden, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, made) {
		t.Errorf("a proposal is written otherwise than %s", golden)
	}
	p, err := ParseProposal(kept)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	if err := p.LeadsFrom(w.repository.Roots[0]); err != nil {
		t.Error(err)
	}
	s := p.Status()
	if s.Fault != nil || s.Complete() || len(s.Parts) != 1 || s.Subject != Warrant || !s.Created.Equal(founded.Add(time.Hour)) {
		t.Fatalf("%+v", s)
	}
	part := s.Parts[0]
	if part.Role != "warrant" || part.Version != 2 || part.Threshold != 2 || names(part.Signed) != "Béla" || names(part.Open) != "Ada, Chen" || part.Before != nil {
		t.Errorf("%+v", part)
	}
	if cohort, ok := p.Attachment("cohort"); !ok || string(cohort) != "490154203237518\n" {
		t.Errorf("%q", cohort)
	}
	if err := p.Sign(w.ada); err != nil || !p.Status().Complete() {
		t.Errorf("%v, %+v", err, p.Status())
	}
	accept(t, w.repository, p, w.online, founded.Add(2*time.Hour))
}

func TestRefusedProposalFiles(t *testing.T) {
	good := string(marshalled(t, goldenProposal(t)))
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the golden proposal has no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, text := range map[string]string{
		"nothing":                 "",
		"null":                    "null",
		"another file":            `{"policy": 1}`,
		"another version":         change("bailiwick-proposal/1", "bailiwick-proposal/2"),
		"an unknown member":       change("\t\"subject\"", "\t\"urgent\": true,\n\t\"subject\""),
		"a member twice":          change("\t\"subject\": \"warrant\",", "\t\"subject\": \"warrant\",\n\t\"subject\": \"warrant\","),
		"a member twice, deep":    change("\"version\": 2", "\"version\": 3,\n\"version\": 2"),
		"a member in capitals":    change("\"subject\"", "\"Subject\""),
		"an attachment twice":     change("\"attachments\": [", "\"attachments\": [\n\t\t{\n\t\t\t\"name\": \"cohort\",\n\t\t\t\"data\": \"\"\n\t\t},"),
		"an attachment's path":    change("\"cohort\"", "\"../cohort\""),
		"other spaces":            change("\t\"subject\"", "  \"subject\""),
		"no end of line":          strings.TrimSuffix(good, "\n"),
		"something behind it":     good + "{}",
		"truncated":               good[:len(good)/2],
		"no base64":               change("\"data\": \"", "\"data\": \"!"),
		"data that is null":       change("\"data\": \"YSB3YXJyYW50\"", "\"data\": null"),
		"a date with a zone":      change("2026-11-22T10:00:00Z", "2026-11-22T11:00:00+01:00"),
		"a date that is none":     change("2026-11-22T10:00:00Z", "2026-11-32T10:00:00Z"),
		"an escape for a letter":  change("\"warrant\"", `"\u0077arrant"`),
		"a role that is a number": change("\"role\": \"warrant\"", "\"role\": 5"),
		"metadata that are null":  change("\"targets\": {\n\t\t\t\"signatures\"", "\"targets\": null,\n\t\t\"policy\": {\n\t\t\t\"signatures\""),
		"files out of sequence":   change("\"files\": [", "\"files\": [\n\t\t{\n\t\t\t\"path\": \"z\",\n\t\t\t\"data\": \"\"\n\t\t},"),
		"too many attachments":    change("\"attachments\": [", "\"attachments\": ["+strings.Repeat("{\"name\":\"a\",\"data\":\"\"},", maxAttachments)),
	} {
		if p, err := ParseProposal([]byte(text)); !errors.Is(err, ErrProposal) && !errors.Is(err, ErrTooLarge) || p != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseProposal(make([]byte, MaxProposal+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	p := goldenProposal(t)
	if err := p.Attach("heap", make([]byte, MaxProposal*3/4)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Marshal(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("written too large: %v", err)
	}
}

func TestMergeSignatures(t *testing.T) {
	w := newWorld(t)
	origin := policyProposal(t, w)
	a, b := signed(t, origin, w.ada), signed(t, origin, w.chen)
	merged, err := MergeSignatures(a, b)
	if err != nil {
		t.Fatal(err)
	}
	other, err := MergeSignatures(b, a)
	if err != nil || !bytes.Equal(marshalled(t, merged), marshalled(t, other)) {
		t.Errorf("the sequence matters: %v", err)
	}
	if again, err := MergeSignatures(merged, a); err != nil || !bytes.Equal(marshalled(t, merged), marshalled(t, again)) {
		t.Errorf("merging what is there: %v", err)
	}
	if names(a.Status().Parts[0].Signed) != "Ada" || names(merged.Status().Parts[0].Signed) != "Ada, Chen" {
		t.Errorf("%+v, %+v", a.Status(), merged.Status())
	}
	accept(t, w.repository, merged, w.online, founded)

	for name, change := range map[string]func(p *Proposal){
		"another listing": func(p *Proposal) { *p = *signed(t, must(w.repository.ProposePolicy(nil, all, founded))) },
		"another date": func(p *Proposal) {
			*p = *signed(t, must(w.repository.ProposePolicy(nil, all, founded.Add(time.Second))))
		},
		"another subject":   func(p *Proposal) { *p = *signed(t, must(w.repository.ProposeWarrant(nil, all, founded))) },
		"another base":      func(p *Proposal) { *p = *policyProposal(t, &world{repository: stepped(t, w)}) },
		"an attachment":     func(p *Proposal) { must(p, p.Attach("cohort", nil)) },
		"a broken proposal": func(p *Proposal) { p.parts[0].Signatures[0].Sig = "00" },
	} {
		p := signed(t, origin, w.chen)
		change(p)
		if _, err := MergeSignatures(a, p); !errors.Is(err, ErrDifferent) && !errors.Is(err, ErrProposal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func must(p *Proposal, err error) *Proposal {
	if err != nil {
		panic(err)
	}
	return p
}

// stepped is the world's repository one root further.
func stepped(t *testing.T, w *world) *Repository {
	t.Helper()
	return accept(t, w.repository, officersProposal(t, w, Changes{}), w.online, founded, w.ada, w.bela)
}

func TestLeadsFrom(t *testing.T) {
	w := newWorld(t)
	p := officersProposal(t, w, Changes{})
	if err := p.LeadsFrom(w.repository.Roots[0]); err != nil {
		t.Error(err)
	}
	if roots := p.Roots(); len(roots) != 2 {
		t.Errorf("%d roots", len(roots))
	}
	if err := p.LeadsFrom(p.Roots()[1]); !errors.Is(err, ErrProposal) {
		t.Errorf("from its own root: %v", err)
	}
	if err := found(t, w).LeadsFrom(w.repository.Roots[0]); !errors.Is(err, ErrProposal) {
		t.Errorf("a founding: %v", err)
	}
}

func TestWhatIsListedIsNotCarriedAgain(t *testing.T) {
	w := newWorld(t)
	borders := File{"borders/borders.bin", bytes.Repeat([]byte("b"), 1000)}
	p := must(w.repository.ProposePolicy([]File{policyFile(1), borders}, all, founded))
	r := accept(t, w.repository, p, w.online, founded, w.ada, w.bela)
	p = must(r.ProposePolicy([]File{policyFile(2), borders}, func(path string) bool { return path != policyFile(1).Path }, founded))
	if files := p.Files(); len(files) != 1 || files[0].Path != policyFile(2).Path {
		t.Errorf("%v", files)
	}
	r = accept(t, r, p, w.online, founded, w.ada, w.bela)
	listed, err := r.Listed("policy")
	if _, there := listed[borders.Path]; err != nil || !there || len(listed) != 2 {
		t.Errorf("%v, %v", listed, err)
	}
	for name, add := range map[string][]File{
		"twice": {policyFile(3), policyFile(3)}, "of another role": {{"warrant/w.cbor", nil}}, "in a folder": {{"policy/a/b", nil}},
		"hidden": {{"policy/.b", nil}}, "with a space": {{"policy/a b", nil}}, "without folder": {{"policy", nil}}, "absolute": {{"/policy/a", nil}},
	} {
		if _, err := r.ProposePolicy(add, all, founded); !errors.Is(err, ErrFile) {
			t.Errorf("a file %s: %v", name, err)
		}
	}
	var many []File
	for i := range 400 {
		many = append(many, policyFile(i))
	}
	if _, err := r.ProposePolicy(many, all, founded); !errors.Is(err, ErrTooLarge) {
		t.Errorf("more than metadata hold: %v", err)
	}
}

func FuzzParseProposal(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParseProposal(data)
		if err != nil {
			if !errors.Is(err, ErrProposal) && !errors.Is(err, ErrTooLarge) {
				t.Fatal(err)
			}
			return
		}
		if again := marshalled(t, p); !bytes.Equal(again, data) {
			t.Fatal("read and written, it is another")
		}
		if s := p.Status(); s.Fault != nil && !errors.Is(s.Fault, ErrProposal) {
			t.Fatal(s.Fault)
		}
	})
}

func TestSeeds(t *testing.T) {
	w := newWorld(t)
	plain, err := w.bela.MarshalPlain()
	if err != nil {
		t.Fatal(err)
	}
	for fuzz, seeds := range map[string]map[string][]byte{
		"FuzzParseProposal": {"founding": marshalled(t, signed(t, found(t, w), w.ada)), "warrant": marshalled(t, goldenProposal(t)),
			"officers": marshalled(t, signed(t, officersProposal(t, w, Changes{Threshold: 3}), w.bela))},
		"FuzzParsePublicKey": {"ed25519": w.ada.Public().Marshal(), "es256": w.bela.Public().Marshal()},
		"FuzzParseKey":       {"plain": plain, "public": w.ada.Public().Marshal()},
	} {
		for name, data := range seeds {
			if *update {
				corpus.Write(t, fuzz, name, data)
			}
			if !bytes.Equal(corpus.Read(t, fuzz, name), data) {
				t.Errorf("seed %s of %s is not what is written now: go test -run Seeds -update", name, fuzz)
			}
		}
	}
	corpus.CheckNames(t, "FuzzParseProposal", "FuzzParsePublicKey", "FuzzParseKey")
}
