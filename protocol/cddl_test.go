package protocol

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/corpus"
)

func TestDocumentedKeys(t *testing.T) {
	for rule, wire := range map[string]any{
		"enrolment": wireEnrolment{}, "epoch-answer": wireEpochAnswer{}, "enrol-answer": wireEnrolAnswer{}, "trust": wireTrust{},
		"check-in-answer": wireCheckInAnswer{}, "policy": wirePolicy{}, "rule": wireRule{}, "contact": wireContact{}, "warrant": wireWarrant{},
	} {
		corpus.CheckCDDL(t, "../docs/protocol.md", rule, wire)
	}
}
