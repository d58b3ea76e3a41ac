package protocol

import (
	"slices"

	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// An update is bounded by the answer that carries it, and here by its form alone: what a file says, and whether it is too
// large, is for package tuf to judge, so that bad metadata cost the device nothing else of the answer.

func validateUpdate(u *tuf.Update) error {
	empty := func(file []byte) bool { return len(file) == 0 }
	if slices.ContainsFunc([][]byte{u.Timestamp, u.Snapshot, u.Targets, u.Policy, u.Warrant}, empty) || slices.ContainsFunc(u.Roots, empty) {
		return invalid("the officers' metadata come with every role's file, none of them empty")
	}
	return nil
}

func updateToWire(u *tuf.Update) wireUpdate {
	return wireUpdate{
		Roots: u.Roots, Timestamp: u.Timestamp, Snapshot: u.Snapshot, Targets: u.Targets, Policy: u.Policy, Warrant: u.Warrant,
	}
}

// appendUpdate appends an update as wireUpdate has it.
func appendUpdate(b []byte, u *tuf.Update) []byte {
	b = dcbor.AppendArray(b, 6)
	b = dcbor.AppendArray(b, len(u.Roots))
	for _, root := range u.Roots {
		b = dcbor.AppendBytes(b, root)
	}
	for _, file := range [...][]byte{u.Timestamp, u.Snapshot, u.Targets, u.Policy, u.Warrant} {
		b = dcbor.AppendBytes(b, file)
	}
	return b
}

func updateFromWire(w *wireUpdate) tuf.Update {
	u := tuf.Update{Timestamp: w.Timestamp, Snapshot: w.Snapshot, Targets: w.Targets, Policy: w.Policy, Warrant: w.Warrant}
	if len(w.Roots) > 0 {
		u.Roots = w.Roots
	}
	return u
}
