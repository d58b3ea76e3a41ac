// Package agent is the attester and the enforcement point on a device: it observes, checks in, judges orders, and says
// what the screen shows.
//
//	a, err := agent.Open(platform)
//	token, err := a.EnrolmentToken(epoch)   // package client does these over HTTP
//	err = a.AcceptEnrolment(answer)
//
//	err = a.Observe(signals)                // a few times a day
//	token, err := a.Evidence()              // at NextCheckIn
//	outcome, err := a.Accept(answer)
//	err = a.Tick()                          // after boot, every quarter of an hour, when the clock was set
//	screen := a.Screen()                    // what to show
//	err = a.Shown()                         // the owner saw the notice
//	result, err := a.EnterCode(code)        // an unlock code, without a network
//	outcome, err := a.AcceptLift(qr)        // a lift from a QR code, without a network
//
// It trusts nobody. Whatever a server says, the Charter (DESIGN) holds, because every order is judged here, by named
// refusals ([Reasons]) that the next evidence reports. It imports formats only, and works with any transport.
//
// # What an order must pass
//
// Each order brings its leaf, the salt that opens the commitment to this device, and a proof that the leaf is in the
// ledger that the device trusts since its enrolment (C6). An order that was followed before is passed over without a refusal.
//
// A notice or a lock by a rule needs: a policy that the device accepted (the present one, or the one before) and
// that keeps the floors of package order; two officers' signatures on the present one, unexpired (C7); the rule in the present policy, in force and not past its review; the
// device's own activation, not mixed, inside the order's territory, since the policy reaches devices and while the rule
// was in force (C4, C5); a verified boot chain (C10: other systems are left alone).
//
// A notice or a lock by a warrant needs the warrant itself, by its hash, two officers' signatures on it and the proof that this
// device is in its cohort (C7), and an end within order.MaxHold. It needs no activation. An id stands for one document for ever.
//
// A first notice leaves at least order.MinNotice from now, and what the policy promises from its issue. A later one may
// only move the deadline later. A notice is not taken while the clock is doubtful.
//
// A lock needs an earlier notice whose deadline was the same or earlier, and an end within the Charter and the policy, or
// the warrant's end exactly. It waits as long as need be, and takes hold when all of these are true: no doubt about the clock;
// its effect time and the deadline have come by the certain time; the device's own time since the notice is as long
// as the notice told then and, on a rule, as the days of notice in the policy (each less 12 hours), and at least order.MinNotice; the
// notice was shown on enough distinct days.
// All else is checked again at that moment: if the rule, the boot chain, the policy or the signatures on it fail now, the lock is refused.
//
// A lift needs the proof and the commitment and nothing else. It acts at once, in any order, on known and unknown grounds,
// whatever the clock says (C9). A final one ([order.Cause.Final]) ends its ground for ever. Another one makes void what
// was issued on its ground up to then; the ledger's index breaks a tie. Unlock codes are final lifts of every locked
// ground, or, when none is locked, of every noticed one.
//
// A lock, and a hold's notice, end by themselves as soon as any reading of the clocks says that their end has come (C8),
// and stay ended.
//
// A device keeps at most evidence.MaxGrounds grounds. For a new one the ground lifted longest ago is forgotten, except that
// a final lift leaves a tombstone and another one voids what was issued on unknown grounds up to then. If no place can
// be made, the new ground is refused.
//
// # Officers
//
// Policies and warrants count as targets of a TUF repository that package tuf verifies: at least two officers' keys behind root,
// targets, policy and warrant, whatever the server's own key says. A device begins with [Platform].Root or, without it, with the first
// root that it is told, at its enrolment. An answer's metadata are applied before anything that rests on them; what is refused of them is reported
// under the SHA-256 of their timestamp, leaves all as it was, and stops no lift.
//
// The record keeps the last root, the versions, when each role expires, and whether the newest metadata list the policy in force. Nothing escalates
// on a policy that they do not list, or past the earliest expiry of root, targets and policy, by the best estimate of the time or by the own time since an update
// brought that date first. A server that was taken over can keep a device on what officers signed last until then, whatever date it tells, and no longer; it
// cannot make the device take anything else.
//
// A record of an earlier version has no metadata. It opens, keeps every lift and every restriction as it was, and escalates nothing before the first update.
//
// # Time
//
// No clock is trusted alone. The wall clock may be set by anybody, and a server may lie. The device counts its own time:
// within one boot by the monotonic uptime, across a boot by the wall clock if that says 0 to 45 days. From what the server told
// last and the own time since come four readings, and each rule takes the one that favours the owner:
//
//   - likely: told + own time. It numbers days, and ends restrictions.
//   - certain: told + own time switched on. It starts restrictions: an owner, or a thief, who sets the clock before a
//     boot cannot hurry them.
//   - longest: own time with any time switched off, however long the wall clock says. It ends restrictions.
//   - latest: likely, or the own calendar since the enrolment when that is later. What an escalation rests on ends by it: a rule, its
//     review, officers' signatures, a warrant.
//
// Because a lock also needs its own time since the notice, a server that lies about the date cannot hurry it either. A wall
// clock that is wrong by a constant matters to nothing. Doubt arises when a boot finds the wall clock earlier, or more than 45
// days later, when uptime goes back, and when a contact finds that server and device went apart by more than 12 hours since the
// last contact. The next contact at which they agree ends it. While in doubt nothing escalates.
//
// That a server agrees with its own lie ends nothing: the device keeps account of how far servers have led the date away from its
// own time, in one step or in many, and doubts as long as that is more than 12 hours. Only the way back ends it. The account begins once
// a second contact, half a day after the first, has borne out its date. Otherwise a date
// that stands still would keep an old policy or an ended warrant alive for ever. A boot excuses what time switched off explains.
//
// A new day counts, for observations and for notices shown, when the certain time and the own time have both come to
// another day. Before the enrolment days are numbered by the wall clock's first reading, and moved at the enrolment.
//
// # What is kept
//
// One record in [Storage], saved before anything of it is visible or leaves: a crash at any moment loses at most the last step,
// and a sequence is never used twice. The one exception favours the owner: when a save fails, lifts count in memory, so that
// a full disk keeps nobody locked. Days are kept for 90 days, without coordinates: the record, like the protocol, has no
// field for them (C11). No call deletes anything of the owner's (C2), and every [Screen] carries every way out (C1).
//
// # Lost and forged records
//
// A platform may have a secret key ([Platform].StateKey) and a monotonic [Counter]; without them the record has a checksum,
// and an older copy that somebody puts back is believed.
//
// With a key the record is authenticated: one that another hand wrote is ErrDamaged, and restricts nothing. With a counter
// each record has a generation. It is saved first and the counter follows, so that a crash between the two leaves the
// counter behind, and the next Open has it follow. A record that is behind the counter was rolled back, or a disk tore the
// newest one. What the lost ones said can only be guessed, and doubt favours the owner: every restriction is lifted, as by a
// rule that no longer applies; nothing escalates before the next contact, when all that was issued up to then is void; a final lift that the
// record knows stays; the sequence leads on beyond every one that the lost records can have used. So does a record that
// is gone altogether, after which the activation counts as mixed, because nobody knows any more where it was.
//
// This frees a phone whose record was rolled back on purpose, as removing the record does; the evidence tells of it (lifted by
// the device, and a doubtful clock), and the server may begin anew, with a notice. A counter out of order stops nothing ([Agent.CounterFault]).
package agent
