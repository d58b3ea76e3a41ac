package dcbor

// The Append functions write what every check-in answers, without reflection. Whoever uses them sees to the order of a map's keys.

// AppendUint appends an unsigned integer.
func AppendUint(b []byte, n uint64) []byte { return appendHead(b, 0, n) }

// AppendBytes appends a byte string.
func AppendBytes(b, s []byte) []byte { return append(appendHead(b, 2<<5, uint64(len(s))), s...) }

// AppendText appends a text string, which must be valid UTF-8.
func AppendText(b []byte, s string) []byte { return append(appendHead(b, 3<<5, uint64(len(s))), s...) }

// AppendArray appends the head of an array of n items.
func AppendArray(b []byte, n int) []byte { return appendHead(b, 4<<5, uint64(n)) }

// AppendMap appends the head of a map of n pairs.
func AppendMap(b []byte, n int) []byte { return appendHead(b, 5<<5, uint64(n)) }

// appendHead appends a major type and its argument, in the shortest form.
func appendHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n < 1<<8:
		return append(b, major|24, byte(n))
	case n < 1<<16:
		return append(b, major|25, byte(n>>8), byte(n))
	case n < 1<<32:
		return append(b, major|26, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(b, major|27, byte(n>>56), byte(n>>48), byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}
