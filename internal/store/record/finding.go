package record

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
)

// Finding is what was decided about a device and upon which licences. Few findings fit a whole fleet.
//
//	finding  = 0x01 verdict policy rule reasons licences
//	policy   = 0x00 | 0x01 and the 32 bytes of its hash
//	rule     = text
//	reasons  = uvarint, at most MaxReasons, then code and text of each
//	licences = uvarint, at most MaxLicences, then the name of each
//	text     = uvarint, length in bytes; then the bytes
type Finding struct {
	Verdict    policy.Verdict
	Rule       string
	Reasons    []policy.Reason
	PolicyHash [32]byte
	Licences   []string
}

// Bounds of a finding. A text has at most MaxSize bytes, and so has a finding.
const (
	MaxReasons  = 64
	MaxLicences = 64
)

// FindingOf is the finding in a device's record. It shares its lists with the record.
func FindingOf(d *authority.Device) Finding {
	return Finding{d.Verdict, d.VerdictRule, d.Reasons, d.PolicyHash, d.LicenceNames}
}

// Put writes the finding into a device's record, in lists that nobody else has.
func (f *Finding) Put(d *authority.Device) {
	d.Verdict, d.VerdictRule, d.PolicyHash = f.Verdict, f.Rule, f.PolicyHash
	d.Reasons, d.LicenceNames = slices.Clone(f.Reasons), slices.Clone(f.Licences)
}

// IsZero reports whether nothing was decided; such a finding has number 0.
func (f *Finding) IsZero() bool {
	return f.Verdict == 0 && f.Rule == "" && len(f.Reasons) == 0 && f.PolicyHash == [32]byte{} && len(f.Licences) == 0
}

// Pack writes a finding. Equal findings have equal bytes, so that a dictionary finds them by these.
func (f *Finding) Pack() ([]byte, error) { return f.Append(nil) }

// Append is Pack behind what b has already. After an error b is as it was.
func (f *Finding) Append(b []byte) ([]byte, error) {
	if f.Verdict > policy.Deny || len(f.Reasons) > MaxReasons || len(f.Licences) > MaxLicences {
		return b, fmt.Errorf("record: a finding has a verdict, at most %d reasons and %d licences", MaxReasons, MaxLicences)
	}
	start := len(b)
	b = append(b, version, byte(f.Verdict))
	if f.PolicyHash == [32]byte{} {
		b = append(b, 0)
	} else {
		b = append(append(b, 1), f.PolicyHash[:]...)
	}
	b = binary.AppendUvarint(appendText(b, f.Rule), uint64(len(f.Reasons)))
	for _, r := range f.Reasons {
		b = appendText(appendText(b, string(r.Code)), r.Text)
	}
	b = binary.AppendUvarint(b, uint64(len(f.Licences)))
	for _, name := range f.Licences {
		b = appendText(b, name)
	}
	if len(b)-start > MaxSize {
		return b[:start], fmt.Errorf("record: a finding has at most %d bytes, not %d", MaxSize, len(b)-start)
	}
	return b, nil
}

// UnpackFinding reads what Pack wrote, and nothing else.
func UnpackFinding(b []byte) (f Finding, err error) {
	if len(b) < 3 || len(b) > MaxSize || b[0] != version || b[1] > byte(policy.Deny) || b[2] > 1 {
		return f, ErrRecord
	}
	f.Verdict = policy.Verdict(b[1])
	r := reader{b: b[3:]}
	if b[2] == 1 {
		if len(r.b) < len(f.PolicyHash) {
			return f, ErrRecord
		}
		f.PolicyHash = [32]byte(r.b)
		r.b = r.b[32:]
		r.bad = f.PolicyHash == [32]byte{}
	}
	f.Rule = r.string()
	for range r.count(MaxReasons) {
		f.Reasons = append(f.Reasons, policy.Reason{Code: policy.ReasonCode(r.string()), Text: r.string()})
	}
	for range r.count(MaxLicences) {
		f.Licences = append(f.Licences, r.string())
	}
	if r.bad || len(r.b) > 0 {
		return Finding{}, ErrRecord
	}
	return f, nil
}

func (r *reader) string() string { return string(r.take(2, MaxSize)) }

func (r *reader) count(most uint64) uint64 {
	n := r.uvarint()
	if r.bad || n > most {
		r.bad = true
		return 0
	}
	return n
}
