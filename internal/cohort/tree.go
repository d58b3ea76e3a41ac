package cohort

import (
	"golang.org/x/mod/sumdb/tlog"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// bottom is the lowest level of the tree that is kept: what lies below 16 leaves is computed when it is asked for, so that a cohort
// of a million devices takes some 12 MB instead of 80.
const bottom = 4

// Tree is a cohort with its Merkle tree, ready to prove members. It is not changed once made, and may be used from many goroutines.
type Tree struct {
	cohort *Cohort
	levels [][]tlog.Hash // complete subtrees, from level bottom upwards
	root   tlog.Hash
}

// Tree computes the tree: about a microsecond for each device.
func (c *Cohort) Tree() (*Tree, error) {
	t := &Tree{cohort: c}
	level := make([]tlog.Hash, len(c.Devices)>>bottom)
	for i := range level {
		level[i] = t.low(bottom, i)
	}
	for len(level) > 0 {
		t.levels = append(t.levels, level)
		next := make([]tlog.Hash, len(level)/2)
		for i := range next {
			next[i] = tlog.NodeHash(level[2*i], level[2*i+1])
		}
		level = next
	}
	root, err := tlog.TreeHash(int64(len(c.Devices)), tlog.HashReaderFunc(t.read))
	t.root = root
	return t, err
}

// low computes a complete subtree from its leaves.
func (t *Tree) low(level, i int) tlog.Hash {
	if level > 0 {
		return tlog.NodeHash(t.low(level-1, 2*i), t.low(level-1, 2*i+1))
	}
	imei := IMEI(t.cohort.Devices[i])
	return tlog.RecordHash(protocol.CohortLeaf(t.cohort.salt(imei), imei))
}

func (t *Tree) read(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		if level >= bottom {
			hashes[i] = t.levels[level-bottom][n]
		} else {
			hashes[i] = t.low(level, int(n))
		}
	}
	return hashes, nil
}

// Summary is what the warrant says of the cohort.
func (t *Tree) Summary() protocol.Cohort {
	return protocol.Cohort{Root: t.root, Size: uint64(len(t.cohort.Devices))}
}

// Size is the number of devices.
func (t *Tree) Size() int { return len(t.cohort.Devices) }

// Part lists up to limit devices from a position on, in ascending order; none behind the last one.
func (t *Tree) Part(from, limit int) []device.IMEI {
	list := t.cohort.Devices[min(max(from, 0), t.Size()):]
	list = list[:min(max(limit, 0), len(list))]
	part := make([]device.IMEI, len(list))
	for i, n := range list {
		part[i] = IMEI(n)
	}
	return part
}

// Contains reports whether the cohort has a device.
func (t *Tree) Contains(imei device.IMEI) bool {
	_, found := t.cohort.index(imei)
	return found
}

// Member proves that a device is in the cohort; ok is false when it is not.
func (t *Tree) Member(imei device.IMEI) (m protocol.Member, ok bool, err error) {
	i, found := t.cohort.index(imei)
	if !found {
		return m, false, nil
	}
	path, err := tlog.ProveRecord(int64(len(t.cohort.Devices)), int64(i), tlog.HashReaderFunc(t.read))
	if err != nil {
		return m, false, err
	}
	m = protocol.Member{Salt: t.cohort.salt(imei), Index: uint64(i)}
	for _, h := range path {
		m.Path = append(m.Path, h)
	}
	return m, true, nil
}
