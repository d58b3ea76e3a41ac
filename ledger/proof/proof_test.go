package proof_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/transparency-dev/formats/log"
	cosign "github.com/transparency-dev/formats/note"
	tlogproof "github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
)

const origin = "ledger.bailiwick.example/test"

// zeros makes keys that are the same in every run, so that the seeds in testdata stay valid.
type zeros byte

func (z zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(z)
	}
	return len(p), nil
}

func key(tb testing.TB, name string, seed byte) (secret, public string) {
	tb.Helper()
	secret, public, err := note.GenerateKey(zeros(seed), name)
	if err != nil {
		tb.Fatal(err)
	}
	return secret, public
}

func signer(tb testing.TB, secret string) note.Signer {
	tb.Helper()
	s, err := note.NewSigner(secret)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func witness(tb testing.TB, name string, seed byte) (note.Signer, string) {
	tb.Helper()
	secret, public := key(tb, name, seed)
	s, err := cosign.NewSignerForCosignatureV1(secret)
	if err != nil {
		tb.Fatal(err)
	}
	return s, public
}

// tree is a ledger in memory, kept by x/mod/sumdb/tlog.
type tree struct {
	hashes []tlog.Hash
	size   int64
}

func (tr *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = tr.hashes[x]
	}
	return out, nil
}

func leaf(n int) []byte { return fmt.Appendf(nil, "leaf %d", n) }

type fataler interface{ Fatal(...any) }

func newTree(tb fataler, size int) *tree {
	tr := new(tree)
	for n := range size {
		hashes, err := tlog.StoredHashes(int64(n), leaf(n), tr)
		if err != nil {
			tb.Fatal(err)
		}
		tr.hashes = append(tr.hashes, hashes...)
		tr.size++
	}
	return tr
}

func (tr *tree) root(tb fataler) tlog.Hash {
	root, err := tlog.TreeHash(tr.size, tr)
	if err != nil {
		tb.Fatal(err)
	}
	return root
}

// prove returns the proof of leaf index under a checkpoint of the tree, signed by signers.
func (tr *tree) prove(tb fataler, index int64, signers ...note.Signer) tlogproof.TLogProof {
	root := tr.root(tb)
	text := log.Checkpoint{Origin: origin, Size: uint64(tr.size), Hash: root[:]}.Marshal()
	signed, err := note.Sign(&note.Note{Text: string(text)}, signers...)
	if err != nil {
		tb.Fatal(err)
	}
	path, err := tlog.ProveRecord(tr.size, index, tr)
	if err != nil {
		tb.Fatal(err)
	}
	p := tlogproof.TLogProof{Index: uint64(index), Checkpoint: signed}
	for _, h := range path {
		p.Hashes = append(p.Hashes, h)
	}
	return p
}

func newVerifier(tb testing.TB, witnesses []string, quorum int) (*proof.Verifier, note.Signer) {
	tb.Helper()
	secret, public := key(tb, origin, 1)
	v, err := proof.New(origin, public, witnesses, quorum)
	if err != nil {
		tb.Fatal(err)
	}
	return v, signer(tb, secret)
}

// In a tree of any size every leaf is proved, and no other leaf, index, path or root is.
func TestProofProvesItsLeafAndNoOther(t *testing.T) {
	v, s := newVerifier(t, nil, 0)
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 70).Draw(t, "size")
		index := rapid.IntRange(0, size-1).Draw(t, "index")
		tr := newTree(t, size)
		p := tr.prove(t, int64(index), s)
		got, err := v.Verify(leaf(index), p.Marshal())
		want := proof.Checked{Index: uint64(index), Size: uint64(size), Root: tr.root(t)}
		if err != nil || got != want {
			t.Fatalf("%+v, %v", got, err)
		}
		other := rapid.IntRange(0, size).Filter(func(n int) bool { return n != index }).Draw(t, "other")
		if _, err := v.Verify(leaf(other), p.Marshal()); !errors.Is(err, proof.ErrInclusion) {
			t.Fatalf("leaf %d passes for %d: %v", other, index, err)
		}
		moved := p
		moved.Index = uint64(other)
		if _, err := v.Verify(leaf(index), moved.Marshal()); !errors.Is(err, proof.ErrInclusion) {
			t.Fatalf("index %d passes for %d: %v", other, index, err)
		}
		if len(p.Hashes) > 0 {
			bent := p
			bent.Hashes = append([][32]byte(nil), p.Hashes...)
			bent.Hashes[rapid.IntRange(0, len(p.Hashes)-1).Draw(t, "hash")][0] ^= 1
			if _, err := v.Verify(leaf(index), bent.Marshal()); !errors.Is(err, proof.ErrInclusion) {
				t.Fatalf("a bent path passes: %v", err)
			}
		}
	})
}

func TestBadProofs(t *testing.T) {
	v, s := newVerifier(t, nil, 0)
	tr := newTree(t, 5)
	good := tr.prove(t, 2, s)
	text := good.Marshal()
	otherSecret, _ := key(t, origin, 2)
	elseSecret, _ := key(t, "ledger.example/else", 1)
	edit := func(old, new string) []byte {
		out := strings.Replace(string(text), old, new, 1)
		if out == string(text) {
			t.Fatalf("%q is not in the proof", old)
		}
		return []byte(out)
	}
	extra := good
	extra.ExtraData = []byte("extra")
	long := good
	long.Hashes = make([][32]byte, 64)
	behind := good
	behind.Index = 5
	first := base64.StdEncoding.EncodeToString(good.Hashes[0][:])
	root := tr.root(t)
	unknownSigned := tr.prove(t, 2, signer(t, otherSecret))
	elsewhere := []byte(strings.Replace(string(tr.prove(t, 2, s).Marshal()), origin, "ledger.example/else", 1))
	for name, tc := range map[string]struct {
		text []byte
		want proof.Fault
	}{
		"empty":               {nil, proof.ErrMalformed},
		"oversized":           {bytes.Repeat([]byte{'x'}, proof.MaxText+1), proof.ErrOversized},
		"another header":      {edit("tlog-proof@v1", "tlog-proof@v2"), proof.ErrMalformed},
		"extra data":          {extra.Marshal(), proof.ErrMalformed},
		"64 hashes":           {long.Marshal(), proof.ErrMalformed},
		"index with a zero":   {edit("index 2", "index 02"), proof.ErrMalformed},
		"index with a plus":   {edit("index 2", "index +2"), proof.ErrMalformed},
		"CRLF":                {[]byte(strings.ReplaceAll(string(text), "\n", "\r\n")), proof.ErrMalformed},
		"no newline at end":   {text[:len(text)-1], proof.ErrMalformed},
		"hash without pad":    {edit(first, strings.TrimRight(first, "=")), proof.ErrMalformed},
		"index behind":        {behind.Marshal(), proof.ErrInclusion},
		"a hash too few":      {edit(first+"\n", ""), proof.ErrInclusion},
		"a hash too many":     {edit(first+"\n", first+"\n"+first+"\n"), proof.ErrInclusion},
		"another key's":       {unknownSigned.Marshal(), proof.ErrUnsigned},
		"another ledger's":    {elsewhere, proof.ErrOrigin},
		"changed size":        {edit("\n5\n", "\n6\n"), proof.ErrUnsigned},
		"changed root":        {edit(base64.StdEncoding.EncodeToString(root[:]), first), proof.ErrUnsigned},
		"no signature":        {text[:bytes.Index(text, []byte("\u2014 "))], proof.ErrUnsigned},
		"no checkpoint":       {text[:bytes.Index(text, []byte(origin))], proof.ErrOrigin},
		"broken signature":    {edit("\u2014 "+origin+" ", "\u2014 "+origin+" AAAA"), proof.ErrUnsigned},
		"signed by name only": {tr.prove(t, 2, signer(t, elseSecret)).Marshal(), proof.ErrUnsigned},
	} {
		if _, err := v.Verify(leaf(2), tc.text); !errors.Is(err, tc.want) || proof.FaultOf(err) != tc.want {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	for n := range text {
		if _, err := v.Verify(leaf(2), text[:n]); err == nil {
			t.Fatalf("the first %d bytes pass", n)
		}
	}
}

// A checkpoint that the ledger's key signed, in a form that C2SP does not write.
func TestOddCheckpoints(t *testing.T) {
	v, s := newVerifier(t, nil, 0)
	tr := newTree(t, 1)
	root := tr.root(t)
	hash := base64.StdEncoding.EncodeToString(root[:])
	for name, tc := range map[string]struct{ text, want string }{
		"as it should be": {origin + "\n1\n" + hash + "\n", ""},
		"extension line":  {origin + "\n1\n" + hash + "\nextension\n", ""},
		"size with zero":  {origin + "\n01\n" + hash + "\n", string(proof.ErrMalformed)},
		"short root":      {origin + "\n1\nAAAA\n", string(proof.ErrMalformed)},
		"no root":         {origin + "\n1\n", string(proof.ErrMalformed)},
		"negative size":   {origin + "\n-1\n" + hash + "\n", string(proof.ErrMalformed)},
		"huge size":       {origin + "\n9223372036854775808\n" + hash + "\n", string(proof.ErrInclusion)},
		"empty tree":      {origin + "\n0\n" + hash + "\n", string(proof.ErrInclusion)},
	} {
		signed, err := note.Sign(&note.Note{Text: tc.text}, s)
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Verify(leaf(0), tlogproof.TLogProof{Checkpoint: signed}.Marshal())
		if string(proof.FaultOf(err)) != tc.want {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

// Witnesses are those of another implementation. Only known ones count, each once.
func TestWitnesses(t *testing.T) {
	ada, adaKey := witness(t, "witness.example/ada", 10)
	bob, bobKey := witness(t, "witness.example/bob", 11)
	eve, _ := witness(t, "witness.example/eve", 12)
	forged, _ := witness(t, "witness.example/ada", 13)
	adaCosign, err := cosign.VKeyToCosignatureV1(adaKey)
	if err != nil {
		t.Fatal(err)
	}
	known := []string{adaCosign, bobKey} // published as cosignature keys, or as plain ones
	tr := newTree(t, 3)
	_, s := newVerifier(t, nil, 0)
	for name, tc := range map[string]struct {
		quorum, count int
		signers       []note.Signer
		want          proof.Fault
	}{
		"none asked for":     {0, 0, []note.Signer{s}, ""},
		"one of one":         {1, 1, []note.Signer{s, ada}, ""},
		"two of two":         {2, 2, []note.Signer{s, ada, bob}, ""},
		"more than asked":    {1, 2, []note.Signer{s, ada, bob}, ""},
		"none of one":        {1, 0, []note.Signer{s}, proof.ErrQuorum},
		"one of two":         {2, 0, []note.Signer{s, bob}, proof.ErrQuorum},
		"a stranger":         {1, 0, []note.Signer{s, eve}, proof.ErrQuorum},
		"a stranger beside":  {1, 1, []note.Signer{s, eve, bob}, ""},
		"under her name":     {1, 0, []note.Signer{s, forged}, proof.ErrQuorum},
		"without the ledger": {2, 0, []note.Signer{ada, bob}, proof.ErrUnsigned},
	} {
		v, _ := newVerifier(t, known, tc.quorum)
		got, err := v.Verify(leaf(1), tr.prove(t, 1, tc.signers...).Marshal())
		if proof.FaultOf(err) != tc.want || got.Witnesses != tc.count {
			t.Errorf("%s: %d, %v; want %d, %q", name, got.Witnesses, err, tc.count, tc.want)
		}
	}
	v, _ := newVerifier(t, known, 2)
	twice := tr.prove(t, 1, s, ada)
	twice.Checkpoint = append(twice.Checkpoint, twice.Checkpoint[bytes.LastIndex(twice.Checkpoint, []byte("\u2014")):]...)
	if _, err := v.Verify(leaf(1), twice.Marshal()); proof.FaultOf(err) == "" {
		t.Errorf("one witness counts twice")
	}
	wrong := tr.prove(t, 1, s, ada)
	later := newTree(t, 4).prove(t, 1, ada)
	cut := bytes.Index(wrong.Checkpoint, []byte("\u2014 witness"))
	wrong.Checkpoint = append(wrong.Checkpoint[:cut:cut], later.Checkpoint[bytes.Index(later.Checkpoint, []byte("\u2014 witness")):]...)
	if _, err := v.Verify(leaf(1), wrong.Marshal()); !errors.Is(err, proof.ErrUnsigned) {
		t.Errorf("a cosignature of another checkpoint: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	_, public := key(t, origin, 1)
	_, ada := witness(t, "witness.example/ada", 10)
	_, alias := witness(t, "witness.example/alias", 10)
	_, self := witness(t, "witness.example/self", 1)
	_, mldsa, err := cosign.GenerateMLDSAKey("witness.example/pq")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		origin, key string
		witnesses   []string
		quorum      int
	}{
		"no key":                 {origin, "", nil, 0},
		"another name":           {"ledger.example", public, nil, 0},
		"no origin":              {"", public, nil, 0},
		"negative quorum":        {origin, public, nil, -1},
		"quorum too high":        {origin, public, []string{ada}, 2},
		"witness twice":          {origin, public, []string{ada, ada}, 1},
		"witness under an alias": {origin, public, []string{ada, alias}, 1},
		"the ledger as witness":  {origin, public, []string{self}, 1},
		"no witness key":         {origin, public, []string{"witness"}, 0},
		"wrong hash":             {origin, public, []string{strings.Replace(ada, "+", "+0", 1)}, 0},
		"another algorithm":      {origin, public, []string{mldsa}, 0},
	} {
		if _, err := proof.New(tc.origin, tc.key, tc.witnesses, tc.quorum); !errors.Is(err, proof.ErrTrust) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBoundsAgree(t *testing.T) {
	if proof.MaxText != order.MaxProof {
		t.Errorf("a proof may have %d bytes here and %d in an order", proof.MaxText, order.MaxProof)
	}
	sum := sha256.Sum256([]byte("\x00leaf 1"))
	if order.LeafID(leaf(1)) != sum {
		t.Error("an order's id is not its leaf hash")
	}
}
