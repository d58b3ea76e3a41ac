package agent

import (
	"slices"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// observe folds an assessment into the record of its day and reports whether the record changed. A new day begins when the
// clock's marks say so, and until then observations go to the day before.
func (s *state) observe(a territory.Assessment) bool {
	mark := s.Clock.mark()
	fresh := len(s.Days) == 0 || mark.after(s.DayMark)
	if fresh {
		s.DayMark, s.Current = mark, s.Clock.today()
	}
	seen := a.Record(s.Current)
	i, known := slices.BinarySearchFunc(s.Days, s.Current, func(e dayEntry, d territory.Day) int { return int(e.Day) - int(d) })
	if known {
		seen = s.Days[i].Merge(seen)
		if seen == s.Days[i].DayRecord {
			return fresh
		}
		s.Days[i] = dayEntry{seen, s.Sequence}
	} else {
		s.Days = slices.Insert(s.Days, i, dayEntry{seen, s.Sequence})
		s.dropOldest()
	}
	s.establish()
	return true
}

// dropOldest keeps the bound. What the dropped days said is kept apart in one record until the activation: it still
// counts against an activation elsewhere. Where they named different territories that record is a conflict, for good.
func (s *state) dropOldest() {
	if len(s.Days) <= maxDays {
		return
	}
	dropped := s.Days[0].DayRecord
	if _, decided := dropped.Decided(50); decided || dropped.Conflict() {
		if s.Earlier != nil {
			before := *s.Earlier
			before.Day = dropped.Day
			dropped = before.Merge(dropped)
			if dropped.Territory != before.Territory {
				dropped = territory.DayRecord{Day: dropped.Day, Against: dropped.Agree | dropped.Against}
			}
		}
		s.Earlier = &dropped
	}
	s.Days = slices.Delete(s.Days, 0, 1)
}

// establish sets the activation once, for life, as soon as the policy is known and enough days agree (Charter C4, C5).
func (s *state) establish() {
	if s.Activation != nil {
		s.Earlier = nil
	}
	if !s.enrolled() || s.Activation != nil {
		return
	}
	days := make([]territory.DayRecord, 0, len(s.Days)+1)
	if s.Earlier != nil {
		days = append(days, *s.Earlier)
	}
	for _, d := range s.Days {
		days = append(days, d.DayRecord)
	}
	if a, ok := territory.Establish(days, s.Policy.Observation); ok {
		a.Mixed = a.Mixed || s.Unsure
		s.Activation = &a
	}
}
