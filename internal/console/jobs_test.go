package console_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/web/preview/staged"
)

func TestJobs(t *testing.T) {
	b := open(t, "nora")
	p := b.page("/console/jobs")
	if !strings.Contains(p.Text(), "Simulation of a policy terms.yaml") {
		t.Errorf("a simulation does not name its policy: %s", p.Text())
	}
	for _, want := range []string{"Release case-0001", "Runs", "310,000 of 1,000,000 devices", "about 2 minutes left", "Failed", "Done"} {
		if !strings.Contains(p.Text(), want) {
			t.Errorf("the jobs do not say %q: %s", want, p.Text())
		}
	}
	if bars := p.Find("progress", "value", "31"); len(bars) != 1 {
		t.Errorf("%d bars at 31 %%", len(bars))
	}
	if p := b.page("/console/jobs/2"); !strings.Contains(p.Text(), "Somebody has already decided this wave") || len(p.Find("form", "action", "/console/jobs/2/cancel")) != 0 {
		t.Error(p.Text())
	}
	for _, path := range []string{"/console/jobs/4", "/console/jobs/7"} {
		if p := b.page(path); len(p.Find("form", "action", path+"/cancel")) != 0 {
			t.Errorf("%s: a release, or a warrant's notices, can be called off", path)
		}
	}
	for path, wants := range map[string][]string{
		"/console/jobs/1": {"Devices that lost days 310", "Lines of time lines forgotten 4,012", "The result as JSON"},
		"/console/jobs/2": {"Locks ordered 0", "Left alone when looked at again: appealed 2", "clock doubt 1"},
		"/console/jobs/4": {"What has come of it so far", "Holds lifted 310,000", "Devices that have not yet reported the lift 0"},
		"/console/jobs/5": {"The result as JSON"},
		"/console/jobs/6": {`{ "sorted": 5 }`},
		"/console/jobs/7": {"Notices of warrant-0001", "420,000 of 1,000,000 devices", "Enrolled phones looked at 371,000", "Notices given 370,100", "Told before, at a check-in 800", "theirs comes at a check-in 100"},
	} {
		p := b.page(path)
		for _, want := range wants {
			if !strings.Contains(p.Text(), want) {
				t.Errorf("%s does not say %q: %s", path, want, p.Text())
			}
		}
		if pre := p.Find("pre"); (len(pre) == 0) == (path == "/console/jobs/6") {
			t.Errorf("%s has %d texts for machines", path, len(pre))
		}
	}
	if w := b.get("/console/jobs/4/result.json"); w.Header().Get("Content-Type") != "application/json" || w.Body.String() != `{"lifted":310000,"stragglers":0}` {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
	for _, path := range []string{"/console/jobs/3/result.json", "/console/jobs/99/result.json", "/console/jobs/x/result.json"} {
		if w := b.get(path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	b.then(b.post("/console/jobs/3/cancel", nil))
	b.calls("CancelJob 3 nora")
	if w := b.get("/console/jobs/99"); w.Code != http.StatusNotFound {
		t.Error(w.Code)
	}
}

func TestSlowJobsAreShownAsSuch(t *testing.T) {
	b := open(t, "nora")
	b.staged.Slow = true
	for path, c := range map[string]struct {
		form url.Values
		want string
	}{
		"/console/waves/7/approve":          {url.Values{}, "31 %, about 1 minute left"},
		"/console/cases/case-0001/conclude": {url.Values{"finding": {"The route is explained."}}, "310,000 of 1,000,000 devices"},
	} {
		if p := b.then(b.post(path, c.form)); !strings.Contains(p.Text(), c.want) {
			t.Errorf("%s: %s", path, p.Text())
		}
	}
	second := open(t, "samir")
	second.staged.Slow = true
	p := second.then(second.post("/console/cases/case-0001/countersign", url.Values{"warrant": {"warrant-0002"}}))
	for _, want := range []string{"The warrant is in force, and its notices are being given.", "Notices of warrant-0002", "310,000 of 1,000,000 devices"} {
		if !strings.Contains(p.Text(), want) {
			t.Errorf("a hold of many does not say %q: %s", want, p.Text())
		}
	}
}

// The page of a case says how far its warrant's notices are, and why they stopped if they did; of those that were given at once it says how many.
func TestNoticesOfAWarrant(t *testing.T) {
	b := open(t, "nora")
	for path, c := range map[string]struct{ says, not string }{
		"/console/cases/case-0001": {"Signed by nora, samir; 203 devices were told.", "Its notices"},
		"/console/cases/case-0002": {"Its notices are being given 42 % 420,000 of 1,000,000 devices", "Signed by nora, samir; 203 devices were told."},
		"/console/cases/case-0004": {"Its notices stopped before all were given. Samir concluded case-0004: no more notices are given.", "Signed by nora, samir; 203 devices were told."},
	} {
		if text := b.page(path).Text(); !strings.Contains(text, c.says) || strings.Contains(text, c.not) {
			t.Errorf("%s: %s", path, text)
		}
	}
}

func TestSimulation(t *testing.T) {
	b := open(t, "nora")
	p := b.then(b.post("/console/policy/simulate", url.Values{"name": {"terms.yaml"}, "source": {base64.StdEncoding.EncodeToString([]byte("id: terms"))}}))
	for _, want := range []string{"Terms of 2021, without Sudan", "2,416 devices", "16 → 0", "Sudan", "Lark 5", "lifted 3fa10277125c90de013e42420766ab02 Lark 5, Sudan, by rule sudan", "5 noticed, 40 locked, 0 lifted", "0 noticed, 0 locked, 16 lifted", "This one could not decide about 7 devices, the policy in force about 9"} {
		if !strings.Contains(p.Text(), want) {
			t.Errorf("the simulation does not say %q: %s", want, p.Text())
		}
	}
	if bars := p.Find("ul", "class", "bars"); len(bars) != 1 {
		t.Errorf("%d pictures of the territories", len(bars))
	}
	b.calls("Simulate terms.yaml nora")
}

func TestStragglers(t *testing.T) {
	b := open(t, "nora")
	p := b.page("/console/cases/case-0001/stragglers/warrant-0001")
	if !strings.Contains(p.Text(), string(staged.IMEI(3))) || !strings.Contains(p.Text(), "never") {
		t.Error(p.Text())
	}
	if p := b.page("/console/cases/case-0001/stragglers/warrant-0001?after=" + staged.ID(3).String()); !strings.Contains(p.Text(), "every device has confirmed") {
		t.Error(p.Text())
	}
	if w := b.get("/console/cases/case-0001/stragglers/warrant-0001?after=x"); w.Code != http.StatusBadRequest {
		t.Error(w.Code)
	}
}

// A large consignment is counted when somebody asks; its page says how old its numbers are, and how far a count is.
func TestCountOfALargeConsignment(t *testing.T) {
	b := open(t, "nora")
	for path, c := range map[string]struct {
		says, not string
		button    int
	}{
		"/console/cases/case-0001": {"240", "counted", 0},
		"/console/cases/case-0002": {"310,000 of 1,000,000 devices", "Count it", 0},
		"/console/cases/case-0003": {"Nobody has counted this consignment yet", "Shipped", 1},
		"/console/cases/case-0004": {"The last count failed. Job 7 is of another release", "Call it off", 1},
	} {
		p := b.page(path)
		if text := p.Text(); !strings.Contains(text, c.says) || strings.Contains(text, c.not) {
			t.Errorf("%s: %s", path, text)
		}
		if n := len(p.Find("form", "action", path+"/count")); n != c.button {
			t.Errorf("%s: %d buttons", path, n)
		}
	}
	p := b.then(b.post("/console/cases/case-0003/count", nil))
	b.calls("BeginCount case-0003 nora")
	if !strings.Contains(p.Text(), "Counted.") {
		t.Error(p.Text())
	}
}

// A list of devices that found nothing among those that it looked at says so, and goes on.
func TestDevicesGoOn(t *testing.T) {
	b := open(t, "nora")
	p := b.page("/console/devices?model=None")
	links := p.Find("a", "class", "button second")
	if !strings.Contains(p.Text(), "None of the devices that were looked at fits; there are more.") || len(links) != 1 || !strings.Contains(p.Text(), "Go on") {
		t.Fatal(p.Text())
	}
	if p := b.page("/console/devices?model=None&after=" + staged.ID(7).String()); !strings.Contains(p.Text(), "No device fits.") || len(p.Find("a", "class", "button second")) != 0 {
		t.Error(p.Text())
	}
}
