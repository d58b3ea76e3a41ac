package tufrepo

import "errors"

// Faults. Each error of this package wraps one of these and says more; tell them apart with errors.Is.
var (
	ErrKey         = errors.New("tufrepo: not a usable key")
	ErrPassphrase  = errors.New("tufrepo: wrong passphrase")
	ErrOfficers    = errors.New("tufrepo: these officers cannot hold the roles")
	ErrOnlineKey   = errors.New("tufrepo: not the online key that the officers' root names")
	ErrFile        = errors.New("tufrepo: not a file that this role may list")
	ErrTooLarge    = errors.New("tufrepo: too large")
	ErrProposal    = errors.New("tufrepo: the proposal is not sound")
	ErrDifferent   = errors.New("tufrepo: these are not copies of one proposal")
	ErrNotEntitled = errors.New("tufrepo: this key may not sign the proposal")
	ErrSigned      = errors.New("tufrepo: this key has signed the proposal already")
	ErrSignatures  = errors.New("tufrepo: too few signatures")
	ErrStale       = errors.New("tufrepo: the repository has moved on since the proposal was made")
	ErrExpired     = errors.New("tufrepo: signatures have expired")
	ErrRepository  = errors.New("tufrepo: the repository is not sound")
)
