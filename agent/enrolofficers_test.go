package agent_test

import (
	"errors"
	"testing"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

// enrolAs tries to enrol a new phone on a platform with this root.
func enrolAs(t *testing.T, root []byte, change func(r *rig, ans *protocol.EnrolAnswer)) (*rig, error) {
	t.Helper()
	r := newRig(t, 213)
	platform := r.phone.Platform()
	platform.Root = root
	a, err := agent.Open(platform)
	must(t, err)
	r.agent = a
	ans := r.enrolAnswer()
	change(r, &ans)
	data, err := ans.Marshal()
	must(t, err)
	return r, r.agent.AcceptEnrolment(data)
}

func TestEnrolmentNeedsWhatOfficersSigned(t *testing.T) {
	for name, tc := range map[string]struct {
		want   agent.Reason
		change func(r *rig, ans *protocol.EnrolAnswer)
	}{
		"a policy that is not listed": {agent.PolicyUnsigned, func(_ *rig, ans *protocol.EnrolAnswer) { ans.Policy = forged() }},
		"a policy that was changed":   {agent.PolicyUnsigned, func(_ *rig, ans *protocol.EnrolAnswer) { ans.Policy.LockDays = 700 }},
		"one signature": {agent.MetadataUnsigned, func(r *rig, ans *protocol.EnrolAnswer) {
			ans.Metadata = r.officers.Repository.Break(tuftest.OneSignature, tuf.Policy).Update(0)
		}},
		"an officer twice": {agent.MetadataUnsigned, func(r *rig, ans *protocol.EnrolAnswer) {
			ans.Metadata = r.officers.Repository.Break(tuftest.KeyTwice, tuf.Policy).Update(0)
		}},
		"one officer suffices": {agent.MetadataThreshold, func(r *rig, ans *protocol.EnrolAnswer) {
			ans.Metadata = r.officers.Repository.Break(tuftest.ThresholdOne, tuf.Root).Update(1)
		}},
		"expired": {agent.PolicyExpired, func(r *rig, ans *protocol.EnrolAnswer) {
			ans.Metadata = r.officers.Repository.Break(tuftest.Expired, tuf.Policy).Update(0)
		}},
		"a root that is none": {agent.MetadataMalformed, func(_ *rig, ans *protocol.EnrolAnswer) { ans.Metadata.Roots = [][]byte{[]byte("{}")} }},
	} {
		r, err := enrolAs(t, nil, tc.change)
		var reason agent.Reason
		if !errors.As(err, &reason) || reason != tc.want || r.agent.Enrolled() {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}

// A root that is built into the firmware is where every enrolment begins.
func TestPinnedRoot(t *testing.T) {
	same := func(*rig, *protocol.EnrolAnswer) {}
	rotated := func(r *rig, ans *protocol.EnrolAnswer) {
		r.officers.Repository.Rotate(r.phone.True, tuftest.Rotation{Add: 3, Remove: 3})
		r.officers.Repository.Rotate(r.phone.True, tuftest.Rotation{Online: true})
		ans.Metadata = *r.metadata()
	}
	usurped := func(r *rig, ans *protocol.EnrolAnswer) {
		other := agenttest.NewOfficers("others", r.phone.True)
		must(r, other.SignPolicy(ans.Policy))
		ans.Metadata = *other.Update(r.phone.True, r.phone.True)
	}
	pinned := newRig(t, 213).officers.Repository.Root(1)
	for name, change := range map[string]func(*rig, *protocol.EnrolAnswer){"the same root": same, "two roots later": rotated} {
		r, err := enrolAs(t, pinned, change)
		if err != nil || !r.agent.Enrolled() {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r, err := enrolAs(t, pinned, usurped); !errors.Is(err, agent.MetadataUnsigned) || r.agent.Enrolled() {
		t.Errorf("another root: %v", err)
	}
	if _, err := enrolAs(t, nil, usurped); err != nil { // which is what the pin is for
		t.Errorf("another root, on a device without one: %v", err)
	}
	platform := newRig(t, 213).phone.Platform()
	platform.Root = []byte("no root")
	if _, err := agent.Open(platform); !errors.Is(err, tuf.ErrMalformed) {
		t.Errorf("a root that is none: %v", err)
	}
}
