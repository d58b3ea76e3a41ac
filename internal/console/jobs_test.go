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
	for _, want := range []string{"Release case-0001", "Runs", "310,000 of 1,000,000", "about 2m14s left", "Failed", "Done"} {
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
	if p := b.page("/console/jobs/4"); len(p.Find("form", "action", "/console/jobs/4/cancel")) != 0 {
		t.Error("a release can be called off")
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
	for path, form := range map[string]url.Values{"/console/waves/7/approve": {}, "/console/cases/case-0001/conclude": {"finding": {"The route is explained."}}} {
		if p := b.then(b.post(path, form)); !strings.Contains(p.Text(), "310,000 of 1,000,000") {
			t.Errorf("%s: %s", path, p.Text())
		}
	}
}

func TestSimulation(t *testing.T) {
	b := open(t, "nora")
	p := b.then(b.post("/console/policy/simulate", url.Values{"name": {"terms.yaml"}, "source": {base64.StdEncoding.EncodeToString([]byte("id: terms"))}}))
	for _, want := range []string{"Terms of 2021, without Sudan", "2,416 devices", "16 → 0", "Sudan", "Lark 5", "lifted by rule sudan"} {
		if !strings.Contains(p.Text(), want) {
			t.Errorf("the simulation does not say %q: %s", want, p.Text())
		}
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
