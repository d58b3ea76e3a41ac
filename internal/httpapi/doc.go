// Package httpapi is the authority's HTTP interface for programs:
//
//   - what devices call: /v1/epoch, /v1/enrol and /v1/check-in (package protocol, docs/protocol.md);
//   - the officers' JSON API below /v1/, with bearer tokens, described by /v1/openapi.json (OpenAPI 3.1);
//   - the owner's look-up and appeal, /v1/owner/look and /v1/owner/appeal, without a login;
//   - /healthz (the process answers), /readyz (it can serve, as JSON), /metrics (Prometheus; from loopback only unless configured).
//
// # Problems
//
// Whatever is refused is answered with application/problem+json (RFC 9457):
//
//	{"type":"urn:bailiwick:problem:sequence-replayed","title":"Unprocessable Entity","status":422,
//	 "detail":"evidence with this sequence was already accepted","fix":"sign new evidence with the next sequence"}
//
// The last part of the type is the name of the authority's error and is never renamed. An epoch that is too old or unknown
// comes with a fresh one, "epoch" in base64. 429 and 503 carry Retry-After.
//
// # Bounds
//
// Every body has a limit, every route a rate for each network prefix (/24 of IPv4, /48 of IPv6), every request a time-out;
// see [Config] and [NewServer]. Fields, query parameters and content types that a route does not know are refused.
//
// # Addresses
//
// The client's address decides about rates, and is a weak signal of territory for a device. X-Forwarded-For is believed
// only as far as it was written by [Config].TrustedProxies: it is read from the right, and the first address that is not
// one of theirs is the client. Addresses are neither logged nor kept.
package httpapi
