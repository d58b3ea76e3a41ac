// Package evidence is what a device says of itself at each check-in: an Entity Attestation Token (EAT, RFC 9711) in
// a CWT (RFC 8392), signed as COSE_Sign1 (RFC 9052).
//
// A device fills [Claims] and calls [Sign]. A server calls [Parse], which reads the token and tells no more than whose
// it claims to be; looks up that device's key; and calls [Unverified.Verify], which alone gives the claims out:
//
//	u, err := evidence.Parse(token)
//	key := keyOf(u.Device())
//	claims, err := u.Verify(key)
//
// The profile ([Profile]; docs/protocol.md has the CDDL) is narrow on purpose. There is one encoding, the
// deterministic one of RFC 8949. Claims that the profile does not know are refused, private ones too: an extension is
// a new profile. The EAT location claim is refused by its name, for a device never tells where it is (Charter C11).
package evidence
