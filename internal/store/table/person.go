package table

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

const officerColumns = "name, role, password_hash, must_change, created_at, disabled_at"

func scanOfficer(row Row) (*authority.Officer, error) {
	o := new(authority.Officer)
	return o, row.Scan(&o.Name, &o.Role, &o.PasswordHash, &o.MustChange, When(&o.CreatedAt), When(&o.DisabledAt))
}

func (t Tx) InsertOfficer(o *authority.Officer) error {
	return Fresh(t, "INSERT INTO officer ("+officerColumns+") VALUES ($1, $2, $3, $4, $5, $6)", o.Name, o.Role, Blob(o.PasswordHash),
		o.MustChange, Stamp(o.CreatedAt), Stamp(o.DisabledAt))
}

func (t Tx) PutOfficer(o *authority.Officer) error {
	return Put(t, "UPDATE officer SET role = $1, password_hash = $2, must_change = $3, created_at = $4, disabled_at = $5 WHERE name = $6",
		o.Role, Blob(o.PasswordHash), o.MustChange, Stamp(o.CreatedAt), Stamp(o.DisabledAt), o.Name)
}

func (t Tx) Officer(name string) (*authority.Officer, error) {
	return First(List(t, scanOfficer, "SELECT "+officerColumns+" FROM officer WHERE name = $1", name))
}

func (t Tx) Officers() ([]*authority.Officer, error) {
	return List(t, scanOfficer, "SELECT "+officerColumns+" FROM officer ORDER BY name")
}

func (t Tx) PutSession(s *authority.Session) error {
	_, err := t.Exec(`INSERT INTO session (token_hash, officer, created_at, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT (token_hash)
		DO UPDATE SET officer = excluded.officer, created_at = excluded.created_at, expires_at = excluded.expires_at`,
		s.TokenHash[:], s.Officer, Stamp(s.CreatedAt), Stamp(s.ExpiresAt))
	return err
}

func (t Tx) Session(tokenHash [32]byte) (*authority.Session, error) {
	s := new(authority.Session)
	err := Single(t, "SELECT token_hash, officer, created_at, expires_at FROM session WHERE token_hash = $1", key(tokenHash[:]),
		Fixed(s.TokenHash[:]), &s.Officer, When(&s.CreatedAt), When(&s.ExpiresAt))
	if err != nil {
		return nil, err
	}
	return s, nil
}

// DeleteSession is content when the session is gone already.
func (t Tx) DeleteSession(tokenHash [32]byte) error {
	_, err := t.Exec("DELETE FROM session WHERE token_hash = $1", tokenHash[:])
	return err
}

func (t Tx) DeleteSessionsOf(officer string, but [32]byte) error {
	_, err := t.Exec("DELETE FROM session WHERE officer = $1 AND token_hash <> $2", officer, but[:])
	return err
}

func (t Tx) DeleteExpiredSessions(now time.Time) (int, error) {
	n, err := t.Exec("DELETE FROM session WHERE expires_at <= $1", now.UnixMicro())
	return int(n), err
}
