package custody

import (
	"cmp"
	"slices"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// Shipment is one shipped device as diversion is counted.
type Shipment struct {
	Consignment string
	Consignee   string
	Market      territory.Code
	Activation  territory.Code // Unknown until established
}

// Outside reports whether the device was activated outside its market. Without a market, or before an activation is
// established, nothing is known: that is no diversion. A subdivision of the market lies within it; a market that is a subdivision
// does not cover the rest of its country.
func (s Shipment) Outside() bool {
	return s.Market != territory.Unknown && s.Activation != territory.Unknown && !s.Market.Covers(s.Activation)
}

// Count is how many devices of one consignment went to one consignee, and where they were put to use.
type Count struct {
	Consignment string
	Consignee   string
	Devices     int
	Activated   int
	Outside     int
}

// CountDiversions counts by consignment and consignee, in the order of their names.
func CountDiversions(shipments []Shipment) []Count {
	type key struct{ consignment, consignee string }
	counts := make(map[key]*Count)
	for _, s := range shipments {
		k := key{s.Consignment, s.Consignee}
		c := counts[k]
		if c == nil {
			c = &Count{Consignment: s.Consignment, Consignee: s.Consignee}
			counts[k] = c
		}
		c.Devices++
		if s.Activation != territory.Unknown {
			c.Activated++
		}
		if s.Outside() {
			c.Outside++
		}
	}
	list := make([]Count, 0, len(counts))
	for _, c := range counts {
		list = append(list, *c)
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Consignment, b.Consignment), cmp.Compare(a.Consignee, b.Consignee))
	})
	return list
}
