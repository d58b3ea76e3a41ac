package territory

import "slices"

// FloorDays is the Charter's floor: fewer decided days never establish an activation territory, whatever a policy says.
const FloorDays = 3

// Establish returns the activation territory that a device's day records show, and whether there is one yet.
//
// A day counts when DayRecord.Decided has a territory for it at o.Percent. The territory of the first such day is
// established when o.Days distinct days of it fall within o.Window days, counted from any of them, and no day between
// them names another. Where a day names another territory, counting starts again with that one, and whatever is then
// established is Mixed: it says where the device settled, and never supports a restriction. There is no way back from
// Mixed, not even by returning to the first territory: for an owner whose first territory is a lawful one Mixed costs
// nothing, and to one who set the phone up in a prohibited one and then left, doubt is owed.
//
// To start again and to be Mixed takes less than to count: any day that Decided has a territory for at 50 per cent, and a
// day in Conflict. A day in a subdivision of the territory being counted counts for it. A day without a fix that may
// stand for that territory (RU for Crimea, UA for most oblasts) neither counts nor starts again.
//
// The answer does not depend on the order of days. Several records of one day are merged first, so that contradicting
// ones are a conflict. Once established, an activation stays the same whatever later days are added. Bounds hold
// whatever o says: Days at least FloorDays and at most 90, Window at least Days, Percent 50 to 99.
//
// Source: the Charter's C4, C5 and C10.
func Establish(days []DayRecord, o Observation) (Activation, bool) {
	o = o.bounded()
	if !slices.IsSortedFunc(days, earlier) {
		days = slices.Clone(days)
		slices.SortFunc(days, earlier)
	}
	var c count
	for i := 0; i < len(days); {
		day := days[i]
		for i++; i < len(days) && days[i].Day == day.Day; i++ {
			day = day.Merge(days[i])
		}
		if c.add(day, o) {
			return Activation{Territory: c.territory, Day: day.Day, Mixed: c.mixed}, true
		}
	}
	return Activation{}, false
}

func earlier(a, b DayRecord) int { return int(min(max(int64(a.Day)-int64(b.Day), -1), 1)) }

const maxObservedDays = 90

func (o Observation) bounded() Observation {
	o.Days = min(max(o.Days, FloorDays), maxObservedDays)
	o.Window = max(o.Window, o.Days)
	o.Percent = min(max(o.Percent, 50), 99)
	return o
}

// count is the state of Establish between two days.
type count struct {
	territory Code
	mixed     bool
	days      [maxObservedDays]Day // the last days that counted, day i of them at i modulo length
	n         int
}

// add takes the next day and reports whether it establishes the territory.
func (c *count) add(day DayRecord, o Observation) bool {
	if day.Conflict() {
		*c = count{mixed: true}
		return false
	}
	named, ok := day.Decided(50)
	if !ok {
		return false
	}
	switch {
	case c.territory == Unknown:
		c.territory = named
	case c.territory.Covers(named):
	case day.mayStandFor(c.territory):
		return false
	default:
		*c = count{territory: named, mixed: true}
	}
	if day.Percent < o.Percent {
		return false
	}
	c.days[c.n%maxObservedDays] = day.Day
	c.n++
	if c.n < o.Days {
		return false
	}
	first := c.days[(c.n-o.Days)%maxObservedDays]
	return int64(day.Day)-int64(first) < int64(o.Window)
}
