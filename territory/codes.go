package territory

import "slices"

//go:generate go run ./gencodes

// Valid reports whether c is one of the codes that this package can name and that some signal can answer:
//
//   - the 249 officially assigned ISO 3166-1 alpha-2 codes;
//   - XK for Kosovo: user-assigned in ISO 3166-1, but what CLDR, the European Commission and the operators under
//     MCC 221 use, and without it a phone in Pristina would be nowhere or in a country that no network there names;
//   - the 27 ISO 3166-2 subdivisions of Ukraine.
//
// Subdivisions of other countries are left out on purpose. No border in the index and no network code tells them
// apart, so a rule for one would read well and never apply; refusing the code says so when the rule is written.
func (c Code) Valid() bool {
	if c.IsSubdivision() {
		return isSubdivision(c)
	}
	_, known := slices.BinarySearch(countries[:], c)
	return known
}

func isSubdivision(c Code) bool {
	_, known := slices.BinarySearch(subdivisions[:], c)
	return known
}

// Countries returns every valid code that is not a subdivision, in alphabetical order: the 249 of ISO 3166-1 and XK.
// The slice is the caller's own.
func Countries() []Code { return slices.Clone(countries[:]) }

// Subdivisions returns the valid subdivisions of country in alphabetical order; nil when there are none. The slice
// is the caller's own.
func Subdivisions(country Code) []Code {
	var of []Code
	for _, s := range subdivisions {
		if country != Unknown && s.Country() == country {
			of = append(of, s)
		}
	}
	return of
}
