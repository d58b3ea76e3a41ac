package territory

import "strings"

// Kind is a kind of signal.
type Kind uint8

// The kinds of signals, in the order in which they are listed to people.
const (
	GNSS Kind = iota // a satellite fix with its accuracy radius
	Cell             // the network that serves the device
	SIM              // the home network of the SIM
	WiFi             // the country element of nearby access points (IEEE 802.11d)
	IP               // the territory of the public address, as the server told it
	kindCount
)

var kindNames = [kindCount]string{"gnss", "cell", "sim", "wifi", "ip"}

func (k Kind) String() string {
	if k < kindCount {
		return kindNames[k]
	}
	return "invalid"
}

// Kinds is a set of Kind.
type Kinds uint8

// Has reports whether k is in the set.
func (s Kinds) Has(k Kind) bool { return s&(1<<k) != 0 }

// With returns the set with k added.
func (s Kinds) With(k Kind) Kinds { return s | 1<<k }

// Valid reports whether s holds no unknown kind.
func (s Kinds) Valid() bool { return s < 1<<kindCount }

// String lists the kinds, parted by commas: "gnss,cell".
func (s Kinds) String() string {
	var names []string
	for k := Kind(0); k < kindCount; k++ {
		if s.Has(k) {
			names = append(names, k.String())
		}
	}
	return strings.Join(names, ",")
}
