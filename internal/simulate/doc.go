// Package simulate tries to break Bailiwick: many worlds, each with one server, hundreds of devices and some years, in
// which everything fails that can fail, and a checker beside each device that watches the Charter from its own notes.
//
//	report, err := simulate.Run(ctx, simulate.Config{Seed: 7, For: time.Minute})
//	report, err := simulate.Replay(simulate.Config{Seed: 7, Trace: os.Stdout}, 412) // one world again, step by step
//
// # What is real
//
// The agent (package agent) with its record's codec, its clocks and its judgement; the authority (internal/authority) with the pure
// rules below it (internal/policy, internal/restriction); the verifier with certificates, signatures (Ed25519) and epochs; every
// message in its exact bytes; Merkle trees, signed checkpoints and inclusion proofs as RFC 6962 and C2SP have them; the officers'
// metadata (internal/tufrepo, package tuf), with officers' keys that the server holds, as in a sandbox.
//
// # What stands in for something slow or for something that cannot be repeated
//
//   - the store is internal/store/memory, which passes the conformance suite of the real stores (internal/store/storetest); the files
//     and the SQL of the real ones are killed and filled up in test/crash and test/e2e;
//   - the ledger is in memory, with a leaf that is sequenced and one that is published being two moments, as in internal/ledger, whose
//     own crashes are tested there and in test/crash;
//   - the network is a function call that loses, repeats and delays; HTTP is driven by internal/fleet and test/e2e;
//   - a device's flash memory is two generations with a checksum, one of which a power loss tears; package agent tests its FileStorage,
//     and test/firmware the daemon;
//   - time is virtual, and every random number comes from the seed. Device keys and certificates are the same in all worlds.
//
// The server is honest here, if unlucky. What one can do that was taken over is the matter of the drills (internal/fleet) and of
// test/tamper.
//
// # Worlds
//
// A world is a pure function of its seed and number: one goroutine, one queue of events. Devices wake when something is due, and at
// random times: every few hours while they observe or a ground is open, rarely when all is settled; they lie in drawers, travel, move,
// lose their clocks and their records. Officers publish policies, decide waves, investigate consignments, answer appeals and lift.
// Which faults there are says [Kinds].
//
// # What is checked
//
// After each step of a device, from notes that the checker made itself (what was on the screen, true time, true places, the bytes that
// passed): every way out is there (C1, C2); no lock without a notice seen on enough days and its date past, and no date moves earlier
// (C3); a lock by a rule only where the device was activated, by its own record, and where it truly was (C4, C5); every order followed
// is in the ledger (C6); two officers (C7); every end comes, by whichever clock (C8); lifts are followed at once and final ones stay
// (C9); nothing escalates in doubt: boot state, clock, stale rules (C10); no sequence is used twice. C11 holds by construction: the
// protocol has no field for a place, and internal/fleet searches every byte for one.
//
// After each step of the server: no order leaves before its row and its leaf are durable, no leaf is in the ledger twice, rows and
// leaves agree after every crash, and locks come from approved waves.
//
// At the end of each world all faults stop, every device comes online a few times, and then no lift may be missing on any device
// (liveness), and devices and server agree.
//
// A violation names seed, world and step, and [Replay] comes to the same step. Tests plant bugs in agent, store and ledger and
// expect the checkers to find each of them.
package simulate
