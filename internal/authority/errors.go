package authority

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what sort of failure an [Error] is. Each edge maps it once: to an HTTP status, an exit code, a page.
type Kind uint8

// The kinds of failures. Internal is the zero value: a fault of ours, nothing the caller could mend.
const (
	Internal        Kind = iota // 500
	Invalid                     // 400: what was sent cannot be read or is out of range
	NotFound                    // 404
	Conflict                    // 409: somebody else was first, or the stage moved on
	Refused                     // 422: evidence, enrolment or an action that a rule refuses
	Unauthenticated             // 401
	Forbidden                   // 403
	RateLimited                 // 429
	Unavailable                 // 503: try again later
)

var kindNames = [...]string{"internal", "invalid", "not-found", "conflict", "refused", "unauthenticated", "forbidden",
	"rate-limited", "unavailable"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "internal"
}

// Error is a failure that people and programs can act on. Two errors are the same to errors.Is when their names are.
type Error struct {
	Kind   Kind
	Name   string // kebab-case, never renamed: "sequence-replayed"
	Detail string // what is wrong, safe to show to whoever asked
	Fix    string // what to do about it; may be empty
	Err    error  // the wrapped cause, for the log; may be nil
}

func (e *Error) Error() string {
	parts := make([]string, 0, 4)
	parts = append(parts, "authority: "+e.Name)
	if e.Detail != "" {
		parts = append(parts, e.Detail)
	}
	if e.Err != nil && !strings.Contains(e.Detail, e.Err.Error()) {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error of the same name.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Name == e.Name
}

// because returns a copy of e that wraps a cause.
func (e *Error) because(err error) *Error {
	c := *e
	c.Err = err
	return &c
}

// saying returns a copy of e with another detail.
func (e *Error) saying(format string, args ...any) *Error {
	c := *e
	c.Detail = fmt.Sprintf(format, args...)
	return &c
}

// AsError returns err as an *Error: itself if it is one, and otherwise an Internal one that says nothing of the cause
// but keeps it for the log.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: Internal, Name: "internal", Detail: "something went wrong on our side",
		Fix: "try again; if it stays, tell whoever runs this server", Err: err}
}

// Named errors. Compare with errors.Is; details differ from case to case.
var (
	// Evidence and enrolment; counted by name in the metrics.
	ErrMalformed        = &Error{Kind: Invalid, Name: "malformed", Detail: "the token cannot be read", Fix: "see docs/protocol.md"}
	ErrUnknownDevice    = &Error{Kind: Refused, Name: "unknown-device", Detail: "no such device is enrolled", Fix: "enrol first"}
	ErrBadSignature     = &Error{Kind: Refused, Name: "bad-signature", Detail: "the signature does not fit the device's key"}
	ErrEpochExpired     = &Error{Kind: Refused, Name: "epoch-expired", Detail: "the epoch is too old", Fix: "sign again with the epoch in this answer"}
	ErrEpochUnknown     = &Error{Kind: Refused, Name: "epoch-unknown", Detail: "this server never gave out that epoch", Fix: "sign again with the epoch in this answer"}
	ErrSequenceReplayed = &Error{Kind: Refused, Name: "sequence-replayed", Detail: "evidence with this sequence was already accepted", Fix: "sign new evidence with the next sequence"}
	ErrTooOften         = &Error{Kind: RateLimited, Name: "too-often", Detail: "this device checks in too often", Fix: "check in at the time that the last answer named"}
	ErrChainUntrusted   = &Error{Kind: Refused, Name: "chain-untrusted", Detail: "the certificates do not lead to a root that this authority trusts"}
	ErrIMEIMismatch     = &Error{Kind: Refused, Name: "imei-mismatch", Detail: "the certificate names another IMEI than the enrolment"}
	ErrAlreadyEnrolled  = &Error{Kind: Conflict, Name: "already-enrolled", Detail: "another key is enrolled for this IMEI"}

	// People.
	ErrNoMatch           = &Error{Kind: NotFound, Name: "no-match", Detail: "IMEI and reference do not fit together", Fix: "type both as the locked or notified screen shows them"}
	ErrNoOrder           = &Error{Kind: NotFound, Name: "no-order", Detail: "no order on this ground is in the ledger yet", Fix: "look again in a minute"}
	ErrLoginFailed       = &Error{Kind: Unauthenticated, Name: "login-failed", Detail: "name or password is wrong"}
	ErrNoSession         = &Error{Kind: Unauthenticated, Name: "no-session", Detail: "not logged in, or the session has ended", Fix: "log in"}
	ErrPasswordChange    = &Error{Kind: Forbidden, Name: "password-change-due", Detail: "the one-time password has to be changed first", Fix: "choose a password of your own"}
	ErrWeakPassword      = &Error{Kind: Invalid, Name: "weak-password", Detail: "a password has 10 to 128 characters and differs from the old one"}
	ErrForbidden         = &Error{Kind: Forbidden, Name: "forbidden", Detail: "your role may not do this"}
	ErrSameOfficer       = &Error{Kind: Forbidden, Name: "same-officer", Detail: "who drafted a warrant cannot countersign it", Fix: "ask another officer"}
	ErrBusy              = &Error{Kind: Unavailable, Name: "busy", Detail: "too many log-ins at once", Fix: "try again in a few seconds"}
	ErrWaveDecided       = &Error{Kind: Conflict, Name: "wave-decided", Detail: "somebody has already decided this wave"}
	ErrWaveProportion    = &Error{Kind: Refused, Name: "wave-out-of-proportion", Detail: "this wave is out of proportion", Fix: "look at the samples; to approve it all the same, type the number of locks in it"}
	ErrAppealAnswered    = &Error{Kind: Conflict, Name: "appeal-answered", Detail: "this appeal was already answered"}
	ErrAppealOpen        = &Error{Kind: Conflict, Name: "appeal-open", Detail: "an appeal on this ground is open already", Fix: "wait for its answer"}
	ErrChanged           = &Error{Kind: Conflict, Name: "changed-meanwhile", Detail: "somebody else was first", Fix: "look again, then decide"}
	ErrErasureHeld       = &Error{Kind: Conflict, Name: "erasure-held", Detail: "something hangs on the records of this device", Fix: "lift what restricts it first"}
	ErrNotActive         = &Error{Kind: Conflict, Name: "not-active", Detail: "nothing is noticed or locked on this ground"}
	ErrCaseConcluded     = &Error{Kind: Conflict, Name: "case-concluded", Detail: "this case is concluded"}
	ErrNoNotices         = &Error{Kind: Conflict, Name: "no-notices", Detail: "no notices are given by this warrant"}
	ErrWarrantDone       = &Error{Kind: Conflict, Name: "warrant-countersigned", Detail: "this warrant was already countersigned"}
	ErrInvalid           = &Error{Kind: Invalid, Name: "invalid", Detail: "something is missing or out of range"}
	ErrNotFound          = &Error{Kind: NotFound, Name: "not-found", Detail: "there is no such record"}
	ErrNoPolicy          = &Error{Kind: Unavailable, Name: "no-policy", Detail: "no policy is in force", Fix: "propose one with `bailiwick policy propose FILE`, have two officers sign it, and publish it"}
	ErrPolicyPublished   = &Error{Kind: Conflict, Name: "policy-published", Detail: "this very policy is already published"}
	ErrPolicyFaulty      = &Error{Kind: Invalid, Name: "policy-faulty", Detail: "the policy has faults", Fix: "mend what is listed and check with `bailiwick policy check FILE`"}
	ErrNeedsSignatures   = &Error{Kind: Refused, Name: "needs-signatures", Detail: "two officers have to sign this, and this server holds no officer's key (Charter C7)", Fix: "take the proposal file, have two officers sign it with `bailiwick officer sign`, and publish it"}
	ErrUnfounded         = &Error{Kind: Conflict, Name: "unfounded", Detail: "no officers have founded this authority's repository: no policy and no warrant can count", Fix: "have each officer make a key with `bailiwick officer key`, propose the founding with `bailiwick officer root`, and publish it once two of them have signed it"}
	ErrFounded           = &Error{Kind: Conflict, Name: "founded", Detail: "the repository cannot be founded: it was founded already", Fix: "propose a change of officers to the officers of now"}
	ErrStale             = &Error{Kind: Conflict, Name: "proposal-stale", Detail: "something else was published since this proposal was made", Fix: "get the proposal anew (a warrant keeps its number and its text) and have it signed again"}
	ErrProposalFaulty    = &Error{Kind: Invalid, Name: "proposal-faulty", Detail: "this proposal cannot be published", Fix: "make it anew on this server, and have it signed again"}
	ErrProposalOversized = &Error{Kind: Invalid, Name: "proposal-oversized", Detail: "this proposal is too large", Fix: "split what it brings"}
	ErrWarrantOld        = &Error{Kind: Conflict, Name: "warrant-unsignable", Detail: "this warrant was drafted before officers signed warrants", Fix: "draft a new one in its case"}
	ErrOnlineKey         = &Error{Kind: Conflict, Name: "proposal-other-server", Detail: "the officers' root names another server's online key", Fix: "take the public online key of this server: GET /v1/metadata/online-key"}
	ErrSignaturesBroken  = &Error{Kind: Internal, Name: "signatures-broken", Detail: "the officers' signatures in the store do not hold", Fix: "restore the store from a backup: somebody has written into it"}
	ErrOfficerExists     = &Error{Kind: Conflict, Name: "officer-exists", Detail: "there is an officer of this name"}
	ErrStoreUnavailable  = &Error{Kind: Unavailable, Name: "store-unavailable", Detail: "records cannot be written now; nothing that was acknowledged is lost", Fix: "try again later"}
	ErrLedgerUnavailable = &Error{Kind: Unavailable, Name: "ledger-unavailable", Detail: "the ledger cannot be read now", Fix: "try again later"}
)

// fixing returns a copy of e with another fix.
func (e *Error) fixing(format string, args ...any) *Error {
	c := *e
	c.Fix = fmt.Sprintf(format, args...)
	return &c
}
