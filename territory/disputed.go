package territory

import "slices"

// DisputedPlace is a place that sources of borders give to different territories. Locate answers Code there, for
// the Reason; a policy that sees it otherwise names the place.
type DisputedPlace struct {
	Name     string // what a policy calls it; lower case, unique
	Code     Code   // what Locate answers; Unknown where no code is right
	Claims   []Code // the codes that sources or governments give to it, Code among them unless Unknown
	Lat, Lon float64
	RadiusKM float64 // how far around the place the dispute reaches, roughly
	Reason   string
}

// disputed follows one rule: a territory with an ISO 3166-1 code of its own is answered by it; elsewhere the answer is
// the country that administers the place under a code; a government without a code counts to the country that it
// broke from.
var disputed = []DisputedPlace{
	{"abkhazia", "GE", []Code{"GE", "RU"}, 43.00, 41.02, 120, "no ISO code of its own; Georgia's by all but a few states"},
	{"abu-musa", "IR", []Code{"IR", "AE"}, 25.877, 55.033, 15, "administered by Iran since 1971 and 1992; claimed by the United Arab Emirates"},
	{"abyei", "SS", []Code{"SS", "SD"}, 9.595, 28.435, 90, "special status under the Abyei Protocol; administered from South Sudan's side, and the milder answer while Sudan is listed"},
	{"akrotiri", "CY", []Code{"CY", "GB"}, 34.59, 32.98, 15, "British base area without an ISO code; on Cyprus"},
	{"aksai-chin", "CN", []Code{"CN", "IN"}, 35.2, 79.5, 200, "administered by China; claimed by India"},
	{"arunachal-pradesh", "IN", []Code{"IN", "CN"}, 28.0, 94.5, 300, "administered by India; claimed by China"},
	{"baikonur", "KZ", []Code{"KZ", "RU"}, 45.63, 63.31, 60, "leased to Russia until 2050; Kazakhstan's territory"},
	{"bir-tawil", "EG", []Code{"EG", "SD"}, 21.87, 33.74, 60, "claimed by neither Egypt nor Sudan; reached from Egypt, and the milder answer while Sudan is listed"},
	{"crimea", "UA-43", []Code{"UA-43", "RU"}, 45.2, 34.3, 200, "Ukraine's under ISO 3166-2 and UN resolution 68/262; occupied by Russia since 2014"},
	{"dhekelia", "CY", []Code{"CY", "GB"}, 34.984, 33.734, 15, "British base area without an ISO code; on Cyprus"},
	{"donetsk", "UA-14", []Code{"UA-14", "UA", "RU"}, 48.0, 37.8, 120, "Ukraine's under ISO 3166-2; occupied by Russia"},
	{"east-jerusalem", "IL", []Code{"IL", "PS"}, 31.783, 35.234, 15, "administered by Israel; claimed by Palestine"},
	{"falkland-islands", "FK", []Code{"FK", "AR"}, -51.7, -57.85, 200, "its own ISO code; claimed by Argentina"},
	{"golan", "IL", []Code{"IL", "SY"}, 33.0, 35.78, 40, "administered by Israel since 1967; Syria's under UN resolution 497"},
	{"guantanamo", "CU", []Code{"CU", "US"}, 19.91, -75.14, 15, "leased to the United States; Cuba's sovereignty is not contested"},
	{"halaib", "EG", []Code{"EG", "SD"}, 22.22, 36.0, 150, "administered by Egypt; claimed by Sudan"},
	{"ilemi", "SS", []Code{"SS", "KE", "ET"}, 4.9, 35.3, 80, "OpenStreetMap's line of 1914; an exception to the rule, for Kenya administers it"},
	{"joint-security-area", "KR", []Code{"KR", "KP"}, 37.9555, 126.677, 2, "on the Military Demarcation Line, whose southern side the UN Command administers"},
	{"kashmir", "IN", []Code{"IN", "PK"}, 34.1, 74.8, 250, "administered by India up to the Line of Control; claimed by Pakistan"},
	{"kashmir-azad", "PK", []Code{"PK", "IN"}, 34.36, 73.47, 250, "administered by Pakistan up to the Line of Control; claimed by India"},
	{"kosovo", "XK", []Code{"XK", "RS"}, 42.66, 21.16, 90, "XK is user-assigned in ISO 3166-1, and what CLDR, the EU and networks use"},
	{"kuril-islands", "RU", []Code{"RU", "JP"}, 44.04, 145.86, 250, "administered by Russia; claimed by Japan"},
	{"lake-malawi-east", "MW", []Code{"MW", "TZ"}, -11.0, 34.5, 250, "Malawi's up to the eastern shore under the treaty of 1890; Tanzania claims the median line"},
	{"liberland", "RS", []Code{"RS", "HR"}, 45.77, 18.88, 10, "left bank of the Danube's old bed; Croatia claims the Serbian bank, and Serbia not this one"},
	{"luhansk", "UA-09", []Code{"UA-09", "UA", "RU"}, 48.57, 39.3, 120, "Ukraine's under ISO 3166-2; occupied by Russia"},
	{"northern-cyprus", "CY", []Code{"CY", "TR"}, 35.2, 33.36, 120, "no ISO code of its own; Cyprus's by all but Turkey"},
	{"paracel-islands", "CN", []Code{"CN", "VN"}, 16.83, 112.34, 150, "administered by China; claimed by Vietnam"},
	{"sevastopol", "UA-40", []Code{"UA-40", "UA-43", "RU"}, 44.6, 33.52, 40, "Ukraine's under ISO 3166-2; occupied by Russia since 2014"},
	{"somaliland", "SO", []Code{"SO"}, 9.56, 44.06, 350, "no ISO code of its own; Somalia's in the UN"},
	{"south-ossetia", "GE", []Code{"GE", "RU"}, 42.22, 43.97, 60, "no ISO code of its own; Georgia's by all but a few states"},
	{"transnistria", "MD", []Code{"MD"}, 46.84, 29.6, 150, "no ISO code of its own; Moldova's in the UN"},
	{"west-bank", "PS", []Code{"PS", "IL"}, 31.9, 35.2, 80, "the State of Palestine has its own ISO code; Israeli settlements within are answered so too"},
	{"western-sahara", "EH", []Code{"EH", "MA"}, 24.2, -13.5, 500, "its own ISO code; mostly administered by Morocco"},
}

// Disputed lists the places whose territory sources disagree on, by name, with what Locate answers and why.
func Disputed() []DisputedPlace {
	out := slices.Clone(disputed)
	for i := range out {
		out[i].Claims = slices.Clone(out[i].Claims)
	}
	return out
}
