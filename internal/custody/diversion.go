package custody

import "github.com/bailiwick-dev/bailiwick/territory"

// Shipment is one shipped device as diversion is counted.
type Shipment struct {
	Consignee  string
	Market     territory.Code
	Activation territory.Code // Unknown until established
}

// Outside reports whether the device was activated outside its market. Without a market, or before an activation is
// established, nothing is known: that is no diversion. A subdivision of the market lies within it; a market that is a subdivision
// does not cover the rest of its country.
func (s Shipment) Outside() bool {
	return s.Market != territory.Unknown && s.Activation != territory.Unknown && !s.Market.Covers(s.Activation)
}
