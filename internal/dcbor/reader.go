package dcbor

import (
	"fmt"
	"math"
)

// Reader reads one item after another, without reflection and nearly without allocation, where Unmarshal is too
// slow. data must have passed Check: then a read can only fail because an item is of another type or out of range.
//
// The first failure stays: later reads return zero values, and Err tells. A caller may therefore read a whole
// structure and look once, if it bounds its loops by the counts that Array and Map return.
type Reader struct {
	data []byte
	at   int
	err  error
}

// NewReader returns a reader of checked data.
func NewReader(data []byte) Reader { return Reader{data: data} }

// Err returns the first failure, an ErrEncoding, or nil.
func (r *Reader) Err() error { return r.err }

// End fails when something is left to read.
func (r *Reader) End() {
	if r.err == nil && r.at != len(r.data) {
		r.fail("bytes behind the end")
	}
}

// Reject fails the reader, unless it failed before: the caller read something that its format does not allow.
func (r *Reader) Reject(what string) { r.fail(what) }

func (r *Reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: offset %d: %s", ErrEncoding, r.at, what)
	}
}

// head reads a head that must be of the major type.
func (r *Reader) head(major byte, what string) uint64 {
	if r.err != nil {
		return 0
	}
	have, arg, next, err := head(r.data, r.at)
	if err != nil {
		r.err = err
		return 0
	}
	if have != major {
		r.fail(what)
		return 0
	}
	r.at = next
	return arg
}

// Uint reads an unsigned integer of at most most.
func (r *Reader) Uint(most uint64) uint64 {
	n := r.head(majorUint, "not an unsigned integer")
	if n > most {
		r.fail("integer out of range")
		return 0
	}
	return n
}

// Int reads an integer of either sign that fits int64.
func (r *Reader) Int() int64 {
	if r.err == nil && r.at < len(r.data) && r.data[r.at]>>5 == majorNint {
		n := r.head(majorNint, "not an integer")
		if n > math.MaxInt64 {
			r.fail("integer out of range")
			return 0
		}
		return -1 - int64(n)
	}
	return int64(r.Uint(math.MaxInt64))
}

// Bytes reads a byte string of at most most bytes. It shares memory with the data.
func (r *Reader) Bytes(most int) []byte { return r.text(majorBytes, most, "not a byte string") }

// Fixed reads a byte string of exactly the length of dst into it.
func (r *Reader) Fixed(dst []byte) {
	if b := r.Bytes(len(dst)); r.err == nil && !Fixed(dst, b) {
		r.fail("byte string is too short")
	}
}

// Text reads a text string of at most most bytes. It shares memory with the data.
func (r *Reader) Text(most int) []byte { return r.text(majorText, most, "not a text string") }

func (r *Reader) text(major byte, most int, what string) []byte {
	n := r.head(major, what)
	if r.err != nil {
		return nil
	}
	if n > uint64(most) || n > uint64(len(r.data)-r.at) {
		r.fail("string is too long")
		return nil
	}
	s := r.data[r.at : r.at+int(n) : r.at+int(n)]
	r.at += int(n)
	return s
}

// Bool reads a boolean.
func (r *Reader) Bool() bool {
	n := r.head(majorOther, "not a boolean")
	return n == valueTrue
}

// Array reads the head of an array and returns how many items follow, at most most.
func (r *Reader) Array(most int) int { return r.count(majorArray, most, "not an array") }

// Map reads the head of a map and returns how many pairs follow, at most most.
func (r *Reader) Map(most int) int { return r.count(majorMap, most, "not a map") }

func (r *Reader) count(major byte, most int, what string) int {
	n := r.head(major, what)
	if n > uint64(most) {
		r.fail("too many items")
		return 0
	}
	return int(n)
}

// Skip passes over one item of any type and returns its encoding.
func (r *Reader) Skip() []byte {
	if r.err != nil {
		return nil
	}
	next, err := item(r.data, r.at, 0)
	if err != nil {
		r.err = err
		return nil
	}
	skipped := r.data[r.at:next]
	r.at = next
	return skipped
}

// IsText reports whether the next item is a text string.
func (r *Reader) IsText() bool { return r.is(majorText) }

// IsBytes reports whether the next item is a byte string.
func (r *Reader) IsBytes() bool { return r.is(majorBytes) }

func (r *Reader) is(major byte) bool {
	return r.err == nil && r.at < len(r.data) && r.data[r.at]>>5 == major
}
