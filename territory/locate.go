package territory

import (
	_ "embed"
	"math"
	"sync"
)

//go:generate go run ./gen/borders build

// borderData is derived from OpenStreetMap and Natural Earth; see NOTICE-borders.md. It is under the ODbL.
//
//go:embed borders.bin
var borderData []byte

var loadBorders = sync.OnceValues(func() (*index, error) { return decodeIndex(borderData) })

// SnapM is how far, in metres, a place outside every territory may be from the nearest one and still be counted
// to it: the territorial sea is drawn with gaps, and a ship at the 12-mile line roams on the coast's networks.
const SnapM = 5000

// Load decodes the embedded borders, which otherwise happens at the first Locate. It is idempotent, safe for
// concurrent use, and reports an error only when the embedded data is damaged.
func Load() error {
	_, err := loadBorders()
	return err
}

// Locate returns the most specific territory at a place, in degrees WGS 84: an ISO 3166-2 code within Ukraine
// (UA-43, UA-40 and the oblasts), an ISO 3166-1 code elsewhere. Territorial seas count to their country, and so does
// what lies within SnapM of one. Unknown answers the high seas, unclaimed land, and what is not a place: NaN,
// latitudes beyond ±90 and longitudes beyond ±180 (180 and −180 are the same line). It does not allocate.
func Locate(lat, lon float64) Code {
	ix, err := loadBorders()
	if err != nil {
		return Unknown
	}
	x, y, ok := toUnits(lat, lon)
	if !ok {
		return Unknown
	}
	return ix.codes[ix.at(x, y)]
}

// toUnits turns degrees into index units counted from (−90, −180); ok is false for what is not a place.
func toUnits(lat, lon float64) (x, y float64, ok bool) {
	if !(lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180) { // NaN fails every comparison
		return 0, 0, false
	}
	x, y = (lon+180)*unitsPerDegree, (lat+90)*unitsPerDegree
	if x >= worldX {
		x -= worldX
	}
	return x, math.Min(y, worldY-0.75), true
}
