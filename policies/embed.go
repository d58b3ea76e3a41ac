// Package policies holds the example policies that ship with Bailiwick. Both say of themselves that they are examples
// and not legal advice. Nobody may change the slices.
package policies

import _ "embed"

// Terms202109 holds the six territories that a maker's terms of sale named in September 2021.
//
//go:embed terms-2021-09.yaml
var Terms202109 []byte

// Current shows the same territories as of November 2026, with licence exceptions and one that left the list.
//
//go:embed terms-2026-11.yaml
var Current []byte
