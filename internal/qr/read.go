package qr

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/draw"
	_ "image/jpeg" // what cameras make
	_ "image/png"  // what screenshots are

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// Bounds of a picture that Read takes.
const (
	MaxBytes  = 16 << 20
	MaxPixels = 40 << 20 // about 40 million: what phones' cameras make unless told otherwise
)

// Why a picture is not read.
var (
	ErrTooLarge  = errors.New("the picture is too large: take one of at most 16 MB and 40 million pixels, or cut it to the code")
	ErrNoPicture = errors.New("this is no PNG or JPEG picture, or a damaged one")
	ErrNoCode    = errors.New("no QR code could be read in the picture: let the whole code fill it, sharp and without shadow, and try again")
)

// tries are the shares, in per cent, to which a picture of at most firstSide pixels is brought for one more try: a decoder looks
// at modules of a few pixels best, and another grid gets around an unlucky one.
var tries = []int{100, 83, 71, 59, 47, 37}

// firstSide is the longer side, in pixels, beyond which a photo has more noise than code.
const firstSide = 2800

// Read finds a QR code in a PNG or JPEG picture, whichever way it is turned, and returns its text. It fails with ErrTooLarge,
// ErrNoPicture or ErrNoCode.
func Read(picture []byte) (string, error) {
	if len(picture) > MaxBytes {
		return "", ErrTooLarge
	}
	header, _, err := image.DecodeConfig(bytes.NewReader(picture))
	if err != nil || header.Width < 1 || header.Height < 1 {
		return "", fmt.Errorf("%w (%w)", ErrNoPicture, orNoSize(err))
	}
	if header.Width > MaxPixels/header.Height {
		return "", ErrTooLarge
	}
	decoded, _, err := image.Decode(bytes.NewReader(picture))
	if err != nil {
		return "", fmt.Errorf("%w (%w)", ErrNoPicture, err)
	}
	gray := grayOf(decoded)
	longer := min(firstSide, max(gray.Rect.Dx(), gray.Rect.Dy()))
	for _, percent := range tries {
		if text, ok := decode(shrink(gray, longer*percent/100)); ok {
			return text, nil
		}
	}
	return "", ErrNoCode
}

func orNoSize(err error) error {
	if err == nil {
		return errors.New("it has no size")
	}
	return err
}

// grayOf is the picture on white paper.
func grayOf(m image.Image) *image.Gray {
	b := m.Bounds()
	gray := image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(gray, gray.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(gray, gray.Rect, m, b.Min, draw.Over)
	return gray
}

// shrink brings the longer side to the given length, if it is longer; each pixel is the mean of those that it stands for.
func shrink(m *image.Gray, side int) *image.Gray {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	longer := max(w, h)
	if longer <= side {
		return m
	}
	out := image.NewGray(image.Rect(0, 0, max(1, w*side/longer), max(1, h*side/longer)))
	for y := range out.Rect.Dy() {
		top, bottom := y*h/out.Rect.Dy(), max(y*h/out.Rect.Dy()+1, (y+1)*h/out.Rect.Dy())
		for x := range out.Rect.Dx() {
			left, right := x*w/out.Rect.Dx(), max(x*w/out.Rect.Dx()+1, (x+1)*w/out.Rect.Dx())
			sum := 0
			for sy := top; sy < bottom; sy++ {
				for _, v := range m.Pix[sy*m.Stride+left : sy*m.Stride+right] {
					sum += int(v)
				}
			}
			out.Pix[y*out.Stride+x] = byte(sum / ((bottom - top) * (right - left)))
		}
	}
	return out
}

// decode tries both ways of telling black from white: by the neighbourhood, for photos, and by the whole, for screenshots; and for the
// latter, to read a code that is nothing but straight.
func decode(m *image.Gray) (text string, ok bool) {
	// The decoder is fed with whatever somebody uploaded: should it ever fail on something, there is no code in it.
	defer func() {
		if recover() != nil {
			text, ok = "", false
		}
	}()
	source := gozxing.NewLuminanceSourceFromImage(m)
	harder, straight := gozxing.DecodeHintType_TRY_HARDER, gozxing.DecodeHintType_PURE_BARCODE
	for _, binarizer := range []gozxing.Binarizer{gozxing.NewHybridBinarizer(source), gozxing.NewGlobalHistgramBinarizer(source)} {
		bitmap, err := gozxing.NewBinaryBitmap(binarizer)
		if err != nil {
			continue
		}
		for _, hint := range []gozxing.DecodeHintType{harder, straight} {
			result, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{hint: true})
			if err == nil {
				return result.GetText(), true
			}
		}
	}
	return "", false
}
