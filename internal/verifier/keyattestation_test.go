package verifier

import (
	"encoding/asn1"
	"testing"
)

// description is a key attestation as a device's hardware writes it.
type description struct {
	version int // 0 writes 300
	level   int
	locked  bool
	state   int
	soft    bool   // the root of trust stands in the software-enforced list
	imei    string // attested
}

func tagged(t testing.TB, tag int, der []byte) []byte {
	out, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: der})
	must(t, err)
	return out
}

func (d description) der(t testing.TB) []byte {
	var root []byte
	var err error
	if d.version == 0 {
		d.version = 300
	}
	if d.version >= 3 {
		root, err = asn1.Marshal(struct {
			Key    []byte
			Locked bool
			State  asn1.Enumerated
			Hash   []byte
		}{make([]byte, 32), d.locked, asn1.Enumerated(d.state), make([]byte, 32)})
	} else {
		root, err = asn1.Marshal(struct {
			Key    []byte
			Locked bool
			State  asn1.Enumerated
		}{make([]byte, 32), d.locked, asn1.Enumerated(d.state)})
	}
	must(t, err)
	number, err := asn1.Marshal(256)
	must(t, err)
	soft, hard := tagged(t, 701, number), append(tagged(t, 3, number), tagged(t, tagRootOfTrust, root)...)
	if d.soft {
		soft, hard = append(soft, tagged(t, tagRootOfTrust, root)...), tagged(t, 3, number)
	}
	if d.imei != "" {
		text, err := asn1.Marshal([]byte(d.imei))
		must(t, err)
		hard = append(hard, tagged(t, tagAttestedIMEI, text)...)
	}
	list := func(entries []byte) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSequence, IsCompound: true, Bytes: entries}
	}
	der, err := asn1.Marshal(struct {
		Version        int
		Level          asn1.Enumerated
		KeyMintVersion int
		KeyMintLevel   asn1.Enumerated
		Challenge, ID  []byte
		Software, Hard asn1.RawValue
	}{d.version, asn1.Enumerated(d.level), 300, asn1.Enumerated(min(d.level, 2)), []byte("challenge"), nil, list(soft), list(hard)})
	must(t, err)
	return der
}

func TestParseKeyDescription(t *testing.T) {
	for _, version := range []int{1, 2, 3, 4, 100, 300} {
		d, err := ParseKeyDescription(description{version: version, level: 1, locked: true, state: 1, imei: "356938035643809"}.der(t))
		if err != nil || d.Version != version || d.Level != TrustedEnvironment || d.Root == nil || !d.Root.Locked ||
			d.Root.State != BootSelfSigned || d.IMEI != "356938035643809" || string(d.Challenge) != "challenge" {
			t.Errorf("version %d: %+v, %v", version, d, err)
		}
	}
}

func TestParseKeyDescriptionIsStrict(t *testing.T) {
	good := description{level: 1, locked: true}.der(t)
	twice := description{level: 1, locked: true, imei: "1"}
	long := append(append([]byte(nil), good...), 0)
	for name, der := range map[string][]byte{
		"nothing": nil, "truncated": good[:len(good)-1], "something behind": long, "too long": make([]byte, maxKeyDescription+1),
		"a level of its own": description{level: 3}.der(t), "a boot state of its own": description{level: 1, state: 4}.der(t),
		"a root of trust of an older version": func() []byte {
			d := description{version: 2, level: 1}.der(t)
			d[findVersion(d)] = 4 // says version 4, has the root of version 2
			return d
		}(),
		"a tag that comes twice": func() []byte {
			d := twice.der(t)
			return doubled(t, d)
		}(),
	} {
		if d, err := ParseKeyDescription(der); err == nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// findVersion returns the offset of attestationVersion's one byte.
func findVersion(der []byte) int {
	for i := range der {
		if i+2 < len(der) && der[i] == asn1.TagInteger && der[i+1] == 1 {
			return i + 2
		}
	}
	return -1
}

// doubled puts every entry of the hardware-enforced list in twice.
func doubled(t *testing.T, der []byte) []byte {
	var raw struct {
		Version        int
		Level          asn1.Enumerated
		KeyMintVersion int
		KeyMintLevel   asn1.Enumerated
		Challenge, ID  []byte
		Software, Hard asn1.RawValue
	}
	_, err := asn1.Unmarshal(der, &raw)
	must(t, err)
	raw.Hard = asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSequence, IsCompound: true, Bytes: append(raw.Hard.Bytes, raw.Hard.Bytes...)}
	out, err := asn1.Marshal(raw)
	must(t, err)
	return out
}

// What can be read is no more than it says, and never better than unknown unless hardware said so.
func FuzzParseKeyDescription(f *testing.F) {
	for _, d := range []description{{level: 1, locked: true}, {version: 2, level: 2, state: 1}, {level: 0, soft: true}, {version: 4, level: 1, imei: "356938035643809"}} {
		f.Add(d.der(f))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		d, err := ParseKeyDescription(der)
		if err != nil {
			if d != nil {
				t.Fatal("a description of bytes that are refused")
			}
			return
		}
		if d.Attestation() != 0 && (d.Level == Software || d.Root == nil) {
			t.Fatalf("%+v supports %v", d, d.Attestation())
		}
	})
}
