// Package scale makes fleets of any size directly in a store, past the protocol, and measures on them what is done to many devices at
// once: a release, the simulation of a policy, an import. Tests use it with small numbers, `bailiwick bench` with large ones.
package scale

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Consignment is the shipment that all devices of a fleet left with.
const Consignment = "SHIP-2021-07-114"

// seedChunk is how many devices are put in one transaction.
const seedChunk = 5000

// ID is the id of the n-th device: spread over the whole key space, as random ids are.
func ID(n int) (id device.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(n+1)*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

// IMEI is that of the n-th device, n below 10¹².
func IMEI(n int) device.IMEI {
	body := fmt.Sprintf("35%012d", n)
	return device.IMEI(body + string(device.CheckDigit(body)))
}

// places are where devices were activated, by turns: most where they may be.
var places = [...]territory.Code{"DE", "DE", "FR", "IN", "BR", "US", "CU", "DE", "IR", "UA-43", "MX", "DE", "PL", "IN", "SD", "ES"}

var models = [...]string{"Lantern X", "Lantern S", "Lantern 5", "Lantern Mini"}

// Device is the n-th device: genuine, activated days ago, seen an hour before now.
func Device(n int, now time.Time, days int) *authority.Device {
	at := places[n%len(places)]
	today := territory.DayOf(now)
	d := &authority.Device{ID: ID(n), IMEI: IMEI(n), Serial: fmt.Sprintf("S%010d", n), Model: models[n/7%len(models)], Key: make([]byte, 91),
		Attestation: policy.Genuine, KeyCeiling: policy.Genuine, Boot: evidence.BootVerified, Software: "agent/1.0.0", Sequence: 90,
		EnrolledAt: now.AddDate(0, 0, -days-1), LastSeen: now.Add(-time.Hour), Verdict: policy.Permit, PolicyHash: [32]byte{1},
		Activation: &territory.Activation{Territory: at, Day: today - territory.Day(days)}}
	binary.BigEndian.PutUint64(d.Key[40:], uint64(n)*0x9e3779b97f4a7c15)
	for i := range days {
		d.Days = append(d.Days, territory.DayRecord{Day: today - territory.Day(days-i), Territory: at, Percent: 97, Agree: 3})
	}
	return d
}

// Production is the production record of the n-th device.
func Production(n int) authority.Production {
	return authority.Production{IMEI: IMEI(n), Serial: fmt.Sprintf("S%010d", n), Model: models[n/7%len(models)], Market: "IN", Consignment: Consignment,
		Consignee: "Example Trading", ShippedOn: 18_800}
}

// Held puts n devices into an empty store, all of them locked by the warrant of one case, and returns the case's id. progress, which may be
// nil, is told how many are there.
func Held(ctx context.Context, store authority.Store, n int, now time.Time, progress func(done int)) (string, error) {
	const caseID, warrantID = "case-0001", "warrant-0001"
	ground := order.Ground{Kind: order.Warrant, ID: warrantID}
	hash := [32]byte{7}
	begun := now.Add(-20 * 24 * time.Hour)
	err := store.Update(ctx, func(tx authority.Tx) error {
		c := &authority.Case{ID: caseID, Title: "Phones made for India appear elsewhere", Consignment: Consignment, State: authority.CaseHolding, OpenedBy: "ada", OpenedAt: begun}
		if err := tx.InsertCase(c); err != nil {
			return err
		}
		w := &authority.Warrant{ID: warrantID, Case: caseID, Reason: "We are investigating this shipment.", DraftedBy: "ada", DraftedAt: begun,
			EndsAt: begun.Add(80 * 24 * time.Hour), Document: []byte{1}, DevicesAtIssue: n}
		if err := tx.InsertWarrant(w); err != nil {
			return err
		}
		w.CountersignBy, w.CountersignAt, w.Hash = "bela", begun, hash
		return tx.CountersignIfDraft(w)
	})
	if err != nil {
		return "", err
	}
	effect := now.Add(-2 * 24 * time.Hour)
	return caseID, each(ctx, store, n, progress, func(tx authority.Tx, from, to int) error {
		for i := from; i < to; i++ {
			d := Device(i, now, 14)
			if err := tx.InsertDevice(d); err != nil {
				return err
			}
			if err := tx.NoticeIfFree(&authority.Restriction{Device: d.ID, Ground: ground, Stage: order.Noticed, Authority: hash,
				Reference: order.Reference(d.ID, ground), NoticedAt: begun, Deadline: effect}); err != nil {
				return err
			}
			if err := tx.LockIfNoticed(d.ID, ground, effect.Add(-time.Hour), effect, effect.Add(60*24*time.Hour)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Fleet puts n devices with a history of so many days into an empty store, with their production records.
func Fleet(ctx context.Context, store authority.Store, n, days int, now time.Time, progress func(done int)) error {
	return each(ctx, store, n, progress, func(tx authority.Tx, from, to int) error {
		rows := make([]authority.Production, 0, to-from)
		for i := from; i < to; i++ {
			rows = append(rows, Production(i))
		}
		if err := tx.PutProduction(rows); err != nil {
			return err
		}
		for i := from; i < to; i++ {
			if err := tx.InsertDevice(Device(i, now, days)); err != nil {
				return err
			}
		}
		return nil
	})
}

func each(ctx context.Context, store authority.Store, n int, progress func(int), put func(tx authority.Tx, from, to int) error) error {
	ctx = authority.WithManyWrites(ctx)
	for from := 0; from < n; from += seedChunk {
		to := min(from+seedChunk, n)
		if err := store.Update(ctx, func(tx authority.Tx) error { return put(tx, from, to) }); err != nil {
			return err
		}
		if progress != nil {
			progress(to)
		}
	}
	return nil
}
