package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/internal/scale"
	"github.com/bailiwick-dev/bailiwick/order"
)

const (
	held  = 24_000 // devices of the warrant, in as many pages of a thousand
	alive = 4      // of them phones that check in all the time
)

// TestNoticesSurviveKills: an officer publishes a warrant for many devices, and has the answer while its notices are still being given. The server is
// killed in the midst of them, again and again, while phones of the warrant check in: in the end each device has one notice, which is in the ledger once.
func TestNoticesSurviveKills(t *testing.T) {
	t.Parallel()
	s := besiege(t)
	phones, passwords := s.foundWith(held, alive)
	process := s.spawn()
	for _, p := range phones { // enrolled before the warrant
		s.checksIn(p)
	}
	api := &server{base: s.base, http: s.client}
	tokens := make(map[string]string)
	for name, password := range passwords {
		var session struct{ Token string }
		s.ask(api, http.MethodPost, "/v1/login", "", map[string]string{"name": name, "password": password}, &session)
		tokens[name] = session.Token
	}
	warrant, job := s.publishes(api, tokens)

	working, stop := context.WithCancel(t.Context())
	defer func() { stop(); s.busy.Wait() }()
	for _, p := range phones {
		s.start(func() { s.live(working, p) })
	}
	midst := 0
	for last, kills := int64(0), 0; ; {
		j, err := s.asksFor(api, tokens["bela"], job)
		if err == nil && j.State == "done" {
			break
		}
		if err != nil || j.Done <= last || kills == 4 {
			pause(t.Context(), 5*time.Millisecond)
			continue
		}
		s.end(process)
		kills++
		left := s.left(job)
		if last = left.Done; left.State == authority.JobRunning && left.Done < left.Total {
			midst++
		}
		process = s.spawn()
	}
	stop()
	s.busy.Wait()
	s.end(process)
	if midst == 0 {
		t.Error("no kill met the job at work")
	}
	s.settled()
	if err := s.check(); err != nil { // the ledger has each order of the store once, and no other
		t.Error(err)
	}
	s.onceNoticed(phones, warrant, job)
	for _, b := range s.broken {
		t.Error(b)
	}
	t.Logf("killed in the midst of the notices %d times", midst)
}

// foundWith makes the data folder with two officers and a fleet of one consignment, some of which are real phones.
func (s *siege) foundWith(devices, alive int) (phones []*phone.Phone, passwords map[string]string) {
	t := s.t
	t.Helper()
	a, err := app.Open(t.Context(), childConfig(s.dir, s.base, s.zero))
	if err != nil {
		t.Fatal(err)
	}
	passwords = make(map[string]string)
	for _, name := range []string{"ada", "bela"} {
		_, passwords[name] = (&server{App: a}).officer(t, name, "officer")
	}
	rows := make([]authority.Production, alive)
	for i := range rows {
		rows[i] = authority.Production{IMEI: sandbox.IMEI("00100101", i), Serial: fmt.Sprintf("K%d", i), Model: "Lantern P", Market: "ES", Consignment: scale.Consignment}
	}
	if _, err := a.Service.ImportProduction(t.Context(), &authority.Officer{Name: "rig", Role: "admin"}, rows); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := s.records()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(scale.Fleet(t.Context(), db, devices-alive, 2, storyStart, nil), db.Close()); err != nil {
		t.Fatal(err)
	}
	factory, err := sandbox.Open(filepath.Join(s.dir, "sandbox"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range alive {
		phones = append(phones, makePhone(t, factory, s.base, s.client, s.now, i, phone.Madrid))
	}
	return phones, passwords
}

func (s *siege) checksIn(p *phone.Phone) {
	s.t.Helper()
	if err := errors.Join(p.Use(), p.CheckIn(s.t.Context())); err != nil {
		s.t.Fatal(err)
	}
}

func (s *siege) ask(api *server, method, path, token string, question, answer any) {
	s.t.Helper()
	if err := api.call(s.t.Context(), method, path, token, question, answer); err != nil {
		s.t.Fatal(err)
	}
}

// publishes has one officer draft a warrant and the other one put it in force, who has an answer before the notices are given.
func (s *siege) publishes(api *server, tokens map[string]string) (warrant string, job int64) {
	t := s.t
	t.Helper()
	var opened struct{ ID string }
	s.ask(api, http.MethodPost, "/v1/cases", tokens["ada"], map[string]string{"title": "Phones made for India appear elsewhere", "consignment": scale.Consignment}, &opened)
	var drafted struct{ Warrant struct{ ID string } }
	s.ask(api, http.MethodPost, "/v1/cases/"+opened.ID+"/warrants", tokens["ada"],
		map[string]any{"reason": "We are investigating this shipment.", "ends_at": storyStart.AddDate(0, 0, 60)}, &drafted)
	var published struct {
		CountersignedBy string `json:"countersigned_by"`
		Notices         *struct {
			ID    int64
			Total int
			State string
		}
	}
	s.ask(api, http.MethodPost, "/v1/warrants/"+drafted.Warrant.ID+"/countersign", tokens["bela"], struct{}{}, &published)
	n := published.Notices
	if published.CountersignedBy != "bela" || n == nil || n.Total != held || n.State == "done" {
		t.Fatalf("%+v with %+v", published, n)
	}
	return drafted.Warrant.ID, n.ID
}

// seenJob is as much of a job as an officer sees here.
type seenJob struct {
	State string
	Done  int64
}

func (s *siege) asksFor(api *server, token string, id int64) (j seenJob, err error) {
	asking, cancel := context.WithTimeout(s.t.Context(), 3*time.Second) // a server that was just killed never answers
	defer cancel()
	return j, api.call(asking, http.MethodGet, fmt.Sprintf("/v1/jobs/%d", id), token, nil, &j)
}

// left is the job as a server that was killed left it.
func (s *siege) left(id int64) (j *authority.Job) {
	s.t.Helper()
	db, err := s.records()
	if err != nil {
		s.t.Fatal(err)
	}
	err = db.View(s.t.Context(), func(tx authority.Tx) (err error) {
		j, err = tx.Job(id)
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		s.t.Fatal(err)
	}
	return j
}

// settled lets a server bring what waits into the ledger.
func (s *siege) settled() {
	t := s.t
	t.Helper()
	cfg := s.config()
	cfg.ManualWork = true
	a, err := app.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for some := 1; some > 0 && err == nil; {
		some, err = a.Service.Sequence(t.Context())
	}
	if err := errors.Join(err, a.Close()); err != nil {
		t.Fatal(err)
	}
}

// onceNoticed checks that every device of the warrant has one order, a notice that is in the ledger, one line on its time line and one restriction, and
// that the job counted each once.
func (s *siege) onceNoticed(phones []*phone.Phone, warrant string, job int64) {
	t := s.t
	t.Helper()
	db, err := s.records()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(t.Context(), func(tx authority.Tx) error {
		var ids []device.ID
		for i := range held - alive {
			ids = append(ids, scale.ID(i))
		}
		for _, p := range phones {
			d, err := tx.DeviceByIMEI(p.Config().IMEI)
			if err != nil {
				return err
			}
			ids = append(ids, d.ID)
		}
		for i, id := range ids {
			orders, err := tx.OrdersOf(id, 10)
			if err != nil {
				return err
			}
			held, err := tx.Restrictions(id)
			if err != nil {
				return err
			}
			noticed := 0
			events, err := tx.Events(id, 1000)
			if err != nil {
				return err
			}
			for _, e := range events {
				if e.Kind == "noticed" {
					noticed++
				}
			}
			if len(orders) != 1 || orders[0].Kind != order.Notice || !orders[0].Sequenced || noticed != 1 || len(held) != 1 || held[0].Ground.ID != warrant || held[0].Round != 1 {
				t.Fatalf("device %d: %+v, %+v, %d times told", i, orders, held, noticed)
			}
		}
		j, err := tx.Job(job)
		if err != nil {
			return err
		}
		var n authority.Noticed
		if err := json.Unmarshal(j.Result, &n); err != nil {
			return err
		}
		if n.Enrolled != held || n.Noticed+n.Before != held || n.Left != 0 || j.Done != held || j.Step != (held+999)/1000 {
			t.Errorf("%+v: %+v", j, n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
