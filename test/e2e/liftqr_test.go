package e2e

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/order"
)

// photographed is a screenshot as a camera would see the screen: turned by some degrees, at another scale, on a grey table, as JPEG.
func photographed(t *testing.T, shot []byte, degrees, scale float64) []byte {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	from := m.Bounds()
	side := int(float64(max(from.Dx(), from.Dy())) * scale * 1.25)
	out := image.NewGray(image.Rect(0, 0, side, side))
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	for y := range side {
		for x := range side {
			dx, dy := (float64(x)-float64(side)/2)/scale, (float64(y)-float64(side)/2)/scale
			at := image.Pt(from.Min.X+int(math.Round(cos*dx+sin*dy+float64(from.Dx())/2)), from.Min.Y+int(math.Round(cos*dy-sin*dx+float64(from.Dy())/2)))
			c := color.Gray{Y: 150}
			if at.In(from) {
				c = color.GrayModel.Convert(m.At(at.X, at.Y)).(color.Gray)
			}
			out.SetGray(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, out, &jpeg.Options{Quality: 70}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// scan gives the phone a picture, through its page.
func (s *story) scan(name string, picture []byte) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), name)
	if err := os.WriteFile(file, picture, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if !s.screen.has("#picture") {
		s.exit("scan")
	}
	s.screen.do(chromedp.SetUploadFiles(chromedp.CSS("#picture"), []string{file}))
	s.screen.press(`form[action="/phone/scan"] button`)
}

// codeOnOwnerPage takes a picture of the QR code that the owner of a phone finds.
func (s *story) codeOnOwnerPage(p *phone.Phone) []byte {
	s.t.Helper()
	s.desk.open(s.server.base + "/owner?lang=fa")
	s.desk.write("#imei", string(p.Config().IMEI))
	s.desk.write("#reference", p.Agent().Screen().Reference)
	s.desk.press("main form button[type=submit]")
	s.desk.need("section[aria-labelledby=unlock] svg.qr")
	shot, err := chromedp.Run(s.desk.ctx, chromedp.Screenshot(chromedp.CSS("section[aria-labelledby=unlock] svg.qr")))
	if err != nil {
		s.t.Fatal(err)
	}
	return shot
}

// TestUnlockByPicture: a locked phone that never gets a network again is opened by a photo of its owner page.
func TestUnlockByPicture(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.switchOn()
	s.daysUntil(order.Noticed, 12)
	s.logIn()
	s.daysUntilWave(30)
	s.approve()
	s.daysUntil(order.Locked, 6)
	s.exit("network")
	s.screen.press(".screen.network button[name=online]")

	s.scan("nothing.jpg", photographed(t, blank(t), 0, 1))
	s.screen.says(".told.bad", s.fa.T("phone.scan.none"))
	s.scan("text.png", []byte("no picture"))
	s.screen.says(".told.bad", s.fa.T("phone.scan.picture"))

	s.openDevice()
	s.desk.write("#reason", "The owner showed that the phone was a gift from abroad.")
	s.desk.press("form[action$='/lift'] button")
	s.desk.says(".note.good", "lifted")
	s.desk.open(s.server.base + "/console/") // until the ledger has it
	code := s.codeOnOwnerPage(s.phone)
	s.openDevice()
	s.desk.do(chromedp.Click(chromedp.CSS("section[aria-labelledby=lift-0] summary")))
	s.desk.need("section[aria-labelledby=lift-0] svg.qr")

	half := code[:len(code)/2]
	s.scan("half.png", half)
	s.screen.says(".told.bad", s.fa.T("phone.scan.picture"))
	s.screen.need(".screen.scan")
	s.scan("photo.jpg", photographed(t, code, 4, 1.3))
	s.screen.says(".told", s.fa.T("phone.scan.right"))
	s.screen.need(".screen.home .card.good")
	if s.phone.World().Online {
		t.Error("the phone has a network; it was to be opened without")
	}
	for range 2 {
		s.day()
	}
	if stage := s.phone.Agent().Screen().Stage; stage != order.Lifted {
		t.Errorf("some days later the phone is %v", stage)
	}

	// Another phone says that the picture is not for it.
	other := s.orderPhone("AE", phone.Tehran)
	if err := other.CheckIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	page := s.pageOf(other)
	s.screen.open(page)
	s.scan("foreign.jpg", photographed(t, code, -3, 1.1))
	s.screen.says(".told.bad", "another phone")

	// Once the phone has told that it is open, there is nothing to show any more.
	s.screen.open(s.page)
	s.exit("network")
	s.screen.press(".screen.network button[name=online]")
	s.desk.open(s.server.base + "/owner/phone?lang=fa")
	if s.desk.has("svg.qr") {
		t.Error("the owner page still shows the code of a lift that the phone follows")
	}
}

func blank(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 300, 300))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
