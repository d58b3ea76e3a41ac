package protocol_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// cohort builds the tree over these devices with the ledger's own tree code, as an authority does.
func cohort(t *testing.T, imeis []device.IMEI) (protocol.Cohort, []protocol.Member) {
	t.Helper()
	var stored hashes
	var members []protocol.Member
	for n, imei := range imeis {
		mac := hmac.New(sha256.New, []byte("the warrant's secret"))
		mac.Write([]byte(imei))
		m := protocol.Member{Index: uint64(n), Salt: [32]byte(mac.Sum(nil))}
		more, err := tlog.StoredHashes(int64(n), protocol.CohortLeaf(m.Salt, imei), stored)
		if err != nil {
			t.Fatal(err)
		}
		stored, members = append(stored, more...), append(members, m)
	}
	root, err := tlog.TreeHash(int64(len(imeis)), stored)
	if err != nil {
		t.Fatal(err)
	}
	for n := range members {
		path, err := tlog.ProveRecord(int64(len(imeis)), int64(n), stored)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range path {
			members[n].Path = append(members[n].Path, h)
		}
	}
	return protocol.Cohort{Root: root, Size: uint64(len(imeis))}, members
}

var imeis = []device.IMEI{
	"350000000000018", "350000000000026", "350000000000034", "350000000000042", "350000000000059", "350000000000067", "490154203237518",
}

func TestMembers(t *testing.T) {
	for size := 1; size <= len(imeis); size++ {
		c, members := cohort(t, imeis[:size])
		for i, m := range members {
			if err := m.Verify(c, imeis[i]); err != nil {
				t.Errorf("device %d of %d: %v", i, size, err)
			}
		}
	}
}

func TestNotMembers(t *testing.T) {
	c, members := cohort(t, imeis)
	other, _ := cohort(t, imeis[:6])
	for name, change := range map[string]func(m *protocol.Member, c *protocol.Cohort, imei *device.IMEI){
		"another device":           func(_ *protocol.Member, _ *protocol.Cohort, i *device.IMEI) { *i = "356938035643809" },
		"a neighbour's proof":      func(_ *protocol.Member, _ *protocol.Cohort, i *device.IMEI) { *i = imeis[3] },
		"another salt":             func(m *protocol.Member, _ *protocol.Cohort, _ *device.IMEI) { m.Salt[0]++ },
		"another place":            func(m *protocol.Member, _ *protocol.Cohort, _ *device.IMEI) { m.Index++ },
		"a place beyond the end":   func(m *protocol.Member, _ *protocol.Cohort, _ *device.IMEI) { m.Index = 7 },
		"the largest place":        func(m *protocol.Member, _ *protocol.Cohort, _ *device.IMEI) { m.Index = 1<<64 - 1 },
		"a path that is too short": func(m *protocol.Member, _ *protocol.Cohort, _ *device.IMEI) { m.Path = m.Path[1:] },
		"a path that is too long":  func(m *protocol.Member, _ *protocol.Cohort, _ *device.IMEI) { m.Path = append(m.Path, [32]byte{}) },
		"a path turned around":     func(m *protocol.Member, _ *protocol.Cohort, _ *device.IMEI) { slices.Reverse(m.Path) },
		"another cohort":           func(_ *protocol.Member, c *protocol.Cohort, _ *device.IMEI) { *c = other },
		"no cohort":                func(_ *protocol.Member, c *protocol.Cohort, _ *device.IMEI) { *c = protocol.Cohort{} },
		"a cohort of too many":     func(_ *protocol.Member, c *protocol.Cohort, _ *device.IMEI) { c.Size = 1<<64 - 1 },
	} {
		m, c, imei := members[2], c, imeis[2]
		m.Path = slices.Clone(m.Path)
		change(&m, &c, &imei)
		if err := m.Verify(c, imei); !errors.Is(err, protocol.ErrNotMember) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
