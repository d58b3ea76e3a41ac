package postgres

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

const officerColumns = "name, role, password_hash, must_change, created_at, disabled_at"

func scanOfficer(s scanner) (*authority.Officer, error) {
	o := new(authority.Officer)
	return o, s.Scan(&o.Name, &o.Role, &o.PasswordHash, &o.MustChange, when{&o.CreatedAt}, when{&o.DisabledAt})
}

func (t *tx) InsertOfficer(o *authority.Officer) error {
	return t.fresh("INSERT INTO officer ("+officerColumns+") VALUES ($1, $2, $3, $4, $5, $6)", o.Name, o.Role, blob(o.PasswordHash),
		o.MustChange, stamp(o.CreatedAt), stamp(o.DisabledAt))
}

func (t *tx) PutOfficer(o *authority.Officer) error {
	return t.put("UPDATE officer SET role = $1, password_hash = $2, must_change = $3, created_at = $4, disabled_at = $5 WHERE name = $6",
		o.Role, blob(o.PasswordHash), o.MustChange, stamp(o.CreatedAt), stamp(o.DisabledAt), o.Name)
}

func (t *tx) Officer(name string) (*authority.Officer, error) {
	return first(rows(t, scanOfficer, "SELECT "+officerColumns+" FROM officer WHERE name = $1", name))
}

func (t *tx) Officers() ([]*authority.Officer, error) {
	return rows(t, scanOfficer, "SELECT "+officerColumns+" FROM officer ORDER BY name")
}

func (t *tx) PutSession(s *authority.Session) error {
	_, err := t.exec(`INSERT INTO session (token_hash, officer, created_at, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT (token_hash)
		DO UPDATE SET officer = excluded.officer, created_at = excluded.created_at, expires_at = excluded.expires_at`,
		s.TokenHash[:], s.Officer, stamp(s.CreatedAt), stamp(s.ExpiresAt))
	return err
}

func (t *tx) Session(tokenHash [32]byte) (*authority.Session, error) {
	s := new(authority.Session)
	err := t.row("SELECT token_hash, officer, created_at, expires_at FROM session WHERE token_hash = $1", key(tokenHash[:]),
		fixed{s.TokenHash[:]}, &s.Officer, when{&s.CreatedAt}, when{&s.ExpiresAt})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// DeleteSession is content when the session is gone already.
func (t *tx) DeleteSession(tokenHash [32]byte) error {
	_, err := t.exec("DELETE FROM session WHERE token_hash = $1", tokenHash[:])
	return err
}

func (t *tx) DeleteSessionsOf(officer string, but [32]byte) error {
	_, err := t.exec("DELETE FROM session WHERE officer = $1 AND token_hash <> $2", officer, but[:])
	return err
}

func (t *tx) DeleteExpiredSessions(now time.Time) (int, error) {
	n, err := t.exec("DELETE FROM session WHERE expires_at <= $1", now.UnixMicro())
	return int(n), err
}
