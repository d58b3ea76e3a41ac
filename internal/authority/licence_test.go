package authority_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
)

// TestLicenceOnADevice: what an officer attaches counts in the decision at once, and in the restriction when the device checks in.
func TestLicenceOnADevice(t *testing.T) {
	r := newRig(t)
	p := r.due(1)[0]
	const listed = "cuba-consumer-devices"
	look := func() (verdict policy.Verdict, lines int) {
		t.Helper()
		d, err := r.DeviceDetail(ctx, p.id)
		must(t, err)
		for _, e := range d.Events {
			if e.Kind == "licence" && e.Actor == "ana" {
				lines++
			}
		}
		return d.Decision.Verdict, lines
	}
	for i, step := range []struct {
		licence string
		attach  bool
		verdict policy.Verdict
		lines   int // of the time line so far
	}{
		{"export-2021-0042", true, policy.Indeterminate, 1}, // a policy that lists it may come
		{"export-2021-0042", false, policy.Deny, 2},
		{"export-2021-0042", false, policy.Deny, 2}, // said twice
		{" " + listed + " ", true, policy.Permit, 3},
		{listed, true, policy.Permit, 3},
	} {
		must(t, r.AttachLicence(ctx, r.ana, p.id, step.licence, step.attach))
		if verdict, lines := look(); verdict != step.verdict || lines != step.lines {
			t.Errorf("step %d: %v with %d lines, want %v with %d", i, verdict, lines, step.verdict, step.lines)
		}
	}
	p.stage(cuba, order.Noticed, order.Noticed)
	p.checkIn()
	r.sequence()
	p.checkIn()
	p.checkIn()
	p.stage(cuba, order.Lifted, order.Lifted)
}

func TestLicencesThatAreRefused(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	for name, c := range map[string]struct {
		by      *authority.Officer
		id      device.ID
		licence string
		want    error
	}{
		"support":   {r.sam, p.id, "aid", authority.ErrForbidden},
		"no device": {r.ana, device.ID{9}, "aid", authority.ErrNotFound},
		"empty":     {r.ana, p.id, "  ", authority.ErrInvalid},
		"long":      {r.ana, p.id, strings.Repeat("x", 65), authority.ErrInvalid},
	} {
		if err := r.AttachLicence(ctx, c.by, c.id, c.licence, true); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range 16 {
		must(t, r.AttachLicence(ctx, r.ana, p.id, fmt.Sprintf("aid-%d", i), true))
	}
	if err := r.AttachLicence(ctx, r.ana, p.id, "aid-16", true); !errors.Is(err, authority.ErrInvalid) {
		t.Errorf("a seventeenth: %v", err)
	}
	d, err := r.DeviceDetail(ctx, p.id)
	must(t, err)
	if len(d.Device.LicenceNames) != 16 {
		t.Errorf("%q", d.Device.LicenceNames)
	}
}
