package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/store/days"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// atStep4 makes the tables of step 4, and puts a fleet of n into them as a server of that release did.
func atStep4(t testing.TB, url string, n int) (fleet []*authority.Device) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	must := func(query string, args ...any) {
		t.Helper()
		if _, err := c.Exec(t.Context(), query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	source, err := os.ReadFile("migrations/0004_records.sql")
	if err != nil {
		t.Fatal(err)
	}
	must(stepsTable)
	if _, err := c.PgConn().Exec(t.Context(), string(source)).ReadAll(); err != nil {
		t.Fatal(err)
	}
	must("INSERT INTO schema_step (number, name) VALUES (4, '0004_records.sql')")
	must("INSERT INTO receipt VALUES (1, 1, 5, false)")
	batch := new(pgx.Batch)
	for i := range n {
		d := usual(t, i, i%91)
		switch i % 4 {
		case 1:
			d = fleetDevice(i)
		case 2:
			d.LicenceNames, d.VerdictRule, d.Unlocks, d.ClockDoubt = []string{"relief"}, "cuba", 3, true
		}
		packed, err := days.Pack(d.Days)
		if err != nil {
			t.Fatal(err)
		}
		reasons, err1 := table.Texts(d.Reasons)
		licences, err2 := table.Texts(d.LicenceNames)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		var activation, day, mixed any
		if a := d.Activation; a != nil {
			activation, day, mixed = string(a.Territory), int32(a.Day), a.Mixed
		}
		if i%3 == 0 {
			d.Made = &authority.Lot{Model: "A5", Market: "FR", Consignment: fmt.Sprint("c", i%5), Consignee: "dealer", ShippedOn: 20_000}
			batch.Queue("INSERT INTO production VALUES ($1, $2, $3, $4, $5, $6, $7)", string(d.IMEI), d.Serial, d.Made.Model, string(d.Made.Market), d.Made.Consignment, d.Made.Consignee, int32(d.Made.ShippedOn))
		}
		batch.Queue(`INSERT INTO device (id, imei, serial, model, sequence, unlocks, enrolled_at, last_seen, decided_at, attestation, key_ceiling, boot,
			verdict, clock_doubt, activation_day, activation_mixed, attestation_key, days, policy, software, place, verdict_rule, reasons, licences, activation)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)`,
			d.ID[:], string(d.IMEI), d.Serial, d.Model, int64(d.Sequence), int64(d.Unlocks), table.Stamp(d.EnrolledAt), table.Stamp(d.LastSeen), table.Stamp(d.DecidedAt), int16(d.Attestation),
			int16(d.KeyCeiling), int16(d.Boot), int16(d.Verdict), d.ClockDoubt, day, mixed, table.Blob(d.Key), table.Blob(packed), orNull(&d.PolicyHash), d.Software,
			string(d.Present()), d.VerdictRule, reasons, licences, activation)
		if i%10 == 0 {
			d.Stage = order.Noticed
			batch.Queue(`INSERT INTO restriction (device, ground_kind, ground, round, stage, territory, authority, reference, noticed_at, deadline, shown_days, cause,
				appealing, applied, applied_note) VALUES ($1, 1, 'cuba', 1, 1, 'CU', $2, 'R', 0, 604800000000, 0, 0, false, 0, '')`, d.ID[:], make([]byte, 32))
			batch.Queue(`INSERT INTO orders (device, issued_at, kind, ground_kind, settled, id, leaf, salt, ground, refusal)
				VALUES ($1, 1, 1, 1, false, $2, '\x01', $2, 'cuba', '')`, d.ID[:], append(append([]byte{}, d.ID[:]...), d.ID[:]...))
			batch.Queue(`INSERT INTO appeal (device, ground_kind, ground, words, contact, opened_at, due_at, state, answered_by, answer, stopped_lock)
				VALUES ($1, 1, 'cuba', 'w', 'c', 1, 2, 'open', '', '', false)`, d.ID[:])
		}
		fleet = append(fleet, d)
	}
	if err := c.SendBatch(t.Context(), batch).Close(); err != nil {
		t.Fatal(err)
	}
	return fleet
}

// TestRecordsAreBroughtOver: from step 4 with a fleet, by several servers that start at once, of which some are ended in the middle of it.
func TestRecordsAreBroughtOver(t *testing.T) {
	const n = 2*stretch + 500
	url := pgtest.Database(t)
	fleet := atStep4(t, url, n)
	for range 3 { // a process that ends after a stretch each time
		c, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		more, err := migrateOnce(t.Context(), c, migrations, newPassage(nil))
		c.Close(context.Background())
		if err != nil || !more {
			t.Fatalf("more: %v, %v", more, err)
		}
	}
	var group sync.WaitGroup
	servers := make([]*DB, 3)
	var told atomic.Int64
	for i := range servers {
		group.Go(func() {
			db, err := Open(context.Background(), url, Options{Progress: func(_ string, done, total int) {
				if done < 1 || done > total {
					t.Errorf("%d of %d are brought over", done, total)
				}
				told.Add(1)
			}})
			if err != nil {
				t.Error(err)
				return
			}
			servers[i] = db
		})
	}
	group.Wait()
	for _, db := range servers {
		if db != nil {
			defer db.Close()
		}
	}
	if told.Load() == 0 {
		t.Error("nobody was told how far it is")
	}
	if t.Failed() {
		return
	}
	err := servers[0].View(t.Context(), func(tx authority.Tx) error {
		for i, want := range fleet {
			got, err := tx.Device(want.ID)
			if err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
			if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(authority.Device{}, "Revision")); d != "" {
				return fmt.Errorf("%d is not the same (- want, + got):\n%s", i, d)
			}
			if i%10 != 0 {
				continue
			}
			r, err1 := tx.Restrictions(want.ID)
			o, err2 := tx.OrdersOf(want.ID, 5)
			a, err3 := tx.AppealsOf(want.ID)
			if err := errors.Join(err1, err2, err3); err != nil {
				return err
			}
			if len(r) != 1 || len(o) != 1 || len(a) != 1 || r[0].Device != want.ID || o[0].Device != want.ID || a[0].Device != want.ID {
				return fmt.Errorf("%d has %d restrictions, %d orders, %d appeals", i, len(r), len(o), len(a))
			}
		}
		count, err := tx.CountDevices()
		if err == nil && count != n {
			err = fmt.Errorf("%d devices are counted", count)
		}
		p, err2 := tx.Productions("c0", "", n)
		if err2 == nil && len(p) != (n+14)/15 {
			err2 = fmt.Errorf("%d of the consignment", len(p))
		}
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := servers[1].Update(t.Context(), count1(0)); err != nil {
		t.Error(err)
	}
}

// TestServerOfStep4 that lives keeps its records as they are; it is named, to be stopped.
func TestServerOfStep4(t *testing.T) {
	url := pgtest.Database(t)
	atStep4(t, url, 3)
	rootOf(t, url)("UPDATE lease SET holder = 'elsewhere', expires_at = clock_timestamp() + interval '1 hour'")
	if _, err := Open(t.Context(), url, Options{}); !errors.Is(err, errOlder) || !strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("%v", err)
	}
}

// usual is a device as most are: its days are those of somebody who stays in a country, with a phone that sees other signals every few days.
func usual(t testing.TB, n, length int) *authority.Device {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	at := time.UnixMicro(1_790_000_000_123_456 + r.Int64N(1e12)).UTC()
	d := fleetDevice(n)
	d.Serial, d.Model, d.Software, d.Sequence, d.Boot = fmt.Sprintf("R58M%07d", n), "Model A5 2026", "agent/1.0.0", 95, evidence.BootVerified
	d.Key, d.Attestation, d.KeyCeiling = p256Key(t, n), policy.Genuine, policy.Genuine
	d.EnrolledAt, d.LastSeen, d.DecidedAt = at, at.Add(90*24*time.Hour+time.Duration(r.Int64N(1e15))).Truncate(time.Microsecond), at.Add(5*24*time.Hour+time.Duration(r.Int64N(1e12))).Truncate(time.Microsecond)
	d.Verdict, d.PolicyHash = policy.Permit, [32]byte{1}
	home := []territory.Code{"FR", "DE", "IN", "MX", "UA"}[r.IntN(5)]
	d.Reasons = []policy.Reason{{Code: policy.OfficialMarket, Text: "The device was activated in " + string(home) + ", an official market."}}
	first := territory.DayOf(at)
	d.Days = nil
	for i := range territory.Day(length) {
		day := territory.DayRecord{Day: first + i, Territory: home, Percent: 99, Agree: 31}
		switch share := r.Float64(); {
		case share < .03:
			continue
		case share < .1:
			day.Percent, day.Agree = 98, 30
		case share < .2:
			day.Agree = 23
		case share < .25:
			day.Percent, day.Agree, day.Against = 97, 23, 8
		}
		d.Days = append(d.Days, day)
	}
	if len(d.Days) > 0 {
		d.Activation = &territory.Activation{Territory: home, Day: first + 5}
	}
	return d
}

// BenchmarkBringingOver prints how many devices a second go from step 4 to this release's schema, and how many rows of the same size a second
// one connection copies within PostgreSQL, alone.
func BenchmarkBringingOver(b *testing.B) {
	const n = 50_000
	for range b.N {
		b.StopTimer()
		url := pgtest.Database(b)
		atStep4(b, url, n)
		c, err := pgx.Connect(b.Context(), url)
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if _, err := c.Exec(b.Context(), "CREATE TABLE copy (LIKE device INCLUDING ALL); INSERT INTO copy SELECT * FROM device; DROP TABLE copy"); err != nil {
			b.Fatal(err)
		}
		bound := n / time.Since(began).Seconds()
		b.StartTimer()
		began = time.Now()
		err = migrate(b.Context(), c, migrations, newPassage(nil))
		rate := n / time.Since(began).Seconds()
		b.StopTimer()
		if err = errors.Join(err, c.Close(context.Background())); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(rate, "devices/s")
		b.ReportMetric(rate/bound, "of-copy-bound")
		b.StartTimer()
	}
}

// orNull is the column of a hash that was not there yet.
func orNull(h *[32]byte) []byte {
	if *h == [32]byte{} {
		return nil
	}
	return h[:]
}
