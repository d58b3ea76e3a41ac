package order

// For the vectors of RFC 9285.
var (
	EncodeBase45 = encodeBase45
	DecodeBase45 = decodeBase45
)
