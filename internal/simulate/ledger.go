package simulate

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/transparency-dev/formats/log"
	tlogproof "github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// origin is the ledger's name in every world.
const origin = "ledger.example/simulation"

// ledgerKey is the key of the ledger in every world: it is read by note, and costs too much to be read for each.
type ledgerKey struct {
	signer note.Signer
	public string
}

func newLedgerKey() (*ledgerKey, error) {
	private, public, err := note.GenerateKey(reader{newDice(0, 0, 0).source}, origin)
	if err != nil {
		return nil, fmt.Errorf("simulate: the ledger's key: %w", err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, fmt.Errorf("simulate: the ledger's key: %w", err)
	}
	return &ledgerKey{signer, public}, nil
}

// ledger is a transparency log in memory. Leaves are first sequenced, which is durable, and then published under a signed checkpoint;
// a process that dies in between finds its leaves sequenced, and publishes them when it starts again, as internal/ledger does.
type ledger struct {
	key       *ledgerKey
	leaves    [][]byte
	index     map[order.ID]uint64
	hashes    hashes
	published uint64

	signed   []byte // checkpoint of signedAt leaves
	signedAt uint64

	// repeated is a leaf that was sequenced more than once.
	repeated *order.ID
	// sequencing decides about an append of n leaves: how many of them are sequenced, and what is returned.
	sequencing func(n int) (kept int, err error)
}

var (
	_ authority.Ledger = (*ledger)(nil)

	errNoEntry = errors.New("simulate: no published entry has this index")
)

// hashes are the stored hashes of the tree, as tlog numbers them.
type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	read := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		read[i] = h[at]
	}
	return read, nil
}

func newLedger(key *ledgerKey) *ledger { return &ledger{key: key, index: map[order.ID]uint64{}} }

func (l *ledger) trust() protocol.Trust { return protocol.Trust{Origin: origin, LogKey: l.key.public} }

// publish covers all that is sequenced.
func (l *ledger) publish() { l.published = uint64(len(l.leaves)) }

func (l *ledger) sequence(leaf []byte) (uint64, error) {
	at := uint64(len(l.leaves))
	stored, err := tlog.StoredHashes(int64(at), leaf, l.hashes)
	if err != nil {
		return 0, err
	}
	id := order.LeafID(leaf)
	if _, known := l.index[id]; known {
		l.repeated = &id
	} else {
		l.index[id] = at
	}
	l.hashes = append(l.hashes, stored...)
	l.leaves = append(l.leaves, leaf)
	return at, nil
}

func (l *ledger) AppendBatch(_ context.Context, leaves [][]byte) ([]uint64, error) {
	kept, fault := l.sequencing(len(leaves))
	indexes := make([]uint64, 0, len(leaves))
	for _, leaf := range leaves[:kept] {
		at, err := l.sequence(leaf)
		if err != nil {
			return nil, err
		}
		indexes = append(indexes, at)
	}
	if fault != nil {
		return nil, fault
	}
	l.publish()
	return indexes, nil
}

func (l *ledger) FindAll(_ context.Context, ids []order.ID, since uint64) (map[order.ID]uint64, error) {
	l.publish()
	found := make(map[order.ID]uint64)
	for _, id := range ids {
		if at, ok := l.index[id]; ok && at >= since {
			found[id] = at
		}
	}
	return found, nil
}

func (l *ledger) Size(context.Context) (uint64, error) { return l.published, nil }

func (l *ledger) Checkpoint(context.Context) ([]byte, error) {
	if l.signed != nil && l.signedAt == l.published {
		return l.signed, nil
	}
	root := tlog.Hash(sha256.Sum256(nil))
	if l.published > 0 {
		var err error
		if root, err = tlog.TreeHash(int64(l.published), l.hashes); err != nil {
			return nil, err
		}
	}
	checkpoint := log.Checkpoint{Origin: origin, Size: l.published, Hash: root[:]}
	signed, err := note.Sign(&note.Note{Text: string(checkpoint.Marshal())}, l.key.signer)
	if err != nil {
		return nil, err
	}
	l.signed, l.signedAt = signed, l.published
	return signed, nil
}

func (l *ledger) Proof(ctx context.Context, index uint64) ([]byte, error) {
	if index >= l.published {
		return nil, errNoEntry
	}
	signed, err := l.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	path, err := tlog.ProveRecord(int64(l.published), int64(index), l.hashes)
	if err != nil {
		return nil, err
	}
	p := tlogproof.TLogProof{Index: index, Checkpoint: signed}
	for _, h := range path {
		p.Hashes = append(p.Hashes, h)
	}
	return p.Marshal(), nil
}

func (l *ledger) Entries(_ context.Context, from, to uint64, fn func(uint64, []byte) error) error {
	if to > l.published || from > to {
		return errNoEntry
	}
	for i := from; i < to; i++ {
		if err := fn(i, l.leaves[i]); err != nil {
			return err
		}
	}
	return nil
}
