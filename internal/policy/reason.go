package policy

import "slices"

// ReasonCode names a reason for programs, ledgers and translations. Codes are never renamed or given another meaning.
type ReasonCode string

// The reasons. Each belongs to the verdict under which it is listed in reasonTable.
const (
	TerritoryNotListed    ReasonCode = "territory-not-listed"
	OfficialMarket        ReasonCode = "official-market"
	UnsupportedMarket     ReasonCode = "unsupported-market"
	TerritoryLeftList     ReasonCode = "territory-left-list"
	TerritoryNotYetListed ReasonCode = "territory-not-yet-listed"
	ActivatedBeforeRule   ReasonCode = "activated-before-rule"
	ActivatedBeforePolicy ReasonCode = "activated-before-policy"
	LicenceGeneral        ReasonCode = "licence-general"
	LicenceIndividual     ReasonCode = "licence-individual"
	RulePermits           ReasonCode = "rule-permits"
	ActivatedInProhibited ReasonCode = "activated-in-prohibited-territory"
	RuleDenies            ReasonCode = "rule-denies"
	LicenceNotValid       ReasonCode = "licence-not-valid"
	ActivationNotKnown    ReasonCode = "activation-not-established"
	ActivationMixed       ReasonCode = "activation-mixed"
	AttestationNotKnown   ReasonCode = "attestation-unknown"
	AttestationNotGenuine ReasonCode = "attestation-not-genuine"
	RecordMissing         ReasonCode = "record-missing"
	ClockDoubtful         ReasonCode = "clock-doubtful"
	PolicyReviewOverdue   ReasonCode = "policy-review-overdue"
	PolicyNotInForce      ReasonCode = "policy-not-in-force"
	LicenceNotKnown       ReasonCode = "licence-unknown"
	RuleUnclear           ReasonCode = "rule-indeterminate"
	RuleFailed            ReasonCode = "rule-failed"
)

// Reason is why a decision came out as it did, for a program and for a person.
type Reason struct {
	Code ReasonCode `json:"code"`
	Text string     `json:"text"` // English, whole sentences, safe to show to owner and officer
}

// ReasonDoc describes a reason code to people.
type ReasonDoc struct {
	Code    ReasonCode
	Verdict Verdict // the verdict that the reason leads to
	Doc     string
}

var reasonTable = []ReasonDoc{
	{TerritoryNotListed, Permit, "The policy says nothing of the territory of activation, and what is not listed is allowed."},
	{OfficialMarket, Permit, "The device was activated in an official market."},
	{UnsupportedMarket, Permit, "The device was activated where the maker does not sell, which is allowed."},
	{TerritoryLeftList, Permit, "The territory was prohibited and has left the list."},
	{TerritoryNotYetListed, Permit, "The prohibition begins on a later day."},
	{ActivatedBeforeRule, Permit, "The device was activated before the territory was prohibited."},
	{ActivatedBeforePolicy, Permit, "The device was activated before the day from which the policy applies."},
	{LicenceGeneral, Permit, "A general licence covers this class of goods in this territory."},
	{LicenceIndividual, Permit, "An individual licence names the device or its consignee."},
	{RulePermits, Permit, "A custom rule permits it; the text is the rule's own."},
	{ActivatedInProhibited, Deny, "The device was activated in a territory that the policy prohibits, and nothing lifts that."},
	{RuleDenies, Deny, "A custom rule says that no general licence lifts the prohibition; the text is the rule's own. Always beside activated-in-prohibited-territory."},
	{LicenceNotValid, Deny, "A licence that would have covered the device was not valid on the day of activation and is not today. Always beside another reason."},
	{ActivationNotKnown, Indeterminate, "The territory of activation is not established yet."},
	{ActivationMixed, Indeterminate, "Days of the observation named different territories."},
	{AttestationNotKnown, Indeterminate, "The evidence could not be appraised."},
	{AttestationNotGenuine, Indeterminate, "The device runs another system than the maker's; enforcement reaches genuine systems only."},
	{RecordMissing, Indeterminate, "There is no production or shipping record of the device."},
	{ClockDoubtful, Indeterminate, "The device's days cannot be trusted."},
	{PolicyReviewOverdue, Indeterminate, "The entry was not reviewed in time and supports no restriction until it is."},
	{PolicyNotInForce, Indeterminate, "The policy takes effect on a later day."},
	{LicenceNotKnown, Indeterminate, "The records attach a licence that the policy does not list; a person must look."},
	{RuleUnclear, Indeterminate, "A custom rule asks that a person looks; the text is the rule's own."},
	{RuleFailed, Indeterminate, "A custom rule could not be evaluated."},
}

// ReasonDocs lists every reason code, in the order of the manual.
func ReasonDocs() []ReasonDoc { return slices.Clone(reasonTable) }
