package drill

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"github.com/transparency-dev/formats/log"
	tlogproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/order"
)

// book is a ledger in the attacker's hands: the true one so far, and from there on what the attacker wants. Its checkpoints bear the
// ledger's genuine signature. It also is the ledger.Source that the public reads, when the attacker shows it.
type book struct {
	origin     string
	key        note.Signer
	witness    cosigns
	leaves     [][]byte
	hashes     stored
	checkpoint []byte // the newest, with the cosignature that could be had
	refusals   []string
}

// cosigns gets a cosignature line for a signed checkpoint that continues one of size old.
type cosigns interface {
	cosign(old, size int64, path tlog.TreeProof, signed []byte) (line string, err error)
}

// stored are the hashes of the tree, as tlog numbers them.
type stored []tlog.Hash

func (h stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	read := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if at < 0 || at >= int64(len(h)) {
			return nil, fmt.Errorf("no hash %d", at)
		}
		read[i] = h[at]
	}
	return read, nil
}

func newBook(l *loot, witness cosigns) (*book, error) {
	b := &book{origin: l.key.Name(), key: l.key, witness: witness}
	for _, leaf := range l.leaves {
		if err := b.add(leaf); err != nil {
			return nil, err
		}
	}
	return b, b.publish(int64(len(b.leaves)))
}

// fork is another history that shares the first entries.
func (b *book) fork(entries int) (*book, error) {
	other := &book{origin: b.origin, key: b.key, witness: b.witness}
	for _, leaf := range b.leaves[:entries] {
		if err := other.add(leaf); err != nil {
			return nil, err
		}
	}
	return other, nil
}

func (b *book) size() int64 { return int64(len(b.leaves)) }

func (b *book) add(leaf []byte) error {
	hashes, err := tlog.StoredHashes(b.size(), leaf, b.hashes)
	if err != nil {
		return err
	}
	b.leaves, b.hashes = append(b.leaves, leaf), append(b.hashes, hashes...)
	return nil
}

// append adds leaves, publishes, and returns the index of the first.
func (b *book) append(leaves ...[]byte) (first int64, err error) {
	old := b.size()
	for _, leaf := range leaves {
		if err := b.add(leaf); err != nil {
			return 0, err
		}
	}
	return old, b.publish(old)
}

// publish signs the present tree and asks for a cosignature. A witness that refuses leaves the checkpoint without.
func (b *book) publish(old int64) error {
	root := tlog.Hash(sha256.Sum256(nil))
	var err error
	if b.size() > 0 {
		if root, err = tlog.TreeHash(b.size(), b.hashes); err != nil {
			return err
		}
	}
	text := log.Checkpoint{Origin: b.origin, Size: uint64(b.size()), Hash: root[:]}.Marshal()
	signed, err := note.Sign(&note.Note{Text: string(text)}, b.key)
	if err != nil {
		return err
	}
	var path tlog.TreeProof
	if old > 0 && old < b.size() {
		if path, err = tlog.ProveTree(b.size(), old, b.hashes); err != nil {
			return err
		}
	}
	line, err := b.witness.cosign(old, b.size(), path, signed)
	if err != nil {
		b.refusals = append(b.refusals, err.Error())
	}
	b.checkpoint = append(signed, line...)
	return nil
}

// refresh has the newest checkpoint cosigned anew, as a server does once a day. Where the witness knows more than this book shows, it
// refuses, and the old cosignature stays.
func (b *book) refresh() error {
	kept, refusals := b.checkpoint, len(b.refusals)
	if err := b.publish(b.size()); err != nil {
		return err
	}
	if len(b.refusals) > refusals {
		b.checkpoint = kept
	}
	return nil
}

// prove returns the tlog-proof of an entry under the newest checkpoint.
func (b *book) prove(index int64) ([]byte, error) {
	path, err := tlog.ProveRecord(b.size(), index, b.hashes)
	if err != nil {
		return nil, err
	}
	p := tlogproof.TLogProof{Index: uint64(index), Checkpoint: b.checkpoint}
	for _, h := range path {
		p.Hashes = append(p.Hashes, h)
	}
	return p.Marshal(), nil
}

// find returns the index of an order's leaf.
func (b *book) find(id order.ID) (int64, bool) {
	i := slices.IndexFunc(b.leaves, func(leaf []byte) bool { return order.LeafID(leaf) == id })
	return int64(i), i >= 0
}

var _ ledger.Source = (*book)(nil)

// ReadCheckpoint, ReadEntryBundle and ReadTile serve the book to the public as C2SP tlog-tiles.
func (b *book) ReadCheckpoint(context.Context) ([]byte, error) { return bytes.Clone(b.checkpoint), nil }

func (b *book) ReadEntryBundle(_ context.Context, index uint64, _ uint8) ([]byte, error) {
	from := index * layout.EntryBundleWidth
	if from >= uint64(len(b.leaves)) {
		return nil, fs.ErrNotExist
	}
	var bundle []byte
	for _, leaf := range b.leaves[from:min(from+layout.EntryBundleWidth, uint64(len(b.leaves)))] {
		bundle = append(binary.BigEndian.AppendUint16(bundle, uint16(len(leaf))), leaf...)
	}
	return bundle, nil
}

func (b *book) ReadTile(_ context.Context, level, index uint64, width uint8) ([]byte, error) {
	w := int(width)
	if w == 0 {
		w = layout.TileWidth
	}
	data, err := tlog.ReadTileData(tlog.Tile{H: layout.TileHeight, L: int(level), N: int64(index), W: w}, b.hashes)
	if err != nil {
		return nil, fs.ErrNotExist
	}
	return data, nil
}

// stolen is a witness whose key the attacker has: it cosigns whatever they like.
type stolen struct{ key note.Signer }

func (s stolen) cosign(_, _ int64, _ tlog.TreeProof, signed []byte) (string, error) {
	text, _, _ := strings.Cut(string(signed), "\n\n")
	n, err := note.Sign(&note.Note{Text: text + "\n"}, s.key)
	if err != nil {
		return "", err
	}
	_, line, _ := strings.Cut(string(n), "\n\n")
	return line, nil
}

// foreign is a witness that somebody else runs: it is asked as C2SP tlog-witness says, and judges by itself.
type foreign struct{ client *http.Client }

func (f foreign) cosign(old, _ int64, path tlog.TreeProof, signed []byte) (string, error) {
	body := fmt.Sprintf("old %d\n", old)
	for _, h := range path {
		body += base64.StdEncoding.EncodeToString(h[:]) + "\n"
	}
	answer, err := f.client.Post("http://witness.invalid/add-checkpoint", "text/plain", strings.NewReader(body+"\n"+string(signed)))
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%d %s", answer.StatusCode, strings.TrimSpace(text.String()))
	}
	return text.String(), nil
}
