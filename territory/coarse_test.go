package territory

import "testing"

// LocateWithin looks MaxAccuracyM far. A fix whose circle reaches further does not show what it touches, so it decides nothing,
// however alone the territory in sight is.
func TestCoarseFixDecidesNothing(t *testing.T) {
	const lat, lon = -10.0, -52.0 // the middle of Brazil
	for _, tc := range []struct {
		accuracy float64
		decides  bool
	}{{33_000, true}, {(MaxAccuracyM - bordersErrorM) / circleFactor, true}, {33_300, false}, {maxAccuracyM, false}} {
		a := Assess(Signals{GNSS: &Fix{Lat: lat, Lon: lon, AccuracyM: tc.accuracy}, Cell: "724-05", WiFi: "BR"})
		if c, ok := a.Decided(50); ok != tc.decides || ok && c != "BR" {
			t.Errorf("%g m: %q, %v; %+v", tc.accuracy, c, ok, a)
		}
	}
}
