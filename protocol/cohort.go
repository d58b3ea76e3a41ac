package protocol

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
)

// Bounds of a cohort.
const (
	MaxCohort = 1 << 40 // devices
	MaxPath   = 40      // hashes from a leaf to the root of the largest cohort
)

// ErrNotMember is returned (wrapped) when a proof does not show that a device is in a cohort.
var ErrNotMember = errors.New("the device is not in the warrant's cohort")

// Cohort says which devices a warrant is for, and tells nobody which: it is an RFC 6962 Merkle tree over CohortLeaf of each
// device, in ascending sequence of their IMEIs. The officers sign it with the rest of the warrant.
type Cohort struct {
	Root [32]byte
	Size uint64 // devices, 1 to MaxCohort
}

// Held is a warrant with the proof that the device it is delivered to is in its cohort.
type Held struct {
	Warrant Warrant
	Member  Member
}

// Member proves that one device is in a cohort: the opening of its leaf, and the inclusion proof of RFC 6962, section 2.1.1.
type Member struct {
	Salt  [32]byte   // of this device under this warrant alone; without it a neighbour's leaf tells nothing
	Index uint64     // of the device's leaf, from 0
	Path  [][32]byte // from the leaf's neighbour upwards; at most MaxPath
}

// CohortLeaf returns a device's leaf in a cohort: the salt's 32 bytes and the IMEI's 15 digits in ASCII.
func CohortLeaf(salt [32]byte, imei device.IMEI) []byte {
	return append(salt[:], imei...)
}

// Verify checks that the device with this IMEI is in the cohort. It fails with ErrNotMember.
func (m Member) Verify(c Cohort, imei device.IMEI) error {
	if c.Size > MaxCohort || m.Index >= c.Size {
		return fmt.Errorf("%w: no place %d in a cohort of %d", ErrNotMember, m.Index, c.Size)
	}
	path := make(tlog.RecordProof, len(m.Path))
	for i := range m.Path {
		path[i] = m.Path[i]
	}
	leaf := tlog.RecordHash(CohortLeaf(m.Salt, imei))
	if err := tlog.CheckRecord(path, int64(c.Size), c.Root, int64(m.Index), leaf); err != nil {
		return fmt.Errorf("%w: %w", ErrNotMember, err)
	}
	return nil
}

func (c *Cohort) validate() error {
	if c.Size == 0 || c.Size > MaxCohort {
		return invalid("a warrant's cohort has 1 to %d devices", uint64(MaxCohort))
	}
	return nil
}

func (h *Held) validate() error {
	if len(h.Member.Path) > MaxPath {
		return invalid("a proof of a cohort has at most %d hashes, not %d", MaxPath, len(h.Member.Path))
	}
	if h.Member.Index >= h.Warrant.Cohort.Size {
		return invalid("a cohort of %d devices has no place %d", h.Warrant.Cohort.Size, h.Member.Index)
	}
	return h.Warrant.Validate()
}

func heldToWire(h *Held) wireHeld {
	w := wireHeld{Warrant: warrantToWire(&h.Warrant), Member: wireMember{Salt: h.Member.Salt[:], Index: h.Member.Index}}
	for i := range h.Member.Path {
		w.Member.Path = append(w.Member.Path, h.Member.Path[i][:])
	}
	return w
}

func heldFromWire(w *wireHeld) (*Held, error) {
	warrant, err := warrantFromWire(&w.Warrant)
	if err != nil {
		return nil, err
	}
	h := &Held{Warrant: *warrant, Member: Member{Index: w.Member.Index}}
	if !dcbor.Fixed(h.Member.Salt[:], w.Member.Salt) {
		return nil, malformed("a salt has 32 bytes, not %d", len(w.Member.Salt))
	}
	for _, p := range w.Member.Path {
		var hash [32]byte
		if !dcbor.Fixed(hash[:], p) {
			return nil, malformed("a hash has 32 bytes, not %d", len(p))
		}
		h.Member.Path = append(h.Member.Path, hash)
	}
	return h, nil
}
