package storetest

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const day = 24 * time.Hour

// start is when the tests' stories begin; stores keep microseconds, so it has some.
var start = time.Date(2026, 9, 1, 12, 0, 0, 123_456_000, time.UTC)

var (
	cuba    = order.Ground{Kind: order.Rule, ID: "cuba"}
	crimea  = order.Ground{Kind: order.Rule, ID: "crimea"}
	warrant = order.Ground{Kind: order.Warrant, ID: "warrant-0001"}
)

func deviceID(n int) device.ID {
	var id device.ID
	binary.BigEndian.PutUint64(id[:], uint64(n))
	id[15] = 0xff
	return id
}

func imei(n int) device.IMEI {
	body := fmt.Sprintf("35%012d", n)
	return device.IMEI(body + string(device.CheckDigit(body)))
}

func hash(n int) (h [32]byte) {
	binary.BigEndian.PutUint64(h[24:], uint64(n))
	return h
}

// newDevice is a device as it is right after its enrolment.
func newDevice(n int) *authority.Device {
	return &authority.Device{ID: deviceID(n), IMEI: imei(n), Serial: fmt.Sprint("S", n), Model: "M1", Key: []byte{0x30, byte(n)},
		Attestation: policy.Genuine, KeyCeiling: policy.Custom, Boot: evidence.BootVerified, Software: "1.0", EnrolledAt: start}
}

// fullDevice has something in every field.
func fullDevice(n int) *authority.Device {
	d := newDevice(n)
	d.Sequence, d.LastSeen, d.ClockDoubt, d.Unlocks = 7, start.Add(day), true, 2
	first := territory.DayOf(start)
	for i := range evidence.MaxDays {
		r := territory.DayRecord{Day: first + territory.Day(i+i/7), Territory: "UA-43", Percent: uint8(90 + i%10),
			Agree: territory.Kinds(0).With(territory.GNSS).With(territory.Cell)}
		if i%5 == 0 {
			r.Against = territory.Kinds(0).With(territory.SIM)
		}
		if i%11 == 0 {
			r = territory.DayRecord{Day: r.Day}
		}
		d.Days = append(d.Days, r)
	}
	d.Activation = &territory.Activation{Territory: "UA-43", Day: first + 3, Mixed: true}
	d.Verdict, d.VerdictRule, d.PolicyHash, d.DecidedAt = policy.Deny, "crimea", hash(1), start.Add(2*day)
	d.Reasons = []policy.Reason{{Code: policy.ActivatedInProhibited, Text: "Activated in “Crimea”."}}
	d.LicenceNames = []string{"relief-2026"}
	return d
}

// enrolled puts new devices 1 to n.
func enrolled(t *testing.T, s authority.Store, n int) {
	t.Helper()
	does(t, s, func(tx authority.Tx) error {
		for i := range n {
			if err := tx.InsertDevice(newDevice(i + 1)); err != nil {
				return err
			}
		}
		return nil
	})
}

// notice is a restriction as a service makes it.
func notice(n int, g order.Ground) *restriction.Restriction {
	r := &restriction.Restriction{Device: deviceID(n), Ground: g, Round: 1, Stage: order.Noticed, Authority: hash(1),
		Reference: fmt.Sprintf("R-%d", n), NoticedAt: start, Deadline: start.Add(10 * day)}
	if g.Kind == order.Rule {
		r.Territory = "CU"
	}
	return r
}

// noticed gives devices 1 to n a notice on g; they must be enrolled.
func noticed(t *testing.T, s authority.Store, n int, g order.Ground) {
	t.Helper()
	does(t, s, func(tx authority.Tx) error {
		for i := range n {
			if err := tx.NoticeIfFree(notice(i+1, g)); err != nil {
				return err
			}
		}
		return nil
	})
}

// lock locks at the deadline for 100 days.
func lock(n int, g order.Ground) txFunc {
	return func(tx authority.Tx) error {
		effect := start.Add(10 * day)
		return tx.LockIfNoticed(deviceID(n), g, start.Add(9*day), effect, effect.Add(80*day))
	}
}

func lift(n int, g order.Ground, cause order.Cause) txFunc {
	return func(tx authority.Tx) error { return tx.LiftIfActive(deviceID(n), g, start.Add(20*day), cause) }
}

func newOrder(n, dev int, kind order.Kind, g order.Ground, at time.Time) *authority.Order {
	return &authority.Order{ID: hash(n), Device: deviceID(dev), Leaf: []byte{1, byte(n)}, Salt: hash(n + 1000), Kind: kind, Ground: g, IssuedAt: at}
}
