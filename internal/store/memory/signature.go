package memory

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/cohort"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// targetKey names a file by path and content.
type targetKey struct {
	path string
	sum  [32]byte
}

var roles = []string{tuf.Root, tuf.Timestamp, tuf.Snapshot, tuf.Targets, tuf.Policy, tuf.Warrant}

func byVersion(m *authority.Metadata, version uint64) int { return cmp.Compare(m.Version, version) }

func (t *tx) InsertMetadata(m authority.Metadata) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if !slices.Contains(roles, m.Role) || m.Version == 0 || len(m.Document) == 0 || len(m.Document) > tuf.MaxMetadata {
		return broken("the metadata are out of bounds")
	}
	list := slices.Clone(t.metadata[m.Role])
	i, taken := slices.BinarySearchFunc(list, m.Version, byVersion)
	if taken {
		return authority.ErrConflict
	}
	m.Document = bytes.Clone(m.Document)
	put(t, t.metadata, m.Role, slices.Insert(list, i, &m))
	return nil
}

func (t *tx) Metadata(role string, version uint64) (*authority.Metadata, error) {
	list := t.metadata[role]
	i, there := slices.BinarySearchFunc(list, version, byVersion)
	if !there {
		return nil, authority.ErrAbsent
	}
	return found(list[i])
}

func (t *tx) LatestMetadata(role string) (*authority.Metadata, error) {
	list := t.metadata[role]
	if len(list) == 0 {
		return nil, authority.ErrAbsent
	}
	return found(list[len(list)-1])
}

func (t *tx) MetadataOf(role string) ([]*authority.Metadata, error) {
	return copiesOf(t.metadata[role]), nil
}

func (t *tx) PutTarget(f authority.Target) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if len(f.Data) == 0 {
		return broken("a target has content")
	}
	key := targetKey{f.Path, f.SHA256}
	if _, there := t.targets[key]; !there {
		f.Data = bytes.Clone(f.Data)
		put(t, t.targets, key, &f)
	}
	return nil
}

func (t *tx) Target(path string, sum [32]byte) (*authority.Target, error) {
	return found(t.targets[targetKey{path, sum}])
}

func (t *tx) InsertCohort(warrant string, c *cohort.Cohort) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if err := c.Validate(); err != nil {
		return err
	}
	if _, known := t.warrants[warrant]; !known {
		return authority.ErrAbsent
	}
	if _, taken := t.cohorts[warrant]; taken {
		return authority.ErrConflict
	}
	put(t, t.cohorts, warrant, &cohort.Cohort{Secret: c.Secret, Devices: slices.Clone(c.Devices)})
	return nil
}

func (t *tx) Cohort(warrant string) (*cohort.Cohort, error) { return found(t.cohorts[warrant]) }
