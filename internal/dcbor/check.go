package dcbor

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// The major types of RFC 8949, section 3.1.
const (
	majorUint  = 0
	majorNint  = 1
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	majorMap   = 5
	majorOther = 7

	valueFalse = 20
	valueTrue  = 21
)

// Check reports whether data is exactly one item of the subset, deterministically encoded: shortest heads, definite
// lengths, map keys that are integers or text in ascending order without repetition, valid UTF-8, nothing behind it,
// nested at most MaxDepth deep. It allocates nothing unless it fails.
func Check(data []byte) error {
	end, err := item(data, 0, 0)
	if err != nil {
		return err
	}
	if end != len(data) {
		return fail(end, "bytes behind the end")
	}
	return nil
}

func fail(at int, what string) error { return fmt.Errorf("%w: offset %d: %s", ErrEncoding, at, what) }

// head reads an item's first byte and argument, and refuses those that could have been shorter.
func head(data []byte, at int) (major byte, arg uint64, next int, err error) {
	if at >= len(data) {
		return 0, 0, 0, fail(at, "ends too early")
	}
	major, info := data[at]>>5, data[at]&0x1f
	at++
	if info < 24 {
		return major, uint64(info), at, nil
	}
	if info > 27 {
		return 0, 0, 0, fail(at-1, "indefinite length or reserved head")
	}
	size := 1 << (info - 24)
	if len(data)-at < size {
		return 0, 0, 0, fail(at, "ends too early")
	}
	for _, b := range data[at : at+size] {
		arg = arg<<8 | uint64(b)
	}
	least := [4]uint64{24, 1 << 8, 1 << 16, 1 << 32}[info-24]
	if arg < least {
		return 0, 0, 0, fail(at-1, "head is not the shortest")
	}
	return major, arg, at + size, nil
}

// item checks the item at offset at and returns the offset behind it.
func item(data []byte, at, depth int) (int, error) {
	major, arg, next, err := head(data, at)
	if err != nil {
		return 0, err
	}
	switch major {
	case majorUint, majorNint:
		return next, nil
	case majorBytes, majorText:
		if arg > uint64(len(data)-next) {
			return 0, fail(at, "string is longer than the data")
		}
		end := next + int(arg)
		if major == majorText && !utf8.Valid(data[next:end]) {
			return 0, fail(at, "text is not UTF-8")
		}
		return end, nil
	case majorArray, majorMap:
		if depth == MaxDepth {
			return 0, fail(at, "nested too deep")
		}
		if arg > uint64(len(data)-next) { // an element has at least one byte
			return 0, fail(at, "more elements than data")
		}
		if major == majorMap {
			return pairs(data, next, int(arg), depth+1)
		}
		for range int(arg) {
			if next, err = item(data, next, depth+1); err != nil {
				return 0, err
			}
		}
		return next, nil
	case majorOther:
		if next == at+1 && (arg == valueFalse || arg == valueTrue) {
			return next, nil
		}
	}
	return 0, fail(at, "tag, null, floating-point or simple value")
}

// pairs checks the n pairs of a map, whose keys must ascend bytewise (RFC 8949, section 4.2.1).
func pairs(data []byte, at, n, depth int) (int, error) {
	var previous []byte
	for i := range n {
		next, err := item(data, at, depth)
		if err != nil {
			return 0, err
		}
		key := data[at:next]
		if major := key[0] >> 5; major > majorText || major == majorBytes {
			return 0, fail(at, "map key is neither integer nor text")
		}
		if i > 0 {
			switch bytes.Compare(previous, key) {
			case 0:
				return 0, fail(at, "duplicate map key")
			case 1:
				return 0, fail(at, "map keys are out of order")
			}
		}
		previous = key
		if at, err = item(data, next, depth); err != nil {
			return 0, err
		}
	}
	return at, nil
}
