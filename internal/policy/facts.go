package policy

import (
	"fmt"
	"slices"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Facts is what a decision is made from: the authority's record of one device, its latest appraisal, and the records of
// makers and shippers. Unknown texts are empty.
type Facts struct {
	Device          device.ID
	Model           string         // the maker's model name
	TAC             string         // first eight digits of the IMEI
	Category        string         // class of goods in the maker's records, for instance "consumer"
	Consignee       string         // whom the device was shipped to
	Market          territory.Code // where the device was meant to be sold
	Activation      territory.Code // where it was first put to use; Unknown until established
	ActivatedOn     territory.Day  // day on which Activation was established
	ActivationMixed bool           // days of the observation named different territories
	Attestation     Attestation    // the verifier's appraisal of the newest evidence
	Present         territory.Code // where the device is now; never a reason to deny (C5)
	Licences        []string       // licences that the authority's records attach to the device
	RecordMissing   bool           // there is no production or shipping record of the device
	ClockDoubtful   bool           // the device's days cannot be trusted
}

// Attestation is the appraisal of a device's evidence and key. The zero value is AttestationUnknown.
type Attestation uint8

// The appraisals (DESIGN: attestation result).
const (
	AttestationUnknown Attestation = iota
	Genuine                        // the maker's system, boot verified
	Custom                         // an own-key system
	Unlocked                       // the boot loader is unlocked
)

var attestationNames = []string{"unknown", "genuine", "custom", "unlocked"}

func (a Attestation) String() string {
	if int(a) < len(attestationNames) {
		return attestationNames[a]
	}
	return "unknown"
}

// MarshalText implements encoding.TextMarshaler.
func (a Attestation) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (a *Attestation) UnmarshalText(text []byte) error {
	i := slices.Index(attestationNames, string(text))
	if i < 0 {
		return fmt.Errorf("policy: no attestation %q; %s", clip(string(text)), oneOf(attestationNames))
	}
	*a = Attestation(i)
	return nil
}

// factKind is the type of a fact in expressions.
type factKind uint8

const (
	textFact factKind = iota
	territoryFact
	attestationFact
	dayFact
	flagFact
	textsFact
)

var factKindNames = []string{"text", "territory", "attestation", "day", "boolean", "list of text"}

// FactDoc describes a fact to people who write policies.
type FactDoc struct {
	Name string // as in rules and tests
	Type string // text, territory, attestation, day, boolean, list of text
	Doc  string
}

// fact names a fact inside predicates.
type fact uint8

const (
	factModel fact = iota
	factTAC
	factCategory
	factConsignee
	factMarket
	factActivation
	factActivatedOn
	factAttestation
	factPresent
	factLicences
	factRecordMissing
	factClockDoubtful
	factToday
	factCount
)

// factTable is the one list of facts that rules may speak of; docs/policy.md and schema.json are tested against it.
var factTable = [factCount]struct {
	name string
	kind factKind
	doc  string
}{
	factModel:         {"model", textFact, "the maker's model name"},
	factTAC:           {"tac", textFact, "Type Allocation Code: the first eight digits of the IMEI"},
	factCategory:      {"category", textFact, "class of goods in the maker's records, for instance `consumer`"},
	factConsignee:     {"consignee", textFact, "whom the device was shipped to"},
	factMarket:        {"market", territoryFact, "where the device was meant to be sold"},
	factActivation:    {"activation", territoryFact, "where the device was first put to use"},
	factActivatedOn:   {"activated_on", dayFact, "the day on which that was established"},
	factAttestation:   {"attestation", attestationFact, "`genuine`, `custom`, `unlocked` or `unknown`"},
	factPresent:       {"present", territoryFact, "where the device is now; a rule that denies may not use it"},
	factLicences:      {"licences", textsFact, "ids of licences that the authority's records attach to the device"},
	factRecordMissing: {"record_missing", flagFact, "there is no production or shipping record of the device"},
	factClockDoubtful: {"clock_doubtful", flagFact, "the device's days cannot be trusted"},
	factToday:         {"today", dayFact, "the day of the decision, UTC; set by `on` in tests"},
}

// FactDocs lists the facts that rules may use, in the order of the manual.
func FactDocs() []FactDoc {
	docs := make([]FactDoc, factCount)
	for i, f := range factTable {
		docs[i] = FactDoc{f.name, factKindNames[f.kind], f.doc}
	}
	return docs
}

func factNamed(name string) (fact, bool) {
	for i, f := range factTable {
		if f.name == name {
			return fact(i), true
		}
	}
	return 0, false
}

// text returns the value of a fact of a textual kind.
func (f *Facts) text(which fact) string {
	switch which {
	case factModel:
		return f.Model
	case factTAC:
		return f.TAC
	case factCategory:
		return f.Category
	case factConsignee:
		return f.Consignee
	case factMarket:
		return string(f.Market)
	case factActivation:
		return string(f.Activation)
	case factAttestation:
		return f.Attestation.String()
	case factPresent:
		return string(f.Present)
	}
	return ""
}

// day returns the value of a fact of kind dayFact.
func (f *Facts) day(which fact, today territory.Day) territory.Day {
	if which == factToday {
		return today
	}
	return f.ActivatedOn
}

// flag returns the value of a fact of kind flagFact.
func (f *Facts) flag(which fact) bool {
	return which == factRecordMissing && f.RecordMissing || which == factClockDoubtful && f.ClockDoubtful
}
