package tamper

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/transparency-dev/formats/log"
	cosignature "github.com/transparency-dev/formats/note"
	tlogproof "github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/witness"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
)

const origin = "ledger.bailiwick.example/tamper"

var (
	id  = device.ID{1, 2, 3}
	now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

// seeded makes the same keys in every run.
type seeded byte

func (s seeded) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(s)
	}
	return len(p), nil
}

// party signs, under a verifier key.
type party struct {
	note.Signer
	key, secret string
}

func newParty(t *testing.T, name string, seed byte, cosigns bool) party {
	t.Helper()
	secret, key, err := note.GenerateKey(seeded(seed), name)
	if err != nil {
		t.Fatal(err)
	}
	var s note.Signer
	if cosigns {
		s, err = cosignature.NewSignerForCosignatureV1(secret)
	} else {
		s, err = note.NewSigner(secret)
	}
	if err != nil {
		t.Fatal(err)
	}
	return party{s, key, secret}
}

// salted is the salt of entry n of a branch.
func salted(n int, branch string) [32]byte { return sha256.Sum256(fmt.Appendf(nil, "%d%s", n, branch)) }

func leafOf(t *testing.T, n int, branch string) []byte {
	t.Helper()
	l := order.Leaf{
		Kind: order.Notice, Ground: order.Ground{Kind: order.Rule, ID: "cuba"}, Territory: "CU", Authority: [32]byte{1},
		IssuedAt: now, Deadline: now.Add(14 * 24 * time.Hour), Commitment: order.Commit(salted(n, branch), id),
	}
	data, err := l.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// tree is a ledger in memory, by x/mod/sumdb/tlog.
type tree struct{ hashes []tlog.Hash }

func (tr *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = tr.hashes[x]
	}
	return out, nil
}

func grow(t *testing.T, leaves [][]byte) *tree {
	t.Helper()
	tr := new(tree)
	for n, leaf := range leaves {
		hashes, err := tlog.StoredHashes(int64(n), leaf, tr)
		if err != nil {
			t.Fatal(err)
		}
		tr.hashes = append(tr.hashes, hashes...)
	}
	return tr
}

// material is what one who tampers shows to all three: an order with its proof, a submission, and the public files.
type material struct {
	leaf       []byte // entry 2
	salt       [32]byte
	path       [][32]byte // of inclusion
	step       []tlog.Hash
	old        int64
	entries    [][]byte // in the bundle
	tile       []tlog.Hash
	checkpoint []byte
}

const (
	known = 5 // entries that witness and auditor have seen
	index = 2 // of the order that the device gets
)

type world struct {
	t                  *testing.T
	ledger, other      party
	ada, bob, stranger party
}

func newWorld(t *testing.T) *world {
	return &world{t: t, ledger: newParty(t, origin, 1, false), other: newParty(t, origin, 2, false),
		ada: newParty(t, "witness.example/ada", 3, true), bob: newParty(t, "witness.example/bob", 4, true),
		stranger: newParty(t, "witness.example/stranger", 5, true)}
}

// leaves are those of a branch, which leaves the true one at entry fork.
func (w *world) leaves(n, fork int, branch string) (leaves [][]byte) {
	for i := range n {
		b := branch
		if i < fork {
			b = ""
		}
		leaves = append(leaves, leafOf(w.t, i, b))
	}
	return leaves
}

// show makes the material of a ledger with these leaves; signers sign its checkpoint.
func (w *world) show(leaves [][]byte, signers ...note.Signer) *material {
	w.t.Helper()
	size := int64(len(leaves))
	tr := grow(w.t, leaves)
	m := &material{salt: salted(index, ""), entries: leaves, old: known}
	if size > index {
		m.leaf = leaves[index]
		path, err := tlog.ProveRecord(size, index, tr)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, h := range path {
			m.path = append(m.path, h)
		}
	} else {
		m.leaf = leafOf(w.t, index, "")
	}
	if size > known {
		step, err := tlog.ProveTree(size, known, tr)
		if err != nil {
			w.t.Fatal(err)
		}
		m.step = step
	}
	for _, leaf := range leaves {
		m.tile = append(m.tile, tlog.RecordHash(leaf))
	}
	root := tlog.Hash(sha256.Sum256(nil))
	if size > 0 {
		var err error
		if root, err = tlog.TreeHash(size, tr); err != nil {
			w.t.Fatal(err)
		}
	}
	m.checkpoint = w.sign(string(log.Checkpoint{Origin: origin, Size: uint64(size), Hash: root[:]}.Marshal()), signers...)
	return m
}

func (w *world) sign(text string, signers ...note.Signer) []byte {
	w.t.Helper()
	signed, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		w.t.Fatal(err)
	}
	return signed
}

func (w *world) all() []note.Signer { return []note.Signer{w.ledger, w.ada, w.bob} }

// verifier counts as the devices of this ledger do: both witnesses.
func (w *world) verifier() *proof.Verifier {
	v, err := proof.New(origin, w.ledger.key, []string{w.ada.key, w.bob.key}, 2)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// device returns the name by which a device refuses the order, or "".
func (w *world) device(m *material) string {
	text := tlogproof.TLogProof{Index: index, Hashes: m.path, Checkpoint: m.checkpoint}.Marshal()
	if _, err := (order.Sealed{Leaf: m.leaf, Salt: m.salt, Proof: text}).Open(id); err != nil {
		return string(order.FaultOf(err))
	}
	_, err := w.verifier().Verify(m.leaf, text)
	return string(proof.FaultOf(err))
}

// witness returns the status by which a witness that has seen the first entries answers.
func (w *world) witness(m *material, fresh bool) int {
	w.t.Helper()
	wit, err := witness.Open(witness.Config{Dir: w.t.TempDir(), Name: "witness.example/carol", Logs: []string{w.ledger.key}})
	if err != nil {
		w.t.Fatal(err)
	}
	defer wit.Close()
	post := func(body string) (int, string) {
		r := httptest.NewRecorder()
		wit.Handler().ServeHTTP(r, httptest.NewRequest(http.MethodPost, "/add-checkpoint", strings.NewReader(body)))
		return r.Code, r.Body.String()
	}
	if !fresh {
		if status, text := post("old 0\n\n" + string(w.show(w.leaves(known, known, ""), w.ledger).checkpoint)); status != 200 {
			w.t.Fatal(status, text)
		}
	}
	body := fmt.Sprintf("old %d\n", m.old)
	for _, h := range m.step {
		body += base64.StdEncoding.EncodeToString(h[:]) + "\n"
	}
	status, answer := post(body + "\n" + string(m.checkpoint))
	if (status == 200) != strings.HasPrefix(answer, "\u2014 witness.example/carol ") {
		w.t.Errorf("status %d with %q", status, answer)
	}
	return status
}

// server returns the name by which the server that this ledger belongs to refuses to go on with it, or to give out the order's proof,
// when somebody has changed its public files while it was stopped; or "". Its own state says that there are nine entries.
func (w *world) server(m *material) string {
	w.t.Helper()
	dir := w.t.TempDir()
	w.write(filepath.Join(dir, "ledger.key"), []byte(w.ledger.secret+"\n"+w.ledger.key+"\n"))
	open := func() (*ledger.Ledger, error) {
		return ledger.Open(w.t.Context(), dir, ledger.Options{Origin: origin, BatchSize: 9, BatchAge: time.Second})
	}
	stop := func(l *ledger.Ledger) {
		if err := l.Close(context.WithoutCancel(w.t.Context())); err != nil {
			w.t.Error(err)
		}
	}
	l, err := open()
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := l.AppendBatch(w.t.Context(), w.leaves(9, 9, "")); err != nil {
		w.t.Fatal(err)
	}
	stop(l)
	w.publish(filepath.Join(dir, "log"), m)
	if l, err = open(); err == nil {
		_, err = l.Proof(w.t.Context(), index)
		stop(l)
	}
	name := ledger.FaultOf(err)
	if err != nil && name == "" {
		w.t.Errorf("an error without a name: %v", err)
	}
	return name
}

// write puts a file there, and the folders above it.
func (w *world) write(file string, data []byte) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// publish puts the public files of a ledger into a folder.
func (w *world) publish(dir string, m *material) {
	w.t.Helper()
	var bundle, tile []byte
	for _, leaf := range m.entries {
		bundle = append(binary.BigEndian.AppendUint16(bundle, uint16(len(leaf))), leaf...)
	}
	for _, h := range m.tile {
		tile = append(tile, h[:]...)
	}
	partial := fmt.Sprintf("000.p/%d", sizeOf(m))
	for name, data := range map[string][]byte{"checkpoint": m.checkpoint, "tile/0/" + partial: tile, "tile/entries/" + partial: bundle} {
		w.write(filepath.Join(dir, filepath.FromSlash(name)), data)
	}
}

// audit returns the name by which the auditor refuses the public files, or "".
func (w *world) audit(m *material, fresh bool) string {
	w.t.Helper()
	dir := w.t.TempDir()
	w.publish(dir, m)
	var seen *ledger.Seen
	if !fresh {
		root, err := tlog.TreeHash(known, grow(w.t, w.leaves(known, known, "")))
		if err != nil {
			w.t.Fatal(err)
		}
		seen = &ledger.Seen{Origin: origin, Size: known, Root: root[:], At: now}
	}
	a := ledger.NewAuditor(ledger.Copied(dir), w.verifier(), seen, func() time.Time { return now })
	_, err := new(ledger.Tally).Audit(w.t.Context(), a)
	name := ledger.FaultOf(err)
	if err != nil && name == "" {
		w.t.Errorf("an error without a name: %v", err)
	}
	if err != nil && name != string(order.ErrSaltReused) && a.Seen() != seen {
		w.t.Error("the auditor remembers what it refused")
	}
	return name
}

func sizeOf(m *material) int {
	lines := strings.Split(string(m.checkpoint), "\n")
	n := 0
	if len(lines) > 1 {
		_, _ = fmt.Sscan(lines[1], &n)
	}
	return n
}

func swap[T any](list []T, i, j int) []T {
	list = slices.Clone(list)
	list[i], list[j] = list[j], list[i]
	return list
}
