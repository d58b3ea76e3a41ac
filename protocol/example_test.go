package protocol_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/transparency-dev/formats/log"
	tlogproof "github.com/transparency-dev/formats/proof"
	"github.com/veraison/go-cose"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

const document = "../docs/protocol.md"

// The parts of the example. All but the tokens are the same whenever they are made.
var (
	exampleID     = device.ID{0x4b, 0x1d, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	exampleSalt   = sha256.Sum256([]byte("bailiwick example salt"))
	exampleGround = order.Ground{Kind: order.Rule, ID: "cuba"}
)

func exampleClaims() evidence.Claims {
	signals := territory.Kinds(0).With(territory.GNSS).With(territory.Cell).With(territory.SIM)
	today := territory.DayOf(now)
	return evidence.Claims{
		Device: exampleID, Sequence: 42, Epoch: []byte("epoch-2021-09-10"), IssuedAt: now, Boot: evidence.BootVerified,
		Software: "0.1.0", PolicyHash: policy().Hash,
		Days:       []territory.DayRecord{{Day: today, Territory: "CU", Percent: 98, Agree: signals}},
		Activation: &territory.Activation{Territory: "CU", Day: today},
	}
}

func exampleLeaf(tb testing.TB) []byte {
	tb.Helper()
	leaf, err := order.Leaf{
		Kind: order.Notice, Ground: exampleGround, Territory: "CU", Authority: policy().Hash, IssuedAt: now,
		Deadline: now.AddDate(0, 0, 14), Commitment: order.Commit(exampleSalt, exampleID),
	}.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return leaf
}

type fixedBytes byte

func (f fixedBytes) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte{byte(f)}, len(p)))
	return len(p), nil
}

// hashes is a ledger of three entries, ours in the middle.
type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = h[x]
	}
	return out, nil
}

func exampleProof(tb testing.TB) (logKey string, text []byte) {
	tb.Helper()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	var stored hashes
	for n, leaf := range [][]byte{[]byte("another order"), exampleLeaf(tb), []byte("a third one")} {
		more, err := tlog.StoredHashes(int64(n), leaf, stored)
		must(err)
		stored = append(stored, more...)
	}
	root, err := tlog.TreeHash(3, stored)
	must(err)
	path, err := tlog.ProveRecord(3, 1, stored)
	must(err)
	secret, public, err := note.GenerateKey(fixedBytes(1), "bailiwick.example/ledger")
	must(err)
	signer, err := note.NewSigner(secret)
	must(err)
	checkpoint := log.Checkpoint{Origin: signer.Name(), Size: 3, Hash: root[:]}.Marshal()
	signed, err := note.Sign(&note.Note{Text: string(checkpoint)}, signer)
	must(err)
	p := tlogproof.TLogProof{Index: 1, Checkpoint: signed}
	for _, h := range path {
		p.Hashes = append(p.Hashes, h)
	}
	return public, p.Marshal()
}

func exampleAnswer(tb testing.TB) []byte {
	tb.Helper()
	_, proofText := exampleProof(tb)
	data, err := protocol.CheckInAnswer{
		Epoch: []byte("epoch-2021-09-11"), Time: now.Add(2 * time.Second), NextCheckIn: 24 * time.Hour, Sequence: 42, IP: "CU",
		Orders: []order.Sealed{{Leaf: exampleLeaf(tb), Salt: exampleSalt, Proof: proofText}},
	}.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// block is one named fence of the example.
var block = regexp.MustCompile("(?s)```([a-z]+) ([a-z-]+)\n(.*?)```")

func exampleBlocks(tb testing.TB) map[string]string {
	tb.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		tb.Fatal(err)
	}
	out := make(map[string]string)
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		out[m[2]] = m[3]
	}
	return out
}

func hexBlock(tb testing.TB, blocks map[string]string, name string) []byte {
	tb.Helper()
	data, err := hex.DecodeString(strings.Join(strings.Fields(blocks[name]), ""))
	if err != nil || len(data) == 0 {
		tb.Fatalf("%s has no block %q in hexadecimal digits: %v", document, name, err)
	}
	return data
}

func fence(kind, name, text string) string {
	return fmt.Sprintf("```%s %s\n%s\n```\n\n", kind, name, strings.TrimSuffix(text, "\n"))
}

func lines(data []byte) string {
	text, out := hex.EncodeToString(data), ""
	for len(text) > 96 {
		out, text = out+text[:96]+"\n", text[96:]
	}
	return out + text
}

func payloadOf(tb testing.TB, token []byte) []byte {
	tb.Helper()
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(token); err != nil {
		tb.Fatal(err)
	}
	return m.Payload
}

// notation returns CBOR in diagnostic notation, one member of the outermost map on a line.
func notation(tb testing.TB, data []byte) string {
	tb.Helper()
	var members map[int64]cbor.RawMessage
	if err := cbor.Unmarshal(data, &members); err != nil {
		tb.Fatal(err)
	}
	whole, err := cbor.Diagnose(data)
	if err != nil {
		tb.Fatal(err)
	}
	for key, value := range members {
		shown, err := cbor.Diagnose(value)
		if err != nil {
			tb.Fatal(err)
		}
		member := fmt.Sprintf("%d: %s", key, shown)
		whole = strings.Replace(whole, ", "+member, ",\n  "+member, 1)
		whole = strings.Replace(whole, "{"+member, "{\n  "+member, 1)
	}
	return strings.TrimSuffix(whole, "}") + "\n}"
}

func writeExample(tb testing.TB) {
	tb.Helper()
	key, c, e := esKey(tb), exampleClaims(), enrolment()
	token, err := evidence.Sign(&c, key)
	if err != nil {
		tb.Fatal(err)
	}
	enrolToken, err := protocol.SignEnrolment(&e, [][]byte{certificate(tb, key)}, key)
	if err != nil {
		tb.Fatal(err)
	}
	logKey, proofText := exampleProof(tb)
	leaf := exampleLeaf(tb)
	code, err := unlock.Answer(exampleSecret(), 0, "20210910")
	if err != nil {
		tb.Fatal(err)
	}
	public, err := key.PublicKey.ECDH()
	if err != nil {
		tb.Fatal(err)
	}
	var out strings.Builder
	out.WriteString("The device's public key, an uncompressed point of P-256, and its enrolment token:\n\n")
	out.WriteString(fence("hex", "device-key", lines(public.Bytes())) + fence("hex", "enrolment", lines(enrolToken)))
	out.WriteString("Its evidence, and the claims in it:\n\n")
	out.WriteString(fence("hex", "evidence", lines(token)) + fence("cbor", "claims", notation(tb, payloadOf(tb, token))))
	out.WriteString("The answer, with a notice, and what is in the notice: leaf, salt and proof.\n\n")
	out.WriteString(fence("hex", "answer", lines(exampleAnswer(tb))) + fence("cbor", "leaf", notation(tb, leaf)))
	out.WriteString(fence("hex", "salt", lines(exampleSalt[:])) + fence("text", "proof", string(proofText)))
	out.WriteString("The ledger's verifier key; the order's id; the reference on the screen; the code for the challenge 20210910 at counter 0 with the secret\nSHA-256(\"secret\"):\n\n")
	out.WriteString(fence("text", "ledger-key", logKey) + fence("hex", "order-id", order.LeafID(leaf).String()))
	out.WriteString(fence("text", "reference", order.Reference(exampleID, exampleGround)) + fence("text", "code", code))

	text, err := os.ReadFile(document)
	if err != nil {
		tb.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), "<!-- example:begin -->\n")
	_, after, ok2 := strings.Cut(rest, "<!-- example:end -->")
	if !ok1 || !ok2 {
		tb.Fatalf("%s has no place for the example", document)
	}
	whole := before + "<!-- example:begin -->\n\n" + out.String() + "<!-- example:end -->" + after
	if err := os.WriteFile(document, []byte(whole), 0o644); err != nil {
		tb.Fatal(err)
	}
}

func exampleSecret() []byte {
	s := sha256.Sum256([]byte("secret"))
	return s[:]
}

// What the document shows is what this code reads, verifies, and would write.
func TestDocumentedExample(t *testing.T) {
	if *update {
		writeExample(t)
	}
	blocks := exampleBlocks(t)
	key := esKey(t)
	public, err := key.PublicKey.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	if key.Curve != elliptic.P256() || !bytes.Equal(hexBlock(t, blocks, "device-key"), public.Bytes()) {
		t.Error("the device's key is another one")
	}
	u, err := protocol.ParseEnrolment(hexBlock(t, blocks, "enrolment"))
	if err != nil {
		t.Fatal(err)
	}
	wantEnrolment := enrolment()
	if got, err := u.Verify(&key.PublicKey); err != nil || !cmp.Equal(*got, wantEnrolment) {
		t.Errorf("the enrolment says %+v, %v", got, err)
	}
	token := hexBlock(t, blocks, "evidence")
	unverified, err := evidence.Parse(token)
	if err != nil {
		t.Fatal(err)
	}
	wantClaims := exampleClaims()
	got, err := unverified.Verify(&key.PublicKey)
	if diff := cmp.Diff(&wantClaims, got); err != nil || diff != "" {
		t.Errorf("the evidence says otherwise: %v\n%s", err, diff)
	}
	if want := notation(t, payloadOf(t, token)); strings.TrimSpace(blocks["claims"]) != want {
		t.Errorf("the claims are shown wrongly; they are\n%s", want)
	}
	answer := hexBlock(t, blocks, "answer")
	if !bytes.Equal(answer, exampleAnswer(t)) {
		t.Error("the answer is another one")
	}
	checkDocumentedOrder(t, blocks, answer)
}

// checkDocumentedOrder goes the device's way with the order in the answer.
func checkDocumentedOrder(t *testing.T, blocks map[string]string, data []byte) {
	t.Helper()
	answer, err := protocol.ParseCheckInAnswer(data)
	if err != nil {
		t.Fatal(err)
	}
	sealed := answer.Orders[0]
	leaf, err := sealed.Open(exampleID)
	if err != nil || leaf.Kind != order.Notice || leaf.Ground != exampleGround {
		t.Errorf("the order is %+v, %v", leaf, err)
	}
	logKey := strings.TrimSpace(blocks["ledger-key"])
	origin, _, _ := strings.Cut(logKey, "+")
	verifier, err := proof.New(origin, logKey, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if checked, err := verifier.Verify(sealed.Leaf, sealed.Proof); err != nil || checked.Index != 1 || checked.Size != 3 {
		t.Errorf("the proof: %+v, %v", checked, err)
	}
	if want := notation(t, sealed.Leaf); strings.TrimSpace(blocks["leaf"]) != want {
		t.Errorf("the leaf is shown wrongly; it is\n%s", want)
	}
	if !bytes.Equal(hexBlock(t, blocks, "salt"), sealed.Salt[:]) || blocks["proof"] != string(sealed.Proof) {
		t.Error("salt or proof is shown wrongly")
	}
	if strings.TrimSpace(blocks["order-id"]) != sealed.ID().String() {
		t.Errorf("the order's id is %v", sealed.ID())
	}
	if want := order.Reference(exampleID, exampleGround); strings.TrimSpace(blocks["reference"]) != want {
		t.Errorf("the reference is %s", want)
	}
	if at, ok := unlock.Check(exampleSecret(), 0, 1, "20210910", blocks["code"]); !ok || at != 0 {
		t.Error("the code does not open")
	}
}
