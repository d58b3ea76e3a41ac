package console

import (
	"net/http"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/web"
)

type officersView struct {
	Signers  *signersView
	Manages  bool                 // may change accounts, and hand in who the officers are
	Renews   bool                 // may have signatures renewed
	Accounts []*authority.Officer // for who manages them
	Me       string
}

// officers shows who signs, to everybody who may log in, and who may log in, to those who manage that.
func (c *console) officers(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	view := officersView{Manages: o.Can(authority.MayManageOfficers), Renews: o.Can(authority.MayPublishPolicy), Me: o.Name}
	var err error
	if view.Signers, err = c.signers(r.Context()); err != nil {
		return err
	}
	if view.Manages {
		if view.Accounts, err = c.service.Officers(r.Context()); err != nil {
			return err
		}
	}
	return c.show(w, r, o, http.StatusOK, "officers", "Officers", view)
}

func (c *console) addOfficer(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := must(o, authority.MayManageOfficers); err != nil {
		return err
	}
	if err := web.ParseForm(r); err != nil {
		return err
	}
	name := r.PostFormValue("name")
	password, err := c.service.AddOfficer(r.Context(), o, name, r.PostFormValue("role"))
	if err != nil {
		return c.done(w, r, "/console/officers", "", err)
	}
	return c.flash(w, r, "/console/officers", web.Flash{Tone: "good", Secret: password,
		Text: name + " can log in with this one-time password, and has to change it then."})
}

func (c *console) disableOfficer(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := must(o, authority.MayManageOfficers); err != nil {
		return err
	}
	name := r.PathValue("name")
	return c.done(w, r, "/console/officers", name+" can no longer log in.", c.service.DisableOfficer(r.Context(), o, name))
}
