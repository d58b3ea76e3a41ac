package authority_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// Whoever brings files may leave as many unfinished as they like: the way out of a hold does not wait behind them, and each can be gone on with.
func TestAbandonedImportsStandInNobodysWay(t *testing.T) {
	r := newRig(t)
	file := func(i int) authority.ImportFile {
		return authority.ImportFile{Name: "made.csv", SHA256: fmt.Sprintf("%064x", i), Size: 300}
	}
	for i := range 101 {
		_, err := r.BeginImport(ctx, r.ana, file(i))
		must(t, err)
	}
	if _, err := r.BeginImport(ctx, r.ben, file(100)); err != nil {
		t.Errorf("the newest of many imports cannot be gone on with: %v", err)
	}
	var id int64
	must(t, r.store.Update(ctx, func(tx authority.Tx) (err error) {
		id, err = tx.InsertJob(&authority.Job{Kind: authority.ReleaseJob, Subject: "case-0001", By: "ana", CreatedAt: r.now(), UpdatedAt: r.now()})
		return err
	}))
	list, err := r.UnfinishedJobs(ctx)
	must(t, err)
	if len(list) != 1 || list[0].ID != id {
		t.Errorf("servers see %d jobs to go on with, not the release", len(list))
	}
}

// A newer server beside this one has begun a job of a kind that this one does not know: it is left to that one, and stands in nobody's way.
func TestJobOfANewerServerIsLeftToIt(t *testing.T) {
	r := newRig(t)
	var id int64
	must(t, r.store.Update(ctx, func(tx authority.Tx) (err error) {
		id, err = tx.InsertJob(&authority.Job{Kind: "sorting", Subject: "1", By: "ana", CreatedAt: r.now(), UpdatedAt: r.now()})
		return err
	}))
	if _, err := r.StepJob(ctx, id); err == nil || !strings.Contains(err.Error(), "sorting") {
		t.Errorf("a step of it: %v", err)
	}
	if err := r.Work(ctx); err != nil {
		t.Errorf("it stands in the way of other jobs: %v", err)
	}
	j, err := r.Job(ctx, id)
	must(t, err)
	if j.State != authority.JobWaiting || j.Fault != "" {
		t.Errorf("a server of an earlier release has ended it: %s %s", j.State, j.Fault)
	}
}

func TestImportGoesOnWhereItWas(t *testing.T) {
	r := newRig(t)
	file := authority.ImportFile{Name: "made.csv", SHA256: strings.Repeat("a1", 32), Size: 300}
	rows := func(from, n int) (list []authority.Production) {
		for i := range n {
			list = append(list, authority.Production{IMEI: imeiOf(uint64(from + i)), Serial: "S", Model: "Lantern X", Market: "ES", Consignment: "C-7", Consignee: "trader"})
		}
		return list
	}
	at := func(offset int64, line int) authority.ImportPlace {
		return authority.ImportPlace{Offset: offset, Line: line}
	}
	j, err := r.BeginImport(ctx, r.ana, file)
	must(t, err)
	if _, err := r.ImportRows(ctx, r.ana, j.ID, at(0, 0), at(100, 6), rows(1, 4), 1); err != nil {
		t.Fatal(err)
	}
	// The answer is lost, and whoever brings the file begins again.
	again, err := r.BeginImport(ctx, r.ben, file)
	must(t, err)
	var place authority.ImportPlace
	must(t, json.Unmarshal(again.Cursor, &place))
	if again.ID != j.ID || place != at(100, 6) {
		t.Fatalf("%+v", again)
	}
	if _, err := r.ImportRows(ctx, r.ana, j.ID, at(0, 0), at(100, 6), rows(1, 4), 1); !errors.Is(err, authority.ErrChanged) {
		t.Errorf("the same part twice: %v", err)
	}
	for name, bad := range map[string]func() error{
		"backwards":      func() error { _, err := r.ImportRows(ctx, r.ana, j.ID, place, at(50, 7), nil, 0); return err },
		"beyond the end": func() error { _, err := r.ImportRows(ctx, r.ana, j.ID, place, at(301, 7), nil, 0); return err },
		"a wrong IMEI": func() error {
			_, err := r.ImportRows(ctx, r.ana, j.ID, place, at(200, 9), []authority.Production{{IMEI: "1", Market: "ES"}}, 0)
			return err
		},
		"of no such file": func() error { f := file; f.SHA256 = "x"; _, err := r.BeginImport(ctx, r.ana, f); return err },
	} {
		if err := bad(); !errors.Is(err, authority.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.ImportRows(ctx, r.sam, j.ID, place, at(200, 9), nil, 0); !errors.Is(err, authority.ErrForbidden) {
		t.Errorf("by support: %v", err)
	}
	must(t, r.Work(ctx)) // whoever has the file drives it
	done, err := r.ImportRows(ctx, r.ana, j.ID, place, at(300, 12), rows(5, 6), 0)
	must(t, err)
	var result authority.Imported
	must(t, json.Unmarshal(done.Result, &result))
	if done.State != authority.JobDone || result != (authority.Imported{Name: "made.csv", Records: 10, Rejected: 1}) {
		t.Errorf("%+v %+v", done, result)
	}
	must(t, r.store.View(ctx, func(tx authority.Tx) error {
		made, err := tx.Productions("C-7", "", 100)
		if len(made) != 10 {
			t.Errorf("%d records", len(made))
		}
		return err
	}))
	if next, err := r.BeginImport(ctx, r.ana, file); err != nil || next.ID == j.ID {
		t.Errorf("a file that was imported cannot be imported again: %+v, %v", next, err)
	}
}
