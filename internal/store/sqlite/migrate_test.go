package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/days"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// ofVersion makes a file as a release wrote it that knew the steps up to version, with a small fleet in it.
func ofVersion(t *testing.T, version int, fleet []*authority.Device) (dir string) {
	t.Helper()
	dir = t.TempDir()
	db, err := sql.Open("sqlite", dsn(filepath.Join(dir, FileName), ""))
	if err != nil {
		t.Fatal(err)
	}
	run := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	names, err := migrations.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names[:version] {
		source, err := migrations.ReadFile("migrations/" + name.Name())
		if err != nil {
			t.Fatal(err)
		}
		run(string(source))
	}
	run(fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, version))
	for _, d := range fleet {
		insertStep4(t, run, d)
	}
	lot := fleet[1].Made
	run("INSERT INTO production VALUES (?, 'S1', ?, ?, ?, ?, ?)", string(fleet[1].IMEI), lot.Model, string(lot.Market), lot.Consignment, lot.Consignee, int64(lot.ShippedOn))
	run("INSERT INTO production VALUES ('356938035643809', '', ?, ?, ?, ?, ?)", lot.Model, string(lot.Market), lot.Consignment, lot.Consignee, int64(lot.ShippedOn))
	id := fleet[0].ID[:]
	const week = 7 * 24 * 3600 * 1_000_000
	run(`INSERT INTO restriction (device, ground_kind, ground, round, stage, territory, authority, reference, noticed_at, deadline, shown_days, cause,
		appealing, applied, applied_note) VALUES (?, 1, 'cuba', 2, 1, 'CU', zeroblob(32), 'R', 0, ?, 3, 0, 1, 1, 'x')`, id, week)
	run(`INSERT INTO orders (number, id, device, leaf, salt, kind, ground_kind, ground, issued_at, leaf_index, settled, refusal)
		VALUES (7, zeroblob(32), ?, x'01', zeroblob(32), 1, 1, 'cuba', 5, 9, 0, '')`, id)
	run(`INSERT INTO appeal (number, device, ground_kind, ground, words, contact, opened_at, due_at, state, answered_by, answer)
		VALUES (3, ?, 1, 'cuba', 'words', 'contact', 5, 6, 'open', '', '')`, id)
	run("INSERT INTO event (device, at, kind, ground_kind, ground, actor, detail) VALUES (?, 5, 'noticed', 1, 'cuba', 'rule', 'Told.')", id)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func insertStep4(t *testing.T, run func(string, ...any), d *authority.Device) {
	t.Helper()
	packed, err1 := days.Pack(d.Days)
	reasons, err2 := table.Texts(d.Reasons)
	licences, err3 := table.Texts(d.LicenceNames)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	var activation, day, mixed, place any = nil, nil, nil, string(d.Present())
	if a := d.Activation; a != nil {
		activation, day, mixed, place = string(a.Territory), int64(a.Day), a.Mixed, string(a.Territory)
	}
	run(`INSERT INTO device (id, imei, serial, model, place, attestation_key, attestation, key_ceiling, boot, software, sequence, enrolled_at, last_seen,
		days, activation, activation_day, activation_mixed, clock_doubt, unlocks, verdict, verdict_rule, reasons, policy, decided_at, licences)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		d.ID[:], string(d.IMEI), d.Serial, d.Model, place, table.Blob(d.Key), int64(d.Attestation), int64(d.KeyCeiling), int64(d.Boot), d.Software,
		int64(d.Sequence), table.Stamp(d.EnrolledAt), table.Stamp(d.LastSeen), packed, activation, day, mixed, d.ClockDoubt, int64(d.Unlocks), int64(d.Verdict),
		d.VerdictRule, reasons, orNull(&d.PolicyHash), table.Stamp(d.DecidedAt), licences)
}

// oldFleet has devices of all sorts, in the order of their IDs.
func oldFleet() (fleet []*authority.Device) {
	for n, of := range []int{0, 1, 10, 90} {
		d := usual(n, of)
		d.ID = device.ID{byte(0x40 * n), 15: 1}
		fleet = append(fleet, d)
	}
	fleet[0].Key, fleet[0].Model, fleet[0].Reasons = nil, "", nil
	fleet[1].Made = &authority.Lot{Model: "M", Market: "DE", Consignment: "c-1", Consignee: "Nord", ShippedOn: 20_000}
	fleet[2].LicenceNames, fleet[2].Unlocks, fleet[2].ClockDoubt = []string{"relief-2026"}, 3, true
	return fleet
}

func TestRecordsOfEveryVersion(t *testing.T) {
	for version := 1; version <= 4; version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			fleet := oldFleet()
			dir := ofVersion(t, version, fleet)

			// The process is ended in the middle: nothing has changed, and the next start does all of it.
			ctx, cancel := context.WithCancel(t.Context())
			told := 0
			if db, err := Open(ctx, dir, Options{Progress: func(string, int, int) { told++; cancel() }}); err == nil {
				_ = db.Close()
				t.Fatal("it went on after its end")
			}
			if told == 0 {
				t.Error("nobody heard of the progress")
			}
			db, err := Open(t.Context(), dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			lookAtOldFleet(t, db, fleet)
		})
	}
}

func lookAtOldFleet(t *testing.T, db *DB, fleet []*authority.Device) {
	t.Helper()
	same := func(what string, got, want any) {
		t.Helper()
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(authority.Device{}, "Revision", "Stage")); d != "" {
			t.Errorf("%s (- want, + got):\n%s", what, d)
		}
	}
	if err := db.View(t.Context(), func(tx authority.Tx) error {
		var all []*authority.Device
		err := tx.EachDevice(device.ID{}, func(d *authority.Device) error { all = append(all, d); return nil })
		same("devices", all, fleet)
		n, err2 := tx.CountDevices()
		same("how many", n, len(fleet))
		counts, err3 := tx.StageCounts()
		same("by stage", counts[0], authority.StageCount{Territory: "", Stage: order.Noticed, Devices: 1})
		r, err4 := tx.Restrictions(fleet[0].ID)
		if len(r) != 1 || r[0].Device != fleet[0].ID || r[0].Round != 2 || r[0].ShownDays != 3 || !r[0].Appealing {
			t.Errorf("restrictions %+v", r)
		}
		o, err5 := tx.Deliverable(fleet[0].ID)
		if len(o) != 1 || o[0].Device != fleet[0].ID || o[0].Index != 9 {
			t.Errorf("orders %+v", o)
		}
		a, err6 := tx.AppealsOf(fleet[0].ID)
		if len(a) != 1 || a[0].Device != fleet[0].ID || a[0].ID != 3 || a[0].Text != "words" {
			t.Errorf("appeals %+v", a)
		}
		e, err7 := tx.Events(fleet[0].ID, 5)
		if len(e) != 1 || e[0].Detail != "Told." {
			t.Errorf("events %+v", e)
		}
		p, err8 := tx.Productions("c-1", "", 5)
		if len(p) != 2 || p[0].IMEI != fleet[1].IMEI || p[0].Serial != "S1" || p[1].Lot() != *fleet[1].Made {
			t.Errorf("production records %+v", p)
		}
		list, _, err9 := tx.Devices(authority.DeviceQuery{Consignment: "c-1", Limit: 5})
		same("of the consignment", list, fleet[1:2])
		return errors.Join(err, err2, err3, err4, err5, err6, err7, err8, err9)
	}); err != nil {
		t.Fatal(err)
	}
	// And they live on.
	if err := db.Update(t.Context(), func(tx authority.Tx) error {
		d, err := tx.Device(fleet[3].ID)
		if err != nil {
			return err
		}
		d.Sequence, d.LastSeen, d.Days = d.Sequence+1, d.LastSeen.Add(time.Hour), append(d.Days[1:], territory.DayRecord{Day: d.Days[len(d.Days)-1].Day + 3})
		return tx.UpdateDeviceIfNewer(d, d.Sequence-1)
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx authority.Tx) error {
		return tx.LiftIfActive(fleet[0].ID, order.Ground{Kind: order.Rule, ID: "cuba"}, time.Now(), order.ByHuman)
	}); err != nil {
		t.Fatal(err)
	}
}

// orNull is the column of a hash that was not there yet.
func orNull(h *[32]byte) []byte {
	if *h == [32]byte{} {
		return nil
	}
	return h[:]
}
