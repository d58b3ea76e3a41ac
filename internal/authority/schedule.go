package authority

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
)

// What a device may be told beyond the interval, as parts of it.
const (
	earlyPart  = 24   // who comes so much before its moment has come for it
	jitterPart = 1440 // a minute of a day
)

// NextCheckIn is how long after now a device is to check in again, in whole seconds. Each device has a moment in every interval: the
// fraction that the first 8 bytes of its id are of 2^64. So a fleet is spread evenly over the interval, neither a release nor a restart
// makes all of it call at once, and as time goes on the devices call in the order of their ids, which are neighbours in the store.
//
// A device that missed its moment is told the next one; one that came less than a 24th of the interval early has made that contact. A
// jitter of less than a 1440th, made from id and sequence and so the same whenever it is asked for, keeps those apart that would call in
// the same second. The answer is more than 0 and less than interval · (1 + 1/24 + 1/1440).
func NextCheckIn(id device.ID, sequence uint64, now time.Time, interval time.Duration) time.Duration {
	every := uint64(interval / time.Second)
	if every < 2 {
		return max(interval.Truncate(time.Second), time.Second)
	}
	moment, _ := bits.Mul64(binary.BigEndian.Uint64(id[:8]), every)
	wait := (moment + every - uint64(now.Unix())%every) % every
	if wait <= every/earlyPart {
		wait += every
	}
	jitter, _ := bits.Mul64(mix(binary.BigEndian.Uint64(id[8:])+sequence), every/jitterPart)
	return time.Duration(max(wait+jitter, 1)) * time.Second
}

// mix is the finalizer of SplitMix64: it spreads numbers that differ little.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
