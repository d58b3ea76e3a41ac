package proof_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	cosign "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

// Of n witnesses any k suffice and k-1 do not, whoever else signs, in whatever order, and however often.
func TestQuorumOfAnyWitnesses(t *testing.T) {
	tr := newTree(t, 7)
	_, s := newVerifier(t, nil, 0)
	var signers []note.Signer
	var keys []string
	for i := range 5 {
		w, key := witness(t, fmt.Sprintf("witness.example/w%d", i), byte(20+i))
		signers, keys = append(signers, w), append(keys, key)
	}
	stranger, _ := witness(t, "witness.example/stranger", 40)
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, len(keys)).Draw(rt, "n")
		k := rapid.IntRange(0, n).Draw(rt, "k")
		v, _ := newVerifier(t, keys[:n], k)
		present := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, n, rapid.ID[int]).Draw(rt, "present")
		with := []note.Signer{s}
		for _, i := range present {
			with = append(with, signers[i])
		}
		if rapid.Bool().Draw(rt, "stranger") {
			with = append(with, stranger)
		}
		with = rapid.Permutation(with).Draw(rt, "order")
		p := tr.prove(rt, 3, with...)
		if len(present) > 0 && rapid.Bool().Draw(rt, "repeat") {
			p.Checkpoint = append(p.Checkpoint, lastSignature(p.Checkpoint)...)
		}
		got, err := v.Verify(leaf(3), p.Marshal())
		if len(present) >= k {
			if err != nil || got.Witnesses != len(present) {
				rt.Fatalf("%d of %d, quorum %d: %d counted, %v", len(present), n, k, got.Witnesses, err)
			}
		} else if !errors.Is(err, proof.ErrQuorum) {
			rt.Fatalf("%d of %d pass for a quorum of %d: %v", len(present), n, k, err)
		}
	})
}

func lastSignature(signed []byte) []byte {
	return bytes.Clone(signed[bytes.LastIndex(signed, []byte("\u2014 ")):])
}

// What a witness says of one checkpoint, at one time, under cosignature/v1, counts for nothing else.
func TestCosignaturesThatDoNotCount(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{10}, ed25519.SeedSize)) // Ada's
	_, adaKey := witness(t, "witness.example/ada", 10)
	v, s := newVerifier(t, []string{adaKey}, 1)
	hash := v1Hash(t, "witness.example/ada", key)
	good := newTree(t, 3).prove(t, 1, s)
	text, _, _ := strings.Cut(string(good.Checkpoint), "\n\n")
	text += "\n"
	sign := func(header string, time uint64) []byte {
		signature := ed25519.Sign(key, fmt.Appendf(nil, "%s\ntime %d\n%s", header, time, text))
		return append(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, hash), time), signature...)
	}
	later := sign("cosignature/v1", 1700000000)
	binary.BigEndian.PutUint64(later[4:], 1700000001)
	for name, tc := range map[string]struct {
		signature []byte
		want      proof.Fault
	}{
		"as it should be":     {sign("cosignature/v1", 1700000000), ""},
		"the last second":     {sign("cosignature/v1", 1<<63-1), ""},
		"after the last":      {sign("cosignature/v1", 1<<63), proof.ErrUnsigned},
		"another header":      {sign("cosignature/v2", 1700000000), proof.ErrUnsigned},
		"another time":        {later, proof.ErrUnsigned},
		"a byte short":        {sign("cosignature/v1", 1700000000)[:75], proof.ErrUnsigned},
		"without a time":      {append(binary.BigEndian.AppendUint32(nil, hash), ed25519.Sign(key, []byte(text))...), proof.ErrUnsigned},
		"another key's name":  {append([]byte{0, 0, 0, 1}, sign("cosignature/v1", 1700000000)[4:]...), proof.ErrQuorum},
		"four bytes and none": {binary.BigEndian.AppendUint32(nil, hash), proof.ErrUnsigned},
	} {
		p := good
		p.Checkpoint = fmt.Appendf(bytes.Clone(good.Checkpoint), "\u2014 witness.example/ada %s\n", base64.StdEncoding.EncodeToString(tc.signature))
		if _, err := v.Verify(leaf(1), p.Marshal()); proof.FaultOf(err) != tc.want {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

// v1Hash is the key id of C2SP tlog-cosignature, taken from the key as formats writes it.
func v1Hash(t *testing.T, name string, key ed25519.PrivateKey) uint32 {
	t.Helper()
	vkey, err := note.NewEd25519VerifierKey(name, key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	v, err := cosign.NewVerifierForCosignatureV1(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return v.KeyHash()
}

// A checkpoint is as old as the quorum's cosignatures: one witness that is ahead of the others makes it no younger.
func TestCosignedByAQuorum(t *testing.T) {
	tr := newTree(t, 7)
	_, s := newVerifier(t, nil, 0)
	var with []note.Signer
	var keys []string
	for i, at := range []int64{1_000, 3_000, 2_000} {
		secret, plain, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{byte(60 + i)}, 64)), fmt.Sprintf("witness.example/t%d", i))
		if err != nil {
			t.Fatal(err)
		}
		key, err := cosign.VKeyToCosignatureV1(plain)
		if err != nil {
			t.Fatal(err)
		}
		with, keys = append(with, atTime{t, secret, key, at}), append(keys, key)
	}
	signed := tr.prove(t, 3, append(with, s)...).Checkpoint
	for quorum, want := range map[int]int64{0: 3_000, 1: 3_000, 2: 2_000, 3: 1_000} {
		v, _ := newVerifier(t, keys, quorum)
		c, err := v.Checkpoint(signed)
		if err != nil || c.Cosigned.Unix() != want {
			t.Errorf("quorum %d: %v, %v, want %d", quorum, c.Cosigned, err, want)
		}
	}
	v, _ := newVerifier(t, nil, 0)
	if c, err := v.Checkpoint(signed); err != nil || !c.Cosigned.IsZero() {
		t.Errorf("nobody known cosigned: %v, %v", c.Cosigned, err)
	}
}

// atTime is a witness whose clock stands still.
type atTime struct {
	t           *testing.T
	secret, key string
	at          int64
}

func (w atTime) Name() string { name, _, _ := strings.Cut(w.key, "+"); return name }

func (w atTime) KeyHash() uint32 {
	var hash uint32
	if _, err := fmt.Sscanf(strings.Split(w.key, "+")[1], "%x", &hash); err != nil {
		w.t.Fatal(err)
	}
	return hash
}

func (w atTime) Sign(text []byte) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.SplitN(w.secret, "+", 5)[4])
	if err != nil {
		return nil, err
	}
	message := fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", w.at, text)
	return append(binary.BigEndian.AppendUint64(nil, uint64(w.at)), ed25519.Sign(ed25519.NewKeyFromSeed(raw[1:]), message)...), nil
}
