// Package qr draws QR codes (ISO/IEC 18004) and reads them from pictures.
//
//	png, err := qr.PNG(text)                  // for a page, or for paper
//	text, err := qr.Read(photo)               // from a screenshot or a photo: PNG or JPEG
//
// Read takes bytes that anybody may have made. They are bounded before they are decoded, and whatever is wrong with them is one of
// the named errors below.
package qr

import (
	"bytes"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"image/png"
	"strings"

	encoder "rsc.io/qr"
)

const (
	moduleSize = 6 // pixels, so that a screenshot of half the size is still read
	quietZone  = 4 // modules of white around the code, as the standard asks
)

// PNG draws text as the smallest code that holds it, black on white with a quiet zone, at error correction level L: a code that is
// shown on a screen or printed whole is seldom damaged, and larger modules help a camera more. It fails when no code holds the text:
// more than 4,296 characters of the alphanumeric mode, or 2,953 bytes of others.
func PNG(text string) ([]byte, error) {
	code, err := encoder.Encode(text, encoder.L)
	if err != nil {
		return nil, fmt.Errorf("qr: %d characters do not fit into a QR code: %w", len(text), err)
	}
	side := (code.Size + 2*quietZone) * moduleSize
	picture := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range side {
		for x := range side {
			if code.Black(x/moduleSize-quietZone, y/moduleSize-quietZone) {
				picture.Pix[y*picture.Stride+x] = 1
			}
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, picture); err != nil {
		return nil, fmt.Errorf("qr: %w", err)
	}
	return b.Bytes(), nil
}

// SVG draws text as PNG does, as an element for a page: one path, no style, label for those who do not see it.
func SVG(text, label string) (template.HTML, error) {
	code, err := encoder.Encode(text, encoder.L)
	if err != nil {
		return "", fmt.Errorf("qr: %d characters do not fit into a QR code: %w", len(text), err)
	}
	side := code.Size + 2*quietZone
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="qr" role="img" aria-label="%s" viewBox="0 0 %d %d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%dv%dH0z"/><path stroke="#000" d="`,
		template.HTMLEscapeString(label), side, side, side, side)
	for y := range code.Size {
		fmt.Fprintf(&b, "M%d %d.5", quietZone, y+quietZone)
		for x := 0; x < code.Size; {
			n := 1
			for x+n < code.Size && code.Black(x+n, y) == code.Black(x, y) {
				n++
			}
			if code.Black(x, y) {
				fmt.Fprintf(&b, "h%d", n)
			} else {
				fmt.Fprintf(&b, "m%d 0", n)
			}
			x += n
		}
	}
	b.WriteString(`"/></svg>`)
	return template.HTML(b.String()), nil
}
