package authority_test

import (
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

func idOf(high, low uint64) (id device.ID) {
	binary.BigEndian.PutUint64(id[:8], high)
	binary.BigEndian.PutUint64(id[8:], low)
	return id
}

// Whenever a device comes, it is told its own moment: never more than the interval and what may come on top, never nothing, and the
// same whenever it is asked for.
func TestNextCheckInIsTheDevicesOwnMoment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := idOf(rapid.Uint64().Draw(t, "id"), rapid.Uint64().Draw(t, "rest"))
		sequence := rapid.Uint64().Draw(t, "sequence")
		every := time.Duration(rapid.Int64Range(0, 31*24*3600).Draw(t, "interval")) * time.Second
		now := time.Unix(rapid.Int64Range(1, 1<<33).Draw(t, "now"), 0)
		wait := authority.NextCheckIn(id, sequence, now, every)
		if wait < time.Second || wait%time.Second != 0 || wait > max(every+every/24+every/1440, time.Second) {
			t.Fatalf("told to come in %v, the interval is %v", wait, every)
		}
		if again := authority.NextCheckIn(id, sequence, now, every); again != wait {
			t.Fatalf("told %v, and then %v", wait, again)
		}
		if every < 2*time.Second {
			return
		}
		// The moment, the jitter apart: the fraction of the interval that the id is of all ids.
		moment := time.Duration(float64(binary.BigEndian.Uint64(id[:8])) / (1 << 64) * float64(every))
		at := time.Duration(now.Add(wait).Unix()%int64(every/time.Second)) * time.Second
		if late := (at - moment + 2*time.Second + every) % every; late > every/1440+4*time.Second {
			t.Fatalf("told to come at %v of the interval, its moment is %v", at, moment)
		}
	})
}

// A whole fleet that comes at once is spread evenly over the interval that follows, and comes in the order of its ids from then on.
func TestAFleetIsSpreadInTheOrderOfIDs(t *testing.T) {
	const devices, every = 24_000, 24 * time.Hour
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(rapid.Int64Range(1, 1<<33).Draw(t, "now"), 0)
		day := uint64(every / time.Second)
		passed := uint64(now.Unix()) % day
		start := time.Unix(now.Unix()-int64(passed), 0)
		perHour := make(map[int64]int)
		var last time.Time
		for i := range uint64(devices) {
			id := idOf(i*((1<<64-1)/devices), i)
			at := now.Add(authority.NextCheckIn(id, 1, now, every))
			perHour[at.Unix()/3600]++
			at = start.Add(at.Sub(start) % every) // in its turn
			if i > devices-devices/1000 {         // their jitter may bring them over the end of the turn
				continue
			}
			if at.Before(last.Add(-every / 1440)) {
				t.Fatalf("device %d is to come at %v, one with a lower id at %v", i, at, last)
			}
			last = at
		}
		for hour, n := range perHour {
			if n > devices/24+devices/240 {
				t.Fatalf("%d of %d devices in hour %d", n, devices, hour)
			}
		}
	})
}
