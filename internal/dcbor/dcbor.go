// Package dcbor is the one way in which this project's formats write and read CBOR: the deterministic encoding of
// RFC 8949, section 4.2.1, in the narrow subset that the formats need.
//
// The subset has unsigned and negative integers, byte strings, text strings, arrays, maps and booleans. It has no
// tags, no floating-point numbers, no null and no undefined. Because each value has exactly one encoding, what was
// parsed can be written again to the same bytes, and two readers cannot understand one message differently.
//
// It stands on floor 0, below the public formats, and is no format itself.
package dcbor

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

// ErrEncoding is returned (wrapped, with the offset) for bytes that are not one deterministically encoded item of
// the subset.
var ErrEncoding = errors.New("not deterministically encoded CBOR")

// MaxDepth is how deep arrays and maps may nest.
const MaxDepth = 8

var (
	encMode = must(cbor.EncOptions{
		Sort:          cbor.SortCoreDeterministic,
		IndefLength:   cbor.IndefLengthForbidden,
		TagsMd:        cbor.TagsForbidden,
		NilContainers: cbor.NilContainerAsEmpty,
	}.UserBufferEncMode())
	looseMode = must(cbor.DecOptions{
		MaxNestedLevels:  MaxDepth,
		MaxArrayElements: 4096,
		MaxMapPairs:      64,
		IntDec:           cbor.IntDecConvertSignedOrFail,
	}.DecMode())
	decMode = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:   MaxDepth,
		MaxArrayElements:  4096,
		MaxMapPairs:       64,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		UTF8:              cbor.UTF8RejectInvalid,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	}.DecMode())
)

func must[T any](mode T, err error) T {
	if err != nil {
		panic(err) // constant options: a mistake shows at the first start
	}
	return mode
}

// Marshal returns the deterministic encoding of v, a struct with `keyasint` or `toarray` tags.
func Marshal(v any) ([]byte, error) { return encMode.Marshal(v) }

// Unmarshal decodes data, which must be exactly one item of the subset, into v, a pointer to a struct that Marshal
// takes. Map keys that v does not name are an error, and so is whatever Marshal would have written otherwise: an
// array of integers for a byte string, an empty value for an absent one. The caller checks the lengths of byte
// strings, which must be decoded into []byte, never into a Go array (the library pads and cuts those).
func Unmarshal(data []byte, v any) error {
	if err := Check(data); err != nil {
		return err
	}
	if err := decMode.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	if err := encMode.MarshalToBuffer(v, buf); err != nil {
		return fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	if !bytes.Equal(buf.Bytes(), data) {
		return fmt.Errorf("%w: a value of the wrong type, or an empty one that should be absent", ErrEncoding)
	}
	return nil
}

// buffers saves an allocation per Unmarshal; they hold nothing between uses.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Peek returns the pairs with integer keys of a map that Check refused, each value in its encoding, so that an error
// can name what is wrong in it. It takes any well-formed CBOR that nests no deeper than MaxDepth; of anything else it
// returns nothing.
func Peek(data []byte) map[int64]cbor.RawMessage {
	var pairs map[any]cbor.RawMessage
	if looseMode.Unmarshal(data, &pairs) != nil {
		return nil
	}
	out := make(map[int64]cbor.RawMessage, len(pairs))
	for key, value := range pairs {
		if n, ok := key.(int64); ok {
			out[n] = value
		}
	}
	return out
}

// Fixed copies src into dst and reports whether it had exactly dst's length.
func Fixed(dst, src []byte) bool { return len(src) == len(dst) && copy(dst, src) == len(dst) }
