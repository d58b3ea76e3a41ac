package authority_test

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/memory"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// An old backup of the store was put back. What it knows nothing of, and what it has lifted in the meantime, still restricts devices:
// nobody could lift it, neither an appeal nor an officer, until its own end.
func TestRestoredBackupLiftsStrays(t *testing.T) {
	db := memory.New()
	r := newRig(t, func(c *authority.Config) { c.Store = db })
	p := r.newPhone(r.made("C-1", "ACME", "ES")).enrol()
	p.live(1, havana)
	early := db.Backup()
	p.live(9, havana)
	p.stage(cuba, order.Noticed, order.Noticed)

	db.Restore(early)
	r.open()
	p.checkIn() // all days are not in the store any more, so that no notice is due by these records
	r.sequence()
	if _, outcome := p.checkIn(); len(outcome.Applied) != 1 {
		t.Fatalf("%+v", outcome)
	}
	p.stage(cuba, order.Observed, order.Lifted)
	before := r.orders(p)
	p.live(3, havana)
	if after := r.orders(p); after != before {
		t.Errorf("%d orders, then %d: the lift was issued again", before, after)
	}
}

// The same for a record that has the ground as lifted: the restored store knows the first round only.
func TestRestoredBackupLiftsAnew(t *testing.T) {
	db := memory.New()
	r := newRig(t, func(c *authority.Config) { c.Store = db })
	p := r.newPhone(r.made("C-1", "ACME", "ES")).enrol()
	p.live(8, havana)
	p.stage(cuba, order.Noticed, order.Noticed)
	record := p.record.data
	must(t, r.LiftByHuman(ctx, r.ana, p.id, cuba, "A mistake."))
	p.sync()
	p.checkIn() // tells of it
	p.stage(cuba, order.Lifted, order.Lifted)

	p.record.data = record // of a device without a counter, which believes it
	p.start()
	p.stage(cuba, order.Lifted, order.Noticed)
	p.wait(day)
	must(t, p.SetEpoch(p.Epoch(ctx).Epoch))
	for range 12 { // sequences that were used before are refused
		if _, err := p.CheckIn(ctx, p.token(), home); err == nil {
			break
		}
	}
	r.sequence()
	p.checkIn()
	p.stage(cuba, order.Lifted, order.Lifted)
}

// The restored store still has a lift to deliver that the device followed long ago, before a notice that the store has lost: it passes
// over a lift that it knows, so that another one is needed.
func TestRestoredBackupHasAnOldLift(t *testing.T) {
	db := memory.New()
	r := newRig(t, func(c *authority.Config) { c.Store = db })
	damascus := territory.Signals{GNSS: &territory.Fix{Lat: 33.5102, Lon: 36.2913, AccuracyM: 20}, Cell: "417-01"}
	syria := order.Ground{Kind: order.Rule, ID: "syria"}
	imei := r.made("C-1", "ACME", "ES")
	shippedTo := func(consignee string) {
		t.Helper()
		_, err := r.ImportProduction(ctx, r.ana, []authority.Production{{IMEI: imei, Model: "Lantern X", Market: "ES", Consignee: consignee}})
		must(t, err)
	}
	p := r.newPhone(imei).enrol()
	p.live(8, damascus)
	p.stage(syria, order.Noticed, order.Noticed)
	shippedTo("EXAMPLE-AID") // which has a licence
	p.checkIn()
	r.sequence()
	undelivered := db.Backup()
	p.sync()
	p.stage(syria, order.Lifted, order.Lifted)
	shippedTo("ACME")
	p.live(2, damascus)
	p.stage(syria, order.Noticed, order.Noticed)

	db.Restore(undelivered)
	r.open()
	p.sync()
	p.sync()
	p.stage(syria, order.Lifted, order.Lifted)
}

// The restored store has a restriction as noticed, in its first round or a later one, and the device is locked by an order that the
// store has lost. The lock is undone, once, and the notice begins anew.
func TestRestoredBackupDoesNotKnowALock(t *testing.T) {
	db := memory.New()
	r := newRig(t, func(c *authority.Config) { c.Store = db })
	p := r.due(1)[0]
	for round := 2; round <= 3; round++ {
		backup := db.Backup()
		must(t, r.Sweep(ctx))
		_, err := r.ApproveWave(ctx, r.ana, r.openWave().ID, authority.WaveApproval{})
		must(t, err)
		r.sequence()
		p.live(5, havana)
		p.stage(cuba, order.Locked, order.Locked)

		db.Restore(backup)
		r.open()
		before := r.orders(p)
		p.sync()
		for range 3 {
			p.sync()
		}
		if after := r.orders(p); after != before+2 {
			t.Errorf("%d orders, then %d", before, after)
		}
		if again := p.stage(cuba, order.Noticed, order.Noticed); again.Round != round {
			t.Errorf("%+v", again)
		}
		p.live(20, havana)
	}
}

func (r *rig) orders(p *phone) int {
	r.Helper()
	return len(p.detail().Orders)
}
