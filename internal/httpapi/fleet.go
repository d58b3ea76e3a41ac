package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

type deviceQuery struct {
	Territory   string `query:"territory" maxLength:"6" doc:"ISO 3166 code: of activation or, before that, of the last decided day"`
	Stage       string `query:"stage" enum:"observed,noticed,locked,lifted" doc:"strictest stage of its restrictions that is not lifted"`
	Consignment string `query:"consignment" maxLength:"64"`
	Model       string `query:"model" maxLength:"64"`
	After       string `query:"after" maxLength:"32" doc:"go on behind this device: the header Link has the next page"`
	Limit       int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type deviceInput struct {
	ID string `path:"id" minLength:"32" maxLength:"32"`
}

type imeiInput struct {
	Body struct {
		IMEI string `json:"imei" minLength:"15" maxLength:"64" doc:"as people write it; digits of any script"`
	}
}

type liftInput struct {
	ID   string `path:"id" minLength:"32" maxLength:"32"`
	Body struct {
		Ground string `json:"ground" minLength:"3" maxLength:"80" example:"rule:cuba"`
		Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"one sentence for the owner"`
	}
}

type eraseInput struct {
	ID   string `path:"id" minLength:"32" maxLength:"32"`
	Body struct {
		Reason string `json:"reason" minLength:"5" maxLength:"500" doc:"how the owner asked; it stands on the time line"`
	}
}

type licenceInput struct {
	ID   string `path:"id" minLength:"32" maxLength:"32"`
	Body struct {
		Licence  string `json:"licence" minLength:"1" maxLength:"64" doc:"its id in the policy" example:"relief-2026"`
		Attached bool   `json:"attached" doc:"whether it is to cover the device"`
	}
}

type erased struct {
	Records int `json:"records" doc:"forgotten"`
}

type unlockInput struct {
	ID   string `path:"id" minLength:"32" maxLength:"32"`
	Body struct {
		Challenge     string `json:"challenge" minLength:"8" maxLength:"64" doc:"the digits on the locked screen"`
		Justification string `json:"justification" minLength:"1" maxLength:"500"`
	}
}

type unlockCode struct {
	Code string `json:"code" doc:"8 digits to type on the device; it works once"`
}

func invalid(detail, fix string) *Problem {
	return newProblem(http.StatusBadRequest, statusNames[http.StatusBadRequest], detail, fix)
}

func (in *deviceQuery) query() (q authority.DeviceQuery, p *Problem) {
	q = authority.DeviceQuery{Consignment: in.Consignment, Model: in.Model, Limit: in.Limit}
	if in.Territory != "" {
		code, err := territory.ParseCode(in.Territory)
		if err != nil {
			return q, invalid(err.Error(), "write it as CU or UA-43")
		}
		q.Territory = code
	}
	if in.Stage != "" {
		q.Stage = new(order.Stage)
		if err := q.Stage.UnmarshalText([]byte(in.Stage)); err != nil {
			return q, invalid(err.Error(), "")
		}
	}
	if in.After != "" {
		id, p := parseID(in.After)
		if p != nil {
			return q, p
		}
		q.After = id
	}
	return q, nil
}

func parseID(s string) (device.ID, *Problem) {
	id, err := device.ParseID(s)
	if err != nil {
		return id, invalid(err.Error(), "")
	}
	return id, nil
}

// devicePage is a page of devices, with a link to the next one (RFC 8288).
type devicePage struct {
	Link string `header:"Link" doc:"the next page, rel=\"next\"; left out at the end. A page may be short, or empty, and not the last: a request looks at 20,000 devices at most"`
	Body []deviceRow
}

// linkTo is the page behind a device, for the same question.
func (in *deviceQuery) linkTo(next device.ID) string {
	if next.IsZero() {
		return ""
	}
	q := url.Values{"after": {next.String()}, "limit": {strconv.Itoa(in.Limit)}}
	for name, value := range map[string]string{"territory": in.Territory, "stage": in.Stage, "consignment": in.Consignment, "model": in.Model} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "</v1/devices?" + q.Encode() + `>; rel="next"`
}

// fleet is devices one by one.
func (e *edge) fleet(api huma.API) {
	a := e.cfg.Authority
	huma.Register(api, op(http.MethodGet, "/v1/devices", "list-devices", "Devices, by id, page by page"),
		func(ctx context.Context, in *deviceQuery) (*devicePage, error) {
			q, p := in.query()
			if p != nil {
				return nil, p
			}
			all, next, err := a.Devices(ctx, q)
			if err != nil {
				return nil, problemOf(err)
			}
			return &devicePage{in.linkTo(next), each(all, deviceRowOf)}, nil
		})
	// The IMEI is in the body: URLs end up in the logs of others.
	huma.Register(api, op(http.MethodPost, "/v1/devices/find", "find-device", "The device with an IMEI"),
		func(ctx context.Context, in *imeiInput) (*bodyOf[deviceDetail], error) {
			d, err := a.FindDevice(ctx, in.Body.IMEI)
			if err != nil {
				return nil, problemOf(err)
			}
			detail, err := a.DeviceDetail(ctx, d.ID)
			return one(detail, err, deviceDetailOf)
		})
	huma.Register(api, op(http.MethodGet, "/v1/devices/{id}", "show-device", "All that is known of a device, and why"),
		func(ctx context.Context, in *deviceInput) (*bodyOf[deviceDetail], error) {
			id, p := parseID(in.ID)
			if p != nil {
				return nil, p
			}
			detail, err := a.DeviceDetail(ctx, id)
			return one(detail, err, deviceDetailOf)
		})
	huma.Register(api, silent(op(http.MethodPost, "/v1/devices/{id}/lift", "lift", "Lift a restriction for good")),
		func(ctx context.Context, in *liftInput) (*struct{}, error) {
			id, p := parseID(in.ID)
			if p != nil {
				return nil, p
			}
			g, err := order.ParseGround(in.Body.Ground)
			if err != nil {
				return nil, invalid(err.Error(), "write it as rule:cuba or warrant:warrant-0001")
			}
			return none(a.LiftByHuman(ctx, actor(ctx), id, g, in.Body.Reason))
		})
	huma.Register(api, silent(op(http.MethodPost, "/v1/devices/{id}/licences", "attach-licence", "Say that a licence of the policy covers a device, or no longer; asking twice changes nothing")),
		func(ctx context.Context, in *licenceInput) (*struct{}, error) {
			id, p := parseID(in.ID)
			if p != nil {
				return nil, p
			}
			return none(a.AttachLicence(ctx, actor(ctx), id, in.Body.Licence, in.Body.Attached))
		})
	huma.Register(api, op(http.MethodPost, "/v1/devices/{id}/erase", "erase-device", "Forget what a device told of its owner, at the owner's request"),
		func(ctx context.Context, in *eraseInput) (*bodyOf[erased], error) {
			id, p := parseID(in.ID)
			if p != nil {
				return nil, p
			}
			n, err := a.EraseDevice(ctx, actor(ctx), id, in.Body.Reason)
			return one(n, err, func(n int) erased { return erased{n} })
		})
	huma.Register(api, op(http.MethodGet, "/v1/unlock-codes", "count-unlock-codes", "Codes given out against codes used, by officer"),
		func(ctx context.Context, _ *struct{}) (*bodyOf[authority.CodeReport], error) {
			report, err := a.CodeReport(ctx, actor(ctx))
			return one(report, err, func(r *authority.CodeReport) authority.CodeReport { return *r })
		})
	huma.Register(api, op(http.MethodPost, "/v1/devices/{id}/unlock-code", "unlock-code", "A code that lifts without a network; recorded"),
		func(ctx context.Context, in *unlockInput) (*bodyOf[unlockCode], error) {
			id, p := parseID(in.ID)
			if p != nil {
				return nil, p
			}
			code, err := a.UnlockCode(ctx, actor(ctx), id, in.Body.Challenge, in.Body.Justification)
			return one(code, err, func(c string) unlockCode { return unlockCode{c} })
		})
}
