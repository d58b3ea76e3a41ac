package protocol_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bailiwick-dev/bailiwick/protocol"
)

func aWarrant() protocol.Warrant {
	return protocol.Warrant{ID: "warrant-0001", Case: "case-0001", Reason: "We are investigating this shipment.", IssuedAt: time.Date(2021, 9, 10, 9, 0, 0, 0, time.UTC),
		EndsAt: time.Date(2021, 11, 10, 9, 0, 0, 0, time.UTC), Officers: [2]string{"ada", "bela"}, Cohort: protocol.Cohort{Root: [32]byte{1}, Size: 2}}
}

func TestParseWarrant(t *testing.T) {
	w := aWarrant()
	data, err := w.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := protocol.ParseWarrant(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, *got); diff != "" {
		t.Error(diff)
	}
	for name, bad := range map[string][]byte{"cut": data[:len(data)-1], "more": append(data[:len(data):len(data)], 0), "empty": nil,
		"long": []byte(strings.Repeat("\x00", protocol.MaxWarrant+1))} {
		if _, err := protocol.ParseWarrant(bad); protocol.FaultOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.Cohort.Size = 0
	if _, err := w.Marshal(); err == nil {
		t.Error("a warrant for nobody")
	}
}

func FuzzParseWarrant(f *testing.F) {
	for _, reason := range []string{"We are investigating this shipment.", strings.Repeat("r", 500)} {
		w := aWarrant()
		w.Reason = reason
		data, err := w.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	exact(f, protocol.ParseWarrant)
}
