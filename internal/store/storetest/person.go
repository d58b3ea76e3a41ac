package storetest

import (
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

var personTests = map[string]func(*testing.T, authority.Store){
	"officer": func(t *testing.T, s authority.Store) {
		kim := &authority.Officer{Name: "kim", Role: "admin", PasswordHash: []byte{1, 2}, MustChange: true, CreatedAt: start}
		lee := &authority.Officer{Name: "Lee", Role: "support", PasswordHash: []byte{3}, CreatedAt: start}
		missing(t, s, func(tx authority.Tx) (*authority.Officer, error) { return tx.Officer("kim") })
		refuses(t, s, authority.ErrAbsent, func(tx authority.Tx) error { return tx.PutOfficer(kim) })
		for _, o := range []*authority.Officer{kim, lee} {
			does(t, s, func(tx authority.Tx) error { return tx.InsertOfficer(o) })
			same(t, "stored", got(t, s, func(tx authority.Tx) (*authority.Officer, error) { return tx.Officer(o.Name) }), o)
		}
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.InsertOfficer(kim) })
		kim.MustChange, kim.PasswordHash, kim.DisabledAt, kim.Role = false, []byte{9}, start.Add(day), "officer"
		does(t, s, func(tx authority.Tx) error { return tx.PutOfficer(kim) })
		same(t, "by name", got(t, s, func(tx authority.Tx) ([]*authority.Officer, error) { return tx.Officers() }), []*authority.Officer{lee, kim})
		refuses(t, s, nil, func(tx authority.Tx) error { return tx.InsertOfficer(&authority.Officer{Name: "max", Role: "king"}) })
	},

	"session": func(t *testing.T, s authority.Store) {
		put := func(n int, ends time.Duration) txFunc {
			return func(tx authority.Tx) error {
				return tx.PutSession(&authority.Session{TokenHash: hash(n), Officer: "kim", CreatedAt: start, ExpiresAt: start.Add(ends)})
			}
		}
		refuses(t, s, authority.ErrAbsent, put(1, day))
		does(t, s, func(tx authority.Tx) error {
			return tx.InsertOfficer(&authority.Officer{Name: "kim", Role: "admin", CreatedAt: start})
		})
		does(t, s, put(1, day))
		does(t, s, put(1, 2*day))
		does(t, s, put(2, 3*day))
		does(t, s, put(3, 4*day))
		refuses(t, s, nil, put(4, 0))
		session := func(n int) func(authority.Tx) (*authority.Session, error) {
			return func(tx authority.Tx) (*authority.Session, error) { return tx.Session(hash(n)) }
		}
		same(t, "stored", got(t, s, session(1)), &authority.Session{TokenHash: hash(1), Officer: "kim", CreatedAt: start, ExpiresAt: start.Add(2 * day)})
		does(t, s, func(tx authority.Tx) error { return tx.DeleteSession(hash(2)) })
		missing(t, s, session(2))
		does(t, s, func(tx authority.Tx) error { return tx.DeleteSession(hash(2)) })
		expired := 0
		does(t, s, func(tx authority.Tx) (err error) {
			expired, err = tx.DeleteExpiredSessions(start.Add(2 * day))
			return err
		})
		same(t, "expired", expired, 1)
		missing(t, s, session(1))
		got(t, s, session(3))
		does(t, s, put(5, 9*day))
		does(t, s, func(tx authority.Tx) error {
			if err := tx.InsertOfficer(&authority.Officer{Name: "lee", Role: "admin", CreatedAt: start}); err != nil {
				return err
			}
			return tx.PutSession(&authority.Session{TokenHash: hash(6), Officer: "lee", CreatedAt: start, ExpiresAt: start.Add(day)})
		})
		does(t, s, func(tx authority.Tx) error { return tx.DeleteSessionsOf("kim", hash(5)) })
		missing(t, s, session(3))
		got(t, s, session(5))
		got(t, s, session(6))
	},
}
