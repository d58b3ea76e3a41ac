package table

import (
	"database/sql"
	"math"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
)

// TestColumnsOfAnotherKind: what lies in the file and does not fit is an error, and never a value.
func TestColumnsOfAnotherKind(t *testing.T) {
	var at time.Time
	var id device.ID
	var n uint64
	hash := make([]byte, 32)
	for _, c := range []struct {
		name string
		into sql.Scanner
		v    any
	}{
		{"a time that is text", When(&at), "2026-11-22"},
		{"a hash that is short", Fixed(hash), make([]byte, 31)},
		{"a hash that is long", Fixed(hash), make([]byte, 33)},
		{"a hash that is not there", Fixed(hash), nil},
		{"a hash that may not be there and is short", Maybe(hash), make([]byte, 1)},
		{"a device that is text", Identity(&id), "1"},
		{"a rest that is short", Rest(&id), make([]byte, 7)},
		{"a count below zero", Counter(&n), int64(-1)},
		{"a count that is no number", Counter(&n), 1.5},
	} {
		if err := c.into.Scan(c.v); err == nil {
			t.Errorf("%s was accepted", c.name)
		}
	}
}

func TestColumnsComeBack(t *testing.T) {
	moment := time.Date(2026, 11, 22, 12, 0, 0, 123_000, time.UTC)
	var at time.Time
	if err := When(&at).Scan(*Stamp(moment)); err != nil || !at.Equal(moment) {
		t.Errorf("%v, %v", at, err)
	}
	if err := When(&at).Scan(nil); err != nil || !at.IsZero() || Stamp(at) != nil {
		t.Errorf("no time came back as %v, %v", at, err)
	}
	for _, want := range []device.ID{{}, {0xff, 1, 15: 7}, {0x80}} {
		var id device.ID
		if err := Identity(&id).Scan(record.Number(want)); err != nil {
			t.Fatal(err)
		}
		if err := Rest(&id).Scan(record.Rest(want)); err != nil || id != want {
			t.Errorf("%v came back as %v, %v", want, id, err)
		}
	}
	list, err := Texts([]string{"a", "b,\"c"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ReadTexts[string](list); err != nil || len(got) != 2 || got[1] != "b,\"c" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLimits(t *testing.T) {
	if Within(0) == nil || Within(1) != nil {
		t.Error("a list has a limit of at least 1")
	}
	if n, err := Count("index", math.MaxInt64); err != nil || n != math.MaxInt64 {
		t.Error(n, err)
	}
	if _, err := Count("index", math.MaxInt64+1); err == nil {
		t.Error("a number that is no bigint was accepted")
	}
	last := device.ID{}
	for i := range last {
		last[i] = 0xff
	}
	if _, more := Behind(last); more {
		t.Error("there is none behind the last device")
	}
	if n, more := Behind(device.ID{}); !more || n != record.Number(device.ID{}) {
		t.Error("the beginning is the first number itself")
	}
}
