package restriction

import (
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// offsets gives whole hours from UTC by territory: standard time, rounded towards the day's middle where there are half hours,
// and a middle zone where a country spans several, so that noon there is between 07:00 and 17:00 for everybody (IANA tzdb,
// zone1970.tab, 2025). What is not listed counts as 0, and Crimea as Ukraine. It serves one purpose: that no deadline and no lock
// falls into the night.
var offsets = func() map[territory.Code]int {
	byHours := map[int]string{
		-10: "CK PF",
		-9:  "PN",
		-8:  "",
		-7:  "US MX CA",
		-6:  "BZ CR GT HN NI SV",
		-5:  "BS CO CU EC HT JM KY PA PE TC",
		-4:  "AG AI AW BB BL BM BO BQ CL CW DM DO GD GP GY KN LC MF MQ MS PR SX TT VC VE VG VI",
		-3:  "AR BR FK GF PM PY SR UY GS",
		-2:  "GL",
		-1:  "CV",
		1: "AD AL AO AT BA BE BJ CD CF CG CH CM CZ DE DK DZ ES FR GA GI GQ HR HU IT LI LU MA MC ME MK MT NE NG NL NO " +
			"PL RS SE SI SJ SK SM TD TN VA EH XK",
		2:  "AX BG BI BW CY EE EG FI GR IL LB LS LT LV LY MD MW MZ NA PS RO RW SD SS SZ UA ZA ZM ZW",
		3:  "BH BY DJ ER ET IQ JO KE KM KW MG QA SA SO SY TR TZ UG YE YT IR",
		4:  "AE AM AZ GE MU OM RE SC AF",
		5:  "IN LK MV PK TF TJ TM UZ KZ NP",
		6:  "BD BT IO KG MM",
		7:  "CC CX ID KH LA MN RU TH VN",
		8:  "BN CN HK MO MY PH SG TW",
		9:  "AU JP KP KR PW TL",
		10: "GU MP PG",
		11: "FM NC NF SB VU",
		12: "FJ KI MH NR NZ TV UM WF",
		13: "TK TO WS",
	}
	byCode := make(map[territory.Code]int)
	for hours, codes := range byHours {
		for _, c := range strings.Fields(codes) {
			byCode[territory.Code(c)] = hours
		}
	}
	return byCode
}()

// NoonAfter returns the first noon in a territory at or after t, whole seconds UTC. Summer time moves it by an hour, which does
// no harm.
func NoonAfter(c territory.Code, t time.Time) time.Time {
	shift := time.Duration(offsets[c.Country()]) * time.Hour
	local := t.UTC().Add(shift)
	noon := time.Date(local.Year(), local.Month(), local.Day(), 12, 0, 0, 0, time.UTC)
	if noon.Before(local) {
		noon = noon.AddDate(0, 0, 1)
	}
	return noon.Add(-shift)
}

// Deadline returns the deadline of a notice that is issued at now: noon in the territory, no sooner than the terms say, and
// late enough for a notice that needs Arrival to keep the Charter's floor.
func Deadline(c territory.Code, t Terms, now time.Time) time.Time {
	return NoonAfter(c, now.Add(max(time.Duration(t.NoticeDays)*day, order.MinNotice+Arrival)))
}

// Effect returns when a lock that is approved at now takes hold: noon in the territory, not before the deadline, and late enough
// for the device to hear of it.
func Effect(c territory.Code, deadline, now time.Time, margin time.Duration) time.Time {
	at := now.Add(margin)
	if at.Before(deadline) {
		at = deadline
	}
	return NoonAfter(c, at)
}
