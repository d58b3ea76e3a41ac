package simulate

import (
	"fmt"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
)

// officersKeys are the keys of a world's two officers, which sign what the office publishes (authority.Signer).
type officersKeys []*tufrepo.Key

var _ authority.Signer = officersKeys(nil)

func (o officersKeys) Officers() (public []tufrepo.PublicKey) {
	for _, k := range o {
		public = append(public, k.Public())
	}
	return public
}

func (o officersKeys) Sign(p *tufrepo.Proposal) error {
	for _, k := range o {
		if err := p.Sign(k); err != nil {
			return err
		}
	}
	return nil
}

// makeOfficers makes the keys of the officers and the server's online key, the same in every world.
func (f *factory) makeOfficers() error {
	for i, name := range []string{"ana", "ben", "the server"} {
		key, err := tufrepo.NewKey(tufrepo.Ed25519, name, reader{newDice(0, uint64(i), 9).source})
		if err != nil {
			return fmt.Errorf("simulate: an officer's key: %w", err)
		}
		f.officers = append(f.officers, key)
	}
	f.online, f.officers = f.officers[2], f.officers[:2]
	return nil
}
