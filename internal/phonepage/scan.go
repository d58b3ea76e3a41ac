package phonepage

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/internal/qr"
	"github.com/bailiwick-dev/bailiwick/order"
)

// maxScan bounds an upload: a picture, and the form around it.
const maxScan = qr.MaxBytes + 64<<10

// scan reads a lift from a picture of its QR code, as the camera of a real phone would. It needs no network.
func (p *Page) scan(r *http.Request) error {
	picture, err := uploaded(r)
	if err != nil {
		p.told = &note{Key: "phone.scan.picture", Bad: true}
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			p.told.Key = "phone.scan.large"
		}
		return nil
	}
	text, err := qr.Read(picture)
	switch {
	case errors.Is(err, qr.ErrTooLarge):
		p.told = &note{Key: "phone.scan.large", Bad: true}
	case errors.Is(err, qr.ErrNoPicture):
		p.told = &note{Key: "phone.scan.picture", Bad: true}
	case err != nil:
		p.told = &note{Key: "phone.scan.none", Bad: true}
	default:
		p.told = p.takeLift(text)
	}
	if !p.told.Bad {
		p.view = ""
	}
	return nil
}

func uploaded(r *http.Request) ([]byte, error) {
	file, _, err := r.FormFile("picture")
	if err != nil {
		return nil, fmt.Errorf("the picture is missing: %w", err)
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, qr.MaxBytes+1))
}

// takeLift gives the text of a QR code to the agent, and says what it made of it.
func (p *Page) takeLift(text string) *note {
	if _, err := order.ParseQRText(text); errors.Is(err, order.ErrNotQR) {
		return &note{Key: "phone.scan.other", Bad: true}
	}
	out, err := p.cfg.Phone.Agent().AcceptLift([]byte(text))
	switch {
	case err != nil:
		return &note{Key: "phone.scan.damaged", Bad: true}
	case len(out.Applied) > 0:
		return &note{Key: "phone.scan.right"}
	case len(out.Refused) > 0 && out.Refused[0].Reason == string(agent.CommitmentMismatch):
		return &note{Key: "phone.scan.foreign", Bad: true}
	}
	return &note{Key: "phone.scan.refused", Bad: true}
}
