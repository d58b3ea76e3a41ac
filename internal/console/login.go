package console

import (
	"errors"
	"net/http"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/web"
)

type loginView struct {
	Name  string
	Next  string
	Error string
}

func (c *console) loginPage(w http.ResponseWriter, r *http.Request) error {
	return c.show(w, r, nil, http.StatusOK, "login", "Log in", loginView{Next: r.URL.Query().Get("next")})
}

func (c *console) login(w http.ResponseWriter, r *http.Request) error {
	if !c.tries.Allow(web.AddressKey(c.site.Address(r))) {
		return web.ErrRateLimited
	}
	if err := web.ParseForm(r); err != nil {
		return err
	}
	view := loginView{Name: r.PostFormValue("name"), Next: r.PostFormValue("next")}
	token, o, err := c.service.Login(r.Context(), view.Name, r.PostFormValue("password"))
	if errors.Is(err, authority.ErrLoginFailed) {
		view.Error = "Name or password is wrong."
		return c.show(w, r, nil, http.StatusUnauthorized, "login", "Log in", view)
	}
	if err != nil {
		return err
	}
	c.setSession(w, r, token, 0)
	if o.MustChange {
		return web.Redirect(w, r, "/console/password")
	}
	return web.Redirect(w, r, localPath(view.Next))
}

func (c *console) logout(w http.ResponseWriter, r *http.Request) error {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		if err := c.service.Logout(r.Context(), cookie.Value); err != nil && authority.AsError(err).Kind != authority.Unauthenticated {
			return err
		}
	}
	c.setSession(w, r, "", -1)
	return c.flash(w, r, "/console/login", web.Flash{Tone: "good", Text: "You are logged out."})
}

// setSession keeps the token until the browser is closed; the service ends the session on its own clock.
func (c *console) setSession(w http.ResponseWriter, r *http.Request, token string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: token, Path: "/console", MaxAge: maxAge, HttpOnly: true,
		Secure: c.site.Secure || r.TLS != nil, SameSite: http.SameSiteStrictMode})
}

type passwordView struct {
	First bool // a one-time password is to be replaced
	Error string
}

func (c *console) passwordPage(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	return c.show(w, r, o, http.StatusOK, "password", "Choose a password", passwordView{First: o.MustChange})
}

func (c *console) changePassword(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if !c.tries.Allow(web.AddressKey(c.site.Address(r))) {
		return web.ErrRateLimited
	}
	if err := web.ParseForm(r); err != nil {
		return err
	}
	again := func(text string) error {
		return c.show(w, r, o, http.StatusBadRequest, "password", "Choose a password", passwordView{o.MustChange, text})
	}
	if r.PostFormValue("new") != r.PostFormValue("again") {
		return again("The two new passwords differ.")
	}
	err := c.service.ChangePassword(r.Context(), o, r.PostFormValue("old"), r.PostFormValue("new"))
	switch {
	case errors.Is(err, authority.ErrWeakPassword):
		return again(web.Sentence(authority.AsError(err).Detail))
	case errors.Is(err, authority.ErrLoginFailed):
		return again("The present password is wrong.")
	}
	return c.done(w, r, "/console/", "Your new password counts from now on.", err)
}
