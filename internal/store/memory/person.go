package memory

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

func (t *tx) InsertPolicy(p *authority.PolicyDocument) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	for _, other := range t.policies {
		if other.Hash == p.Hash {
			return authority.ErrConflict
		}
	}
	one := *p
	one.Source, one.Signers = bytes.Clone(p.Source), slices.Clone(p.Signers)
	grow(t, &t.policies, &one)
	return nil
}

func (t *tx) RenewPolicy(p *authority.PolicyDocument) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	i := slices.IndexFunc(t.policies, func(stored *authority.PolicyDocument) bool { return stored.Hash == p.Hash })
	if i < 0 {
		return authority.ErrAbsent
	}
	one := *t.policies[i]
	one.ActivateAt, one.By, one.PublishedAt, one.Version = p.ActivateAt, p.By, p.PublishedAt, p.Version
	one.Signers = slices.Clone(p.Signers)
	swap(t, t.policies, i, &one)
	return nil
}

// newestFirst lists policies by activation; of two of the same moment, the one that was published last comes first.
func (t *tx) newestFirst() []*authority.PolicyDocument {
	list := copiesOf(t.policies)
	slices.Reverse(list)
	slices.SortStableFunc(list, func(a, b *authority.PolicyDocument) int { return b.ActivateAt.Compare(a.ActivateAt) })
	return list
}

func (t *tx) PolicyInForce(now time.Time) (*authority.PolicyDocument, error) {
	for _, p := range t.newestFirst() {
		if !p.ActivateAt.After(now) {
			return p, nil
		}
	}
	return nil, authority.ErrAbsent
}

func (t *tx) Policies(limit int) ([]*authority.PolicyDocument, error) {
	list := t.newestFirst()
	return list[:min(limit, len(list))], within(limit)
}

func (t *tx) PolicyByHash(hash [32]byte) (*authority.PolicyDocument, error) {
	for _, p := range t.policies {
		if p.Hash == hash {
			return found(p)
		}
	}
	return nil, authority.ErrAbsent
}

func (t *tx) NextNumber(series string) (int64, error) {
	if err := t.mayWrite(); err != nil {
		return 0, err
	}
	n := t.series[series] + 1
	put(t, t.series, series, n)
	return n, nil
}

func (t *tx) LastNumber(series string) (int64, error) { return t.series[series], nil }

func checkOfficer(o *authority.Officer) error {
	if o.Role != authority.RoleAdmin && o.Role != authority.RoleOfficer && o.Role != authority.RoleSupport {
		return broken("there is no role %q", o.Role)
	}
	return nil
}

func (t *tx) InsertOfficer(o *authority.Officer) error {
	if _, taken := t.officers[o.Name]; taken {
		return authority.ErrConflict
	}
	return t.putOfficer(o)
}

func (t *tx) PutOfficer(o *authority.Officer) error {
	if _, known := t.officers[o.Name]; !known {
		return authority.ErrAbsent
	}
	return t.putOfficer(o)
}

func (t *tx) putOfficer(o *authority.Officer) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if err := checkOfficer(o); err != nil {
		return err
	}
	one := *o
	one.Session, one.PasswordHash = [32]byte{}, bytes.Clone(o.PasswordHash)
	put(t, t.officers, o.Name, &one)
	return nil
}

func (t *tx) Officer(name string) (*authority.Officer, error) { return found(t.officers[name]) }

func (t *tx) Officers() ([]*authority.Officer, error) {
	list := make([]*authority.Officer, 0, len(t.officers))
	for _, o := range t.officers {
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b *authority.Officer) int { return cmp.Or(strings.Compare(a.Name, b.Name)) })
	return copiesOf(list), nil
}

func (t *tx) PutSession(s *authority.Session) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if _, known := t.officers[s.Officer]; !known {
		return authority.ErrAbsent
	}
	if !s.ExpiresAt.After(s.CreatedAt) {
		return broken("a session ends")
	}
	one := *s
	put(t, t.sessions, s.TokenHash, &one)
	return nil
}

func (t *tx) Session(tokenHash [32]byte) (*authority.Session, error) {
	return found(t.sessions[tokenHash])
}

func (t *tx) DeleteSession(tokenHash [32]byte) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	drop(t, t.sessions, tokenHash)
	return nil
}

func (t *tx) deleteSessions(which func(*authority.Session) bool) (n int, err error) {
	if err := t.mayWrite(); err != nil {
		return 0, err
	}
	for hash, s := range t.sessions {
		if which(s) {
			drop(t, t.sessions, hash)
			n++
		}
	}
	return n, nil
}

func (t *tx) DeleteSessionsOf(officer string, but [32]byte) error {
	_, err := t.deleteSessions(func(s *authority.Session) bool { return s.Officer == officer && s.TokenHash != but })
	return err
}

func (t *tx) DeleteExpiredSessions(now time.Time) (int, error) {
	return t.deleteSessions(func(s *authority.Session) bool { return !s.ExpiresAt.After(now) })
}
