package phonepage

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/messages"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

// view is what the templates show.
type view struct {
	P         *messages.Printer
	View      string
	Stage     string
	Screen    agent.Screen
	Warrant   bool
	Large     bool
	Banner    bool // a notice was put aside
	Told      *note
	IMEI      string
	Model     string
	OwnerURL  string
	Languages []messages.Language
	Days      []dayView
	Emergency []string
	Refresh   bool // the screen may be replaced while nobody types

	// The panel.
	Result      string
	World       phone.World
	Places      []phone.Place
	Place       int
	Now         time.Time
	WallClock   time.Time
	OffsetDays  int
	Boot        string
	Enrolled    bool
	Clock       bool
	LastError   error
	Assessment  territory.Assessment
	AddressText string
}

// dayView is one day of the device's own record.
type dayView struct {
	Date      string
	Territory string
	Percent   int
}

// recordDays is how many days the phone shows at once.
const recordDays = 21

func (p *Page) viewModel() (*view, error) {
	ph := p.cfg.Phone
	screen := ph.Agent().Screen()
	world := ph.World()
	v := &view{
		P: messages.For(p.lang), View: p.stageView(screen.Stage), Stage: screen.Stage.String(), Screen: screen,
		Warrant: screen.Ground.Kind == order.Warrant, Large: p.large, Told: p.told,
		Banner: screen.Stage == order.Noticed && p.put,
		IMEI:   string(ph.Config().IMEI), Model: ph.Config().Model, OwnerURL: p.ownerURL(), Languages: messages.Languages(),
		Emergency: emergencyNumbers(world), Refresh: p.view == "" && p.set,

		Result: p.result, World: world, Places: phone.Places(), Place: placeOf(world), Now: p.cfg.Now(),
		WallClock: p.cfg.Now().Add(ph.ClockOffset()), OffsetDays: int(ph.ClockOffset() / (24 * time.Hour)),
		Boot: bootNames[ph.BootState()], Enrolled: ph.Agent().Enrolled(), Clock: p.cfg.Clock != nil, LastError: ph.LastError(),
		Assessment: territory.Assess(territory.Signals{GNSS: world.Fix, Cell: world.Cell, SIM: world.SIM, WiFi: world.WiFi}),
	}
	if world.Address.IsValid() {
		v.AddressText = world.Address.String()
	}
	for _, d := range slices.Backward(screen.Days) {
		if len(v.Days) == recordDays {
			break
		}
		v.Days = append(v.Days, dayView{Date: v.P.Date(d.Day.Time()), Territory: p.name(d.Territory), Percent: int(d.Percent)})
	}
	return v, nil
}

func (p *Page) name(c territory.Code) string {
	if c == territory.Unknown {
		return ""
	}
	return territory.Name(c, p.lang)
}

// placeOf returns the index of the place in which the phone is, or -1 when its coordinates are of no such place.
func placeOf(w phone.World) int {
	return slices.IndexFunc(phone.Places(), func(p phone.Place) bool {
		return w.Fix != nil && w.Fix.Lat == p.Lat && w.Fix.Lon == p.Lon
	})
}

// TerritoryName names a code in the phone's language.
func (v *view) TerritoryName(c territory.Code) string { return territory.Name(c, v.P.Lang()) }

// Say writes a note.
func (v *view) Say(n *note) string { return v.P.T(n.Key, n.Args...) }

// Challenge is the number for support in groups of four.
func (v *view) Challenge() string { return unlock.Group(v.Screen.Challenge) }

// NumberGroups are the groups of the device number, for whoever gives codes without a record.
func (v *view) NumberGroups() []string { return strings.Fields(v.Screen.DeviceNumber) }

// CodeWait is how long no code is taken, or "".
func (v *view) CodeWait() string {
	if v.Screen.CodeWait <= 0 {
		return ""
	}
	return clockText(v.Screen.CodeWait)
}

// Cell is what the status bar says.
func (v *view) Cell() string {
	if v.World.Cell == "" {
		return "–"
	}
	return string(v.World.Cell)
}

var bootNames = map[evidence.Boot]string{evidence.BootVerified: "verified", evidence.BootCustom: "custom", evidence.BootUnlocked: "unlocked"}

// emergencyNumbers are the numbers that work in every network of 3GPP phones (TS 22.101, 10.1.1).
func emergencyNumbers(phone.World) []string { return []string{"112", "911"} }

var functions = template.FuncMap{
	"asset":   web.AssetPath,
	"icon":    web.Icon,
	"percent": func(f float64) string { return fmt.Sprintf("%.1f %%", 100*f) },
	"stages":  func() []string { return []string{"observed", "noticed", "locked", "lifted"} },
	"day":     func(t time.Time) string { return t.UTC().Format("Mon 2 Jan 2006") },
	"minute":  func(t time.Time) string { return t.UTC().Format("15:04") },
	"coord":   func(f float64) string { return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.5f", f), "0"), ".") },
	"list":    func(items ...string) []string { return items },
}
