package qr_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/qr"
)

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

// textOf is a text of n characters of the alphanumeric mode, as a lift has them.
func textOf(n int) string {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	var b strings.Builder
	b.WriteString("BWL1:")
	for b.Len() < n {
		b.WriteByte(alphabet[r.IntN(len(alphabet))])
	}
	return b.String()
}

// photo shows a drawn code as a camera would see it: turned, at another scale, off the middle, unevenly lit, noisy, as JPEG.
func photo(t *testing.T, drawn []byte, degrees, scale, slant float64, quality int) []byte {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(drawn))
	if err != nil {
		t.Fatal(err)
	}
	side := float64(m.Bounds().Dx())
	w, h := int(side*scale*1.5), int(side*scale*1.4)
	out := image.NewGray(image.Rect(0, 0, w, h))
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	r := rand.New(rand.NewPCG(7, 7))
	at := func(x, y float64) float64 { // of the drawing, interpolated
		x0, y0 := math.Floor(x), math.Floor(y)
		sum := 0.0
		for _, c := range [][2]float64{{0, 0}, {1, 0}, {0, 1}, {1, 1}} {
			weight := (1 - math.Abs(x-x0-c[0])) * (1 - math.Abs(y-y0-c[1]))
			v := 190.0 // the table
			if px, py := x0+c[0], y0+c[1]; px >= 0 && py >= 0 && px < side && py < side {
				v = float64(color.GrayModel.Convert(m.At(int(px), int(py))).(color.Gray).Y)
			}
			sum += weight * v
		}
		return sum
	}
	for y := range h {
		for x := range w {
			dx, dy := (float64(x)-float64(w)*0.48)/scale, (float64(y)-float64(h)*0.53)/scale
			away := 1 + slant*dy/side // the camera is not quite above it
			dx, dy = dx/away, dy/away
			v := at(cos*dx+sin*dy+side/2, -sin*dx+cos*dy+side/2)
			v = 25 + v*(0.65+0.2*float64(x)/float64(w)) + r.NormFloat64()*4
			out.Pix[y*out.Stride+x] = byte(max(0, min(255, v)))
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, out, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadWhatIsDrawn(t *testing.T) {
	for _, n := range []int{412, 1165, 1555, 2035, 2371, 3199, 4296} {
		text := textOf(n)
		drawn, err := qr.PNG(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := qr.Read(drawn); err != nil || got != text {
			t.Errorf("%d characters: %v", n, err)
		}
	}
	if _, err := qr.PNG(textOf(4297)); err == nil {
		t.Error("more than a code holds was drawn")
	}
}

// A million entries and one witness (1,555 characters) up to 10^9 and three witnesses (2,371).
func TestReadPhotos(t *testing.T) {
	for _, n := range []int{412, 1555, 2035, 2371} {
		text := textOf(n)
		drawn, err := qr.PNG(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ degrees, scale, slant float64 }{
			{0, 1, 0}, {4, 1, 0}, {-7, 0.8, 0}, {3, 1.7, 0}, {94, 1, 0}, {183, 0.9, 0}, {5, 1.2, 0.05}, {-8, 1.2, 0.03},
		} {
			began := time.Now()
			got, err := qr.Read(photo(t, drawn, c.degrees, c.scale, c.slant, 75))
			if err != nil || got != text {
				t.Errorf("%d characters, %+v: %v", n, c, err)
			}
			t.Logf("%d characters, %+v: %v", n, c, time.Since(began))
		}
	}
}

func TestNotRead(t *testing.T) {
	drawn, err := qr.PNG(textOf(900))
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(drawn))
	if err != nil {
		t.Fatal(err)
	}
	side := m.Bounds().Dx()
	half := m.(interface {
		SubImage(image.Rectangle) image.Image
	}).SubImage(image.Rect(0, 0, side, side/2))
	smeared := image.NewGray(m.Bounds())
	for y := range side {
		for x := range side {
			smeared.Set(x, y, m.At(x, y))
			if x > side/3 && x < side*2/3 && y > side/3 && y < side*2/3 {
				smeared.Set(x, y, color.Gray{Y: 128})
			}
		}
	}
	var white, cut, stained bytes.Buffer
	for to, picture := range map[*bytes.Buffer]image.Image{&white: image.NewGray(image.Rect(0, 0, 300, 200)), &cut: half, &stained: smeared} {
		if err := png.Encode(to, picture); err != nil {
			t.Fatal(err)
		}
	}
	huge := append([]byte{}, drawn...)
	copy(huge[16:], []byte{0, 1, 0, 0, 0, 1, 0, 0}) // 65,536 by 65,536; the checksum is wrong now, or it would be too large
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"nothing":      {nil, qr.ErrNoPicture},
		"a text":       {[]byte("BWL1:"), qr.ErrNoPicture},
		"a cut file":   {drawn[:len(drawn)/2], qr.ErrNoPicture},
		"a wrong sum":  {huge, qr.ErrNoPicture},
		"an empty one": {white.Bytes(), qr.ErrNoCode},
		"half a code":  {cut.Bytes(), qr.ErrNoCode},
		"a stain":      {stained.Bytes(), qr.ErrNoCode},
		"many bytes":   {make([]byte, qr.MaxBytes+1), qr.ErrTooLarge},
		"many pixels":  {pngHeader(70_000, 70_000), qr.ErrTooLarge},
	} {
		if text, err := qr.Read(c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %q, %v; want %v", name, text, err, c.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range []string{"", "HELLO", "hello\x00"} {
		drawn, err := qr.PNG(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(drawn)
	}
	f.Add(pngHeader(3, 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		if c, _, err := image.DecodeConfig(bytes.NewReader(data)); err == nil && c.Width*c.Height > 1<<20 {
			return // allowed, and slow
		}
		text, err := qr.Read(data)
		if err != nil && !errors.Is(err, qr.ErrNoCode) && !errors.Is(err, qr.ErrNoPicture) && !errors.Is(err, qr.ErrTooLarge) {
			t.Fatalf("%q, %v", text, err)
		}
	})
}
