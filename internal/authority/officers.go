package authority

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"regexp"
	"slices"
	"time"
)

// officerName is what an officer may be called: it stands in warrants and on time lines.
var officerName = regexp.MustCompile(`^[a-z][a-z0-9._-]{1,31}$`)

// reservedNames stand on time lines for what is no officer.
var reservedNames = []string{"rule", "device", "owner", "officer", "start-up"}

// Login checks a name and password and begins a session. The token has 130 random bits in letters and digits,
// so that none looks like a flag on a command line; only its hash is kept.
// An unknown name and a wrong password are one error and take the same time.
func (s *Service) Login(ctx context.Context, name, password string) (token string, o *Officer, err error) {
	token, o, err = s.login(ctx, name, password)
	outcome := "accepted"
	if err != nil {
		outcome = AsError(err).Name
	}
	s.counters.logins.WithLabelValues(outcome).Inc()
	return token, o, err
}

func (s *Service) login(ctx context.Context, name, password string) (string, *Officer, error) {
	if len(password) > 4*mostPassword || len(name) > 64 {
		return "", nil, ErrLoginFailed
	}
	var o *Officer
	err := s.view(ctx, func(tx Tx) (err error) {
		o, err = tx.Officer(name)
		return err
	})
	if err != nil && !errors.Is(err, ErrAbsent) {
		return "", nil, err
	}
	var hash []byte
	if o != nil && o.DisabledAt.IsZero() {
		hash = o.PasswordHash
	}
	fits, err := s.passwords.fits(ctx, hash, password)
	if err != nil {
		return "", nil, err
	}
	if !fits {
		return "", nil, ErrLoginFailed
	}
	token := rand.Text()
	now := s.now()
	o.Session = sha256.Sum256([]byte(token))
	err = s.update(ctx, func(tx Tx) error {
		stored, err := tx.Officer(o.Name)
		if err != nil {
			return err
		}
		if !stored.DisabledAt.IsZero() || !bytes.Equal(stored.PasswordHash, hash) {
			return ErrLoginFailed // it was changed, or the account closed, while the password was checked
		}
		return tx.PutSession(&Session{TokenHash: o.Session, Officer: o.Name, CreatedAt: now, ExpiresAt: now.Add(s.cfg.SessionLife)})
	})
	if err != nil {
		return "", nil, err
	}
	return token, o, nil
}

// Logout ends a session; ending one that is over is fine.
func (s *Service) Logout(ctx context.Context, token string) error {
	return s.update(ctx, func(tx Tx) error {
		err := tx.DeleteSession(sha256.Sum256([]byte(token)))
		if errors.Is(err, ErrAbsent) {
			return nil
		}
		return err
	})
}

// longestToken bounds what is looked up, bytes.
const longestToken = 64

// Authenticate returns the officer of a session. While Officer.MustChange holds only ChangePassword and Logout are open.
func (s *Service) Authenticate(ctx context.Context, token string) (*Officer, error) {
	if len(token) > longestToken {
		return nil, ErrNoSession
	}
	now := s.now()
	var o *Officer
	err := s.view(ctx, func(tx Tx) error {
		session, err := tx.Session(sha256.Sum256([]byte(token)))
		if err != nil {
			return err
		}
		if !now.Before(session.ExpiresAt) {
			return ErrAbsent
		}
		if o, err = tx.Officer(session.Officer); err != nil {
			return err
		}
		o.Session = session.TokenHash
		return nil
	})
	if errors.Is(err, ErrAbsent) || err == nil && !o.DisabledAt.IsZero() {
		return nil, ErrNoSession
	}
	return o, err
}

// ChangePassword replaces an officer's own password, and ends every session but the one in which it is done: whoever knew the old
// password is out.
func (s *Service) ChangePassword(ctx context.Context, o *Officer, old, new string) error {
	if o == nil {
		return ErrNoSession
	}
	if !goodPassword(new) || new == old {
		return ErrWeakPassword
	}
	fits, err := s.passwords.fits(ctx, o.PasswordHash, old)
	if err != nil {
		return err
	}
	if !fits {
		return ErrLoginFailed.saying("the old password is wrong")
	}
	hash, err := s.passwords.hash(ctx, new)
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx Tx) error {
		stored, err := tx.Officer(o.Name)
		if err != nil {
			return err
		}
		if !bytes.Equal(stored.PasswordHash, o.PasswordHash) {
			return ErrChanged.saying("the password was changed meanwhile")
		}
		stored.PasswordHash, stored.MustChange = hash, false
		if err := tx.PutOfficer(stored); err != nil {
			return err
		}
		return tx.DeleteSessionsOf(o.Name, o.Session)
	})
}

// AddOfficer adds an officer and returns the password for the first login.
func (s *Service) AddOfficer(ctx context.Context, by *Officer, name, role string) (oneTimePassword string, err error) {
	if err := allow(by, MayManageOfficers); err != nil {
		return "", err
	}
	return s.addOfficer(ctx, by.Name, name, role)
}

func (s *Service) addOfficer(ctx context.Context, by, name, role string) (string, error) {
	if !officerName.MatchString(name) || slices.Contains(reservedNames, name) {
		return "", ErrInvalid.saying("an officer's name has 2 to 32 characters a-z 0-9 . _ -, begins with a letter, and is none of %v", reservedNames)
	}
	if _, known := rights[role]; !known {
		return "", ErrInvalid.saying("the roles are %s, %s and %s", RoleAdmin, RoleOfficer, RoleSupport)
	}
	password := oneTimePassword()
	hash, err := s.passwords.hash(ctx, password)
	if err != nil {
		return "", err
	}
	now := s.now()
	err = s.update(ctx, func(tx Tx) error {
		err := tx.InsertOfficer(&Officer{Name: name, Role: role, PasswordHash: hash, MustChange: true, CreatedAt: now})
		if errors.Is(err, ErrConflict) {
			return ErrOfficerExists.because(err)
		} else if err != nil {
			return err
		}
		return tx.AddEvent(Event{At: now, Kind: "officer-added", Actor: by, Detail: "The officer " + name + " was added as " + role + "."})
	})
	return password, err
}

// DisableOfficer closes an account at once. Nobody closes their own.
func (s *Service) DisableOfficer(ctx context.Context, by *Officer, name string) error {
	if err := allow(by, MayManageOfficers); err != nil {
		return err
	}
	if by.Name == name {
		return ErrInvalid.saying("nobody closes their own account")
	}
	now := s.now()
	return s.update(ctx, func(tx Tx) error {
		o, err := tx.Officer(name)
		if err != nil {
			return err
		}
		if !o.DisabledAt.IsZero() {
			return nil
		}
		o.DisabledAt = now
		if err := tx.PutOfficer(o); err != nil {
			return err
		}
		return tx.AddEvent(Event{At: now, Kind: "officer-disabled", Actor: by.Name, Detail: "The account of " + name + " was closed."})
	})
}

// EnsureAdmin makes the officer "admin" when there is no officer yet, and returns the password for the first login.
func (s *Service) EnsureAdmin(ctx context.Context) (oneTimePassword string, created bool, err error) {
	officers, err := s.Officers(ctx)
	if err != nil || len(officers) > 0 {
		return "", false, err
	}
	password, err := s.addOfficer(ctx, "start-up", "admin", RoleAdmin)
	if errors.Is(err, ErrOfficerExists) { // another server was first
		return "", false, nil
	}
	return password, err == nil, err
}

// ResetAdmin gives the officer "admin" a new one-time password, opens the account again if it was closed, and ends its sessions.
// Whoever may start a server on the data folder may do this: they hold every key in it as well.
func (s *Service) ResetAdmin(ctx context.Context) (oneTime string, err error) {
	oneTime = oneTimePassword()
	hash, err := s.passwords.hash(ctx, oneTime)
	if err != nil {
		return "", err
	}
	now := s.now()
	err = s.update(ctx, func(tx Tx) error {
		o, err := tx.Officer("admin")
		if err != nil {
			return err
		}
		o.PasswordHash, o.MustChange, o.DisabledAt = hash, true, time.Time{}
		if err := tx.PutOfficer(o); err != nil {
			return err
		}
		if err := tx.DeleteSessionsOf(o.Name, [32]byte{}); err != nil {
			return err
		}
		return tx.AddEvent(Event{At: now, Kind: "officer-reset", Actor: "start-up", Detail: "The password of admin was reset where the server was started."})
	})
	if err != nil {
		return "", err
	}
	return oneTime, nil
}

// Officers lists all officers, closed accounts included. Password hashes are left out.
func (s *Service) Officers(ctx context.Context) (list []*Officer, err error) {
	err = s.view(ctx, func(tx Tx) (err error) {
		list, err = tx.Officers()
		return err
	})
	for _, o := range list {
		o.PasswordHash = nil
	}
	return list, err
}
