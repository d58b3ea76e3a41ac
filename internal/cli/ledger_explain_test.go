package cli

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/order"
)

// An owner reads what each kind of order says, from the file as it is or as text, and whether it holds.
func TestExplain(t *testing.T) {
	dir := t.TempDir()
	before, err := ledger.Key(dir, "ledger.example/explain")
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), dir, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(t.Context())
	id := device.ID{0xab, 1}
	at := time.Date(2021, 9, 10, 8, 30, 0, 0, time.UTC)
	day := 24 * time.Hour
	rule := order.Ground{Kind: order.Rule, ID: "cuba"}
	write := func(leaf order.Leaf, asText bool) string {
		t.Helper()
		var salt [32]byte
		if _, err := rand.Read(salt[:]); err != nil {
			t.Fatal(err)
		}
		leaf.Authority, leaf.IssuedAt, leaf.Commitment = [32]byte{7}, at, order.Commit(salt, id)
		raw, err := leaf.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		index, err := l.Append(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		text, err := l.Proof(t.Context(), index)
		if err != nil {
			t.Fatal(err)
		}
		data, err := order.Sealed{Leaf: raw, Salt: salt, Proof: text}.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if asText {
			encoded := base64.StdEncoding.EncodeToString(data)
			data = []byte(encoded[:76] + "\r\n" + encoded[76:] + "\n")
		}
		file := filepath.Join(t.TempDir(), "order")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	old := t.TempDir() // what is shown to the public: the ledger as it was, and another one under the same key
	if err := os.CopyFS(old, os.DirFS(filepath.Join(dir, "log"))); err != nil {
		t.Fatal(err)
	}
	lock := write(order.Leaf{Kind: order.Lock, Ground: rule, Territory: "CU", Deadline: at.Add(14 * day), EffectAt: at.Add(15 * day), EndsAt: at.Add(300 * day)}, true)
	for _, tc := range []struct {
		file   string
		flags  []string
		status int
		want   string
	}{
		{write(order.Leaf{Kind: order.Notice, Ground: rule, Territory: "CU", Deadline: at.Add(14 * day)}, false), []string{"--key", l.LogKey()}, 0,
			"announces a lock: not before 24 September 2021 at 08:30 UTC"},
		{write(order.Leaf{Kind: order.Lift, Ground: order.Ground{Kind: order.Warrant, ID: "w-1"}, Cause: order.ByCase}, false), []string{"--key", l.LogKey()}, 0,
			`warrant "w-1"`},
		{lock, []string{"--key", l.LogKey(), "--device", id.String()}, 0, "It is for this device"},
		{lock, []string{"--key", l.LogKey()}, 0, "takes hold on 25 September 2021 at 08:30 UTC"},
		{lock, []string{"--key", l.LogKey()}, 0, "for Cuba (CU)"},
		{lock, []string{"--key", l.LogKey()}, 0, "entry 0 of 1"},
		{lock, []string{"--key", l.LogKey(), "--device", device.ID{1}.String()}, 1, "NOT for this device (order-not-for-you)"},
		{asQR(t, lock), []string{"--key", l.LogKey(), "--device", id.String()}, 0, "It is for this device"},
		{lock, nil, 1, "NOT CHECKED"},
		{lock, []string{"--key", before, "--public", dir}, 0, "everybody is shown at " + dir + " has it, too"},
		{lock, []string{"--key", before, "--public", old}, 1, "DOES NOT HAVE IT: ledger-shrank"},
		{lock, []string{"--key", before, "--public", t.TempDir()}, 2, ""},
		{lock, []string{"--key", otherKey(t)}, 1, "DOES NOT HOLD: proof-origin"},
		{lock, []string{"--key", l.LogKey(), "--witness", witnessKey(t)}, 1, "DOES NOT HOLD: proof-quorum"},
	} {
		out, faults, status := run(t, append([]string{"ledger", "explain", tc.file}, tc.flags...)...)
		if status != tc.status || (faults != "") != (status == 2) || !strings.Contains(out, tc.want) {
			t.Errorf("%v: status %d, %s%s", tc.flags, status, out, faults)
		}
	}
	out, _, status := run(t, "ledger", "explain", lock, "--key", l.LogKey(), "--json")
	var e explained
	if err := json.Unmarshal([]byte(out), &e); err != nil || status != 0 || !e.Holds || e.Kind != order.Lock || *e.Index != 0 {
		t.Errorf("%d %s %v", status, out, err)
	}
}

func otherKey(t *testing.T) string {
	t.Helper()
	key, err := ledger.Key(t.TempDir(), "ledger.example/other")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func witnessKey(t *testing.T) string {
	t.Helper()
	d, err := startDemoWitness(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
	return d.Key
}

// asQR writes an order in a file as the text of its QR code, as a camera gives it.
func asQR(t *testing.T, file string) string {
	t.Helper()
	sealed, err := (&ledgerExplainCommand{File: file}).read(t.Context(), Environment{Stdin: strings.NewReader("")})
	if err != nil {
		t.Fatal(err)
	}
	text, err := sealed.QRText()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".qr", []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file + ".qr"
}
