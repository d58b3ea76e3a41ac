package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api/layout"

	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
)

// What an Auditor finds, besides ErrCorrupted.
var (
	ErrShrank = errors.New("ledger: it has fewer entries than it had")
	ErrForked = errors.New("ledger: its history is not the one that was seen before")
	ErrStale  = errors.New("ledger: its witnesses have not cosigned it lately")
)

// StaleAfter is how old the newest cosignatures of a ledger may be. A server has its checkpoint cosigned anew once a day, also when
// nothing is new; one that cannot shows the public an older ledger than the one that its witnesses know.
const StaleAfter = 2 * 24 * time.Hour

// FaultOf names what an audit found, for machines: "ledger-shrank", "ledger-forked", "ledger-stale", the proof.Fault of the checkpoint, the
// order.Fault of a leaf or of two, or "ledger-corrupted"; and "" when err says nothing of the ledger, because it could not be read.
func FaultOf(err error) string {
	switch {
	case errors.Is(err, ErrShrank):
		return "ledger-shrank"
	case errors.Is(err, ErrForked):
		return "ledger-forked"
	case errors.Is(err, ErrStale):
		return "ledger-stale"
	case errors.Is(err, ErrNotOrder), errors.Is(err, order.ErrSaltReused):
		return string(order.FaultOf(err))
	case proof.FaultOf(err) != "":
		return string(proof.FaultOf(err))
	case errors.Is(err, ErrCorrupted):
		return "ledger-corrupted"
	}
	return ""
}

// Seen is the checkpoint up to which a ledger was found whole: what the next audit holds it to.
type Seen struct {
	Origin string    `json:"origin"`
	Size   uint64    `json:"size"`
	Root   []byte    `json:"root"`   // 32 bytes
	Signed string    `json:"signed"` // the checkpoint as it was read: with another of the same key it proves a fork
	At     time.Time `json:"at"`
}

// Audited is what an audit found whole.
type Audited struct {
	proof.Checkpoint
	Signed []byte // the checkpoint as it was read, when the audit fails, too
	Read   uint64 // entries that this audit read; those before were read by earlier ones
	Tiles  int    // tiles that this audit compared
}

// Fresh fails with ErrStale when the witnesses cosigned the checkpoint longer than StaleAfter before now. Without known witnesses there
// is nothing to say.
func (a Audited) Fresh(now time.Time) error {
	if age := now.Sub(a.Cosigned); !a.Cosigned.IsZero() && age > StaleAfter {
		return fmt.Errorf("%w: not since %s, and a server has that done once a day; what it shows may be older than what its witnesses know", ErrStale, a.Cosigned.Format(time.RFC3339))
	}
	return nil
}

// Auditor audits one ledger again and again. Each audit reads what is new and finds that it continues what was there. It is for
// one goroutine.
type Auditor struct {
	source   Source
	verifier *proof.Verifier
	now      func() time.Time
	seen     *Seen
	done     progress
}

// progress is the tree as far as it was read.
type progress struct {
	tree    *compact.Range
	pending map[tileAt][]byte // hashes of the tiles that are not full yet
}

type tileAt struct{ level, index uint64 }

// NewAuditor returns an auditor that counts signatures with verifier. seen is what an earlier one left off with, or nil; now
// says when something was seen.
func NewAuditor(source Source, verifier *proof.Verifier, seen *Seen, now func() time.Time) *Auditor {
	return &Auditor{source: source, verifier: verifier, now: now, seen: seen, done: nothingRead()}
}

func nothingRead() progress {
	return progress{
		tree:    (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0),
		pending: make(map[tileAt][]byte),
	}
}

// Audit checks the checkpoint's signatures, reads the entries that were not read yet, recomputes the root, compares the tiles, and
// finds what was seen before at the beginning of it. visit, when not nil, sees each leaf that is read, in order; its error
// ends the audit. It fails with ErrShrank, ErrForked, or ErrCorrupted, which may wrap a proof.Fault; any other error says
// that the ledger could not be read. After a failure the next audit reads everything again.
func (a *Auditor) Audit(ctx context.Context, visit func(index uint64, leaf []byte) error) (Audited, error) {
	again := a.done.tree.End() > 0
	found, err := a.audit(ctx, visit)
	if again && errors.Is(err, ErrCorrupted) {
		found, err = a.audit(ctx, visit) // from the beginning, which tells a fork from a broken file
	}
	return found, err
}

// Seen returns what the next auditor should be given: nil before the first audit that succeeded, unless there was one before.
func (a *Auditor) Seen() *Seen { return a.seen }

func (a *Auditor) audit(ctx context.Context, visit func(uint64, []byte) error) (Audited, error) {
	p := a.done
	a.done = nothingRead() // unless all goes well
	signed, err := a.source.ReadCheckpoint(ctx)
	if err != nil {
		return Audited{}, unread("the checkpoint", err)
	}
	c, err := a.verifier.Checkpoint(signed)
	if err != nil {
		return Audited{Signed: signed}, fmt.Errorf("%w: %w", ErrCorrupted, err)
	}
	if err := a.compare(c); err != nil {
		return Audited{Signed: signed}, err
	}
	run := auditRun{Auditor: a, ctx: ctx, visit: visit, size: c.Size}
	run.tree, run.pending = copyTree(p)
	first := run.tree.End()
	if err := run.read(); err != nil {
		return Audited{Signed: signed}, err
	}
	root, err := rootOf(run.tree)
	if err != nil {
		return Audited{Signed: signed}, err
	}
	switch {
	case root != c.Root:
		return Audited{Signed: signed}, fmt.Errorf("%w: the root of %d entries is another one", ErrCorrupted, c.Size)
	case run.forked:
		return Audited{Signed: signed}, fmt.Errorf("%w: the first %d entries are others than on %s", ErrForked, a.seen.Size, a.seen.At.Format(time.RFC3339))
	}
	if err := run.comparePartial(); err != nil {
		return Audited{Signed: signed}, err
	}
	a.done = progress{run.tree, run.pending}
	a.seen = &Seen{Origin: originOf(c), Size: c.Size, Root: bytes.Clone(c.Root[:]), Signed: string(signed), At: a.now().UTC().Truncate(time.Second)}
	return Audited{Checkpoint: c, Signed: signed, Read: c.Size - first, Tiles: run.tiles}, nil
}

func originOf(c proof.Checkpoint) string {
	origin, _, _ := bytes.Cut([]byte(c.Text), []byte("\n"))
	return string(origin)
}

// compare holds a signed checkpoint to what was seen before, as far as the two alone can tell.
func (a *Auditor) compare(c proof.Checkpoint) error {
	switch {
	case a.seen == nil:
		return nil
	case c.Size < a.seen.Size:
		return fmt.Errorf("%w: %d, and %d on %s", ErrShrank, c.Size, a.seen.Size, a.seen.At.Format(time.RFC3339))
	case c.Size == a.seen.Size && !bytes.Equal(c.Root[:], a.seen.Root):
		return fmt.Errorf("%w: two signed roots of %d entries", ErrForked, c.Size)
	}
	return nil
}

func copyTree(p progress) (*compact.Range, map[tileAt][]byte) {
	factory := &compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	tree, err := factory.NewRange(0, p.tree.End(), slices.Clone(p.tree.Hashes()))
	if err != nil {
		panic(err) // these are the hashes of a range that there is
	}
	pending := maps.Clone(p.pending)
	for at, hashes := range pending {
		pending[at] = slices.Clip(hashes) // what is appended goes elsewhere
	}
	return tree, pending
}

func rootOf(tree *compact.Range) ([32]byte, error) {
	if tree.End() == 0 {
		return sha256.Sum256(nil), nil
	}
	root, err := tree.GetRootHash(nil)
	if err != nil {
		return [32]byte{}, fmt.Errorf("ledger: %w", err)
	}
	return [32]byte(root), nil
}

// auditRun is one audit under way.
type auditRun struct {
	*Auditor
	ctx     context.Context
	visit   func(uint64, []byte) error
	size    uint64
	tree    *compact.Range
	pending map[tileAt][]byte
	full    []tileAt // tiles that the last entries filled
	tiles   int
	forked  bool // what was seen before is not at the beginning
}

// read appends the entries up to size, and compares each tile that they fill.
func (r *auditRun) read() error {
	r.checkSeen()
	for r.tree.End() < r.size {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		index := r.tree.End() / layout.EntryBundleWidth
		entries, err := readBundle(r.ctx, r.source.ReadEntryBundle, index, r.size)
		if err != nil {
			return err
		}
		for _, leaf := range entries[r.tree.End()-index*layout.EntryBundleWidth:] {
			if r.visit != nil {
				if err := r.visit(r.tree.End(), leaf); err != nil {
					return err
				}
			}
			if err := r.tree.Append(rfc6962.DefaultHasher.HashLeaf(leaf), r.node); err != nil {
				return fmt.Errorf("ledger: %w", err)
			}
			r.checkSeen()
		}
		for _, at := range r.full {
			if err := r.compareTile(at); err != nil {
				return err
			}
			delete(r.pending, at)
		}
		r.full = r.full[:0]
	}
	return nil
}

func (r *auditRun) checkSeen() {
	if r.seen == nil || r.tree.End() != r.seen.Size {
		return
	}
	root, err := rootOf(r.tree)
	r.forked = err != nil || !bytes.Equal(root[:], r.seen.Root)
}

// node collects the hashes that tiles are made of: every eighth level.
func (r *auditRun) node(id compact.NodeID, hash []byte) {
	if id.Level%layout.TileHeight != 0 {
		return
	}
	at := tileAt{uint64(id.Level / layout.TileHeight), id.Index / layout.TileWidth}
	r.pending[at] = append(r.pending[at], hash...)
	if len(r.pending[at]) == layout.TileWidth*sha256.Size {
		r.full = append(r.full, at)
	}
}

func (r *auditRun) comparePartial() error {
	for at := range r.pending {
		if err := r.compareTile(at); err != nil {
			return err
		}
	}
	return nil
}

func (r *auditRun) compareTile(at tileAt) error {
	want := r.pending[at]
	what := fmt.Sprintf("tile %d of level %d", at.index, at.level)
	width := len(want) / sha256.Size
	got, err := r.source.ReadTile(r.ctx, at.level, at.index, uint8(width%layout.TileWidth))
	if err != nil {
		return unread(what, err)
	}
	// A full tile may stand where a partial one was asked for; of what is behind, later audits tell.
	if len(got) > layout.TileWidth*sha256.Size || !bytes.HasPrefix(got, want) {
		return fmt.Errorf("%w: %s does not have the hashes of the entries below it", ErrCorrupted, what)
	}
	r.tiles++
	return nil
}
