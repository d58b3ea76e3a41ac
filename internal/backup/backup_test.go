package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/internal/witness"
	"github.com/bailiwick-dev/bailiwick/order"
)

const origin = "backup.example/ledger"

var taken = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func now() time.Time { return taken }

// folder is a data folder with orders 0 to n-1 in records and ledger.
func folder(t *testing.T, n int) (dir, logKey string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{"keys/unlock-master.key": "11", "keys/epoch.key": "22", "keys/online.key": "33"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, addOrders(t, dir, 0, n)
}

// addOrders puts orders into the ledger and into the records, as sequenced.
func addOrders(t *testing.T, dir string, from, to int) (logKey string) {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(dir, "ledger"), ledger.Options{Origin: origin})
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var leaves [][]byte
	for i := from; i < to; i++ {
		leaves = append(leaves, fmt.Appendf(nil, "leaf %d", i))
	}
	indexes, err := l.AppendBatch(t.Context(), leaves)
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < to; i++ {
		leaf, index := leaves[i-from], indexes[i-from]
		err = db.Update(t.Context(), func(tx authority.Tx) error {
			d := device.ID{1, byte(i >> 8), byte(i)}
			body := fmt.Sprintf("3500000000%04d", i)
			return errors.Join(
				tx.InsertDevice(&authority.Device{ID: d, IMEI: device.IMEI(body + string(device.CheckDigit(body))), Serial: "S", Model: "M", Key: []byte{0x30}, EnrolledAt: taken}),
				tx.InsertOrder(&authority.Order{ID: order.LeafID(leaf), Device: d, Leaf: leaf, Salt: [32]byte{byte(i)}, Kind: order.Notice,
					Ground: order.Ground{Kind: order.Rule, ID: "cuba"}, IssuedAt: taken, Sequenced: true, Index: index}))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(db.Close(), l.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
	return l.LogKey()
}

func take(t *testing.T, s Source) string {
	t.Helper()
	s.File, s.Now, s.Program = filepath.Join(t.TempDir(), "backup"), now, "test"
	if _, err := Take(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return s.File
}

func restore(t *testing.T, file string, with ...age.Identity) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(t.Context(), Target{File: file, Dir: dir, Identities: with, Now: now}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestKeysStayBehind: keys are left out unless asked for, and then never in clear. What is put back without them is served only with
// the very keys of the original: neither without, nor with others.
func TestKeysStayBehind(t *testing.T) {
	original, _ := folder(t, 3)
	if _, err := Take(t.Context(), Source{Dir: original, File: filepath.Join(t.TempDir(), "b"), WithKeys: true, Now: now}); !errors.Is(err, ErrKeysInClear) {
		t.Errorf("keys in clear: %v", err)
	}
	file := take(t, Source{Dir: original})
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := os.ReadFile(filepath.Join(original, ledgerKey))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, bytes.Split(secret, []byte("\n"))[0]) {
		t.Error("the backup holds the ledger's signing key")
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %v (%v)", info.Mode(), err)
	}
	dir := restore(t, file)
	if _, err := CatchUp(t.Context(), Newest{Dir: dir, Place: original}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{ledgerKey, "keys/unlock-master.key", "keys/epoch.key", "keys/online.key"} {
		if _, err := Admit(dir); !errors.Is(err, ErrNotReady) || !strings.Contains(err.Error(), key+" is missing") {
			t.Errorf("without %s: %v", key, err)
		}
		text, err := os.ReadFile(filepath.Join(original, key))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, key)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, append([]byte("?"), text...), 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := Admit(dir); !errors.Is(err, ErrNotReady) || !strings.Contains(err.Error(), key+" is not the one") {
			t.Errorf("with another %s: %v", key, err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	settled, err := Admit(dir)
	if err != nil || settled == nil {
		t.Fatalf("with its keys: %v", err)
	}
	if err := settled(); err != nil {
		t.Fatal(err)
	}
	if settled, err := Admit(dir); err != nil || settled != nil {
		t.Errorf("a folder in service is still taken for one that was put back: %v", err)
	}
	addOrders(t, dir, 3, 5) // the ledger goes on
}

// TestEncryptedBackup: recipients can open it and nobody else can, and its keys come back.
func TestEncryptedBackup(t *testing.T) {
	original, _ := folder(t, 2)
	ours, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file := take(t, Source{Dir: original, WithKeys: true, Recipients: []age.Recipient{ours.Recipient()}})
	for _, with := range [][]age.Identity{nil, {theirs}} {
		if _, err := Restore(t.Context(), Target{File: file, Dir: filepath.Join(t.TempDir(), "x"), Identities: with, Now: now}); err == nil {
			t.Errorf("it opens with %v", with)
		}
	}
	dir := restore(t, file, ours)
	if _, err := CatchUp(t.Context(), Newest{Dir: dir, Place: original}); err != nil {
		t.Fatal(err)
	}
	if _, err := Admit(dir); err != nil {
		t.Errorf("with the keys inside: %v", err)
	}
}

// TestDamagedBackups: whatever is wrong with a file, nothing is put back, and nothing is left behind.
func TestDamagedBackups(t *testing.T) {
	original, _ := folder(t, 300)
	whole, err := os.ReadFile(take(t, Source{Dir: original}))
	if err != nil {
		t.Fatal(err)
	}
	files := untar(t, whole)
	without := func(name string) []member {
		var rest []member
		for _, f := range files {
			if f.name != name {
				rest = append(rest, f)
			}
		}
		return rest
	}
	flipped := func(name string) []byte {
		list := append([]member{}, files...)
		for i, f := range list {
			if f.name == name {
				list[i].data = append([]byte{}, f.data...)
				list[i].data[len(f.data)/2] ^= 1
			}
		}
		return intoTar(t, list)
	}
	for what, data := range map[string][]byte{
		"empty":                    {},
		"not an archive":           []byte("hello, this is no backup"),
		"another archive":          intoTar(t, []member{{"readme", []byte("x")}}),
		"cut short":                whole[:len(whole)*2/3],
		"without its manifest":     intoTar(t, without(manifestFile)),
		"without a bundle":         intoTar(t, without("ledger/tile/entries/000")),
		"without records":          intoTar(t, without(recordsFile)),
		"a flipped bit in records": flipped(recordsFile),
		"a flipped bit in a tile":  flipped("ledger/tile/0/000"),
		"a flipped bit in a leaf":  flipped("ledger/tile/entries/000"),
		"a file that climbs out":   intoTar(t, append([]member{files[0], {"secret/../../etc/passwd", []byte("x")}}, files[1:]...)),
		"a file twice":             intoTar(t, append([]member{files[0], files[1], files[1]}, files[2:]...)),
		"something behind the end": intoTar(t, append(append([]member{}, files...), member{"keys/more", []byte("x")})),
	} {
		parent := t.TempDir()
		file := filepath.Join(parent, "damaged")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Restore(t.Context(), Target{File: file, Dir: filepath.Join(parent, "new"), Now: now}); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", what, err)
		}
		if left, err := os.ReadDir(parent); err != nil || len(left) != 1 {
			t.Errorf("%s: %v is left behind (%v)", what, left, err)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "something"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), Target{File: take(t, Source{Dir: original}), Dir: dir, Now: now}); err == nil || !strings.Contains(err.Error(), "new folder only") {
		t.Errorf("into a folder with something in it: %v", err)
	}
}

type member struct {
	name string
	data []byte
}

func untar(t *testing.T, data []byte) (list []member) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, member{h.Name, text})
	}
}

func intoTar(t testing.TB, list []member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range list {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o600, Size: int64(len(f.data)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestWitnessesTellHowFarItWas: a witness that has cosigned more than there is keeps the folder from being served, one that has cosigned as
// much lets it.
func TestWitnessesTellHowFarItWas(t *testing.T) {
	original, key := folder(t, 4)
	w, err := witness.Open(witness.Config{Dir: t.TempDir(), Name: "witness.example/w", Logs: []string{key}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	witnesses := []ledger.Witness{{URL: server.URL, Key: w.VerifierKey()}}
	file := take(t, Source{Dir: original})
	addOrders(t, original, 4, 6)
	signed, err := ledger.Folder(filepath.Join(original, "ledger")).ReadCheckpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if known, err := ledger.WitnessKnows(t.Context(), witnesses[0], signed); err != nil || known != 0 { // and cosigns it
		t.Fatal(known, err)
	}
	dir := restore(t, file)
	if _, err := CatchUp(t.Context(), Newest{Dir: dir, Witnesses: witnesses}); !errors.Is(err, ledger.ErrShrank) || !strings.Contains(err.Error(), "has cosigned 6") {
		t.Errorf("the witness knows more: %v", err)
	}
	if n, err := CatchUp(t.Context(), Newest{Dir: dir, Place: original, Witnesses: witnesses}); err != nil || n != 6 {
		t.Errorf("%d, %v", n, err)
	}
}

// TestOriginalStillRuns: nothing is built from the files of a server that goes on with them.
func TestOriginalStillRuns(t *testing.T) {
	original, _ := folder(t, 1)
	dir := restore(t, take(t, Source{Dir: original}))
	l, err := ledger.Open(t.Context(), filepath.Join(original, "ledger"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{original, filepath.Join(original, "ledger"), filepath.Join(original, "ledger", "log")} {
		if _, err := CatchUp(t.Context(), Newest{Dir: dir, Place: place}); err == nil || !strings.Contains(err.Error(), "a server runs on") {
			t.Errorf("%s: %v", place, err)
		}
	}
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := CatchUp(t.Context(), Newest{Dir: dir, Place: original}); err != nil {
		t.Error(err)
	}
}

// TestSuccessor: when nobody knows how far the ledger was published, another one begins, and takes up all orders that the records know.
func TestSuccessor(t *testing.T) {
	original, key := folder(t, 5)
	dir := restore(t, take(t, Source{Dir: original}))
	if _, err := Succeed(t.Context(), dir, origin); err == nil {
		t.Error("a successor has the name of the ledger that ended")
	}
	next, err := Succeed(t.Context(), dir, "backup.example/second")
	if err != nil || next == key {
		t.Fatal(next, err)
	}
	for _, name := range []string{"keys/unlock-master.key", "keys/epoch.key", "keys/online.key"} {
		text, err := os.ReadFile(filepath.Join(original, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, "keys"), 0o700), os.WriteFile(filepath.Join(dir, name), text, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Admit(dir); err != nil {
		t.Errorf("the successor is not admitted: %v", err)
	}
	if n, err := sqlite.Pending(t.Context(), filepath.Join(dir, sqlite.FileName)); err != nil || n != 5 {
		t.Errorf("%d orders wait for it: %v", n, err)
	}
	if _, err := ledger.Verify(t.Context(), ledger.Copied(filepath.Join(dir, "ledger-ended")), key, nil); err != nil {
		t.Errorf("the old ledger: %v", err)
	}
	l, err := ledger.Open(t.Context(), filepath.Join(dir, "ledger"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if size, err := l.Size(t.Context()); err != nil || size != 0 || l.LogKey() != next {
		t.Errorf("%d entries under %s: %v", size, l.LogKey(), err)
	}
	if err := l.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestSuccessorAfterAFault: a disk that fails in the middle of it leaves a folder that is not served, and for which the same call goes on.
func TestSuccessorAfterAFault(t *testing.T) {
	original, _ := folder(t, 2)
	dir := restore(t, take(t, Source{Dir: original, WithKeys: false}))
	mark := filepath.Join(dir, "ledger", "restored-and-behind")
	if err := errors.Join(os.Remove(mark), os.MkdirAll(filepath.Join(mark, "in the way"), 0o700)); err != nil { // cannot be removed
		t.Fatal(err)
	}
	if _, err := Succeed(t.Context(), dir, "backup.example/second"); err == nil {
		t.Fatal("the mark could be removed")
	}
	if err := os.RemoveAll(filepath.Join(mark, "in the way")); err != nil {
		t.Fatal(err)
	}
	if _, err := Admit(dir); !errors.Is(err, ErrNotReady) {
		t.Errorf("admitted half-way: %v", err)
	}
	if _, err := Succeed(t.Context(), dir, "backup.example/second"); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// TestBackupOverwritesNothing: neither what lies where it is written meanwhile, nor what a link there points to, nor what comes to its place.
func TestBackupOverwritesNothing(t *testing.T) {
	dir, _ := folder(t, 1)
	out, others := t.TempDir(), filepath.Join(t.TempDir(), "others")
	file := filepath.Join(out, "backup")
	if err := errors.Join(os.WriteFile(others, []byte("mine"), 0o644), os.Symlink(others, file+".part")); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(t.Context(), Source{Dir: dir, File: file, Now: now}); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("with a link in the way: %v", err)
	}
	if text, err := os.ReadFile(others); err != nil || string(text) != "mine" {
		t.Errorf("what the link points to holds %d bytes, %v", len(text), err)
	}
	if err := os.Remove(file + ".part"); err != nil {
		t.Fatal(err)
	}
	_, err := Take(t.Context(), Source{Dir: dir, File: file, Now: now, Progress: func(string, int64) {
		if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
			t.Error(err)
		}
	}})
	if err == nil || !strings.Contains(err.Error(), "is there") {
		t.Errorf("with a file that came meanwhile: %v", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
		t.Errorf("it holds %d bytes now, %v", len(text), err)
	}
	if left, err := os.ReadDir(out); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestOnlyWhatCanBePutBack: what a restore would refuse fails when the backup is made, not on the day on which it is needed.
func TestOnlyWhatCanBePutBack(t *testing.T) {
	dir, _ := folder(t, 1)
	if err := os.WriteFile(filepath.Join(dir, "keys", "core"), make([]byte, maxSmall+1), 0o600); err != nil {
		t.Fatal(err)
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Take(t.Context(), Source{Dir: dir, File: filepath.Join(t.TempDir(), "backup"), Now: now, WithKeys: true, Recipients: []age.Recipient{identity.Recipient()}})
	if err == nil || !strings.Contains(err.Error(), "keys/core") {
		t.Errorf("%v", err)
	}
}

// FuzzUnpack: no archive gets a file outside the folder, and none that is taken names what it does not hold.
func FuzzUnpack(f *testing.F) {
	manifest := []byte(`{"format":"bailiwick-backup/1","program":"x","taken_at":"2026-11-22T09:00:00Z","records":"database","files":[],"keys":[],"with_keys":false}`)
	first := member{formatFile, []byte(formatName + "\n")}
	f.Add(intoTar(f, []member{first, {manifestFile, manifest}}))
	f.Add(intoTar(f, []member{first, {"secret/keys/../../x", []byte("x")}, {manifestFile, manifest}}))
	f.Add(intoTar(f, []member{first, {"ledger/tile/0/000", []byte("x")}, {"folder/records-in-database", nil}, {manifestFile, manifest}}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		parent := t.TempDir()
		r := &restoring{stage: filepath.Join(parent, "stage"), found: make(map[string]File)}
		if err := os.Mkdir(r.stage, 0o700); err != nil {
			t.Fatal(err)
		}
		err := r.unpack(t.Context(), bytes.NewReader(data))
		if err == nil && r.m == nil {
			t.Error("no manifest")
		}
		if err != nil && !errors.Is(err, ErrBroken) {
			t.Errorf("an error of another kind: %v", err)
		}
		if left, err := os.ReadDir(parent); err != nil || len(left) != 1 {
			t.Errorf("%v outside the folder (%v)", left, err)
		}
	})
}
