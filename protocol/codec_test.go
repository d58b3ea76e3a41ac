package protocol_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bailiwick-dev/bailiwick/protocol"
)

func roundTrip[T interface{ Marshal() ([]byte, error) }](t *testing.T, in T, parse func([]byte) (*T, error)) []byte {
	t.Helper()
	data, err := in.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	out, err := parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, *out); diff != "" {
		t.Errorf("what was written is not what was read:\n%s", diff)
	}
	t.Logf("%T: %d bytes", in, len(data))
	return data
}

func TestRoundTrips(t *testing.T) {
	roundTrip(t, protocol.EpochAnswer{Epoch: []byte("12345678"), Time: now}, protocol.ParseEpochAnswer)
	roundTrip(t, enrolAnswer(), protocol.ParseEnrolAnswer)
	roundTrip(t, checkInAnswer(), protocol.ParseCheckInAnswer)
	roundTrip(t, protocol.CheckInAnswer{
		Epoch: []byte("12345678"), Time: now, NextCheckIn: time.Second, Sequence: 1,
	}, protocol.ParseCheckInAnswer)
	roundTrip(t, policy(), protocol.ParsePolicy)
}

func TestEnrolmentRoundTrip(t *testing.T) {
	key, e := esKey(t), enrolment()
	der := certificate(t, key)
	for _, chain := range [][][]byte{{der}, {der, der, der}} {
		token, err := protocol.SignEnrolment(&e, chain, key)
		if err != nil {
			t.Fatal(err)
		}
		u, err := protocol.ParseEnrolment(token)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(chain, u.Chain); diff != "" {
			t.Error(diff)
		}
		got, err := u.Verify(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&e, got); diff != "" {
			t.Error(diff)
		}
	}
}
