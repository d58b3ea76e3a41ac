package authority

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// SigningKeys is who signs policies and warrants, and until when their signatures stand.
type SigningKeys struct {
	Founded   bool                // while it is not, only Online is given
	Online    tufrepo.PublicKey   // this server's own, for the founding
	Officers  []tufrepo.PublicKey // by name
	Threshold int                 // how many of them sign
	Versions  tuf.Versions
	Expires   map[string]time.Time // by role
	Ending    []RoleEnd            // of the officers' roles, within 30 days
	SignsHere bool                 // the server holds officers' keys itself: a sandbox, whose signatures bind nobody
}

// SigningKeys returns who signs, see the type.
func (s *Service) SigningKeys(ctx context.Context) (*SigningKeys, error) {
	g, err := s.signed(ctx)
	if err != nil {
		return nil, err
	}
	k := &SigningKeys{Founded: g.founded(), Online: s.cfg.Online.Public(), SignsHere: s.cfg.Signer != nil}
	if !g.founded() {
		return k, nil
	}
	if !g.sound() {
		return nil, ErrSignaturesBroken
	}
	k.Versions, k.Expires, k.Ending = g.versions, g.expires, g.ending(s.now())
	if k.Officers, err = g.repository.Officers(); err != nil {
		return nil, ErrSignaturesBroken.because(err)
	}
	if k.Threshold, err = g.repository.Threshold(tuf.Policy); err != nil {
		return nil, ErrSignaturesBroken.because(err)
	}
	return k, nil
}

// OfficerChanges say what becomes of the signing officers. What is zero stays as it is; without any change all signatures are
// renewed.
type OfficerChanges struct {
	Add       []tufrepo.PublicKey
	Remove    []tufrepo.PublicKey
	Threshold int
	Online    tufrepo.PublicKey
}

// ProposeOfficers returns the proposal for a change of the signing officers, which those before and those after sign. For admins.
func (s *Service) ProposeOfficers(ctx context.Context, actor *Officer, change OfficerChanges) ([]byte, error) {
	if err := allow(actor, MayManageOfficers); err != nil {
		return nil, err
	}
	g, err := s.founded(ctx)
	if err != nil {
		return nil, err
	}
	p, err := g.repository.ProposeOfficers(tufrepo.Changes{Add: change.Add, Remove: change.Remove, Threshold: change.Threshold, Online: change.Online, Now: s.now()})
	if err != nil {
		return nil, proposalFault(err)
	}
	proposal, err := p.Marshal()
	if err != nil {
		return nil, proposalFault(err)
	}
	return proposal, nil
}

// Repository returns the metadata in force, nil while nobody has founded the repository: for tufrepo.Handler.
func (s *Service) Repository(ctx context.Context) (*tufrepo.Repository, error) {
	g, err := s.fresh(ctx, s.now())
	if err != nil {
		return nil, err
	}
	return g.repository, nil
}

// TargetFile returns a file that metadata list, by path and SHA-256; an error that wraps fs.ErrNotExist when there is none.
func (s *Service) TargetFile(ctx context.Context, path string, sum [32]byte) (data []byte, err error) {
	err = s.view(ctx, func(tx Tx) error {
		f, err := tx.Target(path, sum)
		if err != nil {
			return err
		}
		data = f.Data
		return nil
	})
	if errors.Is(err, ErrAbsent) {
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return data, err
}

func targetOf(f tufrepo.File) Target {
	return Target{Path: f.Path, SHA256: sha256.Sum256(f.Data), Data: f.Data}
}
