package authority

import (
	"testing"
	"time"
)

func TestRetentionBeginsAtNight(t *testing.T) {
	zone := time.FixedZone("two hours east", 2*60*60)
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, zone) }
	started := at(1, 12, 0)
	for _, c := range []struct {
		about     string
		last, now time.Time
		due       bool
	}{
		{"a moment after the first start", time.Time{}, at(1, 12, 1), false},
		{"hours after the first start", time.Time{}, at(1, 14, 0), true},
		{"the evening before", at(1, 14, 0), at(1, 23, 59), false},
		{"just before its hour", at(1, 14, 0), at(2, 2, 59), false},
		{"at its hour", at(1, 14, 0), at(2, 3, 0), true},
		{"once a night", at(2, 3, 0), at(2, 4, 0), false},
		{"by day, when the night was missed", at(2, 3, 0), at(3, 9, 0), false},
		{"when it was missed for long", at(2, 3, 0), at(3, 15, 0), true},
		{"the night after a day that was late", at(3, 15, 0), at(4, 3, 30), true},
	} {
		if got := retentionDue(c.last, started, c.now); got != c.due {
			t.Errorf("%s: %v", c.about, got)
		}
	}
	if retentionDue(at(1, 3, 0), at(4, 3, 0), at(4, 4, 59)) || !retentionDue(at(1, 3, 0), at(4, 3, 0), at(4, 5, 0)) {
		t.Error("a server that starts at night")
	}
}
