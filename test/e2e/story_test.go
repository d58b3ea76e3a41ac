package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/messages"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/phonepage"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// story is a phone in Tehran, its page, the server, and a browser with a tab for each.
type story struct {
	t      *testing.T
	server *server
	phone  *phone.Phone
	page   string // of the phone
	screen *tab
	desk   *tab
	fa     *messages.Printer
}

// tell puts the story together: what `bailiwick serve --sandbox` and `bailiwick device --city Tehran` do.
func tell(t *testing.T) *story {
	s := &story{t: t, fa: messages.For("fa")}
	s.server = serve(t, time.Date(2021, time.September, 2, 7, 0, 0, 0, time.UTC), nil)
	s.server.clock.Run()
	s.phone = s.orderPhone("AE", phone.Tehran)
	s.page = s.pageOf(s.phone)
	s.screen = browse(t)
	s.desk = s.screen.another("desk")
	return s
}

// pageOf serves the page of a phone.
func (s *story) pageOf(p *phone.Phone) string {
	s.t.Helper()
	page, err := phonepage.New(phonepage.Config{Phone: p, Clock: clockOf{s.server}, Now: s.server.Now, OwnerURL: s.server.base + "/owner"})
	if err != nil {
		s.t.Fatal(err)
	}
	shown := httptest.NewServer(page.Handler())
	s.t.Cleanup(shown.Close)
	return shown.URL + "/"
}

// orderPhone has the sandbox's factory make a phone, over HTTP.
func (s *story) orderPhone(market territory.Code, at phone.Place) *phone.Phone {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		s.t.Fatal(err)
	}
	var made app.PhoneMade
	if err := s.server.call(s.t.Context(), http.MethodPost, app.PathSandboxPhones, "",
		app.PhoneOrder{Model: "Lantern P", Market: market, PublicKey: base64.StdEncoding.EncodeToString(public)}, &made); err != nil {
		s.t.Fatal(err)
	}
	cfg := phone.Config{IMEI: device.IMEI(made.IMEI), Serial: made.Serial, Model: "Lantern P", Key: key, Server: s.server.base,
		HTTP: s.server.http, Storage: agent.MemoryStorage(), Now: s.server.Now}
	for _, text := range made.Chain {
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			s.t.Fatal(err)
		}
		cfg.Chain = append(cfg.Chain, der)
	}
	p, err := phone.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	p.Move(worldAt(at))
	return p
}

// call makes one request of the JSON interface.
func (s *server) call(ctx context.Context, method, path, token string, question, answer any) error {
	text, err := json.Marshal(question)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := s.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		var p problem
		err := json.NewDecoder(response.Body).Decode(&p)
		return fmt.Errorf("%s %s: %d %+v (%v)", method, path, response.StatusCode, p, err)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

// clockOf lets the days of a sandbox pass, as the phone's page does.
type clockOf struct{ *server }

func (c clockOf) MoveOn(ctx context.Context, hours int) error {
	return c.call(ctx, http.MethodPost, app.PathSandboxClock, "", app.ClockMove{Hours: hours}, nil)
}

// day lets one day pass on the phone's page.
func (s *story) day() { s.t.Helper(); s.screen.press(`#world button[name=days][value="1"]`) }

// daysUntil lets days pass until the phone is in a stage.
func (s *story) daysUntil(stage order.Stage, most int) (days int) {
	s.t.Helper()
	for s.phone.Agent().Screen().Stage != stage {
		if days++; days > most {
			s.t.Fatalf("after %d days the phone is %v, not %v; it says %q", most, s.phone.Agent().Screen().Stage, stage, s.screen.text("#world .result"))
		}
		s.day()
	}
	return days
}

// restriction is the phone's only one, as the authority has it.
func (s *story) restriction() *authority.Restriction {
	s.t.Helper()
	known, err := s.server.Service.FindDevice(s.t.Context(), string(s.phone.Config().IMEI))
	if err != nil {
		s.t.Fatal(err)
	}
	detail, err := s.server.Service.DeviceDetail(s.t.Context(), known.ID)
	if err != nil || len(detail.Restrictions) != 1 {
		s.t.Fatalf("%d restrictions, %v", len(detail.Restrictions), err)
	}
	return detail.Restrictions[0]
}

// exit opens one of the ways that are there on every screen.
func (s *story) exit(view string) {
	s.t.Helper()
	s.screen.need(`nav.exits button[name=view][value="` + view + `"]`)
	s.screen.press(`nav.exits button[name=view][value="` + view + `"]`)
	s.screen.need("#screen ." + view)
}

func (s *story) back() { s.t.Helper(); s.screen.press("nav.exits button.back") }

// switchOn sets the phone up in Persian.
func (s *story) switchOn() {
	s.t.Helper()
	s.screen.open(s.page)
	s.screen.press(".languages button[value=fa]")
	s.screen.need(`.screen.setup[lang=fa][dir=rtl]`)
	s.screen.says(".screen h2", s.fa.T("phone.setup.title"))
	s.screen.press(`form[action="/phone/start"] button`)
	s.screen.need(`.screen.home[lang=fa][dir=rtl]`)
}

// logIn goes through the first login of an administrator.
func (s *story) logIn() {
	s.t.Helper()
	s.desk.open(s.server.base + "/console/devices")
	s.desk.need("form[action='/console/login']")
	s.desk.write("#name", "admin")
	s.desk.write("#password", s.server.OneTimePassword)
	s.desk.press("main button[type=submit]")
	s.desk.need("#again") // nothing else can be reached with a one-time password
	s.desk.open(s.server.base + "/console/waves")
	s.desk.need("#again")
	s.desk.write("#old", s.server.OneTimePassword)
	s.desk.write("#new", ownPassword)
	s.desk.write("#again", ownPassword)
	s.desk.press("main button[type=submit]")
	s.desk.says("h1", "Overview")
}

const ownPassword = "a quiet harbour at dawn"

// console opens one of its pages; the session of the day before has ended.
func (s *story) console(path string) {
	s.t.Helper()
	s.desk.open(s.server.base + "/console/" + path)
	if s.desk.has("form[action='/console/login']") {
		s.desk.write("#name", "admin")
		s.desk.write("#password", ownPassword)
		s.desk.press("main button[type=submit]")
	}
	if at := evaluate[string](s.desk, "location.pathname"); strings.HasSuffix(at, "/login") {
		s.t.Fatalf("still at %s: %s", at, s.desk.text("main"))
	}
}

// openDevice finds the phone in the console by its IMEI.
func (s *story) openDevice() {
	s.t.Helper()
	s.console("devices")
	s.desk.write("form[action='/console/devices/find'] input[name=imei]", string(s.phone.Config().IMEI))
	s.desk.press("form[action='/console/devices/find'] button")
	s.desk.says("h1", string(s.phone.Config().IMEI))
}

// approve looks at the open wave and approves it.
func (s *story) approve() {
	s.t.Helper()
	s.console("")
	s.desk.press("a[href^='/console/waves/']")
	s.desk.says("h1", "1 lock")
	s.desk.need("#samples")
	if s.desk.has("#confirm") {
		s.desk.write("#confirm", "1")
	}
	s.desk.write("#approve-note", "Looked at the sample; activated in Iran on five days, notice shown.")
	s.desk.press("form[action$='/approve'] button")
	s.desk.says("main", "pproved")
}

// daysUntilWave lets days pass until the console asks for a decision.
func (s *story) daysUntilWave(most int) {
	s.t.Helper()
	for range most {
		s.day()
		now, err := s.server.Service.Overview(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		if now.OpenWave != nil {
			return
		}
	}
	s.t.Fatalf("no wave is open after %d days", most)
}

// persian writes ASCII digits as a Persian keyboard does.
func persian(digits string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '۰' + r - '0'
		}
		return r
	}, digits)
}

// TestOwnerAndOfficer: notice, appeal, answer, wave, lock, every way out, and the lift, all clicked through in a real browser.
func TestOwnerAndOfficer(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.switchOn()
	if days := s.daysUntil(order.Noticed, 12); days < 4 {
		t.Errorf("the notice came after %d days: the policy wants five days observed", days)
	}

	noticed := s.phone.Agent().Screen()
	s.screen.need(".screen.notice[lang=fa]")
	s.screen.says(".screen.notice", s.fa.T("phone.notice.title"))
	s.screen.says(".screen.notice .lead", s.fa.Date(noticed.Deadline))
	s.screen.says(".reference bdi", noticed.Reference)
	s.screen.says(".screen.notice", territory.Name("IR", "fa"))
	if told := noticed.Deadline.Sub(s.restriction().NoticedAt); told < 14*24*time.Hour {
		t.Errorf("the date is %v after the notice was issued, the policy promises 14 days", told)
	}
	if left := noticed.Deadline.Sub(s.server.Now()); left < order.MinNotice {
		t.Errorf("the owner reads the date %v before it comes", left)
	}
	s.screen.press(`form[action="/phone/continue"] button`)
	s.screen.need(".screen.home .card.warn") // it works as before, and keeps reminding

	s.appeal(noticed)
	s.day() // an answer takes time, which must not cost the owner anything
	s.logIn()
	s.lookAround()
	s.deny(noticed)

	s.daysUntilWave(30)
	s.approve()
	s.daysUntil(order.Locked, 6)
	s.waysOut()

	s.openDevice()
	s.desk.says("main", "reference "+noticed.Reference)
	s.desk.write("#reason", "The owner showed that the phone was a gift from abroad.")
	s.desk.press("form[action$='/lift'] button")
	s.desk.says(".note.good", "lifted")
	s.checkInUntil(order.Lifted)
	s.screen.need(".screen.home[lang=fa] .card.good")
	s.screen.says(".screen", s.fa.T("phone.lifted.title"))
	s.server.counted(t)
}

// appeal finds the owner page, types the IMEI as a Persian keyboard does, and appeals.
func (s *story) appeal(noticed agent.Screen) {
	s.t.Helper()
	s.exit("appeal")
	s.screen.says(".screen.appeal", string(s.phone.Config().IMEI))
	link := evaluate[string](s.screen, `document.querySelector(".screen.appeal a.button").href`)
	s.desk.open(link)
	s.desk.need("html[lang=fa][dir=rtl]")
	s.desk.write("#imei", persian(string(s.phone.Config().IMEI)))
	s.desk.write("#reference", "XXXX-0000")
	s.desk.load(http.StatusNotFound, chromedp.Click(chromedp.CSS("main button[type=submit]")))
	s.desk.need("#wrong")
	s.find(noticed.Reference)
	s.desk.says("section.card[aria-labelledby=dates]", s.fa.Date(noticed.Deadline))
	s.desk.says("main", "Executive Order 12959")
	s.desk.write("#text", "این تلفن هدیه است.\nمن آن را از دبی آورده\u200cام.")
	s.desk.press("form[action^='/owner/appeal'] button")
	s.desk.need(".note.good")
	s.desk.says("main", "این تلفن هدیه است")
	if s.desk.has("#text") {
		s.t.Error("a second appeal is offered while the first is open")
	}
}

// find fills in the owner page's form.
func (s *story) find(reference string) {
	s.t.Helper()
	s.desk.write("#imei", persian(string(s.phone.Config().IMEI)))
	s.desk.write("#reference", strings.ToLower(reference))
	s.desk.press("main form button[type=submit]")
	s.desk.need(".standing.noticed")
}

// lookAround sees the map and the device's page with its why.
func (s *story) lookAround() {
	s.t.Helper()
	s.console("")
	s.desk.need("section[aria-labelledby=map-title] svg")
	s.desk.says("section[aria-labelledby=map-title] table", "Iran")
	s.openDevice()
	s.desk.says("section[aria-labelledby=why]", "Iran")
	s.desk.says("section[aria-labelledby=restrictions]", "appeal open")
	s.desk.need("section[aria-labelledby=days] svg")
	s.desk.says("section[aria-labelledby=orders]", "entry 0")
	s.desk.open(s.server.base + "/")
	s.desk.says("main", "Iran")
}

// deny answers the appeal with no, which must give the owner back the time that it took.
func (s *story) deny(noticed agent.Screen) {
	s.t.Helper()
	s.console("appeals")
	s.desk.press("table a[href^='/console/appeals/']")
	s.desk.says(".quote", "این تلفن هدیه است")
	s.desk.do(chromedp.Click(chromedp.CSS("input[name=decision][value=deny]")))
	s.desk.write("#text", "We are sorry: a gift does not change where the phone was activated.")
	s.desk.press("form[action^='/console/appeals/'] button")
	s.desk.says("main", "Denied")
	for s.phone.Agent().Screen().Deadline.Equal(noticed.Deadline) { // the sequencer takes a moment
		if s.server.Now().Sub(noticed.Deadline) > 0 {
			s.t.Fatal("the date did not move after the appeal was denied")
		}
		s.screen.press(`#world button[formaction="/world/check-in"]`)
	}
	moved := s.phone.Agent().Screen().Deadline
	if by := moved.Sub(noticed.Deadline); by < 24*time.Hour {
		s.t.Errorf("the date moved by %v; the appeal took more than a day", by)
	}
	s.screen.press(`nav.exits button[value=why]`)
	s.screen.says(".screen.why .lead", s.fa.Date(moved))
	s.back()
	s.desk.open(s.server.base + "/owner/phone?lang=fa") // a day later nobody's phone is open on the screen any more
	s.find(noticed.Reference)
	s.desk.says("section.card[aria-labelledby=dates]", s.fa.Date(moved))
}

// waysOut goes through every exit of the lock screen, and uses it.
func (s *story) waysOut() {
	t := s.t
	t.Helper()
	locked := s.phone.Agent().Screen()
	s.screen.need(".screen.locked[lang=fa][dir=rtl]")
	s.screen.says(".screen.locked", s.fa.T("phone.locked.title"))
	s.screen.says(".screen.locked .lead", s.fa.Date(locked.EndsAt))
	s.screen.says(".reference bdi", locked.Reference)

	s.exit("emergency")
	s.screen.press(".calls button[value='112']")
	s.screen.says(".told", s.fa.T("phone.emergency.done", "Number", "112"))
	s.exit("why")
	s.screen.says(".screen.why", "Executive Order 12959")
	s.screen.need(".days li")
	s.exit("contact")
	s.screen.says(".screen.contact", "support@phones.example")
	s.exit("appeal")
	s.screen.need(".screen.appeal a.button")

	s.exit("network")
	s.screen.press(".screen.network button[name=online]")
	s.screen.says(".screen.network", s.fa.T("phone.network.off"))
	if s.phone.World().Online {
		t.Error("the network is still on")
	}
	s.screen.press(".screen.network button[name=online]")
	if !s.phone.World().Online || s.phone.LastError() != nil {
		t.Errorf("the network is back %v, the check-in that follows: %v", s.phone.World().Online, s.phone.LastError())
	}

	s.exit("files")
	files := s.screen.download(".screen.files a[download]")
	z, err := zip.NewReader(bytes.NewReader(files), int64(len(files)))
	if err != nil || len(z.File) == 0 {
		t.Errorf("the owner's files cannot be saved: %d bytes, %v", len(files), err)
	}

	s.exit("language")
	s.screen.press(".languages button[value=es]")
	s.screen.need(".screen.locked[lang=es][dir=ltr]")
	s.screen.says(".screen.locked", messages.For("es").T("phone.locked.title"))
	s.screen.press("nav.exits button[value=language]")
	s.screen.press(".languages button[value=fa]")
	s.screen.press("nav.exits button[formaction='/phone/text']")
	s.screen.need(".screen.locked.large")
	s.screen.press("nav.exits button[formaction='/phone/text']")

	s.wrongCode()
	if s.phone.Agent().Screen().Stage != order.Locked {
		t.Errorf("the phone is %v after a wrong code", s.phone.Agent().Screen().Stage)
	}
	s.back()
	s.screen.press(`form[action="/world/restart"] button`)
	s.screen.need(".screen.locked")
	for _, exit := range agent.Exits() {
		if !slices.Contains(s.phone.Agent().Screen().WayOut, exit) {
			t.Errorf("after a restart the agent does not offer %v", exit)
		}
	}
}

// wrongCode types one: it is refused kindly, and the next one has to wait.
func (s *story) wrongCode() {
	s.t.Helper()
	s.exit("code")
	wrong := "00000000"
	s.screen.write("#code", persian(wrong))
	s.screen.press(`form[action="/phone/code"] button`)
	s.screen.says(".told.bad", s.fa.T("phone.code.wrong"))
	wait, _, _ := strings.Cut(s.fa.T("phone.code.wait", "Duration", "#"), "#")
	s.screen.says(".body .told.bad", strings.TrimSpace(wait))
	s.screen.write("#code", persian(wrong))
	s.screen.press(`form[action="/phone/code"] button`)
	s.screen.says(".screen > .told.bad", strings.TrimSpace(wait))
}

// checkInUntil lets the phone check in until it is in a stage: the sequencer takes a moment.
func (s *story) checkInUntil(stage order.Stage) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); s.phone.Agent().Screen().Stage != stage; {
		if time.Now().After(end) {
			s.t.Fatalf("the phone stays %v, not %v; it says %q", s.phone.Agent().Screen().Stage, stage, s.screen.text("#world"))
		}
		s.screen.press(`#world button[formaction="/world/check-in"]`)
	}
}

// counted checks that the public ledger bears out what happened.
func (s *server) counted(t *testing.T) {
	t.Helper()
	v, err := publicLedger{s.base, s.Ledger.LogKey()}.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[order.Kind]int{}
	for _, leaf := range v.Orders {
		kinds[leaf.Kind]++
		if leaf.Ground.ID != "iran" {
			t.Errorf("an order on %v", leaf.Ground)
		}
	}
	if kinds[order.Notice] != 2 || kinds[order.Lock] != 1 || kinds[order.Lift] != 1 {
		t.Errorf("the ledger has %v; want the notice, its later date, a lock and a lift", kinds)
	}
}

// TestUnlockByCode: a locked phone without a network is opened with a code that support reads out.
func TestUnlockByCode(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.switchOn()
	s.daysUntil(order.Noticed, 12)
	s.logIn()
	s.daysUntilWave(30)
	s.approve()
	s.daysUntil(order.Locked, 6)

	s.exit("network")
	s.screen.press(".screen.network button[name=online]")
	s.wrongCode()
	challenge := s.screen.text(".screen.code bdi.big")
	s.openDevice()
	s.desk.do(chromedp.Click(chromedp.CSS("details summary")))
	s.desk.write("#challenge", persian(challenge))
	s.desk.write("#justification", "The owner has no network; we spoke on the telephone.")
	s.desk.press("form[action$='/unlock-code'] button")
	code := s.desk.text("output.secret")
	if len(strings.ReplaceAll(code, " ", "")) != 8 {
		t.Fatalf("the code is %q", code)
	}
	s.day() // the wait after the wrong code is over
	s.screen.press("nav.exits button[value=code]")
	s.screen.write("#code", persian(code))
	s.screen.press(`form[action="/phone/code"] button`)
	s.screen.says(".told", s.fa.T("phone.code.right"))
	s.screen.need(".screen.home .card.good")
	if s.phone.World().Online {
		t.Error("the phone has a network; it was to be opened without")
	}

	s.screen.press("nav.exits button[value=network]")
	s.screen.press(".screen.network button[name=online]")
	s.openDevice()
	s.desk.says("h1 + p", "ifted") // it has reported the code
	for range 3 {
		s.day()
	}
	if stage := s.phone.Agent().Screen().Stage; stage != order.Lifted {
		t.Errorf("some days later the phone is %v: what a code lifted is final", stage)
	}
}
