package agent_test

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// oldRig is a phone with a record that an agent wrote before there were metadata: locks by a rule and by a warrant wait in it.
func oldRig(t *testing.T) *rig {
	t.Helper()
	text, err := os.ReadFile("testdata/record-before-metadata.hex")
	must(t, err)
	record, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	must(t, err)
	r := newRig(t, 300)
	r.ledger, err = agenttest.NewLedger("ledger.example/test", 300)
	must(t, err)
	for range 4 { // what was sealed then
		_, err := r.ledger.Append([]byte("an older order"))
		must(t, err)
	}
	must(t, r.phone.Flash.Save(record))
	r.phone.True = time.Date(2026, 3, 9, 9, 0, 0, 0, time.UTC)
	r.phone.Off(time.Minute)
	r.open()
	return r
}

// A record from before there were metadata opens. Nothing escalates on it before the first update, whose first root is believed, once.
func TestRecordFromBeforeThereWereMetadata(t *testing.T) {
	r := oldRig(t)
	if claims := r.claims(); claims.Metadata != (evidence.MetadataVersions{}) || len(claims.Grounds) != 2 {
		t.Fatalf("%+v", claims)
	}
	for range 8 {
		r.live(cuba)
	}
	r.stage(order.Noticed)
	r.open()
	for _, e := range r.agent.Screen().Grounds {
		if e.Stage != order.Noticed || !e.EffectAt.IsZero() {
			t.Fatalf("%+v", e)
		}
	}
	n := r.notice(ruleCuba)
	n.Deadline = n.Deadline.Add(30 * day)
	s := r.seal(n)
	r.refused(r.checkIn(s), s, agent.PolicyUnsigned)

	must(t, r.officers.SignPolicy(r.policy))
	r.told(r.metadata())
	r.applied(r.checkIn(s), s)
	other := agenttest.NewOfficers("others", r.phone.True)
	must(t, other.SignPolicy(forged()))
	for range 40 {
		other.Repository.Refresh(r.phone.True)
	}
	u := other.Update(r.phone.True, r.phone.True)
	r.unheeded(u, agent.MetadataUnsigned)
}

// With a root in the firmware not even the first update is believed.
func TestRecordFromBeforeMetadataUnderAPinnedRoot(t *testing.T) {
	r := oldRig(t)
	platform := r.phone.Platform()
	platform.Root = r.officers.Repository.Root(1)
	a, err := agent.Open(platform)
	must(t, err)
	r.agent = a
	other := agenttest.NewOfficers("others", r.phone.True)
	must(t, other.SignPolicy(r.policy))
	r.unheeded(other.Update(r.phone.True, r.phone.True), agent.MetadataUnsigned)
	must(t, r.officers.SignPolicy(r.policy))
	r.told(r.metadata())
}

// A hold that an earlier version noticed needs a notice under a signed warrant before it can be locked.
func TestHoldNoticedBeforeThereWereMetadata(t *testing.T) {
	r := oldRig(t)
	hold := order.Ground{Kind: order.Warrant, ID: "w1"}
	must(t, r.officers.SignPolicy(r.policy))
	r.told(r.metadata())
	l := r.lock(r.notice(hold))
	for _, g := range r.claims().Grounds {
		if g.Ground == hold {
			l.Deadline, l.EffectAt = g.Deadline, g.Deadline.Add(time.Hour)
		}
	}
	s := r.seal(l)
	r.refused(r.checkIn(s), s, agent.WarrantUnsigned)
	w := r.warrant("w1")
	w.EndsAt = w.IssuedAt.Add(60 * day)
	notice, lock := r.hold(w)
	sn, sl := r.seal(notice), r.seal(lock)
	r.applied(r.deliver([]protocol.Warrant{w}, sn, sl), sn, sl)
	for range 12 {
		r.live(cuba)
	}
	for _, g := range r.agent.Screen().Grounds {
		if g.Ground == hold && g.Stage != order.Locked {
			t.Fatalf("%+v", g)
		}
	}
}
