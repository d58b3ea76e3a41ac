package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

type loginInput struct {
	Body struct {
		Name     string `json:"name" minLength:"1" maxLength:"64"`
		Password string `json:"password" minLength:"1" maxLength:"512"`
	}
}

type session struct {
	Token   string      `json:"token" doc:"for the Authorization header, as Bearer"`
	Officer officerView `json:"officer"`
}

type passwordInput struct {
	Body struct {
		Old string `json:"old" minLength:"1" maxLength:"512"`
		New string `json:"new" minLength:"1" maxLength:"512"`
	}
}

type officerInput struct {
	Body struct {
		Name string `json:"name" minLength:"2" maxLength:"32"`
		Role string `json:"role" enum:"admin,officer,support"`
	}
}

type oneTime struct {
	Password string `json:"one_time_password" doc:"to be changed at the first login; it is shown this once"`
}

type authorization struct {
	Authorization string `header:"Authorization" hidden:"true"`
}

// accounts are log-ins and officers.
func (e *edge) accounts(api huma.API) {
	a := e.cfg.Authority
	huma.Register(api, open(op(http.MethodPost, pathLogin, "login", "Begin a session")),
		func(ctx context.Context, in *loginInput) (*bodyOf[session], error) {
			token, o, err := a.Login(ctx, in.Body.Name, in.Body.Password)
			return one(o, err, func(o *authority.Officer) session { return session{token, officerOf(o)} })
		})
	huma.Register(api, silent(op(http.MethodPost, pathLogout, "logout", "End this session")),
		func(ctx context.Context, in *authorization) (*struct{}, error) {
			return none(a.Logout(ctx, bearer(in.Authorization)))
		})
	huma.Register(api, silent(op(http.MethodPost, pathPassword, "change-password", "Change your own password")),
		func(ctx context.Context, in *passwordInput) (*struct{}, error) {
			return none(a.ChangePassword(ctx, actor(ctx), in.Body.Old, in.Body.New))
		})
	huma.Register(api, op(http.MethodGet, "/v1/officers", "list-officers", "Everybody who may log in"),
		func(ctx context.Context, _ *struct{}) (*bodyOf[[]officerView], error) {
			all, err := a.Officers(ctx)
			return list(all, err, officerOf)
		})
	huma.Register(api, op(http.MethodPost, "/v1/officers", "add-officer", "Add an officer, with a one-time password"),
		func(ctx context.Context, in *officerInput) (*bodyOf[oneTime], error) {
			password, err := a.AddOfficer(ctx, actor(ctx), in.Body.Name, in.Body.Role)
			return one(password, err, func(p string) oneTime { return oneTime{p} })
		})
	huma.Register(api, op(http.MethodGet, "/v1/overview", "overview", "Counts by territory and stage, and what waits for an officer"),
		func(ctx context.Context, _ *struct{}) (*bodyOf[overviewView], error) {
			o, err := a.Overview(ctx)
			return one(o, err, overviewOf)
		})
}
