package console

import (
	"context"
	"errors"
	"html/template"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/qr"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/order"
)

// liftCode is a lift that its device has not reported, as a QR code for a phone without a network.
type liftCode struct {
	Ground order.Ground
	Code   template.HTML
}

// liftCodes draws the lifts that wait for a device. When a proof cannot be had at the moment there is none to show.
func (c *console) liftCodes(ctx context.Context, id device.ID) ([]liftCode, error) {
	waiting, err := c.service.WaitingLifts(ctx, id)
	if errors.Is(err, authority.ErrLedgerUnavailable) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var codes []liftCode
	for _, l := range waiting {
		text, err := l.Sealed.QRText()
		if err != nil {
			return nil, err
		}
		code, err := qr.SVG(text, "QR code with the lift of "+web.GroundText(l.Ground))
		if err != nil {
			return nil, err
		}
		codes = append(codes, liftCode{l.Ground, code})
	}
	return codes, nil
}
