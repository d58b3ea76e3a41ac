package authority_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

func TestFirstAdminChangesThePassword(t *testing.T) {
	r := newRig(t)
	if _, created, err := r.EnsureAdmin(ctx); err != nil || created {
		t.Fatalf("an admin beside the officers: %v, %v", created, err)
	}
	once, err := r.AddOfficer(ctx, &authority.Officer{Name: "root", Role: authority.RoleAdmin}, "chief", authority.RoleAdmin)
	must(t, err)
	token, chief, err := r.Login(ctx, "chief", once)
	must(t, err)
	if !chief.MustChange {
		t.Fatal("a one-time password that need not be changed")
	}
	if _, err := r.AddOfficer(ctx, chief, "dora", authority.RoleOfficer); !errors.Is(err, authority.ErrPasswordChange) {
		t.Fatalf("before the change: %v", err)
	}
	for _, weak := range []string{"short", once, strings.Repeat("x", 129), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		if err := r.ChangePassword(ctx, chief, once, weak); !errors.Is(err, authority.ErrWeakPassword) {
			t.Errorf("%.10q: %v", weak, err)
		}
	}
	if err := r.ChangePassword(ctx, chief, "wrong", "a password of their own"); !errors.Is(err, authority.ErrLoginFailed) {
		t.Fatal(err)
	}
	must(t, r.ChangePassword(ctx, chief, once, "a password of their own"))
	if err := r.ChangePassword(ctx, chief, once, "another password at once"); !errors.Is(err, authority.ErrChanged) {
		t.Fatalf("with a stale officer: %v", err)
	}
	chief, err = r.Authenticate(ctx, token)
	must(t, err)
	if _, err := r.AddOfficer(ctx, chief, "dora", authority.RoleOfficer); err != nil {
		t.Fatalf("after the change: %v", err)
	}
	if _, _, err := r.Login(ctx, "chief", once); !errors.Is(err, authority.ErrLoginFailed) {
		t.Fatalf("the one-time password again: %v", err)
	}
}

func TestEnsureAdminOnAnEmptyStore(t *testing.T) {
	r := newRig(t)
	fresh := newEmpty(t, r)
	once, created, err := fresh.EnsureAdmin(ctx)
	if err != nil || !created || len(once) != 24 {
		t.Fatalf("%q, %v, %v", once, created, err)
	}
	if _, o, err := fresh.Login(ctx, "admin", once); err != nil || !o.MustChange || o.Role != authority.RoleAdmin {
		t.Fatalf("%+v, %v", o, err)
	}
	if again, created, err := fresh.EnsureAdmin(ctx); err != nil || created || again != "" {
		t.Fatalf("%q, %v, %v", again, created, err)
	}
}

func TestResetAdmin(t *testing.T) {
	r := newRig(t)
	once, err := r.AddOfficer(ctx, &authority.Officer{Name: "root", Role: authority.RoleAdmin}, "admin", authority.RoleAdmin)
	must(t, err)
	token, admin, err := r.Login(ctx, "admin", once)
	must(t, err)
	must(t, r.ChangePassword(ctx, admin, once, "a password that gets lost"))
	must(t, r.DisableOfficer(ctx, &authority.Officer{Name: "root", Role: authority.RoleAdmin}, "admin"))
	fresh, err := r.ResetAdmin(ctx)
	must(t, err)
	if _, err := r.Authenticate(ctx, token); !errors.Is(err, authority.ErrNoSession) {
		t.Errorf("an old session still counts: %v", err)
	}
	if _, _, err := r.Login(ctx, "admin", "a password that gets lost"); !errors.Is(err, authority.ErrLoginFailed) {
		t.Errorf("the old password still counts: %v", err)
	}
	if _, admin, err = r.Login(ctx, "admin", fresh); err != nil || !admin.MustChange {
		t.Errorf("the new one-time password: %+v, %v", admin, err)
	}
}

func TestLoginAndSessions(t *testing.T) {
	r := newRig(t)
	password := "a long password of ana"
	for _, tc := range []struct{ name, password string }{
		{"ana", "a long password of ben"}, {"nobody", password}, {"", ""}, {"ana", strings.Repeat("x", 10_000)}, {"ana", ""},
	} {
		if _, _, err := r.Login(ctx, tc.name, tc.password); !errors.Is(err, authority.ErrLoginFailed) {
			t.Errorf("%q: %v", tc.name, err)
		}
	}
	token, _, err := r.Login(ctx, "ana", password)
	must(t, err)
	other, _, err := r.Login(ctx, "ana", password)
	must(t, err)
	if token == other || len(token) < 26 || strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		t.Fatalf("tokens %q, %q", token, other)
	}
	for _, bad := range []string{"", "x", token[:len(token)-1], token + "x", strings.Repeat("A", len(token)), strings.Repeat("A", 100_000)} {
		if _, err := r.Authenticate(ctx, bad); !errors.Is(err, authority.ErrNoSession) {
			t.Errorf("token %q: %v", bad, err)
		}
	}
	must(t, r.Logout(ctx, other))
	must(t, r.Logout(ctx, other))
	if _, err := r.Authenticate(ctx, other); !errors.Is(err, authority.ErrNoSession) {
		t.Fatalf("after log-out: %v", err)
	}
	r.wait(12*time.Hour - time.Second)
	if o, err := r.Authenticate(ctx, token); err != nil || o.Name != "ana" {
		t.Fatal(err)
	}
	r.wait(time.Second)
	if _, err := r.Authenticate(ctx, token); !errors.Is(err, authority.ErrNoSession) {
		t.Fatalf("after its time: %v", err)
	}
}

// Whoever handed out a one-time password could have logged in with it. A new password ends every other session, so that such a one
// never becomes a second officer (Charter C7).
func TestANewPasswordEndsOtherSessions(t *testing.T) {
	r := newRig(t)
	admin := r.officer("chief", authority.RoleAdmin)
	once, err := r.AddOfficer(ctx, admin, "eve", authority.RoleOfficer)
	must(t, err)
	behind, _, err := r.Login(ctx, "eve", once) // by the chief
	must(t, err)
	own, _, err := r.Login(ctx, "eve", once)
	must(t, err)
	o, err := r.Authenticate(ctx, own)
	must(t, err)
	must(t, r.ChangePassword(ctx, o, once, "a long password of eve"))
	if o, err := r.Authenticate(ctx, behind); !errors.Is(err, authority.ErrNoSession) {
		t.Fatalf("the session behind her back is %+v, %v", o, err)
	}
	if o, err := r.Authenticate(ctx, own); err != nil || o.MustChange {
		t.Fatalf("her own: %+v, %v", o, err)
	}
	if _, err := r.Authenticate(ctx, must2(r.Login(ctx, "chief", "a long password of chief"))); err != nil {
		t.Fatalf("another officer's: %v", err)
	}
}

// A log-in that was under way while the password changed, or the account was closed, begins no session.
func TestALoginDoesNotOutliveItsPassword(t *testing.T) {
	r := newRig(t)
	admin := r.officer("chief", authority.RoleAdmin)
	between := &betweenStore{Store: r.store}
	config := r.config
	config.Store, config.Registry = between, nil
	slow, err := authority.New(config)
	must(t, err)
	ana := r.ana
	for name, meanwhile := range map[string]func() error{
		"changed": func() error { return r.ChangePassword(ctx, ana, "a long password of ana", "another long password") },
		"closed":  func() error { return r.DisableOfficer(ctx, admin, "ben") },
	} {
		between.once = meanwhile
		who := map[string]string{"changed": "ana", "closed": "ben"}[name]
		if token, _, err := slow.Login(ctx, who, "a long password of "+who); !errors.Is(err, authority.ErrLoginFailed) {
			t.Errorf("%s: %q, %v", name, token, err)
		}
	}
}

// betweenStore does something just before the next update.
type betweenStore struct {
	authority.Store
	once func() error
}

func (s *betweenStore) Update(ctx context.Context, fn func(authority.Tx) error) error {
	if once := s.once; once != nil {
		s.once = nil
		if err := once(); err != nil {
			return err
		}
	}
	return s.Store.Update(ctx, fn)
}

func must2(token string, _ *authority.Officer, err error) string {
	if err != nil {
		panic(err)
	}
	return token
}

func TestClosedAccount(t *testing.T) {
	r := newRig(t)
	admin := r.officer("chief", authority.RoleAdmin)
	token, _, err := r.Login(ctx, "ana", "a long password of ana")
	must(t, err)
	if err := r.DisableOfficer(ctx, admin, "chief"); !errors.Is(err, authority.ErrInvalid) {
		t.Fatalf("their own account: %v", err)
	}
	if err := r.DisableOfficer(ctx, r.ben, "ana"); !errors.Is(err, authority.ErrForbidden) {
		t.Fatal(err)
	}
	must(t, r.DisableOfficer(ctx, admin, "ana"))
	if _, err := r.Authenticate(ctx, token); !errors.Is(err, authority.ErrNoSession) {
		t.Fatalf("a session of a closed account: %v", err)
	}
	if _, _, err := r.Login(ctx, "ana", "a long password of ana"); !errors.Is(err, authority.ErrLoginFailed) {
		t.Fatal(err)
	}
	officers, err := r.Officers(ctx)
	must(t, err)
	for _, o := range officers {
		if o.PasswordHash != nil {
			t.Errorf("the list gives out the hash of %s", o.Name)
		}
	}
}

func TestOfficerNamesAndRoles(t *testing.T) {
	r := newRig(t)
	admin := r.officer("chief", authority.RoleAdmin)
	for _, tc := range []struct{ name, role string }{
		{"", "officer"}, {"A", "officer"}, {"x y", "officer"}, {"rule\n", "officer"}, {strings.Repeat("a", 33), "officer"}, {"dora", "king"},
	} {
		if _, err := r.AddOfficer(ctx, admin, tc.name, tc.role); !errors.Is(err, authority.ErrInvalid) {
			t.Errorf("%q, %q: %v", tc.name, tc.role, err)
		}
	}
	if _, err := r.AddOfficer(ctx, admin, "ana", authority.RoleSupport); !errors.Is(err, authority.ErrOfficerExists) {
		t.Error(err)
	}
	for role, want := range map[string]int{authority.RoleAdmin: 9, authority.RoleOfficer: 8, authority.RoleSupport: 2, "nobody": 0} {
		o, n := &authority.Officer{Name: "x", Role: role}, 0
		for _, right := range []authority.Right{authority.MayManageOfficers, authority.MayPublishPolicy, authority.MayImport, authority.MayDecideWaves,
			authority.MayInvestigate, authority.MayAnswerAppeals, authority.MayLift, authority.MayGiveUnlockCodes, authority.MayAttachLicences} {
			if o.Can(right) {
				n++
			}
		}
		if n != want {
			t.Errorf("%s has %d rights, want %d", role, n, want)
		}
	}
	var nobody *authority.Officer
	if nobody.Can(authority.MayLift) {
		t.Error("nobody may lift")
	}
}

// An officer's name stands on time lines beside "rule", "device" and "owner": nobody may be called so.
func TestReservedNames(t *testing.T) {
	r := newRig(t)
	admin := r.officer("chief", authority.RoleAdmin)
	for _, name := range []string{"rule", "device", "owner", "officer", "start-up"} {
		if _, err := r.AddOfficer(ctx, admin, name, authority.RoleOfficer); !errors.Is(err, authority.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A simulation may seed device ids. Nothing that must not be guessed follows from that seed.
func TestOnlyDeviceIDsComeFromTheSeed(t *testing.T) {
	var seen [2]struct{ id, once, token, salt string }
	for i := range seen {
		read := 0
		r := newRig(t, func(c *authority.Config) { c.DeviceIDs = seeded{&read} })
		once, err := r.AddOfficer(ctx, &authority.Officer{Name: "root", Role: authority.RoleAdmin}, "eve", authority.RoleOfficer)
		must(t, err)
		token, _, err := r.Login(ctx, "eve", once)
		must(t, err)
		p := r.noticedPhone()
		o := p.detail().Orders[0]
		seen[i].id, seen[i].once, seen[i].token, seen[i].salt = p.id.String(), once, token, string(o.Salt[:])
		if read != 16 {
			t.Errorf("%d bytes were drawn for one device", read)
		}
	}
	a, b := seen[0], seen[1]
	if a.id != b.id || a.once == b.once || a.token == b.token || a.salt == b.salt {
		t.Errorf("%q\n%q", a, b)
	}
}

// seeded yields 1, 2, 3, … and counts.
type seeded struct{ read *int }

func (s seeded) Read(b []byte) (int, error) {
	for i := range b {
		*s.read++
		b[i] = byte(*s.read)
	}
	return len(b), nil
}
