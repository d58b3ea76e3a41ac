package console

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

func TestWhatHappenedToManyIsOneLine(t *testing.T) {
	view := overviewView{Overview: &authority.Overview{Recent: []authority.Event{
		{Device: device.ID{1}, Actor: "device", Detail: "The device reports: lifted."},
		{Device: device.ID{2}, Actor: "device", Detail: "The device reports: lifted."},
		{Device: device.ID{3}, Actor: "device", Detail: "The device reports: lifted."},
		{Device: device.ID{4}, Actor: "officer-one", Detail: "A lock was ordered."},
		{Device: device.ID{4}, Actor: "device", Detail: "The device was enrolled."},
	}}}
	got := view.Newest()
	if len(got) != 3 || got[0].Detail != "The device reports: lifted. (3 devices)" || !got[0].Device.IsZero() {
		t.Fatalf("%+v", got)
	}
	if got[1].Detail != "A lock was ordered." || got[1].Device.IsZero() {
		t.Errorf("a single event lost its device: %+v", got[1])
	}
}
