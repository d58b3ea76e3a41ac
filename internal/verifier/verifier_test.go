package verifier

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

var now = time.Date(2021, 9, 20, 8, 0, 0, 0, time.UTC)

const imei = device.IMEI("356938035643809")

// factory makes certificates as a maker does: a root, one CA under it, and devices.
type factory struct {
	*testing.T
	root, middle       *x509.Certificate
	rootKey, middleKey crypto.Signer
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func key(t *testing.T) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return k
}

func (f *factory) issue(template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) *x509.Certificate {
	f.Helper()
	if template.SerialNumber == nil {
		template.SerialNumber = big.NewInt(7)
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = now.AddDate(-1, 0, 0)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	must(f.T, err)
	cert, err := x509.ParseCertificate(der)
	must(f.T, err)
	return cert
}

func newFactory(t *testing.T) *factory {
	f := &factory{T: t, rootKey: key(t), middleKey: key(t)}
	ca := func(name string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	}
	root := ca("root")
	f.root = f.issue(root, root, f.rootKey.Public(), f.rootKey)
	f.middle = f.issue(ca("middle"), f.root, f.middleKey.Public(), f.rootKey)
	return f
}

func (f *factory) verifier() *Verifier {
	v, err := New([]*x509.Certificate{f.root}, NewEpochs([32]byte{1}))
	must(f.T, err)
	return v
}

// chain certifies a device key under the middle CA.
func (f *factory) chain(public crypto.PublicKey, template *x509.Certificate) [][]byte {
	return [][]byte{f.issue(template, f.middle, public, f.middleKey).Raw, f.middle.Raw}
}

func idevid() *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{SerialNumber: string(imei)}}
}

func enrolment(v *Verifier) *protocol.Enrolment {
	return &protocol.Enrolment{Epoch: v.Epochs().At(now), IMEI: imei, Serial: "S1", Model: "M1", Software: "1"}
}

func TestEnrolment(t *testing.T) {
	f := newFactory(t)
	v := f.verifier()
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	for name, k := range map[string]crypto.Signer{"ES256": key(t), "EdDSA": edwards} {
		token, err := protocol.SignEnrolment(enrolment(v), f.chain(k.Public(), idevid()), k)
		must(t, err)
		got, err := v.Enrolment(token, now)
		if err != nil || got.IMEI != imei || got.Ceiling != policy.Genuine || got.Serial != "S1" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestEnrolmentRefused(t *testing.T) {
	f, other := newFactory(t), newFactory(t)
	v := f.verifier()
	k := key(t)
	large, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	serial := func(s string) *x509.Certificate { return &x509.Certificate{Subject: pkix.Name{SerialNumber: s}} }
	ca := idevid()
	ca.IsCA, ca.BasicConstraintsValid = true, true
	expired := idevid()
	expired.NotAfter = now.Add(-time.Hour)
	early := idevid()
	early.NotBefore = now.Add(time.Hour)
	for _, tc := range []struct {
		name  string
		chain [][]byte
		want  Refusal
	}{
		{"another maker's root", other.chain(k.Public(), idevid()), ChainUntrusted},
		{"without the CA between", f.chain(k.Public(), idevid())[:1], ChainUntrusted},
		{"the CA itself", [][]byte{f.middle.Raw}, ""},
		{"a leaf that may sign others", f.chain(k.Public(), ca), ChainUntrusted},
		{"expired", f.chain(k.Public(), expired), ChainUntrusted},
		{"not valid yet", f.chain(k.Public(), early), ChainUntrusted},
		{"a P-384 key", f.chain(large.Public(), idevid()), ChainUntrusted},
		{"an RSA key", f.chain(weak.Public(), idevid()), ChainUntrusted},
		{"no IMEI", f.chain(k.Public(), serial("")), Malformed},
		{"an IMEI with a wrong digit", f.chain(k.Public(), serial("356938035643808")), Malformed},
		{"an IMEI with dashes", f.chain(k.Public(), serial("35-693803-564380-9")), Malformed},
		{"another IMEI", f.chain(k.Public(), serial("490154203237518")), IMEIMismatch},
		{"another device's certificate", f.chain(key(t).Public(), idevid()), BadSignature},
		{"not DER", [][]byte{{1, 2, 3}}, Malformed},
	} {
		token, err := protocol.SignEnrolment(enrolment(v), tc.chain, k)
		must(t, err)
		_, err = v.Enrolment(token, now)
		if got := RefusalOf(err); err == nil || tc.want != "" && got != tc.want {
			t.Errorf("%s: %v (%q), want %q", tc.name, err, got, tc.want)
		}
	}
	rootless, err := New(nil, NewEpochs([32]byte{1}))
	must(t, err)
	token, err := protocol.SignEnrolment(enrolment(v), f.chain(k.Public(), idevid()), k)
	must(t, err)
	if _, err := rootless.Enrolment(token, now); RefusalOf(err) != ChainUntrusted {
		t.Errorf("without any root: %v", err)
	}
	e := enrolment(v)
	e.Epoch = NewEpochs([32]byte{9}).At(now)
	token, err = protocol.SignEnrolment(e, f.chain(k.Public(), idevid()), k)
	must(t, err)
	if _, err := v.Enrolment(token, now); RefusalOf(err) != EpochUnknown {
		t.Errorf("another server's epoch: %v", err)
	}
	token, err = protocol.SignEnrolment(enrolment(v), f.chain(k.Public(), idevid()), k)
	must(t, err)
	if _, err := v.Enrolment(token, now.Add(3*24*time.Hour)); RefusalOf(err) != EpochExpired {
		t.Errorf("an old epoch: %v", err)
	}
	if _, err := v.Enrolment(token[:len(token)-1], now); protocol.FaultOf(err) == "" {
		t.Errorf("a truncated token: %v", err)
	}
}

// hardwareName is an IDevID's critical subjectAltName with a hardwareModuleName, as a device with an empty subject has it.
func hardwareName(t *testing.T, serial string) pkix.Extension {
	module, err := asn1.Marshal(struct {
		Type   asn1.ObjectIdentifier
		Serial []byte
	}{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, []byte(serial)})
	must(t, err)
	oid, err := asn1.Marshal(oidHardwareModule)
	must(t, err)
	value, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: module})
	must(t, err)
	names, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: append(oid, value...)}})
	must(t, err)
	return pkix.Extension{Id: oidSubjectAltName, Critical: true, Value: names}
}

func TestIMEIInHardwareModuleName(t *testing.T) {
	f := newFactory(t)
	v, k := f.verifier(), key(t)
	enrol := func(serial string) (*Enrolled, error) {
		token, err := protocol.SignEnrolment(enrolment(v), f.chain(k.Public(), &x509.Certificate{ExtraExtensions: []pkix.Extension{hardwareName(t, serial)}}), k)
		must(t, err)
		return v.Enrolment(token, now)
	}
	if got, err := enrol(string(imei)); err != nil || got.IMEI != imei {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := enrol("490154203237518"); RefusalOf(err) != IMEIMismatch {
		t.Errorf("another IMEI: %v", err)
	}
}

// Whoever makes an attested key chooses the subject and the subjectAltName of its certificate (Android's CERTIFICATE_SUBJECT):
// with a key attestation only the IMEI that the hardware attested counts, or any phone could enrol as any other.
func TestKeyAttestationWithoutIMEINamesNone(t *testing.T) {
	f := newFactory(t)
	v, k := f.verifier(), key(t)
	attested := pkix.Extension{Id: oidKeyDescription, Value: description{level: 1, locked: true}.der(t)}
	inSubject := idevid()
	inSubject.ExtraExtensions = []pkix.Extension{attested}
	for name, leaf := range map[string]*x509.Certificate{
		"the subject's serialNumber": inSubject,
		"hwSerialNum":                {ExtraExtensions: []pkix.Extension{attested, hardwareName(t, string(imei))}},
	} {
		token, err := protocol.SignEnrolment(enrolment(v), f.chain(k.Public(), leaf), k)
		must(t, err)
		if got, err := v.Enrolment(token, now); RefusalOf(err) != Malformed {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestKeyAttestationBoundsTheAppraisal(t *testing.T) {
	f := newFactory(t)
	v, k := f.verifier(), key(t)
	enrol := func(d description) (*Enrolled, error) {
		if d.imei == "" {
			d.imei = string(imei)
		}
		leaf := &x509.Certificate{ExtraExtensions: []pkix.Extension{{Id: oidKeyDescription, Value: d.der(t)}}}
		token, err := protocol.SignEnrolment(enrolment(v), f.chain(k.Public(), leaf), k)
		must(t, err)
		return v.Enrolment(token, now)
	}
	for _, tc := range []struct {
		name string
		d    description
		want policy.Attestation
	}{
		{"verified and locked", description{level: 1, locked: true, state: 0}, policy.Genuine},
		{"in a StrongBox", description{level: 2, locked: true, state: 0}, policy.Genuine},
		{"the owner's own key", description{level: 1, locked: true, state: 1}, policy.Custom},
		{"verified but not locked", description{level: 1, state: 0}, policy.Unlocked},
		{"own key, not locked", description{level: 1, state: 1}, policy.Unlocked},
		{"unverified", description{level: 1, state: 2}, policy.Unlocked},
		{"unverified, said to be locked", description{level: 1, locked: true, state: 2}, policy.Unlocked},
		{"failed", description{level: 1, locked: true, state: 3}, policy.AttestationUnknown},
		{"a key in software", description{level: 0, locked: true, state: 0}, policy.AttestationUnknown},
		{"root of trust in the wrong list", description{level: 1, locked: true, state: 0, soft: true}, policy.AttestationUnknown},
	} {
		if got, err := enrol(tc.d); err != nil || got.Ceiling != tc.want {
			t.Errorf("%s: %+v, %v, want %v", tc.name, got, err, tc.want)
		}
	}
	if _, err := enrol(description{level: 1, locked: true, imei: "490154203237518"}); RefusalOf(err) != IMEIMismatch {
		t.Errorf("an attested IMEI that differs: %v", err)
	}
	if _, err := enrol(description{level: 7}); RefusalOf(err) != Malformed {
		t.Errorf("a level that there is none of: %v", err)
	}
}

func TestKeyAttestationOfAnotherCertificate(t *testing.T) {
	f := newFactory(t)
	v, k := f.verifier(), key(t)
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "m"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		ExtraExtensions: []pkix.Extension{{Id: oidKeyDescription, Value: description{level: 1, locked: true}.der(t)}}}
	f.middle = f.issue(template, f.root, f.middleKey.Public(), f.rootKey)
	token, err := protocol.SignEnrolment(enrolment(v), f.chain(k.Public(), idevid()), k)
	must(t, err)
	if _, err := v.Enrolment(token, now); RefusalOf(err) != Malformed {
		t.Errorf("a key attestation above the leaf: %v", err)
	}
}

func claims(epoch []byte) *evidence.Claims {
	return &evidence.Claims{Device: device.ID{1}, Sequence: 5, Epoch: epoch, IssuedAt: now, Boot: evidence.BootVerified, Software: "1"}
}

func TestEvidence(t *testing.T) {
	v, k := newFactory(t).verifier(), key(t)
	pkixKey, err := x509.MarshalPKIXPublicKey(k.Public())
	must(t, err)
	known := Known{Key: pkixKey, Ceiling: policy.Genuine, Sequence: 4}
	appraise := func(change func(*evidence.Claims), known Known) (*Appraisal, error) {
		c := claims(v.Epochs().At(now))
		change(c)
		token, err := evidence.Sign(c, k)
		must(t, err)
		u, err := evidence.Parse(token)
		must(t, err)
		return v.Evidence(u, known, now)
	}
	same := func(*evidence.Claims) {}
	if a, err := appraise(same, known); err != nil || a.Attestation != policy.Genuine || a.ClockDoubt || a.Sequence != 5 {
		t.Fatalf("%+v, %v", a, err)
	}
	other, err := x509.MarshalPKIXPublicKey(key(t).Public())
	must(t, err)
	for _, tc := range []struct {
		name   string
		change func(*evidence.Claims)
		known  Known
		want   Refusal
	}{
		{"replayed", same, Known{Key: pkixKey, Sequence: 5}, Replayed},
		{"older", same, Known{Key: pkixKey, Sequence: 6}, Replayed},
		{"another key", same, Known{Key: other}, BadSignature},
		{"an old epoch", func(c *evidence.Claims) { c.Epoch = v.Epochs().At(now.Add(-EpochsAccepted * EpochPeriod)) }, known, EpochExpired},
		{"a future epoch", func(c *evidence.Claims) { c.Epoch = v.Epochs().At(now.Add(EpochPeriod)) }, known, EpochUnknown},
		{"no epoch of ours", func(c *evidence.Claims) { c.Epoch = make([]byte, epochSize) }, known, EpochUnknown},
	} {
		if _, err := appraise(tc.change, tc.known); RefusalOf(err) != tc.want {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	for _, off := range []time.Duration{-ClockSlack - time.Second, ClockSlack + time.Second, -400 * 24 * time.Hour} {
		if a, err := appraise(func(c *evidence.Claims) { c.IssuedAt = now.Add(off) }, known); err != nil || !a.ClockDoubt {
			t.Errorf("a clock off by %v: %+v, %v", off, a, err)
		}
	}
	if a, err := appraise(func(c *evidence.Claims) { c.ClockDoubt = true }, known); err != nil || !a.ClockDoubt {
		t.Errorf("a clock that the device doubts: %+v, %v", a, err)
	}
}

// The weaker of key attestation and boot claim wins, and unknown stays unknown.
func TestWeakerWins(t *testing.T) {
	const unknown, genuine, custom, unlocked = policy.AttestationUnknown, policy.Genuine, policy.Custom, policy.Unlocked
	for _, tc := range []struct {
		ceiling policy.Attestation
		boot    evidence.Boot
		want    policy.Attestation
	}{
		{genuine, evidence.BootVerified, genuine}, {genuine, evidence.BootCustom, custom}, {genuine, evidence.BootUnlocked, unlocked},
		{genuine, evidence.BootUnknown, unknown}, {custom, evidence.BootVerified, custom}, {custom, evidence.BootUnlocked, unlocked},
		{unlocked, evidence.BootVerified, unlocked}, {unlocked, evidence.BootCustom, unlocked}, {unlocked, evidence.BootUnknown, unknown},
		{unknown, evidence.BootVerified, unknown}, {unknown, evidence.BootUnlocked, unknown},
	} {
		if got := weaker(tc.ceiling, ofBoot(tc.boot)); got != tc.want {
			t.Errorf("%v, %v: %v, want %v", tc.ceiling, tc.boot, got, tc.want)
		}
	}
}

func TestEpochs(t *testing.T) {
	e, other := NewEpochs([32]byte{1}), NewEpochs([32]byte{1})
	given := e.At(now)
	for _, tc := range []struct {
		after time.Duration
		want  error
	}{
		{0, nil}, {36 * time.Hour, nil}, {48 * time.Hour, ErrEpochExpired}, {1000 * time.Hour, ErrEpochExpired}, {-12 * time.Hour, ErrEpochUnknown},
	} {
		if err := other.Check(given, now.Add(tc.after)); err != tc.want {
			t.Errorf("after %v: %v, want %v", tc.after, err, tc.want)
		}
	}
	for i := range given {
		bent := append([]byte(nil), given...)
		bent[i] ^= 1
		if err := e.Check(bent, now); err != ErrEpochUnknown {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	if err := e.Check(given[:10], now); err != ErrEpochUnknown {
		t.Errorf("a short epoch: %v", err)
	}
}

func TestParseRoots(t *testing.T) {
	f := newFactory(t)
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	good := block("CERTIFICATE", f.root.Raw)
	if roots, err := ParseRoots([]byte(good + "\n" + good)); err != nil || len(roots) != 2 {
		t.Errorf("%d roots, %v", len(roots), err)
	}
	device := f.issue(idevid(), f.root, key(t).Public(), f.rootKey)
	for name, text := range map[string]string{
		"nothing": "", "text": "hello", "text behind": good + "hello", "a key": block("PRIVATE KEY", []byte{1}),
		"no certificate": block("CERTIFICATE", []byte{1, 2}), "a device": block("CERTIFICATE", device.Raw),
	} {
		if roots, err := ParseRoots([]byte(text)); err == nil {
			t.Errorf("%s: %d roots", name, len(roots))
		}
	}
}
