package postgres

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

var (
	// ErrClosed is what a closed store answers.
	ErrClosed = errors.New("postgres: the store is closed")
	// ErrSchema says that another release has brought the records to another schema: this one neither starts on them nor writes them.
	ErrSchema = errors.New("the records have another schema than this program knows")

	errQueueFull = errors.New("postgres: too many updates are waiting")
	errOver      = errors.New("postgres: a Tx was used after its function had returned")
	errReadOnly  = errors.New("postgres: View may not write; use Update")
	errFenced    = errors.New("postgres: another server took this one for gone, and fenced it")
	errOutgrown  = errors.New("postgres: this update needs a transaction of its own")
)

// trouble is what an error of the database means for the transaction in which it came up. Whatever it is, nothing was written.
type trouble uint8

const (
	refused trouble = iota // the statement breaks a rule of the schema; trying again would not help
	repeat                 // the transaction met another one: the same again may well succeed
	lost                   // the connection is gone, or the server does not take us now: a new connection may help
	failing                // the server cannot do it: disk full, time-out, broken
)

// sort tells what an error means (PostgreSQL 15, appendix A: error codes).
func sort(err error) trouble {
	var e *pgconn.PgError
	switch {
	case errors.Is(err, errFenced):
		return repeat // under another number
	case errors.Is(err, ErrSchema):
		return failing
	case !errors.As(err, &e):
		return lost // no answer of the server: the connection is gone
	}
	switch e.Code {
	case "40001", "40P01": // serialization failure, deadlock
		return repeat
	case "25006", "53300", "57P01", "57P02", "57P03", "57P05", "25P03": // read-only (a standby, before it is promoted), too many connections, shut down, starting, timed out idle
		return lost
	}
	switch e.Code[:2] {
	case "08":
		return lost
	case "22", "23", "44":
		return refused
	}
	return failing
}

// again reports whether the same transaction may succeed right away.
func again(err error) bool { return sort(err) == repeat }

// meaning gives an error of the database the contract's meaning.
func meaning(err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		switch e.Code {
		case "23505":
			return fmt.Errorf("%w (%w)", authority.ErrConflict, err)
		case "23503":
			return fmt.Errorf("%w: it would refer to a record that is not there (%w)", authority.ErrAbsent, err)
		}
	}
	if sort(err) == refused {
		return fmt.Errorf("postgres: the record breaks a rule of the store: %w", err)
	}
	return unavailable(err)
}

// unavailable is ErrStoreUnavailable with its cause, and what to do about it where that is known.
func unavailable(cause error) error {
	e := *authority.ErrStoreUnavailable
	e.Err = fmt.Errorf("postgres: %w%s", cause, advice(cause))
	return &e
}

func advice(cause error) string {
	var e *pgconn.PgError
	if !errors.As(cause, &e) {
		if c := new(pgconn.ConnectError); errors.As(cause, &c) {
			return " (see that PostgreSQL runs, and that host and port are right)"
		}
		return ""
	}
	switch {
	case e.Code == "3D000":
		return " (make the database first, with createdb, owned by this role; its tables are made at the first start)"
	case e.Code == "25006":
		return " (this is a standby or the database is set read-only: name the primary, or several hosts with target_session_attrs=read-write)"
	case e.Code == "53300":
		return " (raise max_connections, or give the role fewer other clients)"
	case e.Code == "57014":
		return " (a statement took longer than statement_timeout: look for locks and at the disk)"
	case strings.HasPrefix(e.Code, "57P"):
		return " (the database stops, starts or fails over; what was waiting is tried again: with standbys, name all hosts and target_session_attrs=read-write)"
	case full(cause):
		return " (the database's disk is full)"
	case e.Code == "42501" || strings.HasPrefix(e.Code, "28"):
		return " (the role lacks a right, or its password is wrong)"
	}
	return ""
}

// full reports whether the database has no room. Of a file that may not grow, for a quota say, it says so without the code.
func full(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "53100" || strings.HasPrefix(e.Message, "could not extend file"))
}

func isUnavailable(err error) bool { return errors.Is(err, authority.ErrStoreUnavailable) }
