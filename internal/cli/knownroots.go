package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
)

// knownRoots remembers, for each key that signs here, which officers' roots it signed under. A proposal is sound in itself whoever made it; that it
// is for the same repository as the last one is known only by who signed the last one. A forger could else show officers a difference to a
// policy that was never in force.
type knownRoots map[string][]string // key id → SHA-256 of the signed part of roots, hexadecimal, the newest last

// mostKnown bounds how many roots are remembered for a key.
const mostKnown = 64

func knownRootsFile(env Environment) (string, error) {
	file, err := loginFile(env)
	return filepath.Join(filepath.Dir(file), "known-roots.json"), err
}

func readKnownRoots(env Environment) (knownRoots, error) {
	file, err := knownRootsFile(env)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return knownRoots{}, nil
	} else if err != nil {
		return nil, err
	}
	known := knownRoots{}
	if err := json.Unmarshal(text, &known); err != nil {
		return nil, fmt.Errorf("%s: %w (delete it, and compare the officers' key ids at the next signature)", file, err)
	}
	return known, nil
}

// rootIDs are the roots that a proposal leads on from, and its own, without their signatures, which come and go while officers sign.
func rootIDs(p *tufrepo.Proposal) ([]string, error) {
	var list []string
	for _, root := range p.Roots() {
		var d struct {
			Signed json.RawMessage `json:"signed"`
		}
		if err := json.Unmarshal(root, &d); err != nil {
			return nil, err
		}
		sum := sha256.Sum256(d.Signed)
		list = append(list, hex.EncodeToString(sum[:]))
	}
	return list, nil
}

// errOtherRepository is a proposal that does not lead on from what this key signed before.
var errOtherRepository = errors.New("the proposal does not lead on from any officers' root that you signed under with this key")

// hold refuses a proposal for another repository. first says that nothing is known yet, so that people must compare key ids.
func (k knownRoots) hold(key tufrepo.PublicKey, p *tufrepo.Proposal) (first bool, err error) {
	known := k[key.ID()]
	if len(known) == 0 || p.Subject() == tufrepo.Founding {
		return true, nil
	}
	roots, err := rootIDs(p)
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(roots, func(id string) bool { return slices.Contains(known, id) }) {
		return false, nil
	}
	return false, fmt.Errorf("%w: it is for another repository, or somebody wants you to believe that it is this one\n  Compare the officers' key ids with bailiwick officer show; if you do belong to both, give --other-repository", errOtherRepository)
}

// note remembers the roots of a proposal that was signed.
func (k knownRoots) note(env Environment, key tufrepo.PublicKey, p *tufrepo.Proposal) error {
	roots, err := rootIDs(p)
	if err != nil {
		return err
	}
	known := k[key.ID()]
	for _, id := range roots {
		if !slices.Contains(known, id) {
			known = append(known, id)
		}
	}
	k[key.ID()] = known[max(0, len(known)-mostKnown):]
	file, err := knownRootsFile(env)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return replaceFile(file, text, 0o600)
}
