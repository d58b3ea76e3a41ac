// Package verifier appraises what devices send: it is the only place where an untrusted token becomes claims.
package verifier

// Verifier appraises enrolments and evidence. It is never changed after it was made, and safe for concurrent use.
type Verifier struct{}
