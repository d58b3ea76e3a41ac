package evidence

import (
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const maxTime = 253402300799 // the last second of the year 9999

// Validate checks every bound that the fields of c document, and that they fit each other. It fails with ErrInvalid.
// It says nothing of whether the claims are true, fresh, or of this device.
func (c *Claims) Validate() error {
	switch {
	case c.Device.IsZero():
		return invalid("the device's id is missing")
	case c.Sequence == 0:
		return invalid("sequences begin with 1")
	case len(c.Epoch) < 8 || len(c.Epoch) > 64:
		return invalid("an epoch has 8 to 64 bytes, not %d", len(c.Epoch))
	case c.Boot > BootUnlocked:
		return invalid("boot state %d does not exist", c.Boot)
	case !plainText(c.Software, 64):
		return invalid("the software's version has at most 64 characters, none of them a control character")
	case c.IssuedAt.Nanosecond() != 0 || c.IssuedAt.Year() < 1 || c.IssuedAt.Year() > 9999:
		return invalid("the time of issue is a whole second of the years 1 to 9999")
	case (c.Metadata.Root == 0) != (c.Metadata.Timestamp == 0):
		return invalid("metadata have a version of the root and one of the timestamp, both from 1, or none")
	case len(c.Days) > MaxDays || len(c.Grounds) > MaxGrounds || len(c.Refusals) > MaxRefusals:
		return invalid("at most %d days, %d grounds and %d refusals; send the rest next time", MaxDays, MaxGrounds, MaxRefusals)
	}
	if a := c.Activation; a != nil && (!a.Territory.WellFormed() || a.Day < 0) {
		return invalid("an activation names a territory such as CU or UA-43, and a day from 1970 on")
	}
	if err := validateDays(c.Days); err != nil {
		return err
	}
	for i := range c.Grounds {
		if err := c.Grounds[i].validate(); err != nil {
			return err
		}
		for j := range i {
			if c.Grounds[j].Ground == c.Grounds[i].Ground {
				return invalid("ground %v stands twice", c.Grounds[i].Ground)
			}
		}
	}
	for i := range c.Refusals {
		if !wellFormedReason(c.Refusals[i].Reason) {
			return invalid("a reason has 1 to 40 characters of a-z and '-'")
		}
	}
	return nil
}

func validateDays(days []territory.DayRecord) error {
	for i, d := range days {
		switch {
		case d.Day < 0 || i > 0 && d.Day <= days[i-1].Day:
			return invalid("days stand oldest first, each once, from 1970 on")
		case d.Territory != territory.Unknown && !d.Territory.WellFormed():
			return invalid("a day's territory is a code such as CU or UA-43, or empty")
		case d.Percent > 99:
			return invalid("a day's probability is 0 to 99 per cent, rounded down")
		case !d.Agree.Valid() || !d.Against.Valid():
			return invalid("a day names a kind of signal that does not exist")
		}
	}
	return nil
}

func (g *GroundState) validate() error {
	if err := g.Ground.Validate(); err != nil {
		return invalid("%v", err)
	}
	switch {
	case g.Stage > order.Lifted:
		return invalid("stage %d does not exist", g.Stage)
	case g.Stage == order.Lifted && (g.Cause < order.ByRule || g.Cause > order.ByCode):
		return invalid("a lifted ground says its cause")
	case g.Stage != order.Lifted && g.Cause != 0:
		return invalid("a ground that is not lifted has no cause")
	case g.FirstSeen < 0:
		return invalid("days are counted from 1970 on")
	}
	for _, t := range [...]time.Time{g.Deadline, g.EndsAt} {
		if !t.IsZero() && (t.Nanosecond() != 0 || t.Unix() <= 0 || t.Unix() > maxTime) {
			return invalid("a ground's times are whole seconds from 1970 to 9999")
		}
	}
	return nil
}

func wellFormedReason(s string) bool {
	for i := range len(s) {
		if s[i] != '-' && (s[i] < 'a' || s[i] > 'z') {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 40
}

// plainText reports whether s has at most most characters, all of which can be shown.
func plainText(s string, most int) bool {
	if len(s) > 4*most || !utf8.ValidString(s) || utf8.RuneCountInString(s) > most {
		return false
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}
