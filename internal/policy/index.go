package policy

import (
	"fmt"
	"strings"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// Reasons that are the same for every policy. Decisions share them; nobody changes them.
var (
	whyMixed = []Reason{{ActivationMixed,
		"While the territory of activation was being established, days named different territories; nothing follows from that."}}
	whyNotEstablished = []Reason{{ActivationNotKnown,
		"It is not established yet where the device was first put to use."}}

	reasonNotGenuine         = Reason{AttestationNotGenuine, "The device runs another system than its maker's, or its boot loader is unlocked; enforcement reaches genuine systems only."}
	reasonAttestationUnknown = Reason{AttestationNotKnown, "The device's evidence could not be appraised."}
	reasonRecordMissing      = Reason{RecordMissing, "There is no production or shipping record of the device."}
	reasonClockDoubtful      = Reason{ClockDoubtful, "The device's clock was wrong, so the days it reports cannot be relied on."}
)

var statusReasons = [...]Reason{
	MarketUnsupported: {UnsupportedMarket, "The device was first put to use in a territory where it is not sold, which is allowed."},
	MarketOfficial:    {OfficialMarket, "The device was first put to use in an official market."},
}

// index prepares what decisions look up.
func (p *Policy) index() {
	p.places = map[territory.Code]*place{}
	p.unlisted.why = []Reason{{TerritoryNotListed, "The policy says nothing of the territory where the device was first put to use, and what is not listed is allowed."}}
	at := func(c territory.Code) *place {
		if p.places[c] == nil {
			p.places[c] = &place{why: p.unlisted.why}
		}
		return p.places[c]
	}
	for _, m := range p.markets {
		for _, c := range m.Codes {
			pl := at(c)
			pl.status, pl.stated, pl.why = m.Status, true, []Reason{statusReasons[m.Status]}
		}
	}
	for _, g := range p.grounds {
		for _, c := range g.Codes {
			at(c).grounds = append(at(c).grounds, g)
		}
		g.explain(p)
		for _, l := range p.licences {
			if !l.speaksOf(g) {
				continue
			}
			if l.individual {
				g.individual = append(g.individual, l)
			} else {
				g.general = append(g.general, l)
			}
		}
	}
	for _, l := range p.licences {
		l.explain()
	}
}

func (l *licence) speaksOf(g *ground) bool {
	for _, t := range l.territories {
		for _, c := range g.Codes {
			if t.Covers(c) || c.Covers(t) {
				return true
			}
		}
	}
	return false
}

func (g *ground) explain(p *Policy) {
	codes := make([]string, len(g.Codes))
	for i, c := range g.Codes {
		codes[i] = string(c)
	}
	name := fmt.Sprintf("%s (%s)", g.Name, strings.Join(codes, ", "))
	one := func(code ReasonCode, format string, args ...any) []Reason {
		return []Reason{{code, fmt.Sprintf(format, args...)}}
	}
	g.why = groundReasons{
		denied: one(ActivatedInProhibited, "The device was first put to use in %s, where it may not be provided since %s. Legal basis: %s Source: %s",
			name, g.since, sentence(g.LegalBasis), sentence(g.Source)),
		left:       one(TerritoryLeftList, "%s was prohibited from %s and left the list on %s.", name, g.since, g.until),
		notYet:     one(TerritoryNotYetListed, "%s is prohibited from %s on, which is still to come.", name, g.since),
		beforeRule: one(ActivatedBeforeRule, "The device was first put to use in %s before it was prohibited on %s.", name, g.since),
		beforePolicy: one(ActivatedBeforePolicy, "The device was first put to use in %s before %s, the day from which this policy applies.",
			name, p.AppliesTo.ActivatedOnOrAfter),
	}
}

func (l *licence) explain() {
	if l.individual {
		l.why = []Reason{{LicenceIndividual, fmt.Sprintf("The individual licence %s (reference %s) covers it: %s", l.id, l.reference, sentence(l.title))}}
	} else {
		l.why = []Reason{{LicenceGeneral, fmt.Sprintf("The general licence %s covers it: %s Source: %s", l.id, sentence(l.title), sentence(l.source))}}
	}
	l.whyNotValid = []Reason{{LicenceNotValid, fmt.Sprintf("The licence %s would cover it, but was valid neither on the day of activation nor today.", l.id)}}
}

// sentence ends s with a full stop, on one line.
func sentence(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}
