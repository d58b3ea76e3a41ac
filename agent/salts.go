package agent

import "slices"

// maxCommitted is how many of the newest genuine orders the device holds new ones against.
const maxCommitted = 32

// committed is what is kept of a genuine order to find a salt that is used twice: half of its id, and half of its commitment. Equal
// commitments of two orders tell everybody who reads the ledger that both are for one device.
type committed struct{ Order, Commitment [16]byte }

// commits notes a genuine order. It reports whether another one came with the same salt before.
func (s *state) commits(o opened) (reused bool) {
	next := committed{[16]byte(o.id[:16]), [16]byte(o.leaf.Commitment[:16])}
	for _, known := range s.Committed {
		if known == next {
			return false
		}
		reused = reused || known.Commitment == next.Commitment
	}
	if reused {
		return true
	}
	kept := s.Committed[max(0, len(s.Committed)-maxCommitted+1):]
	s.Committed = append(slices.Clone(kept), next) // a clone of the state may share the old ones
	return false
}
