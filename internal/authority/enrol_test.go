package authority_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/internal/verifier"
	"github.com/bailiwick-dev/bailiwick/order"
)

// The answer to an enrolment is lost: asking again with the same key gives the same one.
func TestEnrolmentAnswerLost(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-1", "trader", "ES"))
	token, err := p.EnrolmentToken(r.Epoch(ctx))
	must(t, err)
	first, err := r.Enrol(ctx, token)
	must(t, err)
	second, err := r.Enrol(ctx, token)
	must(t, err)
	if first.Device != second.Device || first.UnlockSecret != second.UnlockSecret {
		t.Fatalf("%v, then %v", first.Device, second.Device)
	}
	p.enrol()
	if p.id != first.Device {
		t.Fatalf("%v, then %v", first.Device, p.id)
	}
	if n := p.detail().Events; len(n) != 1 {
		t.Errorf("enrolled %d times", len(n))
	}
}

// After a factory reset the phone has a new key and knows nothing: its notice begins again, with all of its days; and the old key's
// token does not bring the old key back.
func TestEnrolledAgainWithANewKey(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-1", "trader", "ES"))
	old, err := p.EnrolmentToken(r.Epoch(ctx))
	must(t, err)
	p.enrol()
	p.live(6, havana)
	before := p.stage(cuba, order.Noticed, order.Noticed)

	reset := r.newPhone(p.imei).enrol()
	if reset.id != p.id {
		t.Fatalf("%v, then %v", p.id, reset.id)
	}
	reset.stage(cuba, order.Lifted, order.Observed)
	if _, err := r.CheckIn(ctx, p.token(), home); authority.AsError(err).Name != "bad-signature" {
		t.Fatalf("the old key: %v", err)
	}
	if _, err := r.Enrol(ctx, old); err == nil {
		t.Fatal("an old token brought the old key back")
	}
	again := r.newPhone(p.imei)
	token, err := again.EnrolmentToken(r.Epoch(ctx))
	must(t, err)
	if _, err := r.Enrol(ctx, token); !errors.Is(err, authority.ErrAlreadyEnrolled) {
		t.Fatalf("a third key within the hour: %v", err)
	}
	reset.live(2, havana)
	after := reset.stage(cuba, order.Noticed, order.Lifted) // it took the lift; it follows the notice once it knows its activation
	if after.Round != 2 || after.ShownDays != 0 || after.Deadline.Sub(after.NoticedAt) < 14*day || !after.NoticedAt.After(before.NoticedAt) {
		t.Fatalf("%+v", after)
	}
}

// A phone that enrols again and again says another model each time: the dictionary of models, from which nothing is deleted, gets the first only.
func TestOneModelForLife(t *testing.T) {
	r := newRig(t)
	imei := r.made("C-1", "trader", "ES")
	var enrolled []byte
	for i := range 4 {
		p := r.newPhone(imei)
		p.model = fmt.Sprint("Model ", i)
		p.start()
		p.enrol()
		d := p.detail().Device
		if d.Model != "Model 0" || bytes.Equal(d.Key, enrolled) {
			t.Errorf("enrolment %d: model %q, key %x", i, d.Model, d.Key)
		}
		enrolled = d.Key
		r.wait(2 * verifier.EpochPeriod)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(r.dir, "store", sqlite.FileName)+"?mode=ro")
	must(t, err)
	defer db.Close()
	var models, findings int
	must(t, db.QueryRow("SELECT (SELECT count(*) FROM model), (SELECT count(*) FROM finding)").Scan(&models, &findings))
	if models != 1 || findings > 2 {
		t.Errorf("%d models and %d findings", models, findings)
	}
}

func TestEnrolmentRefused(t *testing.T) {
	r, other := newRig(t), newRig(t)
	stranger := other.newPhone(r.made("C-1", "trader", "ES"))
	stranger.rig = r
	token, err := stranger.EnrolmentToken(r.Epoch(ctx))
	must(t, err)
	if _, err := r.Enrol(ctx, token); !errors.Is(err, authority.ErrChainUntrusted) {
		t.Errorf("another maker's device: %v", err)
	}
	if _, err := r.Enrol(ctx, token[:50]); authority.AsError(err).Kind != authority.Invalid {
		t.Errorf("a truncated token: %v", err)
	}
	p := r.newPhone(r.made("C-1", "trader", "ES"))
	token, err = p.EnrolmentToken(r.Epoch(ctx))
	must(t, err)
	r.wait(3 * day)
	if _, err := r.Enrol(ctx, token); !errors.Is(err, authority.ErrEpochExpired) {
		t.Errorf("an old token: %v", err)
	}
}

// clashing gives out the same ID twice, and then others.
type clashing struct{ drawn byte }

func (c *clashing) Read(b []byte) (int, error) {
	c.drawn++
	for i := range b {
		b[i] = max(c.drawn, 2) // the first and the second are alike
	}
	return len(b), nil
}

// Two devices draw the same ID: the second gets another one.
func TestDrawnIDIsTaken(t *testing.T) {
	ids := &clashing{}
	r := newRig(t, func(c *authority.Config) { c.DeviceIDs = ids })
	first := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	second := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	if first.id == second.id || ids.drawn != 3 {
		t.Errorf("%v and %v after %d draws", first.id, second.id, ids.drawn)
	}
}
