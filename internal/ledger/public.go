package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	tlogproof "github.com/transparency-dev/formats/proof"

	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

// Public checks that a leaf which was proved to somebody is in the ledger that everybody is shown: the checkpoint in the proof (a C2SP
// tlog-proof) is one of the public history at source, so that the leaf is in it, too. An order that only its device was shown,
// under the ledger's genuine key, is found so.
//
// It fails with a proof.Fault when the proof itself does not hold, with ErrShrank when the public ledger ends before, with ErrForked
// when it has another history, and with ErrCorrupted when its files do not hold; any other error says that it could not be read.
func Public(ctx context.Context, source Source, verifier *proof.Verifier, leaf, text []byte) error {
	checked, err := verifier.Verify(leaf, text)
	if err != nil {
		return err
	}
	var p tlogproof.TLogProof
	if err := p.Unmarshal(text); err != nil {
		return fmt.Errorf("%w: %w", proof.ErrMalformed, err)
	}
	shown := &Seen{Size: checked.Size, Root: checked.Root[:], Signed: string(p.Checkpoint)}
	_, err = NewAuditor(source, verifier, shown, time.Now).Audit(ctx, nil)
	switch {
	case errors.Is(err, ErrShrank):
		return fmt.Errorf("%w: it was proved among %d entries, and the public ledger ends before", ErrShrank, checked.Size)
	case errors.Is(err, ErrForked):
		return fmt.Errorf("%w: it was proved in another history than the public one", ErrForked)
	}
	return err
}
