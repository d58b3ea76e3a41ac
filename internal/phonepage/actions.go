package phonepage

import (
	"archive/zip"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/messages"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// What the owner does on the phone. All are called with the lock held.

func (p *Page) start(r *http.Request) error {
	p.set, p.view = true, ""
	if err := p.cfg.Phone.Use(); err != nil {
		return err
	}
	return p.checkIn(r)
}

func (p *Page) open(r *http.Request) error {
	view := r.PostFormValue("view")
	if !views[view] {
		return fmt.Errorf("there is no view %q", view)
	}
	p.view = view
	return nil
}

func (p *Page) chooseLanguage(r *http.Request) error {
	p.lang, p.view = messages.Match(r.PostFormValue("lang"), ""), ""
	return nil
}

func (p *Page) textSize(*http.Request) error {
	p.large = !p.large
	return nil
}

func (p *Page) putAside(*http.Request) error {
	p.put, p.view = true, ""
	return p.cfg.Phone.Agent().Shown()
}

func (p *Page) enterCode(r *http.Request) error {
	result, err := p.cfg.Phone.Agent().EnterCode(r.PostFormValue("code"))
	switch {
	case errors.Is(err, agent.ErrNothingToUnlock):
		p.told = &note{Key: "phone.code.nothing"}
	case err != nil:
		p.told = &note{Key: "phone.code.wrong", Bad: true}
	case result.Unlocked:
		p.told, p.view = &note{Key: "phone.code.right"}, ""
	case result.TooEarly:
		p.told = &note{Key: "phone.code.wait", Args: []any{"Duration", clockText(result.Wait)}, Bad: true}
	default:
		p.told = &note{Key: "phone.code.wrong", Bad: true}
	}
	return nil
}

func (p *Page) network(r *http.Request) error {
	w := p.cfg.Phone.World()
	w.Online = r.PostFormValue("online") == "1"
	p.cfg.Phone.Move(w)
	if w.Online && p.set {
		return p.checkIn(r)
	}
	return nil
}

func (p *Page) call(r *http.Request) error {
	number := r.PostFormValue("number")
	if len(number) > 8 {
		return errors.New("an emergency number is shorter")
	}
	p.told = &note{Key: "phone.emergency.done", Args: []any{"Number", number}}
	return nil
}

// saveFiles gives the owner's files away, in every stage (Charter C2).
func (p *Page) saveFiles(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="files.zip"`)
	z := zip.NewWriter(w)
	for name, text := range map[string]string{
		"Notes/shopping.txt":  "bread\ntea\nbatteries\n",
		"Contacts/family.vcf": "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Family\r\nTEL:+000000000\r\nEND:VCARD\r\n",
	} {
		f, err := z.Create(name)
		if err != nil {
			return
		}
		if _, err := f.Write([]byte(text)); err != nil {
			return
		}
	}
	_ = z.Close()
}

// What the reader does to the world around it.

func (p *Page) setPlace(r *http.Request) error {
	places := phone.Places()
	w := p.cfg.Phone.World()
	if i, err := strconv.Atoi(r.PostFormValue("place")); err == nil && i >= 0 && i < len(places) {
		c := places[i]
		w.Fix = &territory.Fix{Lat: c.Lat, Lon: c.Lon, AccuracyM: 15}
		w.Cell, w.WiFi, w.Address = c.Cell, c.WiFi, c.Addr()
		if r.PostFormValue("sim") == "1" || w.SIM == "" {
			w.SIM = c.Cell
		}
		p.cfg.Phone.Move(w)
		p.result = "The phone is in " + c.Name + "."
		return nil
	}
	fix, err := parseFix(r.PostFormValue("lat"), r.PostFormValue("lon"), r.PostFormValue("accuracy"))
	if err != nil {
		return err
	}
	w.Fix = fix
	p.cfg.Phone.Move(w)
	return nil
}

func parseFix(lat, lon, accuracy string) (*territory.Fix, error) {
	if strings.TrimSpace(lat)+strings.TrimSpace(lon) == "" {
		return nil, nil
	}
	var f territory.Fix
	for _, part := range []struct {
		name, text  string
		into        *float64
		least, most float64
	}{{"latitude", lat, &f.Lat, -90, 90}, {"longitude", lon, &f.Lon, -180, 180}, {"accuracy", accuracy, &f.AccuracyM, 0, 100_000}} {
		v, err := strconv.ParseFloat(strings.TrimSpace(part.text), 64)
		if err != nil || !(v >= part.least && v <= part.most) {
			return nil, fmt.Errorf("the %s is a number from %v to %v, not %q", part.name, part.least, part.most, part.text)
		}
		*part.into = v
	}
	return &f, nil
}

func (p *Page) setRadio(r *http.Request) error {
	w := p.cfg.Phone.World()
	var err error
	if w.Cell, err = parsePLMN(r.PostFormValue("cell")); err != nil {
		return err
	}
	if w.SIM, err = parsePLMN(r.PostFormValue("sim")); err != nil {
		return err
	}
	w.WiFi = territory.Unknown
	if code := strings.ToUpper(strings.TrimSpace(r.PostFormValue("wifi"))); code != "" {
		if w.WiFi, err = territory.ParseCode(code); err != nil {
			return err
		}
	}
	w.Address = netip.Addr{}
	if text := strings.TrimSpace(r.PostFormValue("address")); text != "" {
		if w.Address, err = netip.ParseAddr(text); err != nil {
			return fmt.Errorf("%q is no IP address", text)
		}
	}
	w.Online = r.PostFormValue("online") == "1"
	p.cfg.Phone.Move(w)
	return nil
}

func parsePLMN(text string) (territory.PLMN, error) {
	if text = strings.TrimSpace(text); text == "" {
		return "", nil
	}
	return territory.ParsePLMN(text)
}

func (p *Page) setClock(r *http.Request) error {
	days, err := strconv.Atoi(r.PostFormValue("days"))
	if err != nil || days < -36500 || days > 36500 {
		return fmt.Errorf("%q is no number of days from -36500 to 36500", r.PostFormValue("days"))
	}
	p.cfg.Phone.SetClockOffset(time.Duration(days) * 24 * time.Hour)
	return nil
}

func (p *Page) setBoot(r *http.Request) error {
	states := map[string]evidence.Boot{"verified": evidence.BootVerified, "custom": evidence.BootCustom, "unlocked": evidence.BootUnlocked}
	b, ok := states[r.PostFormValue("boot")]
	if !ok {
		return errors.New("the boot state is verified, custom or unlocked")
	}
	p.cfg.Phone.SetBoot(b)
	return nil
}

func (p *Page) restart(*http.Request) error {
	p.cfg.Phone.Restart()
	p.put, p.view = false, ""
	p.result = "The phone restarted."
	return nil
}

func (p *Page) use(*http.Request) error {
	p.result = "The phone looked around and noted the day."
	return p.cfg.Phone.Use()
}

func (p *Page) checkIn(r *http.Request) error {
	if err := p.cfg.Phone.CheckIn(r.Context()); err != nil {
		return err
	}
	if p.cfg.Phone.Agent().Screen().Stage == order.Noticed {
		if err := p.cfg.Phone.Agent().Shown(); err != nil {
			return err
		}
	}
	p.result = "The phone checked in."
	return nil
}

// passDays lives through days: each day the phone is used, and checks in if it has a network.
func (p *Page) passDays(r *http.Request) error {
	days, err := strconv.Atoi(r.PostFormValue("days"))
	if err != nil || days < 1 || days > 31 {
		return errors.New("the number of days is 1 to 31")
	}
	if p.cfg.Clock == nil {
		return errors.New("this server's clock cannot be moved on: start one with bailiwick serve --sandbox, or use the demo's")
	}
	for range days {
		if err := p.cfg.Clock.MoveOn(r.Context(), 24); err != nil {
			return err
		}
		if !p.set {
			continue
		}
		if err := p.cfg.Phone.Use(); err != nil {
			return err
		}
		p.put = false
		if !p.cfg.Phone.World().Online {
			continue
		}
		if err := p.checkIn(r); err != nil {
			return err
		}
	}
	p.result = fmt.Sprintf("%d days passed.", days)
	if days == 1 {
		p.result = "A day passed."
	}
	return nil
}

func clockText(d time.Duration) string {
	d = d.Round(time.Second)
	if d >= time.Hour {
		return fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}
