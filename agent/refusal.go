package agent

// Reason says why the agent did not follow an order, or did not take a policy or officers' metadata. Its text is stable: it travels in evidence,
// and stands in metrics and on pages. It is an error, to be tested with errors.Is.
type Reason string

// Error returns the stable name.
func (r Reason) Error() string { return string(r) }

// The reasons for which an order, a policy or metadata are refused.
const (
	// Whether it is an order for this device at all (Charter C6).

	LeafMalformed      Reason = "leaf-malformed"      // the leaf is no order, or none that this version knows
	CommitmentMismatch Reason = "commitment-mismatch" // the order is for another device
	SaltReused         Reason = "salt-reused"         // another order for this device came with the same salt: the ledger tells that both are for one device
	ProofMissing       Reason = "proof-missing"       // it came without proof that it is in the ledger
	ProofInvalid       Reason = "proof-invalid"       // the proof does not hold for the ledger that this device trusts

	// What it rests on (C5, C7, C10).

	PolicyUnknown      Reason = "policy-unknown"        // it rests on a policy that is neither the present one nor the one before
	PolicyNotEffective Reason = "policy-not-effective"  // the policy begins later
	PolicyUnsigned     Reason = "policy-unsigned"       // no officers' metadata list the policy, or none do any more
	PolicyExpired      Reason = "policy-expired"        // the officers' signatures on the policy have expired
	PolicyStale        Reason = "policy-stale"          // the rule should have been reviewed by now and was not
	RuleUnknown        Reason = "rule-unknown"          // the present policy has no such rule
	RuleNotInForce     Reason = "rule-not-in-force"     // the rule begins later, or has ended
	TerritoryNotInRule Reason = "territory-not-in-rule" // the rule does not speak of the order's territory
	WarrantMissing     Reason = "warrant-missing"       // the warrant itself was not delivered
	WarrantMismatch    Reason = "warrant-mismatch"      // the warrant delivered is not the one that the order rests on, or that the owner was told of
	WarrantUnsigned    Reason = "warrant-unsigned"      // no officers' metadata came with it that list it
	WarrantExpired     Reason = "warrant-expired"       // the officers' signatures on the list of warrants have expired
	NotInCohort        Reason = "not-in-cohort"         // the warrant is not for this device
	WarrantEndTooFar   Reason = "warrant-end-too-far"   // it ends later than the Charter lets a hold end
	WarrantEnded       Reason = "warrant-ended"         // its end has come

	// The officers' metadata (C7): such an update is refused as a whole, and reported under the SHA-256 of its timestamp.

	MetadataOversized  Reason = "metadata-oversized"   // a file is larger, or there are more roots, than a device reads
	MetadataMalformed  Reason = "metadata-malformed"   // a file is not what its role has, or no root came at first
	MetadataThreshold  Reason = "metadata-threshold"   // a role of officers asks for fewer than two of them
	MetadataUnsigned   Reason = "metadata-unsigned"    // fewer different officers, or keys of the server, signed than must
	MetadataRootGap    Reason = "metadata-root-gap"    // a root is not the successor of the one that the device trusts
	MetadataRolledBack Reason = "metadata-rolled-back" // a version is lower than one that the device has seen
	MetadataExpired    Reason = "metadata-expired"     // the root, targets, snapshot or timestamp have expired
	MetadataMixed      Reason = "metadata-mixed"       // the files do not belong together

	// The device's own facts (C4, C5, C10).

	NoOwnActivation       Reason = "no-own-activation"       // the device has not established where it was activated
	ActivatedElsewhere    Reason = "activated-elsewhere"     // it was activated in another territory
	ActivationMixed       Reason = "activation-mixed"        // its days named different territories before the activation
	ActivatedBeforePolicy Reason = "activated-before-policy" // it was activated before the date from which the policy reaches devices
	ActivatedOutsideRule  Reason = "activated-outside-rule"  // it was activated before the rule began, or after it ended
	BootNotVerified       Reason = "boot-not-verified"       // enforcement reaches genuine systems only, and punishes no other
	ClockDoubtful         Reason = "clock-doubtful"          // the device does not trust its clock now; ask again at the next contact

	// Dates and notice (C3, C8).

	NoticeTooShort       Reason = "notice-too-short"       // the deadline is nearer than the Charter or the policy allows
	DeadlineMovedEarlier Reason = "deadline-moved-earlier" // a date once told never moves earlier
	NoNotice             Reason = "no-notice"              // a lock without a notice before it
	LockTooLong          Reason = "lock-too-long"          // it ends later than the Charter or the policy allows
	EndNotWarrants       Reason = "end-not-warrants"       // a hold must end with its warrant
	EndPassed            Reason = "end-passed"             // its end has come already
	AlreadyLocked        Reason = "already-locked"         // a lock holds on this ground, and its dates do not change
	OvertakenByNotice    Reason = "overtaken-by-notice"    // a pending lock gave way to a notice with a later deadline
	OvertakenByLock      Reason = "overtaken-by-lock"      // a pending lock gave way to another one

	// Lifts (C9) and bounds.

	OlderThanLift        Reason = "older-than-lift"         // a lift on this ground was issued after it
	GroundFinallyLifted  Reason = "ground-finally-lifted"   // a person, a case or a code ended this ground for good
	TooManyGrounds       Reason = "too-many-grounds"        // the device can keep no more grounds
	PolicyRolledBack     Reason = "policy-rolled-back"      // the policy is older than the present one
	PolicyNoticeTooShort Reason = "policy-notice-too-short" // its notice is shorter than the Charter's
	PolicyTooFewShown    Reason = "policy-too-few-shown"    // it has notices seen on fewer days than the Charter
	PolicyTooFewDays     Reason = "policy-too-few-days"     // it observes fewer days, or weaker ones, than the Charter
	PolicyLockTooLong    Reason = "policy-lock-too-long"    // its locks last longer than the Charter's
	PolicyTooLarge       Reason = "policy-too-large"        // it does not fit into the device's record
	PolicyIncomplete     Reason = "policy-incomplete"       // a rule lacks its source, legal basis or review, or nobody can be reached
)

// Reasons lists every reason, in the sequence in which they are declared.
func Reasons() []Reason {
	return []Reason{
		LeafMalformed, CommitmentMismatch, SaltReused, ProofMissing, ProofInvalid,
		PolicyUnknown, PolicyNotEffective, PolicyUnsigned, PolicyExpired, PolicyStale, RuleUnknown, RuleNotInForce, TerritoryNotInRule,
		WarrantMissing, WarrantMismatch, WarrantUnsigned, WarrantExpired, NotInCohort, WarrantEndTooFar, WarrantEnded,
		MetadataOversized, MetadataMalformed, MetadataThreshold, MetadataUnsigned, MetadataRootGap, MetadataRolledBack, MetadataExpired, MetadataMixed,
		NoOwnActivation, ActivatedElsewhere, ActivationMixed, ActivatedBeforePolicy, ActivatedOutsideRule,
		BootNotVerified, ClockDoubtful,
		NoticeTooShort, DeadlineMovedEarlier, NoNotice, LockTooLong, EndNotWarrants, EndPassed, AlreadyLocked,
		OvertakenByNotice, OvertakenByLock,
		OlderThanLift, GroundFinallyLifted, TooManyGrounds,
		PolicyRolledBack, PolicyNoticeTooShort, PolicyTooFewShown, PolicyTooFewDays, PolicyLockTooLong, PolicyTooLarge, PolicyIncomplete,
	}
}
