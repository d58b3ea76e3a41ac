package agent

// Reason says why the agent did not follow an order, or did not take a policy. Its text is stable: it travels in evidence,
// and stands in metrics and on pages. It is an error, to be tested with errors.Is.
type Reason string

// Error returns the stable name.
func (r Reason) Error() string { return string(r) }

// The reasons for which an order is refused.
const (
	// Whether it is an order for this device at all (Charter C6).

	LeafMalformed      Reason = "leaf-malformed"      // the leaf is no order, or none that this version knows
	CommitmentMismatch Reason = "commitment-mismatch" // the order is for another device
	ProofMissing       Reason = "proof-missing"       // it came without proof that it is in the ledger
	ProofInvalid       Reason = "proof-invalid"       // the proof does not hold for the ledger that this device trusts

	// What it rests on (C5, C7, C10).

	PolicyUnknown        Reason = "policy-unknown"         // it rests on a policy that is neither the present one nor the one before
	PolicyNotEffective   Reason = "policy-not-effective"   // the policy begins later
	PolicyStale          Reason = "policy-stale"           // the rule should have been reviewed by now and was not
	RuleUnknown          Reason = "rule-unknown"           // the present policy has no such rule
	RuleNotInForce       Reason = "rule-not-in-force"      // the rule begins later, or has ended
	TerritoryNotInRule   Reason = "territory-not-in-rule"  // the rule does not speak of the order's territory
	WarrantMissing       Reason = "warrant-missing"        // the warrant itself was not delivered
	WarrantMismatch      Reason = "warrant-mismatch"       // the warrant delivered is not the one that the order rests on
	WarrantNotTwoPersons Reason = "warrant-not-two-people" // it does not name two different officers
	WarrantEndTooFar     Reason = "warrant-end-too-far"    // it ends later than the Charter lets a hold end
	WarrantEnded         Reason = "warrant-ended"          // its end has come

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
		LeafMalformed, CommitmentMismatch, ProofMissing, ProofInvalid,
		PolicyUnknown, PolicyNotEffective, PolicyStale, RuleUnknown, RuleNotInForce, TerritoryNotInRule,
		WarrantMissing, WarrantMismatch, WarrantNotTwoPersons, WarrantEndTooFar, WarrantEnded,
		NoOwnActivation, ActivatedElsewhere, ActivationMixed, ActivatedBeforePolicy, ActivatedOutsideRule,
		BootNotVerified, ClockDoubtful,
		NoticeTooShort, DeadlineMovedEarlier, NoNotice, LockTooLong, EndNotWarrants, EndPassed, AlreadyLocked,
		OvertakenByNotice, OvertakenByLock,
		OlderThanLift, GroundFinallyLifted, TooManyGrounds,
		PolicyRolledBack, PolicyNoticeTooShort, PolicyTooFewShown, PolicyTooFewDays, PolicyLockTooLong, PolicyTooLarge, PolicyIncomplete,
	}
}
