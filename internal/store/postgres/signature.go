package postgres

import (
	"encoding/binary"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/cohort"
)

const metadataColumns = "role, version, document"

func scanMetadata(s scanner) (*authority.Metadata, error) {
	m := new(authority.Metadata)
	return m, s.Scan(&m.Role, counter{&m.Version}, &m.Document)
}

func (t *tx) InsertMetadata(m authority.Metadata) error {
	version, err := count("a version of metadata", m.Version)
	if err != nil {
		return err
	}
	return t.fresh("INSERT INTO metadata ("+metadataColumns+") VALUES ($1, $2, $3)", m.Role, version, blob(m.Document))
}

func (t *tx) Metadata(role string, version uint64) (*authority.Metadata, error) {
	v, err := count("a version of metadata", version)
	if err != nil {
		return nil, authority.ErrAbsent // no such number was ever stored
	}
	return first(rows(t, scanMetadata, "SELECT "+metadataColumns+" FROM metadata WHERE role = $1 AND version = $2", role, v))
}

func (t *tx) LatestMetadata(role string) (*authority.Metadata, error) {
	return first(rows(t, scanMetadata, "SELECT "+metadataColumns+" FROM metadata WHERE role = $1 ORDER BY version DESC LIMIT 1", role))
}

func (t *tx) MetadataOf(role string) ([]*authority.Metadata, error) {
	return rows(t, scanMetadata, "SELECT "+metadataColumns+" FROM metadata WHERE role = $1 ORDER BY version", role)
}

const targetColumns = "path, sha256, data"

func scanTarget(s scanner) (*authority.Target, error) {
	f := new(authority.Target)
	return f, s.Scan(&f.Path, fixed{f.SHA256[:]}, &f.Data)
}

func (t *tx) PutTarget(f authority.Target) error {
	_, err := t.exec("INSERT INTO target ("+targetColumns+") VALUES ($1, $2, $3) ON CONFLICT (path, sha256) DO NOTHING", f.Path, f.SHA256[:], blob(f.Data))
	return err
}

func (t *tx) Target(path string, sum [32]byte) (*authority.Target, error) {
	return first(rows(t, scanTarget, "SELECT "+targetColumns+" FROM target WHERE path = $1 AND sha256 = $2", path, sum[:]))
}

// InsertCohort stores IMEIs as numbers: eight bytes a device.
func (t *tx) InsertCohort(warrant string, c *cohort.Cohort) error {
	if err := c.Validate(); err != nil {
		return err
	}
	devices := make([]byte, 0, 8*len(c.Devices))
	for _, n := range c.Devices {
		devices = binary.BigEndian.AppendUint64(devices, n)
	}
	return t.fresh("INSERT INTO cohort (warrant, secret, devices) VALUES ($1, $2, $3)", warrant, c.Secret[:], devices)
}

func (t *tx) Cohort(warrant string) (*cohort.Cohort, error) {
	return first(rows(t, scanCohort, "SELECT secret, devices FROM cohort WHERE warrant = $1", warrant))
}

func scanCohort(s scanner) (*cohort.Cohort, error) {
	c := new(cohort.Cohort)
	var devices []byte
	if err := s.Scan(fixed{c.Secret[:]}, &devices); err != nil {
		return nil, err
	}
	c.Devices = make([]uint64, 0, len(devices)/8)
	for ; len(devices) >= 8; devices = devices[8:] {
		c.Devices = append(c.Devices, binary.BigEndian.Uint64(devices))
	}
	return c, c.Validate()
}
