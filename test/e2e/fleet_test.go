package e2e

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/fleet"
)

// live lets a fleet live through its days, against a server put together exactly as the demo's. change alters the
// server, fault what the simulation sees of it.
func live(t *testing.T, cfg fleet.Config, change func(*app.Config), fault func(*fleet.Config)) *fleet.Report {
	t.Helper()
	s := serve(t, fleet.Start.Add(-time.Hour), func(server *app.Config) {
		server.ManualWork, server.Unlimited = true, true
		server.DeviceIDs = rand.NewChaCha8([32]byte{byte(cfg.Seed)})
		if change != nil {
			change(server)
		}
	})
	one, _ := s.officer(t, "officer-one", "officer")
	two, _ := s.officer(t, "officer-two", "officer")
	cfg.Server, cfg.HTTP, cfg.Clock, cfg.Factory, cfg.Officers = s.base, s.http, s.clock, s.Factory, [2]*authority.Officer{one, two}
	cfg.Authority, cfg.Ledger = s.Service, publicLedger{s.base, s.Ledger.LogKey()}
	if fault != nil {
		fault(&cfg)
	}
	report, err := fleet.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := report.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	return report
}

// TestStory: what happened in September 2021 happens the way it should have.
func TestStory(t *testing.T) {
	t.Parallel()
	report := live(t, fleet.Config{Seed: 1, Devices: 300, Days: 60}, nil, nil)
	if !report.OK() {
		t.Error("the report is not OK")
	}
	if report.FalseNotices != 0 {
		t.Errorf("%d lawful devices were shown a notice", report.FalseNotices)
	}
	total := 0
	for _, c := range report.Cohorts {
		total += c.Devices
		if c.Devices == 0 {
			t.Errorf("cohort %q has no phone: its story was not told", c.Name)
		}
		if !c.AsExpected {
			t.Errorf("cohort %q: %+v", c.Name, c)
		}
	}
	if total != 300 || report.Devices != 300 || report.SimulatedDays != 60 {
		t.Errorf("%d phones in cohorts, %d devices, %d days", total, report.Devices, report.SimulatedDays)
	}
	if c := report.Case; c.Held == 0 || c.Held != c.Lifted || c.Stragglers != 0 || c.OfflineAtRelease == 0 {
		t.Errorf("the case: %+v; phones have to be held, all released, and some of them offline at the release", c)
	}
	if l := report.Ledger; l.Size == 0 || int(l.Size) != l.Verified {
		t.Errorf("the ledger: %+v", l)
	}
	if report.Charter.Checked == 0 || report.Charter.Violations != 0 {
		t.Errorf("the Charter: %+v", report.Charter)
	}
	if report.CheckIns < 300*20 {
		t.Errorf("only %d check-ins: the fleet was asleep", report.CheckIns)
	}
}

// TestSameSeedSameOutcome: but for the seconds, two runs tell the same.
func TestSameSeedSameOutcome(t *testing.T) {
	t.Parallel()
	var texts [2][]byte
	for i := range texts {
		report := live(t, fleet.Config{Seed: 7, Devices: 120, Days: 55}, nil, nil)
		report.Seconds = 0
		text, err := json.MarshalIndent(report, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = text
	}
	if !bytes.Equal(texts[0], texts[1]) {
		t.Errorf("two runs of one seed differ:\n%s\n%s", texts[0], texts[1])
	}
}
