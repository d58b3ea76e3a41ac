package phone

import (
	"net/netip"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// Place is a real place with what a phone sees there. Coordinates are those of GeoNames, to two or three decimals; networks
// are those of ITU-T E.212 as listed in the network table of package territory.
type Place struct {
	Name     string
	Code     territory.Code // where it truly is
	Lat, Lon float64
	Cell     territory.PLMN
	WiFi     territory.Code
	Address  string // a public IPv4 address registered there; may be empty
	Tight    bool   // close to a border: simulations do not scatter phones around the centre
}

var (
	Madrid     = Place{Name: "Madrid", Code: "ES", Lat: 40.4165, Lon: -3.7026, Cell: "214-07", WiFi: "ES", Address: "80.58.61.250"}
	Rome       = Place{Name: "Rome", Code: "IT", Lat: 41.8919, Lon: 12.5113, Cell: "222-01", WiFi: "IT", Address: "79.0.0.1"}
	Paris      = Place{Name: "Paris", Code: "FR", Lat: 48.8534, Lon: 2.3488, Cell: "208-01", WiFi: "FR", Address: "90.0.0.1"}
	Berlin     = Place{Name: "Berlin", Code: "DE", Lat: 52.5244, Lon: 13.4105, Cell: "262-01", WiFi: "DE", Address: "91.0.0.1"}
	Warsaw     = Place{Name: "Warsaw", Code: "PL", Lat: 52.2298, Lon: 21.0118, Cell: "260-01", WiFi: "PL", Address: "83.0.0.1"}
	MexicoCity = Place{Name: "Mexico City", Code: "MX", Lat: 19.4285, Lon: -99.1277, Cell: "334-020", WiFi: "MX", Address: "189.128.0.1"}
	Delhi      = Place{Name: "Delhi", Code: "IN", Lat: 28.6519, Lon: 77.2315, Cell: "404-10", WiFi: "IN", Address: "59.144.0.1"}
	Jakarta    = Place{Name: "Jakarta", Code: "ID", Lat: -6.2146, Lon: 106.8451, Cell: "510-10", WiFi: "ID", Address: "36.64.0.1"}
	Kyiv       = Place{Name: "Kyiv", Code: "UA-30", Lat: 50.4547, Lon: 30.5238, Cell: "255-03", WiFi: "UA", Address: "37.52.0.1"}
	Dubai      = Place{Name: "Dubai", Code: "AE", Lat: 25.0772, Lon: 55.3093, Cell: "424-02", WiFi: "AE", Address: "94.200.0.1"}
	NewYork    = Place{Name: "New York", Code: "US", Lat: 40.7143, Lon: -74.006, Cell: "310-260", WiFi: "US", Address: "24.0.0.1"}

	Havana    = Place{Name: "Havana", Code: "CU", Lat: 23.133, Lon: -82.383, Cell: "368-01", WiFi: "CU", Address: "152.206.0.1"}
	Santiago  = Place{Name: "Santiago de Cuba", Code: "CU", Lat: 20.0247, Lon: -75.8219, Cell: "368-01", WiFi: "CU", Address: "152.206.0.2"}
	Tehran    = Place{Name: "Tehran", Code: "IR", Lat: 35.6944, Lon: 51.4215, Cell: "432-11", WiFi: "IR", Address: "5.160.0.1"}
	Shiraz    = Place{Name: "Shiraz", Code: "IR", Lat: 29.6103, Lon: 52.5311, Cell: "432-35", WiFi: "IR", Address: "5.160.0.2"}
	Damascus  = Place{Name: "Damascus", Code: "SY", Lat: 33.5102, Lon: 36.2913, Cell: "417-01", WiFi: "SY", Address: "5.0.0.1"}
	Aleppo    = Place{Name: "Aleppo", Code: "SY", Lat: 36.2012, Lon: 37.1612, Cell: "417-02", WiFi: "SY", Address: "5.0.0.2"}
	Pyongyang = Place{Name: "Pyongyang", Code: "KP", Lat: 39.0339, Lon: 125.7543, Cell: "467-05", WiFi: "KP", Address: "175.45.176.1"}
	Khartoum  = Place{Name: "Khartoum", Code: "SD", Lat: 15.5518, Lon: 32.5324, Cell: "634-01", WiFi: "SD", Address: "41.67.0.1"}
	PortSudan = Place{Name: "Port Sudan", Code: "SD", Lat: 19.6158, Lon: 37.2164, Cell: "634-07", WiFi: "SD", Address: "41.67.0.2"}

	Simferopol = Place{Name: "Simferopol", Code: "UA-43", Lat: 44.9572, Lon: 34.1108, Cell: "250-32", WiFi: "RU"}
	Kerch      = Place{Name: "Kerch", Code: "UA-43", Lat: 45.3607, Lon: 36.4706, Cell: "250-60", WiFi: "RU"}
	Sevastopol = Place{Name: "Sevastopol", Code: "UA-40", Lat: 44.6054, Lon: 33.5221, Cell: "250-32", WiFi: "RU"}

	Armiansk    = Place{Name: "Armiansk", Code: "UA-43", Lat: 46.1059, Lon: 33.6914, Cell: "250-32", WiFi: "RU", Tight: true}
	QasreShirin = Place{Name: "Qasr-e Shirin", Code: "IR", Lat: 34.5156, Lon: 45.5790, Cell: "432-11", WiFi: "IR", Tight: true}
	Kaesong     = Place{Name: "Kaesong", Code: "KP", Lat: 37.9708, Lon: 126.5544, Cell: "467-05", WiFi: "KP", Tight: true}
	Henichesk   = Place{Name: "Henichesk", Code: "UA-65", Lat: 46.1770, Lon: 34.7989, Cell: "255-01", WiFi: "UA", Tight: true}
	Chaplynka   = Place{Name: "Chaplynka", Code: "UA-65", Lat: 46.3656, Lon: 33.5317, Cell: "255-03", WiFi: "UA", Tight: true}
	Khanaqin    = Place{Name: "Khanaqin", Code: "IQ", Lat: 34.3481, Lon: 45.3906, Cell: "418-20", WiFi: "IQ", Tight: true}
	Basra       = Place{Name: "Basra", Code: "IQ", Lat: 30.5085, Lon: 47.7804, Cell: "418-20", WiFi: "IQ", Tight: true}
	Munsan      = Place{Name: "Munsan", Code: "KR", Lat: 37.8594, Lon: 126.7850, Cell: "450-05", WiFi: "KR", Tight: true}
)

// AtTheLine are points some 250 m from a border, where a fix of 2 km accuracy cannot say which side it is.
var AtTheLine = []Place{
	{Name: "Chaplynka crossing", Code: "UA-65", Lat: 46.2315, Lon: 33.6427, Cell: "255-01", WiFi: "UA", Tight: true},
	{Name: "Mehran crossing", Code: "IQ", Lat: 33.0883, Lon: 46.0855, Cell: "418-20", WiFi: "IQ", Tight: true},
	{Name: "Panmunjom road", Code: "KR", Lat: 37.9060, Lon: 126.6885, Cell: "450-05", WiFi: "KR", Tight: true},
}

// Addr returns the place's public address, or the invalid one.
func (p Place) Addr() netip.Addr {
	a, err := netip.ParseAddr(p.Address)
	if err != nil {
		return netip.Addr{}
	}
	return a
}

// Places lists every place in the order in which a person would look for one.
func Places() []Place {
	return append([]Place{
		Madrid, Rome, Paris, Berlin, Warsaw, MexicoCity, Delhi, Jakarta, Kyiv, Dubai, NewYork, Havana, Santiago, Tehran, Shiraz, Damascus, Aleppo, Pyongyang, Khartoum, PortSudan, Simferopol, Kerch, Sevastopol, Armiansk, QasreShirin, Kaesong, Henichesk, Chaplynka, Khanaqin, Basra, Munsan,
	}, AtTheLine...)
}
