package console

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/web"
)

type appealsView struct {
	Rows []authority.AppealRow
	Tabs []web.Choice
	Open bool
}

func (c *console) appeals(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	state := authority.AppealState(r.URL.Query().Get("state"))
	switch state {
	case authority.AppealOpen, authority.AppealGranted, authority.AppealDenied:
	default:
		state = authority.AppealOpen
	}
	rows, err := c.service.Appeals(r.Context(), state, listLimit)
	if err != nil {
		return err
	}
	var tabs []web.Choice
	for _, s := range []authority.AppealState{authority.AppealOpen, authority.AppealGranted, authority.AppealDenied} {
		tabs = append(tabs, web.Choice{Name: stateName(s), Href: "/console/appeals?state=" + string(s), Current: s == state})
	}
	return c.show(w, r, o, http.StatusOK, "appeals", "Appeals", appealsView{rows, tabs, state == authority.AppealOpen})
}

func stateName(s authority.AppealState) string {
	switch s {
	case authority.AppealGranted:
		return "Granted"
	case authority.AppealDenied:
		return "Denied"
	}
	return "Open"
}

func (c *console) appeal(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	id, err := numberInPath(r)
	if err != nil {
		return err
	}
	// The list carries what a page needs beside the appeal; there are few appeals.
	rows, err := c.service.Appeals(r.Context(), "", 1000)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(rows, func(row authority.AppealRow) bool { return row.ID == id })
	if i < 0 {
		return authority.ErrNotFound
	}
	return c.show(w, r, o, http.StatusOK, "appeal", fmt.Sprintf("Appeal %d", id), rows[i])
}

func (c *console) answerAppeal(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	id, err := numberInPath(r)
	if err != nil {
		return err
	}
	if err := must(o, authority.MayAnswerAppeals); err != nil {
		return err
	}
	if err := web.ParseForm(r); err != nil {
		return err
	}
	back := fmt.Sprintf("/console/appeals/%d", id)
	var grant bool
	var good string
	switch r.PostFormValue("decision") {
	case "grant":
		grant, good = true, "Granted. The restriction is lifted for good on this ground."
	case "deny":
		good = "Denied. The owner gets the answer, and a later date."
	default:
		return c.done(w, r, back, "", web.Invalid("neither grant nor deny was chosen", "choose one"))
	}
	err = c.service.AnswerAppeal(r.Context(), o, id, grant, r.PostFormValue("answer"))
	return c.done(w, r, back, good, err)
}
