package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/policies"
)

// until waits for a page that looks by itself what is new, and fails the test when nothing comes.
func (b *tab) until(selector, part string) {
	b.t.Helper()
	for range 600 {
		if strings.Contains(b.text(selector), part) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.t.Fatalf("tab %s: %s says %q and never %q", b.name, selector, b.text(selector), part)
}

// TestJobsInTheConsole: an officer begins a simulation and a release by forms, follows both without loading a page again, reads what came of them, and is
// told why a second release is refused.
func TestJobsInTheConsole(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.switchOn()
	s.logIn()
	s.console("jobs")
	s.desk.says("main", "None yet")
	s.day()

	s.simulate()
	at := s.hold()
	stale := s.desk.another("stale")
	stale.open(at)
	s.desk.write("#finding", "The route is explained by the distributor's papers.")
	s.desk.press("form[action$='/conclude'] button")

	s.console("jobs")
	s.desk.until("#jobs tbody tr", "Done")
	s.desk.says("#jobs tbody tr", "Release case-0001")
	s.desk.says("#jobs tbody tr .progress", "1 of 1 device")
	s.desk.press("#jobs tbody tr a")
	s.desk.says("h1", "Release case-0001")
	s.desk.says("#job table", "Holds lifted1Devices that have not yet reported the lift1")
	s.desk.need(`#job progress[value="100"]`)
	if s.desk.has("#job pre") || s.desk.has("form[action$='/cancel']") {
		t.Error("a release is shown as text for machines, or can be called off")
	}
	if got := string(s.desk.download("#job a[download]")); !strings.HasPrefix(got, `{"lifted":1,`) {
		t.Errorf("the result for machines is %s", got)
	}

	stale.write("#finding", "Concluded once more, on a page that is no longer true.")
	stale.press("form[action$='/conclude'] button")
	stale.says(".note.bad", "This case is concluded.")
	jobs, err := s.server.Service.Jobs(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	releases := 0
	for _, j := range jobs {
		if j.Kind == authority.ReleaseJob {
			releases++
		}
	}
	if releases != 1 {
		t.Errorf("%d releases; one that is refused begins no job", releases)
	}
	s.desk.load(http.StatusNotFound, chromedp.Navigate(s.server.base+"/console/jobs/99"))
}

// simulate checks a policy and has the console count what it would do.
func (s *story) simulate() {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "next.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(string(policies.Terms202109), "\nversion: 1\n", "\nversion: 2\n", 1)), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.console("policy")
	s.desk.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{file}))
	s.desk.press("form[action='/console/policy/check'] button")
	s.desk.press("form[action='/console/policy/simulate'] button")
	s.desk.says("h1", "Simulation of a policy")
	s.desk.until(".head", "Done")
	s.desk.says("section[aria-labelledby=simulation]", "1 device counted")
	s.desk.need("#job a[download]")
}

// hold opens a case on the phone's shipment by the forms, and has it held; it returns where the case is.
func (s *story) hold() (at string) {
	s.t.Helper()
	service, ctx := s.server.Service, s.t.Context()
	ben, _ := s.server.officer(s.t, "ben", authority.RoleOfficer)
	made := []authority.Production{{IMEI: s.phone.Config().IMEI, Serial: s.phone.Config().Serial, Model: "Lantern P", Market: "AE", Consignment: "SHIP-7", Consignee: "trader"}}
	if _, err := service.ImportProduction(ctx, ben, made); err != nil {
		s.t.Fatal(err)
	}
	s.console("cases")
	s.desk.write("#title", "Phones made for the Emirates appear elsewhere")
	s.desk.write("#consignment", "SHIP-7")
	s.desk.press("form[action='/console/cases'] button")
	s.desk.says("h1", "Phones made for the Emirates")
	at = evaluate[string](s.desk, "location.href")
	w, _, err := service.DraftWarrant(ctx, ben, "case-0001", "We are investigating this shipment.", s.server.Now().AddDate(0, 0, 40))
	if err != nil {
		s.t.Fatal(err)
	}
	ana, _ := s.server.officer(s.t, "ana", authority.RoleOfficer)
	if _, err := service.CountersignWarrant(ctx, ana, w.ID); err != nil {
		s.t.Fatal(err)
	}
	s.phone.Move(worldAt(phone.Tehran))
	s.day() // the phone checks in, and is told of the hold
	s.console(strings.TrimPrefix(at, s.server.base+"/console/"))
	s.desk.says("main", "Holding")
	return at
}
