package sqlite

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// usual is a device that has been in use for some days, at most 90: its phone sees other signals every few days, now and then it is
// switched off or abroad, as people's phones are.
func usual(n, days int) *authority.Device {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	home := territory.Code([]string{"FR", "IN", "DE", "ID", "MX", "UA-30"}[n%6])
	enrolled := time.UnixMicro(1_788_000_000_123_456 + int64(r.IntN(1<<40))).UTC()
	body := fmt.Sprintf("35%012d", n)
	sum := sha256.Sum256([]byte(body))
	key := append([]byte("\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04"), sum[:]...)
	d := &authority.Device{ID: fleetID(n), IMEI: device.IMEI(body + string(device.CheckDigit(body))), Serial: fmt.Sprintf("R58M%07d", n),
		Model: fmt.Sprint("Model A", n%12), Key: append(key, sum[:]...), Attestation: policy.Genuine, KeyCeiling: policy.Genuine,
		Boot: evidence.BootVerified, Software: "1.0.0", Sequence: uint64(days), EnrolledAt: enrolled,
		Reasons: []policy.Reason{{Code: policy.ActivationNotKnown, Text: "The device has not checked in yet."}}}
	first := territory.DayOf(enrolled)
	away := r.IntN(90)
	for i := range min(days, evidence.MaxDays) {
		day := territory.DayRecord{Day: first + territory.Day(i), Territory: home, Percent: 99, Agree: 31}
		switch share := r.Float64(); {
		case share < .03:
			continue
		case share < .1:
			day.Percent, day.Agree = 98, 30
		case share < .2:
			day.Agree = 23
		}
		if n%5 == 0 && i >= away && i < away+9 {
			day.Territory, day.Agree, day.Against = "ES", 11, 20
		}
		d.Days = append(d.Days, day)
	}
	if days > 4 {
		d.Activation = &territory.Activation{Territory: home, Day: first + 4}
		d.Verdict, d.VerdictRule, d.PolicyHash, d.DecidedAt = policy.Permit, "", [32]byte{1}, enrolled.Add(100*time.Hour+time.Duration(n)*time.Microsecond)
		d.Reasons = []policy.Reason{{Code: policy.OfficialMarket, Text: "The device was activated in " + string(home) + ", an official market."}}
	}
	if days > 0 {
		d.LastSeen = enrolled.Add(time.Duration(days)*24*time.Hour + time.Duration(n%10_000_000)*time.Microsecond)
	}
	return d
}
