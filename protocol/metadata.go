package protocol

import "github.com/bailiwick-dev/bailiwick/tuf"

// An update is bounded by the answer that carries it, and here by its form alone: what a file says, and whether it is too
// large, is for package tuf to judge, so that bad metadata cost the device nothing else of the answer.

func validateUpdate(u *tuf.Update) error {
	for _, file := range append([][]byte{u.Timestamp, u.Snapshot, u.Targets, u.Policy, u.Warrant}, u.Roots...) {
		if len(file) == 0 {
			return invalid("the officers' metadata come with every role's file, none of them empty")
		}
	}
	return nil
}

func updateToWire(u *tuf.Update) wireUpdate {
	return wireUpdate{
		Roots: u.Roots, Timestamp: u.Timestamp, Snapshot: u.Snapshot, Targets: u.Targets, Policy: u.Policy, Warrant: u.Warrant,
	}
}

func updateFromWire(w *wireUpdate) tuf.Update {
	u := tuf.Update{Timestamp: w.Timestamp, Snapshot: w.Snapshot, Targets: w.Targets, Policy: w.Policy, Warrant: w.Warrant}
	if len(w.Roots) > 0 {
		u.Roots = w.Roots
	}
	return u
}
