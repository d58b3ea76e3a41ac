// Package verifier appraises what devices send (RATS, RFC 9334): it is the only place where an untrusted token becomes
// claims that the rest of the server believes.
//
// # Enrolment
//
// [Verifier.Enrolment] reads the token, follows its x5chain (RFC 9360) to one of the attestation roots, checks the signature with
// the leaf's key, the epoch, and that the certificate names the IMEI that the enrolment claims, in 15 bare digits. With an
// Android key attestation it is attestationIdImei in the hardware-enforced list and nothing else, because the maker of the key
// chooses the certificate's subject. Without one it is, of an IDevID, the first of
//
//  1. hwSerialNum of the hardwareModuleName in the subjectAltName (IEEE 802.1AR-2018, 8.10.4; RFC 4108, section 5);
//  2. serialNumber (2.5.4.5) of the leaf's subject (IEEE 802.1AR-2018, 8.6).
//
// The leaf's key is ECDSA on P-256 or Ed25519, and the leaf is no certificate authority. IDevID certificates without an end
// (99991231235959Z, RFC 5280, section 4.1.2.5) are fine. The challenge of a key attestation is not compared with anything: that the
// key is alive now is shown by its signature over a fresh epoch.
//
// # Attestation result
//
// A key attestation tells the boot state when the key was made, a boot claim the one of now. The weaker of the two is the result:
// [policy.Genuine], then Custom, then Unlocked; and unknown on either side stays unknown. Without a key attestation the boot claim
// stands alone, as strong as the vendor's IDevID key that signs it.
//
// # Evidence
//
// [Verifier.Evidence] checks the signature, the epoch and the sequence. A clock that differs from the server's is no reason for a
// refusal, because wrong clocks are normal; it is noted, and doubt favours the owner (Charter C10).
package verifier
