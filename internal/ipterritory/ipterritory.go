// Package ipterritory tells the territory that a public address is registered or used in, from a table that is built
// into the program: 340,000 segments of IPv4 and 270,000 of IPv6, of June 2026.
//
// What it answers is a hint and no more. VPNs, roaming, satellite links and anycast place an address in another
// country than its user, registrations lag behind sales, and the publisher of the table says that some of its rows are wrong.
// Package territory weighs it accordingly: an address alone, or with a SIM, never establishes anything.
//
// # Crimea
//
// No table of countries knows Crimea: its networks are registered as UA or RU, some elsewhere. Networks that eleven
// autonomous systems of local operators announce are therefore marked UA-43, or UA-40 for the one of Sevastopol; the
// largest serves both, so that either code stands for both. Customers of mainland Russian operators in Crimea,
// mobile ones above all, come from RU addresses: an answer of RU or UA does not exclude Crimea.
//
// Sources and licences: NOTICE.md in this folder.
package ipterritory

import (
	_ "embed"
	"net/netip"
	"slices"
	"sync"

	"github.com/bailiwick-dev/bailiwick/territory"
)

//go:generate go run ./gen

//go:embed ranges.bin
var ranges []byte

var embedded = sync.OnceValues(func() (*table, error) { return decode(ranges) })

// Load decodes the embedded table, which otherwise happens at the first Lookup. It is idempotent and safe for
// concurrent use; an error means that the program is damaged.
func Load() error {
	_, err := embedded()
	return err
}

// Lookup returns the territory of a public address, IPv4, IPv6 or IPv4 mapped into IPv6; a zone is ignored. IPv6 is
// told apart to /64. Unknown answers addresses that the table lacks, and whatever is not public: private, shared
// (100.64.0.0/10), loopback, link-local, documentation, benchmarking, multicast and reserved ones (RFC 6890). It does
// not allocate.
func Lookup(a netip.Addr) territory.Code {
	t, err := embedded()
	if err != nil {
		return territory.Unknown
	}
	return t.lookup(a)
}

// table holds, for each family, the starts of segments in rising order, the first 0, and the number of each one's code.
type table struct {
	codes  []territory.Code // the first is Unknown
	starts []uint32         // IPv4
	in     []uint8
	first  []uint32 // for each /16 of IPv4, the segment that holds its first address; one more at the end

	starts6 []uint64 // upper halves of IPv6
	in6     []uint8
}

func (t *table) lookup(a netip.Addr) territory.Code {
	a = a.Unmap().WithZone("")
	if !public(a) {
		return territory.Unknown
	}
	if a.Is4() {
		b := a.As4()
		v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		low, high := t.first[v>>16], t.first[v>>16+1]+1
		i, found := slices.BinarySearch(t.starts[low:high], v)
		if !found {
			i--
		}
		return t.codes[t.in[int(low)+i]]
	}
	b := a.As16()
	var v uint64
	for _, x := range b[:8] {
		v = v<<8 | uint64(x)
	}
	i, found := slices.BinarySearch(t.starts6, v)
	if !found {
		i--
	}
	return t.codes[t.in6[i]]
}

// notPublic are the special-purpose blocks that netip has no predicate for (RFC 6890 and its registries).
var notPublic = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001:2::/48"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("3fff::/20"),
}

func public(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range &notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
