package agenttest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

// Officers are the officers of a test's maker, who sign whatever the test has them sign, and the server's own key. It is for one goroutine.
type Officers struct {
	Repository *tuftest.Repository
	Signed     time.Time // when the officers last signed their lists

	listed map[string][]byte
	stale  bool // something was added since the last Publish
}

// NewOfficers founds a repository at a time. The same seed gives the same keys.
func NewOfficers(seed string, now time.Time) *Officers {
	return &Officers{Repository: tuftest.New(tuftest.Options{Seed: seed, Now: now}), Signed: now, listed: map[string][]byte{}}
}

// SignPolicy lists a policy from the next Update on.
func (o *Officers) SignPolicy(p protocol.Policy) error {
	data, err := p.Marshal()
	if err != nil {
		return fmt.Errorf("agenttest: %w", err)
	}
	o.add(tuf.Policy, tuf.PolicyPath(p.Hash), data)
	return nil
}

// SignWarrant lists a warrant from the next Update on, in the place of another one of its id.
func (o *Officers) SignWarrant(w protocol.Warrant) error {
	data, err := w.Marshal()
	if err != nil {
		return fmt.Errorf("agenttest: %w", err)
	}
	o.add(tuf.Warrant, tuf.WarrantPath(w.ID), data)
	return nil
}

func (o *Officers) add(role, path string, data []byte) {
	if bytes.Equal(o.listed[path], data) {
		return
	}
	o.Repository.Add(role, path, data)
	o.listed[path], o.stale = data, true
}

// SignAnew has the officers sign their lists of policies and of warrants again.
func (o *Officers) SignAnew(now time.Time) {
	o.Repository.Publish(now)
	o.Signed, o.stale = now, false
}

// Update returns the metadata as they are at a time: signed anew by the officers if something was added, and by the server in any case. told is the
// time by which the server signs, which lies where it does.
func (o *Officers) Update(now, told time.Time) *tuf.Update {
	if o.stale {
		o.SignAnew(now)
	}
	o.Repository.Refresh(told)
	u := o.Repository.Update(0)
	return &u
}

// Cohort returns the tree over these devices, and each one's proof.
func Cohort(secret string, imeis ...device.IMEI) (protocol.Cohort, map[device.IMEI]protocol.Member, error) {
	imeis = slices.Sorted(slices.Values(imeis))
	members := map[device.IMEI]protocol.Member{}
	var stored hashes
	for n, imei := range imeis {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(imei))
		m := protocol.Member{Index: uint64(n), Salt: [32]byte(mac.Sum(nil))}
		more, err := tlog.StoredHashes(int64(n), protocol.CohortLeaf(m.Salt, imei), stored)
		if err != nil {
			return protocol.Cohort{}, nil, fmt.Errorf("agenttest: a cohort: %w", err)
		}
		stored, members[imei] = append(stored, more...), m
	}
	root, err := tlog.TreeHash(int64(len(imeis)), stored)
	if err != nil {
		return protocol.Cohort{}, nil, fmt.Errorf("agenttest: a cohort: %w", err)
	}
	for imei, m := range members {
		path, err := tlog.ProveRecord(int64(len(imeis)), int64(m.Index), stored)
		if err != nil {
			return protocol.Cohort{}, nil, fmt.Errorf("agenttest: a cohort: %w", err)
		}
		for _, h := range path {
			m.Path = append(m.Path, h)
		}
		members[imei] = m
	}
	return protocol.Cohort{Root: root, Size: uint64(len(imeis))}, members, nil
}
