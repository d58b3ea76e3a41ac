package table

import (
	"encoding/binary"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/cohort"
)

const metadataColumns = "role, version, document"

func scanMetadata(row Row) (*authority.Metadata, error) {
	m := new(authority.Metadata)
	return m, row.Scan(&m.Role, Counter(&m.Version), &m.Document)
}

func (t Tx) InsertMetadata(m authority.Metadata) error {
	version, err := Count("a version of metadata", m.Version)
	if err != nil {
		return err
	}
	return Fresh(t, "INSERT INTO metadata ("+metadataColumns+") VALUES ($1, $2, $3)", m.Role, version, Blob(m.Document))
}

func (t Tx) Metadata(role string, version uint64) (*authority.Metadata, error) {
	v, err := Count("a version of metadata", version)
	if err != nil {
		return nil, authority.ErrAbsent // no such number was ever stored
	}
	return First(List(t, scanMetadata, "SELECT "+metadataColumns+" FROM metadata WHERE role = $1 AND version = $2", role, v))
}

func (t Tx) LatestMetadata(role string) (*authority.Metadata, error) {
	return First(List(t, scanMetadata, "SELECT "+metadataColumns+" FROM metadata WHERE role = $1 ORDER BY version DESC LIMIT 1", role))
}

func (t Tx) MetadataOf(role string) ([]*authority.Metadata, error) {
	return List(t, scanMetadata, "SELECT "+metadataColumns+" FROM metadata WHERE role = $1 ORDER BY version", role)
}

const targetColumns = "path, sha256, data"

func scanTarget(row Row) (*authority.Target, error) {
	f := new(authority.Target)
	return f, row.Scan(&f.Path, Fixed(f.SHA256[:]), &f.Data)
}

func (t Tx) PutTarget(f authority.Target) error {
	_, err := t.Exec("INSERT INTO target ("+targetColumns+") VALUES ($1, $2, $3) ON CONFLICT (path, sha256) DO NOTHING", f.Path, f.SHA256[:], Blob(f.Data))
	return err
}

func (t Tx) Target(path string, sum [32]byte) (*authority.Target, error) {
	return First(List(t, scanTarget, "SELECT "+targetColumns+" FROM target WHERE path = $1 AND sha256 = $2", path, sum[:]))
}

// InsertCohort stores IMEIs as numbers: eight bytes a device.
func (t Tx) InsertCohort(warrant string, c *cohort.Cohort) error {
	if err := c.Validate(); err != nil {
		return err
	}
	devices := make([]byte, 0, 8*len(c.Devices))
	for _, n := range c.Devices {
		devices = binary.BigEndian.AppendUint64(devices, n)
	}
	return Fresh(t, "INSERT INTO cohort (warrant, secret, devices) VALUES ($1, $2, $3)", warrant, c.Secret[:], devices)
}

func (t Tx) Cohort(warrant string) (*cohort.Cohort, error) {
	return First(List(t, scanCohort, "SELECT secret, devices FROM cohort WHERE warrant = $1", warrant))
}

func scanCohort(row Row) (*cohort.Cohort, error) {
	c := new(cohort.Cohort)
	var devices []byte
	if err := row.Scan(Fixed(c.Secret[:]), &devices); err != nil {
		return nil, err
	}
	c.Devices = make([]uint64, 0, len(devices)/8)
	for ; len(devices) >= 8; devices = devices[8:] {
		c.Devices = append(c.Devices, binary.BigEndian.Uint64(devices))
	}
	return c, c.Validate()
}
