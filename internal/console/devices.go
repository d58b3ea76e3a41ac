package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const devicesPerPage = 50

type devicesView struct {
	Rows        []authority.DeviceRow
	Territory   string
	Stage       string
	Consignment string
	Model       string
	Next        string // link to the next page; empty on the last. A page may be short, or empty, and not the last
	Places      []place
	Stages      []order.Stage
}

type place struct {
	Code territory.Code
	Name string
}

func (c *console) devices(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	q := r.URL.Query()
	view := devicesView{Territory: q.Get("territory"), Stage: q.Get("stage"), Consignment: strings.TrimSpace(q.Get("consignment")),
		Model: strings.TrimSpace(q.Get("model")), Places: places(), Stages: stages}
	query, err := deviceQuery(view, q.Get("after"))
	if err != nil {
		return err
	}
	var next device.ID
	if view.Rows, next, err = c.service.Devices(r.Context(), query); err != nil {
		return err
	}
	if !next.IsZero() {
		q.Set("after", next.String())
		view.Next = "/console/devices?" + q.Encode()
	}
	return c.show(w, r, o, http.StatusOK, "devices", "Devices", view)
}

// findDevice looks a device up by its IMEI. It is a POST, so that no IMEI gets into a URL, a history or a log.
func (c *console) findDevice(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	return c.toDevice(w, r, strings.TrimSpace(r.PostFormValue("imei")))
}

func (c *console) toDevice(w http.ResponseWriter, r *http.Request, imei string) error {
	d, err := c.service.FindDevice(r.Context(), imei)
	if err == nil {
		return web.Redirect(w, r, "/console/devices/"+d.ID.String())
	}
	e := authority.AsError(err)
	if e.Kind != authority.NotFound && e.Kind != authority.Invalid {
		return err
	}
	return c.flash(w, r, "/console/devices", web.Flash{Tone: "bad", Text: strings.TrimSpace(web.Sentence(e.Detail) + " " + web.Sentence(e.Fix))})
}

func deviceQuery(v devicesView, after string) (authority.DeviceQuery, error) {
	q := authority.DeviceQuery{Consignment: v.Consignment, Model: v.Model, Limit: devicesPerPage}
	var err error
	if v.Territory != "" {
		if q.Territory, err = territory.ParseCode(v.Territory); err != nil {
			return q, web.Invalid("there is no such territory", "choose one from the list")
		}
	}
	if v.Stage != "" {
		s, ok := stageNames[v.Stage]
		if !ok {
			return q, web.Invalid("there is no such stage", "choose one from the list")
		}
		q.Stage = &s
	}
	if after != "" {
		if q.After, err = device.ParseID(after); err != nil {
			return q, web.Invalid("the link to this page is broken", "start from the list of devices")
		}
	}
	return q, nil
}

// places lists the territories to filter by: all countries, and the subdivisions of Ukraine that policies speak of.
func places() []place {
	codes := append(territory.Countries(), "UA-43", "UA-40")
	list := make([]place, len(codes))
	for i, c := range codes {
		list[i] = place{c, web.Place(c)}
	}
	slices.SortFunc(list, func(a, b place) int { return strings.Compare(a.Name, b.Name) })
	return list
}

type deviceView struct {
	*authority.DeviceDetail
	Strip   web.DayStrip
	Tracks  []track
	Open    []order.Ground // that could be lifted
	Stage   order.Stage
	MayLift bool
	MayCode bool
	MayGive bool // licences
	Lifts   []liftCode
}

// track is one restriction and how far it has come.
type track struct {
	*authority.Restriction
	Steps []step
}

type step struct {
	Name  string
	Class string
	Done  bool
	At    time.Time
	Notes []string
}

func (c *console) device(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	id, err := device.ParseID(r.PathValue("id"))
	if err != nil {
		return authority.ErrNotFound
	}
	detail, err := c.service.DeviceDetail(r.Context(), id)
	if err != nil {
		return err
	}
	view := deviceView{DeviceDetail: detail, Strip: web.Days(detail.Device.Days, territory.DayOf(c.site.Now()), web.EnglishDays), Stage: order.Observed,
		MayLift: o.Can(authority.MayLift), MayCode: o.Can(authority.MayGiveUnlockCodes), MayGive: o.Can(authority.MayAttachLicences)}
	for _, restriction := range detail.Restrictions {
		view.Tracks = append(view.Tracks, track{restriction, steps(detail.Device, restriction)})
		if restriction.Active() {
			view.Open = append(view.Open, restriction.Ground)
			view.Stage = max(view.Stage, restriction.Stage)
		}
	}
	if len(view.Tracks) > 0 && len(view.Open) == 0 {
		view.Stage = order.Lifted
	}
	if view.Lifts, err = c.liftCodes(r.Context(), id); err != nil {
		return err
	}
	return c.show(w, r, o, http.StatusOK, "device", "Device "+string(detail.Device.IMEI), view)
}

// steps tells a restriction's story: observed → noticed → locked → lifted, with what was told at each.
func steps(d *authority.Device, r *authority.Restriction) []step {
	observed := step{Name: "Observed", Class: "observed", Done: true, At: d.EnrolledAt}
	if d.Activation != nil {
		observed.At = d.Activation.Day.Time()
		observed.Notes = []string{"activated in " + web.Place(d.Activation.Territory)}
	}
	noticed := step{Name: "Noticed", Class: "noticed", Done: !r.NoticedAt.IsZero(), At: r.NoticedAt}
	if noticed.Done {
		noticed.Notes = []string{"no lock before " + web.Date(r.Deadline), "shown on " + web.Count(r.ShownDays, "day", "days")}
		if r.Appealing {
			noticed.Notes = append(noticed.Notes, "appeal open: time stands still")
		}
	}
	locked := step{Name: "Locked", Class: "locked", Done: !r.LockedAt.IsZero(), At: r.LockedAt}
	if locked.Done {
		locked.Notes = []string{"takes hold " + web.DateTime(r.EffectAt), "ends by itself " + web.Date(r.EndsAt)}
	}
	lifted := step{Name: "Lifted", Class: "lifted", Done: r.Stage == order.Lifted, At: r.LiftedAt}
	if lifted.Done {
		lifted.Notes = []string{web.CauseText(r.Cause)}
	}
	return []step{observed, noticed, locked, lifted}
}

func (c *console) lift(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	id, back, err := deviceAction(r, o, authority.MayLift)
	if err != nil {
		return err
	}
	ground, err := order.ParseGround(r.PostFormValue("ground"))
	if err != nil {
		return web.Invalid("no restriction was chosen", "choose what to lift")
	}
	err = c.service.LiftByHuman(r.Context(), o, id, ground, r.PostFormValue("reason"))
	return c.done(w, r, back, "The restriction is lifted. The device hears of it when it checks in.", err)
}

func (c *console) unlockCode(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	id, back, err := deviceAction(r, o, authority.MayGiveUnlockCodes)
	if err != nil {
		return err
	}
	code, err := c.service.UnlockCode(r.Context(), o, id, r.PostFormValue("challenge"), r.PostFormValue("justification"))
	if err != nil {
		return c.done(w, r, back, "", err)
	}
	return c.flash(w, r, back, web.Flash{Tone: "good", Text: "Read this code to the owner. It works once, for this challenge.", Secret: code})
}

// attachLicence attaches a licence to a device, or takes it away.
func (c *console) attachLicence(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	id, back, err := deviceAction(r, o, authority.MayAttachLicences)
	if err != nil {
		return err
	}
	licence, attach := strings.TrimSpace(r.PostFormValue("licence")), r.PostFormValue("action") != "detach"
	good := "The licence " + licence + " is attached. The decision below counts it; restrictions follow when the device checks in."
	if !attach {
		good = "The licence " + licence + " is taken away. The decision below is without it; restrictions follow when the device checks in."
	}
	return c.done(w, r, back, good, c.service.AttachLicence(r.Context(), o, id, licence, attach))
}

func deviceAction(r *http.Request, o *authority.Officer, right authority.Right) (device.ID, string, error) {
	if err := must(o, right); err != nil {
		return device.ID{}, "", err
	}
	id, err := device.ParseID(r.PathValue("id"))
	if err != nil {
		return id, "", authority.ErrNotFound
	}
	return id, "/console/devices/" + id.String(), web.ParseForm(r)
}

// GroundOption is a choice of the form that lifts.
type GroundOption struct{ Value, Text string }

// Options lists the grounds that can be lifted.
func (v deviceView) Options() []GroundOption {
	list := make([]GroundOption, len(v.Open))
	for i, g := range v.Open {
		list[i] = GroundOption{g.String(), web.GroundText(g)}
	}
	return list
}
