package vectors

import (
	"slices"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

// signedFiles are metadata in a vector: the files' exact text.
type signedFiles struct {
	Roots     []string `json:"roots,omitempty"`
	Timestamp string   `json:"timestamp"`
	Snapshot  string   `json:"snapshot"`
	Targets   string   `json:"targets"`
	Policy    string   `json:"policy"`
	Warrant   string   `json:"warrant"`
}

func updateOf(u tuf.Update) *signedFiles {
	out := &signedFiles{
		Timestamp: string(u.Timestamp), Snapshot: string(u.Snapshot), Targets: string(u.Targets), Policy: string(u.Policy), Warrant: string(u.Warrant),
	}
	for _, r := range u.Roots {
		out.Roots = append(out.Roots, string(r))
	}
	return out
}

func (u *signedFiles) read() tuf.Update {
	out := tuf.Update{
		Timestamp: []byte(u.Timestamp), Snapshot: []byte(u.Snapshot), Targets: []byte(u.Targets), Policy: []byte(u.Policy), Warrant: []byte(u.Warrant),
	}
	for _, r := range u.Roots {
		out.Roots = append(out.Roots, []byte(r))
	}
	return out
}

type cohort struct {
	Root Hex    `json:"root"`
	Size uint64 `json:"size"`
}

func cohortOf(c protocol.Cohort) cohort { return cohort{c.Root[:], c.Size} }

func (c cohort) read() protocol.Cohort { return protocol.Cohort{Root: [32]byte(c.Root), Size: c.Size} }

type member struct {
	Salt  Hex    `json:"salt"`
	Index uint64 `json:"index"`
	Path  []Hex  `json:"path,omitempty"`
}

func memberOf(m protocol.Member) member {
	out := member{Salt: m.Salt[:], Index: m.Index}
	for i := range m.Path {
		out.Path = append(out.Path, m.Path[i][:])
	}
	return out
}

func (m member) read() protocol.Member {
	out := protocol.Member{Salt: [32]byte(m.Salt), Index: m.Index}
	for _, p := range m.Path {
		out.Path = append(out.Path, [32]byte(p))
	}
	return out
}

type cohortVector struct {
	Name   string `json:"name"`
	IMEI   string `json:"imei"`
	Member member `json:"member"`
	Cohort cohort `json:"cohort"`
	Reason string `json:"reason,omitempty"`
}

func makeCohorts(t *testing.T) (made []cohortVector) {
	add := func(name string, imei device.IMEI, m protocol.Member, c protocol.Cohort, reason string) {
		made = append(made, cohortVector{name, string(imei), memberOf(m), cohortOf(c), reason})
	}
	imeis := []device.IMEI{"350000000000018", "350000000000026", "350000000000034", "356938035643809", "490154203237518"}
	var all protocol.Cohort
	var members map[device.IMEI]protocol.Member
	for size := 1; size <= len(imeis); size++ {
		var err error
		if all, members, err = agenttest.Cohort("vectors", imeis[:size]...); err != nil {
			t.Fatal(err)
		}
		add("the last of "+string(rune('0'+size)), imeis[size-1], members[imeis[size-1]], all, "")
	}
	const refused = "not-in-cohort"
	last, before := imeis[4], imeis[3]
	other, _, err := agenttest.Cohort("vectors", imeis[:4]...)
	if err != nil {
		t.Fatal(err)
	}
	add("a neighbour's proof", last, members[before], all, refused)
	add("a device that is not there", "356303489916807", members[last], all, refused)
	add("another cohort", before, members[before], other, refused)
	salted := members[last]
	salted.Salt[31] ^= 1
	add("another salt", last, salted, all, refused)
	long := members[last]
	long.Path = append(slices.Clone(long.Path), [32]byte{})
	add("a hash too many", last, long, all, refused)
	moved := members[last]
	moved.Index = 5
	add("a place that is not there", last, moved, all, refused)
	return made
}

func TestCohorts(t *testing.T) {
	for _, v := range file(t, "cohorts.json", makeCohorts(t)) {
		if err := v.Member.read().Verify(v.Cohort.read(), device.IMEI(v.IMEI)); (err != nil) != (v.Reason != "") {
			t.Errorf("%s: %v, want %q", v.Name, err, v.Reason)
		}
	}
}

// metadataVector is an update, what a device trusted before it, and what comes of it.
type metadataVector struct {
	Name     string            `json:"name"`
	Root     string            `json:"root"`             // believed as it is
	Before   *signedFiles      `json:"before,omitempty"` // applied first
	BeforeAt int64             `json:"before_at,omitempty"`
	Update   signedFiles       `json:"update"`
	At       int64             `json:"at"` // the device's time
	Reason   string            `json:"reason,omitempty"`
	Versions map[string]uint64 `json:"versions,omitempty"`
	Expires  map[string]int64  `json:"expires,omitempty"` // of policy and warrant, with what stands above them
	Files    []listedFile      `json:"files,omitempty"`
}

type listedFile struct {
	Role  string `json:"role"`
	Path  string `json:"path"`
	Data  Hex    `json:"data"`
	Fault string `json:"fault,omitempty"`
}

// apply returns what came of v.
func (v metadataVector) apply(t *testing.T) metadataVector {
	t.Helper()
	at := time.Unix(v.At, 0)
	trusted := must(tuf.Open([]byte(v.Root)))(t)
	if v.Before != nil {
		next, _, err := trusted.Apply(v.Before.read(), time.Unix(v.BeforeAt, 0))
		trusted = must(next, err)(t)
	}
	next, listing, err := trusted.Apply(v.Update.read(), at)
	out := metadataVector{Name: v.Name, Root: v.Root, Before: v.Before, BeforeAt: v.BeforeAt, Update: v.Update, At: v.At}
	if err != nil {
		out.Reason = string(tuf.FaultOf(err))
		return out
	}
	n := next.Versions()
	out.Versions = map[string]uint64{
		tuf.Root: n.Root, tuf.Timestamp: n.Timestamp, tuf.Snapshot: n.Snapshot, tuf.Targets: n.Targets, tuf.Policy: n.Policy, tuf.Warrant: n.Warrant,
	}
	out.Expires = map[string]int64{tuf.Policy: next.Expires(tuf.Policy).Unix(), tuf.Warrant: next.Expires(tuf.Warrant).Unix()}
	for _, f := range v.Files {
		f.Fault = ""
		if err := listing.Verify(f.Role, f.Path, f.Data); err != nil {
			f.Fault = string(tuf.FaultOf(err))
		}
		out.Files = append(out.Files, f)
	}
	return out
}

func makeMetadata(t *testing.T) (made []metadataVector) {
	r := tuftest.New(tuftest.Options{Seed: "vectors", Now: moment, ECDSA: true})
	p, v := usualPolicy(), usualWarrant()
	policyBytes, warrantBytes := must(p.Marshal())(t), must(v.Marshal())(t)
	r.Add(tuf.Policy, tuf.PolicyPath(p.Hash), policyBytes)
	r.Add(tuf.Warrant, tuf.WarrantPath(v.ID), warrantBytes)
	r.Publish(moment)
	files := []listedFile{
		{Role: tuf.Policy, Path: tuf.PolicyPath(p.Hash), Data: policyBytes},
		{Role: tuf.Warrant, Path: tuf.WarrantPath(v.ID), Data: warrantBytes},
		{Role: tuf.Policy, Path: tuf.PolicyPath(p.Hash), Data: flip(policyBytes, -1)},
		{Role: tuf.Policy, Path: tuf.PolicyPath(seed("another")), Data: policyBytes},
		{Role: tuf.Policy, Path: tuf.WarrantPath(v.ID), Data: warrantBytes},
	}
	root, first := string(r.Root(1)), updateOf(r.Update(1))
	add := func(name string, before *signedFiles, u tuf.Update, at time.Time, reason string) {
		v := metadataVector{Name: name, Root: root, Before: before, Update: *updateOf(u), At: at.Unix(), Files: files}
		if before != nil {
			v.BeforeAt = moment.Unix()
		}
		m := v.apply(t)
		if m.Reason != reason {
			t.Fatalf("%s: %q, want %q", name, m.Reason, reason)
		}
		made = append(made, m)
	}
	add("a usual one", nil, r.Update(0), moment, "")
	add("the same again", first, r.Update(1), moment, "")
	rotated := r.Clone()
	rotated.Rotate(moment, tuftest.Rotation{Add: 2, Remove: 1, Online: true})
	add("officers came and went, and the server has a new key", first, rotated.Update(1), moment, "")
	add("the list of policies has expired", first, r.Break(tuftest.Expired, tuf.Policy).Update(1), moment, "")
	newer := r.Clone()
	newer.Publish(moment)
	add("rolled back", updateOf(newer.Update(1)), r.Update(1), moment, "metadata-rolled-back")
	replayed := r.Clone()
	for range 3 {
		replayed.Refresh(moment)
	}
	add("an old list of policies under a new timestamp", updateOf(newer.Update(1)), replayed.Update(1), moment, "metadata-rolled-back")
	add("the timestamp has expired", first, r.Update(1), moment.AddDate(0, 0, 8), "metadata-expired")
	add("the new lists under the old snapshot", first, tuftest.Mix(r.Update(1), newer.Update(1)), moment, "metadata-mixed")
	for _, b := range []struct {
		fault        tuftest.Fault
		role, reason string
	}{
		{tuftest.OneSignature, tuf.Policy, "metadata-unsigned"}, {tuftest.SignerTwice, tuf.Policy, "metadata-malformed"},
		{tuftest.KeyTwice, tuf.Policy, "metadata-unsigned"}, {tuftest.OneSignature, tuf.Warrant, "metadata-unsigned"},
		{tuftest.OneSignature, tuf.Targets, "metadata-unsigned"}, {tuftest.OneSignature, tuf.Root, "metadata-unsigned"},
		{tuftest.Usurped, tuf.Root, "metadata-unsigned"}, {tuftest.Disowned, tuf.Root, "metadata-unsigned"},
		{tuftest.ThresholdOne, tuf.Policy, "metadata-threshold"}, {tuftest.ThresholdOne, tuf.Root, "metadata-threshold"},
		{tuftest.OnlineKey, tuf.Warrant, "metadata-threshold"}, {tuftest.RootGap, tuf.Root, "metadata-root-gap"},
		{tuftest.Expired, tuf.Root, "metadata-expired"}, {tuftest.Expired, tuf.Targets, "metadata-expired"},
		{tuftest.Expired, tuf.Snapshot, "metadata-expired"}, {tuftest.Lower, tuf.Warrant, "metadata-rolled-back"},
		{tuftest.Oversized, tuf.Timestamp, "metadata-oversized"},
	} {
		add(string(b.fault)+" in "+b.role, first, r.Break(b.fault, b.role).Update(1), moment, b.reason)
	}
	garbage := r.Update(1)
	garbage.Timestamp = []byte(`{"signed":{},"signatures":[]}`)
	add("no timestamp", first, garbage, moment, "metadata-malformed")
	return made
}

func TestMetadata(t *testing.T) {
	for _, v := range file(t, "metadata.json", makeMetadata(t)) {
		t.Run(v.Name, func(t *testing.T) {
			want := v
			if v.Reason != "" {
				v.Files = nil
			}
			same(t, "metadata", v.apply(t), want)
		})
	}
}

// officersRefusals are the lives that end with something that two officers did not sign, or not for this device.
func officersRefusals() []refusing {
	broken := func(f tuftest.Fault, role string) func(w *writer) step {
		return func(w *writer) step {
			w.metadata()
			u := w.officers.Repository.Break(f, role).Update(1)
			return w.deliver(func(a *protocol.CheckInAnswer) { a.Metadata = &u })
		}
	}
	return []refusing{
		{reason: "policy-unsigned", last: func(w *writer) step {
			p := w.policy
			p.Hash, p.LockDays = seed("nobody's policy"), 30
			return w.deliver(func(a *protocol.CheckInAnswer) { a.Policy, a.Metadata = &p, w.metadata() })
		}},
		{reason: "policy-unsigned", note: ", with metadata that no longer list the policy in force", last: func(w *writer) step {
			w.officers.Repository.Drop(tuf.Policy, tuf.PolicyPath(w.policy.Hash))
			w.officers.SignAnew(w.now)
			return w.deliver(func(a *protocol.CheckInAnswer) { a.Metadata = w.metadata() }, w.seal(notice(w)))
		}},
		{reason: "policy-expired", last: func(w *writer) step {
			w.wait(401 * oneDay)
			w.take(step{Do: "tick"})
			return w.checkIn(w.seal(notice(w)))
		}},
		{reason: "policy-expired", note: ", a lock that waited", last: func(w *writer) step {
			for range 13 {
				w.wait(30 * oneDay)
				w.checkIn()
			}
			n := w.noticed()
			w.applied(w.checkIn(w.seal(w.lock(n))), 1)
			w.liveDays(cuba, 11)
			return step{Refused: w.take(step{Do: "evidence"}).Claims.Refusals}
		}},
		{reason: "metadata-unsigned", note: ", one signature", last: broken(tuftest.OneSignature, tuf.Policy)},
		{reason: "metadata-unsigned", note: ", one officer's key twice", last: broken(tuftest.KeyTwice, tuf.Warrant)},
		{reason: "metadata-expired", last: broken(tuftest.Expired, tuf.Timestamp)},
		{reason: "metadata-rolled-back", last: func(w *writer) step {
			old := w.officers.Repository.Clone()
			w.officers.SignAnew(w.now)
			w.deliver(func(a *protocol.CheckInAnswer) { a.Metadata = w.metadata() })
			old.Refresh(w.now)
			old.Refresh(w.now)
			old.Refresh(w.now)
			u := old.Update(1)
			return w.deliver(func(a *protocol.CheckInAnswer) { a.Metadata = &u })
		}},
		{reason: "metadata-malformed", last: func(w *writer) step {
			u := w.metadata()
			u.Timestamp = []byte("{}")
			return w.deliver(func(a *protocol.CheckInAnswer) { a.Metadata = u })
		}},
		{reason: "warrant-unsigned", elsewhere: true, last: func(w *writer) step {
			v := w.warrant()
			n, _ := w.hold(v)
			_, m := w.own()
			return w.deliver(func(a *protocol.CheckInAnswer) {
				a.Warrants, a.Metadata = []protocol.Held{{Warrant: v, Member: m}}, w.metadata()
			}, w.seal(n))
		}},
		{reason: "warrant-expired", elsewhere: true, last: func(w *writer) step {
			v := w.warrant()
			n, _ := w.hold(v)
			bring := w.with(v)
			return w.deliver(func(a *protocol.CheckInAnswer) {
				bring(a)
				u := w.officers.Repository.Break(tuftest.Expired, tuf.Warrant).Update(1)
				a.Metadata = &u
			}, w.seal(n))
		}},
		{reason: "not-in-cohort", elsewhere: true, last: func(w *writer) step {
			v := w.warrant()
			v.Cohort.Root = seed("another cohort")
			n, _ := w.hold(v)
			return w.deliver(w.with(v), w.seal(n))
		}},
		{reason: "warrant-mismatch", note: ", another document under an id that the owner was told of", elsewhere: true, last: func(w *writer) step {
			v := w.warrant()
			n, _ := w.hold(v)
			w.applied(w.deliver(w.with(v), w.seal(n)), 1)
			v.EndsAt = v.EndsAt.Add(oneDay)
			n, _ = w.hold(v)
			return w.deliver(w.with(v), w.seal(n))
		}},
	}
}
