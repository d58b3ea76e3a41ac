// Package tufrepo is the repository of what officers have signed: policies, borders, message catalogues and warrants, as
// The Update Framework 1.0 has it (theupdateframework.io, sections 3 to 6), with consistent snapshots. Server and officers'
// commands use it; what a device verifies is package tuf.
//
// # Roles
//
// root, targets, policy and warrant are signed by the officers' keys, offline, with a threshold of two or more. targets lists no
// file; it delegates policy/*, borders/* and messages/* to the role policy and warrant/* to the role warrant, both terminating.
// snapshot and timestamp are signed by one online key of the server, which therefore can say "this is the latest" and
// nothing else. A key in metadata carries its holder's name in the field x-bailiwick-officer; the key id is the SHA-256 of
// the key's canonical form with it, so that a name cannot be changed behind a key id. Whoever counts signatures counts public keys.
//
// # From officer to officer
//
// A change is a [Proposal]: one file that holds the new metadata with the signatures so far, the new files, and the metadata that it
// leads on from, so that an officer can check all of it on a machine without a network. [Repository.Accept] takes
// it when it is signed by enough of them:
//
//	p, err := repository.ProposePolicy(files, keep, now)
//	err = p.Sign(ada)                   // on Ada's machine; p travels as p.Marshal()
//	err = p.Sign(bela)                  // on Bela's
//	next, err := repository.Accept(p, online, now)
//
// Everything is a function of bytes and time; nothing here reads a clock, a network or, but for key files, a disk.
package tufrepo
