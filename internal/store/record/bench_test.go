package record

import (
	"crypto/elliptic"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// usual is a device whose phone sees other signals every few days.
func usual(t testing.TB) *authority.Device {
	r := rand.New(rand.NewPCG(1, 2))
	at := time.UnixMicro(1_790_000_000_123_456).UTC()
	d := &authority.Device{Serial: "R58M123ABCD", Key: someKeys(t)[3], Attestation: policy.Genuine, KeyCeiling: policy.Genuine, Boot: 1,
		Software: "1.0.0", Sequence: 95, EnrolledAt: at, LastSeen: at.Add(90*24*time.Hour + 7), DecidedAt: at.Add(5*24*time.Hour + 9),
		Activation: &territory.Activation{Territory: "FR", Day: 20_700}}
	for i := range territory.Day(90) {
		day := territory.DayRecord{Day: 20_695 + i, Territory: "FR", Percent: 99, Agree: 31}
		switch share := r.Float64(); {
		case share < .03:
			continue
		case share < .1:
			day.Percent, day.Agree = 98, 30
		case share < .2:
			day.Agree = 23
		}
		d.Days = append(d.Days, day)
	}
	return d
}

func BenchmarkPack(b *testing.B) {
	d := usual(b)
	var blob []byte
	for b.Loop() {
		var err error
		if blob, err = Append(blob[:0], d, Numbers{1, 2}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(blob)), "bytes")
}

// BenchmarkUnpack says what reading a record takes, as a share of decompressing a point of its key, which it does without.
func BenchmarkUnpack(b *testing.B) {
	blob, err := Pack(usual(b), Numbers{1, 2})
	if err != nil {
		b.Fatal(err)
	}
	key := someKeys(b)[3]
	x := append([]byte{2 + key[90]&1}, key[27:59]...)
	began := time.Now()
	for range 1000 {
		if x, _ := elliptic.UnmarshalCompressed(elliptic.P256(), x); x == nil {
			b.Fatal("no point")
		}
	}
	point := time.Since(began) / 1000
	var d authority.Device
	for b.Loop() {
		if _, err := Unpack(blob, &d); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(point), "of-decompression")
}
