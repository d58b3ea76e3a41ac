package scale_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/scale"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// simulated runs a simulation to its end.
func simulated(t testing.TB, s *authority.Service, source []byte) authority.Simulation {
	t.Helper()
	ctx := context.Background()
	j, err := s.Simulate(ctx, ada, "terms.yaml", source)
	must(t, err)
	j, err = s.FinishJob(ctx, j.ID)
	must(t, err)
	if j.State != authority.JobDone {
		t.Fatalf("%+v: %v", j, j.Err())
	}
	var r authority.Simulation
	must(t, json.Unmarshal(j.Result, &r))
	return r
}

func TestSimulationCountsEveryDevice(t *testing.T) {
	const n = 3000
	ctx := context.Background()
	store := onSQLite(t)
	must(t, scale.Fleet(ctx, store, n, 14, now, nil))
	cuba := order.Ground{Kind: order.Rule, ID: "cuba"}
	p, err := policy.Parse("terms.yaml", policies.Terms202109)
	must(t, err)
	var want authority.Outcome
	placed := make(map[territory.Code]int)
	must(t, store.Update(ctx, func(tx authority.Tx) error { // some are noticed, one of them was lifted for good
		want, placed = authority.Outcome{}, make(map[territory.Code]int)
		for i := range n {
			d, err := tx.Device(scale.ID(i))
			if err != nil {
				return err
			}
			at := d.Activation.Territory
			denied := p.Decide(policy.Facts{Device: d.ID, Model: d.Model, TAC: d.IMEI.TAC(), Category: "consumer", Attestation: d.Attestation,
				Present: at, Market: "IN", Consignee: "Example Trading", Activation: at, ActivatedOn: d.Activation.Day}, now).Verdict == policy.Deny
			want.Devices++
			placed[at]++
			switch {
			case denied && at == "CU" && i%3 == 0:
				want.Denied++
				r := &authority.Restriction{Device: d.ID, Ground: cuba, Stage: order.Noticed, Territory: "CU", Authority: [32]byte{1}, Reference: "R",
					NoticedAt: now.Add(-time.Hour), Deadline: now.Add(10 * 24 * time.Hour)}
				if err := tx.NoticeIfFree(r); err != nil {
					return err
				}
				if i%2 == 0 {
					if err := tx.LiftIfActive(d.ID, cuba, now, order.ByHuman); err != nil {
						return err
					}
				}
			case denied:
				want.Denied++
				want.Noticed++
			}
		}
		return nil
	}))
	if want.Noticed < 100 || want.Denied <= want.Noticed {
		t.Fatalf("the fleet has nothing to simulate: %+v", want)
	}
	s := service(t, store)
	r := simulated(t, s, policies.Terms202109)
	if r.Total.After != want || r.Total.Before != (authority.Outcome{}) {
		t.Errorf("%+v, want %+v", r.Total, want)
	}
	for place, devices := range placed {
		if got := r.ByTerritory[place]; got == nil || got.After.Devices != devices {
			t.Errorf("%s: %+v, want %d", place, got, devices)
		}
	}
	models := 0
	for _, c := range r.ByModel {
		models += c.After.Noticed
	}
	if models != want.Noticed || len(r.ByModel) != 4 {
		t.Errorf("by model: %+v", r.ByModel)
	}
	if len(r.Samples) != 20 {
		t.Errorf("%d samples", len(r.Samples))
	}
	for _, sample := range r.Samples {
		if sample.What != "noticed" || sample.After != policy.Deny || sample.Why == "" || sample.Rule == "" {
			t.Errorf("%+v", sample)
		}
	}
	if _, err := s.Simulate(ctx, ada, "terms.yaml", []byte("nonsense")); err == nil {
		t.Error("nonsense was simulated")
	}
}

// BenchmarkSimulation counts 200,000 devices with a history of 90 days.
func BenchmarkSimulation(b *testing.B) {
	const n = 200_000
	store := onSQLite(b)
	must(b, scale.Fleet(context.Background(), store, n, 90, now, nil))
	s := service(b, store)
	begun, rounds := time.Now(), 0
	for b.Loop() {
		rounds++
		if r := simulated(b, s, policies.Terms202109); r.Total.After.Devices != n {
			b.Fatalf("%+v", r.Total)
		}
	}
	b.ReportMetric(float64(rounds*n)/time.Since(begun).Seconds(), "devices/s")
}
