package territory

import "slices"

// Record returns what a device keeps of a: no coordinates, and a territory only if Decided(50) has one.
func (a Assessment) Record(d Day) DayRecord {
	c, ok := a.Decided(50)
	if !ok {
		return DayRecord{Day: d}
	}
	return DayRecord{Day: d, Territory: c, Percent: a.percent(), Agree: a.Agree, Against: a.Against}
}

// Combine folds a day's assessments into one record, as Merge does, in whatever order.
func Combine(d Day, assessments ...Assessment) DayRecord {
	r := DayRecord{Day: d}
	for _, a := range assessments {
		r = r.Merge(a.Record(d))
	}
	return r
}

// Merge folds another record of the same day into r, so that a device can keep one record a day and forget the rest.
// Undecided records change nothing. Records that name the same territory keep the larger percentage; a kind that
// contradicted once stands in Against only. Records that name different ones leave the day in conflict, for good. Only
// where a record without a fix may stand for the other's territory (RU for what MCC 250 cannot exclude, UA for an
// oblast that is not occupied), the other's prevails.
//
// Merge is commutative, associative and idempotent. Records of different days do not merge: r is returned.
func (r DayRecord) Merge(other DayRecord) DayRecord {
	switch {
	case r.Day != other.Day || other == DayRecord{Day: r.Day}:
		return r
	case r == DayRecord{Day: r.Day}:
		return other
	}
	against := r.Against | other.Against
	merged := DayRecord{Day: r.Day, Territory: r.Territory, Percent: r.Percent,
		Agree: (r.Agree | other.Agree) &^ against, Against: against}
	switch {
	case r.Conflict() || other.Conflict():
		return conflictOf(r, other)
	case r.Territory == other.Territory:
		merged.Percent = max(r.Percent, other.Percent)
	case r.mayStandFor(other.Territory):
		merged.Territory, merged.Percent = other.Territory, other.Percent
	case !other.mayStandFor(r.Territory):
		return conflictOf(r, other)
	}
	return merged
}

// Conflict reports whether the day's assessments decided for different territories. Such a record has no territory,
// and lists in Against every kind that took part.
func (r DayRecord) Conflict() bool { return r.Territory == Unknown && r.Against != 0 }

func conflictOf(a, b DayRecord) DayRecord {
	return DayRecord{Day: a.Day, Against: a.Agree | a.Against | b.Agree | b.Against}
}

// Decided is Assessment.Decided for what was kept.
func (r DayRecord) Decided(percent uint8) (Code, bool) {
	if !r.Territory.WellFormed() || !mayEstablish(r.Agree) || r.Percent > 99 || r.Percent < max(percent, 50) {
		return Unknown, false
	}
	return r.Territory, true
}

// mayStandFor reports whether r, made without a fix, may have been made in c though it names another territory.
func (r DayRecord) mayStandFor(c Code) bool {
	if (r.Agree | r.Against).Has(GNSS) || r.Territory == c {
		return false
	}
	if slices.Contains(occupied[:], c) {
		return r.Territory == "RU"
	}
	return r.Territory.Covers(c)
}
