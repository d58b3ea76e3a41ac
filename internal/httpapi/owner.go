package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

type lookInput struct {
	Body struct {
		IMEI      string `json:"imei" minLength:"15" maxLength:"64" doc:"as people write it; digits of any script"`
		Reference string `json:"reference" minLength:"1" maxLength:"64" doc:"from the screen of the device"`
	}
}

type fileInput struct {
	Body struct {
		IMEI      string `json:"imei" minLength:"15" maxLength:"64" doc:"as people write it; digits of any script"`
		Reference string `json:"reference" minLength:"1" maxLength:"64" doc:"from the screen of the device"`
		Text      string `json:"text" minLength:"1" maxLength:"2000" doc:"why the restriction is wrong"`
		Contact   string `json:"contact,omitempty" maxLength:"200" doc:"how to answer; the answer is also on this page"`
	}
}

// owners need no login; IMEI and reference have to fit together.
func (e *edge) owners(api huma.API) {
	a := e.cfg.Authority
	huma.Register(api, open(op(http.MethodPost, "/v1/owner/look", "owner-look", "What restricts a device, since when, why, and until when")),
		func(ctx context.Context, in *lookInput) (*bodyOf[ownerView], error) {
			v, err := a.OwnerLook(ctx, in.Body.IMEI, in.Body.Reference)
			return one(v, err, ownerOf)
		})
	huma.Register(api, open(op(http.MethodPost, "/v1/owner/appeal", "owner-appeal", "Appeal: the clock stops until a person has answered")),
		func(ctx context.Context, in *fileInput) (*bodyOf[appealView], error) {
			v, err := a.FileAppeal(ctx, in.Body.IMEI, in.Body.Reference, in.Body.Text, in.Body.Contact)
			return one(v, err, func(v *authority.Appeal) appealView { return appealOf(v) })
		})
}
