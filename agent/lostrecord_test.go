package agent_test

import (
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
)

// A phone that lost its record, by damage or by a factory reset that leaves an IDevID's key as it was, enrols again with the
// same key. The server refuses sequences that are not above those of the life before, and no lift would reach it.
func TestSequenceGoesOnAfterALostRecord(t *testing.T) {
	r := enrolledRig(t, 1, berlin)
	for range 20 {
		r.checkIn()
		r.phone.Wait(time.Second)
	}
	before := r.claims().Sequence
	r.phone.Flash = &agenttest.Flash{}
	r.phone.Wait(time.Minute)
	r.open()
	r.enrol()
	if after := r.claims().Sequence; after <= before {
		t.Errorf("the sequence is %d, and was %d before the record was lost", after, before)
	}
}
