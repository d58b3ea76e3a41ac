package territory

import "time"

// Day counts whole days since 1970-01-01 UTC. Records keep days, never times of day or places.
type Day int32

// DayOf returns the day that holds t.
func DayOf(t time.Time) Day {
	s := t.Unix()
	if s < 0 {
		s -= 86399
	}
	return Day(s / 86400)
}

// Time returns the first second of d, in UTC.
func (d Day) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

func (d Day) String() string { return d.Time().Format(time.DateOnly) }

// DayRecord is what a device keeps and sends of one day: where it was, how sure it is, and which kinds of signals
// agreed or contradicted. It holds no coordinates (Charter C11) and is at most a dozen bytes on the wire.
type DayRecord struct {
	Day       Day
	Territory Code  // the day's territory; Unknown when the day stayed undecided
	Percent   uint8 // probability of Territory in per cent, rounded down; 0 to 99
	Agree     Kinds // kinds of signals that support Territory
	Against   Kinds // kinds that contradict it
}

// Observation says how many days of what certainty make an activation territory. It comes from the policy.
type Observation struct {
	Days    int   // distinct decided days needed; 1 to 90, the Charter's floor is 3
	Window  int   // days, from the first of them, in which they must fall; Days to 90
	Percent uint8 // least probability of a day that counts, in per cent; 50 to 99
}

// Activation is the territory that a device was first put to use in. A device has one, for life.
type Activation struct {
	Territory Code
	Day       Day  // the day on which enough days had agreed
	Mixed     bool // an earlier decided day named another territory: such an activation never supports a restriction
}
