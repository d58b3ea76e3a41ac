package storetest

import (
	"bytes"
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/cohort"
)

func metadataOf(role string, version uint64) *authority.Metadata {
	return &authority.Metadata{Role: role, Version: version, Document: []byte{'{', byte(version), '}'}}
}

func insertMetadata(m *authority.Metadata) txFunc {
	return func(tx authority.Tx) error { return tx.InsertMetadata(*m) }
}

var signatureTests = map[string]func(*testing.T, authority.Store){
	"metadata": func(t *testing.T, s authority.Store) {
		latest := func(tx authority.Tx) (*authority.Metadata, error) { return tx.LatestMetadata("root") }
		version := func(n uint64) func(authority.Tx) (*authority.Metadata, error) {
			return func(tx authority.Tx) (*authority.Metadata, error) { return tx.Metadata("root", n) }
		}
		missing(t, s, latest)
		missing(t, s, version(1))
		for _, n := range []uint64{2, 1, 11} {
			does(t, s, insertMetadata(metadataOf("root", n)))
		}
		does(t, s, insertMetadata(metadataOf("policy", 12)))
		same(t, "latest", got(t, s, latest), metadataOf("root", 11))
		same(t, "one", got(t, s, version(2)), metadataOf("root", 2))
		missing(t, s, version(3))
		missing(t, s, version(1<<63))
		same(t, "ascending", got(t, s, func(tx authority.Tx) ([]*authority.Metadata, error) { return tx.MetadataOf("root") }),
			[]*authority.Metadata{metadataOf("root", 1), metadataOf("root", 2), metadataOf("root", 11)})

		// A version is published once: of two who publish at the same time one is refused, and nothing changes it later.
		second := metadataOf("root", 11)
		second.Document = []byte("another")
		refuses(t, s, authority.ErrConflict, insertMetadata(second))
		refuses(t, s, nil, insertMetadata(metadataOf("mirrors", 1)))
		refuses(t, s, nil, insertMetadata(metadataOf("root", 0)))
		refuses(t, s, nil, insertMetadata(&authority.Metadata{Role: "root", Version: 12}))
		refuses(t, s, nil, insertMetadata(&authority.Metadata{Role: "root", Version: 12, Document: make([]byte, 64<<10+1)}))
		does(t, s, insertMetadata(&authority.Metadata{Role: "root", Version: 12, Document: make([]byte, 64<<10)}))
	},

	"target": func(t *testing.T, s authority.Store) {
		find := func(path string, n int) func(authority.Tx) (*authority.Target, error) {
			return func(tx authority.Tx) (*authority.Target, error) { return tx.Target(path, hash(n)) }
		}
		put := func(f *authority.Target) txFunc {
			return func(tx authority.Tx) error { return tx.PutTarget(*f) }
		}
		first := &authority.Target{Path: "borders/borders.bin", SHA256: hash(1), Data: bytes.Repeat([]byte("b"), 2<<20)}
		second := &authority.Target{Path: "borders/borders.bin", SHA256: hash(2), Data: []byte("of next year")}
		missing(t, s, find(first.Path, 1))
		does(t, s, put(first))
		does(t, s, put(second))
		does(t, s, put(first)) // again is fine
		same(t, "by content", got(t, s, find(first.Path, 1)), first)
		same(t, "its successor", got(t, s, find(first.Path, 2)), second)
		missing(t, s, find("borders/other.bin", 1))
		other := *second
		other.Data = []byte("in its place")
		does(t, s, put(&other))
		same(t, "what was there stays", got(t, s, find(first.Path, 2)), second)
		refuses(t, s, nil, put(&authority.Target{Path: "policy/x.yaml", SHA256: hash(3)}))
	},

	"cohort": func(t *testing.T, s authority.Store) {
		of := func(tx authority.Tx) (*cohort.Cohort, error) { return tx.Cohort("warrant-0001") }
		put := func(c *cohort.Cohort) txFunc {
			return func(tx authority.Tx) error { return tx.InsertCohort("warrant-0001", c) }
		}
		c, err := cohort.New([32]byte{7}, []device.IMEI{imei(3), imei(1), "001234567890123", imei(2)})
		if err != nil {
			t.Fatal(err)
		}
		refuses(t, s, authority.ErrAbsent, put(c)) // of no warrant
		does(t, s, func(tx authority.Tx) error {
			if err := tx.InsertCase(newCase("case-0001")); err != nil {
				return err
			}
			return tx.InsertWarrant(draft("warrant-0001"))
		})
		missing(t, s, of)
		refuses(t, s, nil, put(&cohort.Cohort{Secret: c.Secret}))
		refuses(t, s, nil, put(&cohort.Cohort{Secret: c.Secret, Devices: []uint64{2, 1}}))
		does(t, s, put(c))
		same(t, "frozen", got(t, s, of), c)
		refuses(t, s, authority.ErrConflict, put(&cohort.Cohort{Secret: c.Secret, Devices: c.Devices[:2]}))
	},
}
