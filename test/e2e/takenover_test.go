package e2e

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/cohort"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// TestServerAloneMakesNoPolicyAndNoWarrant is Charter C7 against a server that was taken over: it has the store, the ledger's key and the
// online key, and not the officers' keys. It writes a policy that prohibits the phone's home and a warrant for the phone, lists both
// in metadata that it signs itself, and sends notices and locks on both, each of them truly in the public ledger. The phone shows
// nothing and locks nothing, and says why.
func TestServerAloneMakesNoPolicyAndNoWarrant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		forge   bool // put both into metadata signed with the online key
		reasons []string
	}{
		{"under the officers' metadata", false, []string{"policy-unsigned", "warrant-unsigned"}},
		{"under metadata of its own", true, []string{"metadata-unsigned", "policy-unsigned", "warrant-unsigned"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			begun := time.Date(2021, 9, 6, 9, 0, 0, 0, time.UTC)
			var dir string
			s := serve(t, begun, func(cfg *app.Config) { cfg.ManualWork, cfg.Unlimited = true, true; dir = cfg.Dir })
			evil := &takenOver{t: t, server: s, next: s.http.Transport, forge: c.forge, online: readOnline(t, dir), refused: map[string]bool{}}
			client := *s.http
			client.Transport = evil
			madrid := phone.Place{Lat: 40.4168, Lon: -3.7038, Cell: "214-01"}
			p := makePhone(t, s.Factory, s.base, &client, s.clock.Now, 1, madrid)
			evil.imei = p.Config().IMEI
			for range 40 {
				for range 2 {
					if err := p.Use(); err != nil {
						t.Fatal(err)
					}
					if err := p.CheckIn(t.Context()); err != nil {
						t.Fatal(err)
					}
					s.clock.AdvanceTo(s.clock.Now().Add(12 * time.Hour))
				}
				if stage := p.Agent().Screen().Stage; stage != order.Observed {
					t.Fatalf("on %s the phone is %v: %+v", s.clock.Now().Format(time.DateOnly), stage, p.Agent().Screen().Grounds)
				}
			}
			if a := p.Agent().Screen().Activation; a == nil || a.Territory != "ES" || evil.sent < 40 {
				t.Fatalf("nothing was tried: %d orders, activation %+v", evil.sent, a)
			}
			for _, reason := range c.reasons {
				if !evil.refused[reason] {
					t.Errorf("the phone did not report %q; it reported %v", reason, evil.refused)
				}
			}
		})
	}
}

// takenOver is the server's evil side: it changes the answers on their way out.
type takenOver struct {
	t      *testing.T
	server *server
	next   http.RoundTripper
	online ed25519.PrivateKey
	forge  bool
	imei   device.IMEI

	policy  *protocol.Policy
	warrant *protocol.Held
	told    time.Time // deadline of the notices
	sent    int
	refused map[string]bool
}

func (e *takenOver) RoundTrip(r *http.Request) (*http.Response, error) {
	var asked []byte
	if r.Body != nil {
		var err error
		if asked, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(asked))
	}
	response, err := e.next.RoundTrip(r)
	if err != nil || response.StatusCode != http.StatusOK || r.URL.Path != protocol.PathCheckIn {
		return response, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	answer, err := protocol.ParseCheckInAnswer(body)
	if err != nil {
		return nil, err
	}
	u, err := evidence.Parse(asked)
	if err != nil {
		return nil, err
	}
	e.listen(u)
	if err := e.spoil(r.Context(), answer, u.Device()); err != nil {
		return nil, err
	}
	if body, err = answer.Marshal(); err != nil {
		return nil, err
	}
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	response.Header.Del("Content-Length")
	return response, nil
}

// listen notes what the phone says it refused. The server holds no phone's key; it reads what it was sent.
func (e *takenOver) listen(u *evidence.Unverified) {
	devices, err := e.server.Service.FindDevice(e.t.Context(), string(e.imei))
	if err != nil {
		return
	}
	key, err := x509.ParsePKIXPublicKey(devices.Key)
	if err != nil {
		return
	}
	if claims, err := u.Verify(key); err == nil {
		for _, r := range claims.Refusals {
			e.refused[r.Reason] = true
		}
	}
}

// spoil adds a policy, a warrant and orders of the server's own to an answer.
func (e *takenOver) spoil(ctx context.Context, a *protocol.CheckInAnswer, id device.ID) error {
	now := e.server.clock.Now().UTC().Truncate(time.Second)
	if e.policy == nil {
		if err := e.write(ctx, now); err != nil {
			return err
		}
	}
	a.Policy, a.Warrants = e.policy, []protocol.Held{*e.warrant}
	update, err := e.metadata(ctx)
	if err != nil {
		return err
	}
	a.Metadata = update
	held, err := e.warrant.Warrant.Hash()
	if err != nil {
		return err
	}
	kind := order.Notice
	if !now.Before(e.told) {
		kind = order.Lock
	}
	for _, leaf := range []order.Leaf{
		{Kind: kind, Ground: order.Ground{Kind: order.Rule, ID: "spain"}, Territory: "ES", Authority: e.policy.Hash},
		{Kind: kind, Ground: order.Ground{Kind: order.Warrant, ID: e.warrant.Warrant.ID}, Authority: held},
	} {
		leaf.IssuedAt, leaf.Deadline = now, e.told
		if kind == order.Lock {
			leaf.EffectAt, leaf.EndsAt = now.Add(time.Hour), e.warrant.Warrant.EndsAt
		}
		sealed, err := e.issue(ctx, leaf, id)
		if err != nil {
			return err
		}
		a.Orders = append(a.Orders, sealed)
	}
	return nil
}

// issue puts an order into the public ledger, as it must be for a phone to look at it.
func (e *takenOver) issue(ctx context.Context, leaf order.Leaf, id device.ID) (sealed order.Sealed, err error) {
	_, _ = rand.Read(sealed.Salt[:])
	leaf.Commitment = order.Commit(sealed.Salt, id)
	if sealed.Leaf, err = leaf.Marshal(); err != nil {
		return sealed, err
	}
	index, err := e.server.Ledger.AppendBatch(ctx, [][]byte{sealed.Leaf})
	if err != nil {
		return sealed, err
	}
	e.sent++
	sealed.Proof, err = e.server.Ledger.Proof(ctx, index[0])
	return sealed, err
}

// write makes the policy against Spain and the warrant for the phone.
func (e *takenOver) write(ctx context.Context, now time.Time) error {
	honest, document, err := e.server.Service.PolicyInForce(ctx)
	if err != nil {
		return err
	}
	x := honest.DeviceExtract()
	e.policy = &protocol.Policy{
		Hash: sha256.Sum256(append([]byte("# mine\n"), document.Source...)), ID: x.ID, Effective: x.Effective.Time(), Observation: x.Observation,
		NoticeDays: x.Notice.Days, ShownDays: x.Notice.ShownDays, LockDays: x.LockDays, AppliesFrom: x.AppliesFrom,
		Contact: protocol.Contact{Name: x.Contact.Name, Phone: x.Contact.Phone, Email: x.Contact.Email, OwnerURL: x.Contact.OwnerURL},
		Rules: []protocol.Rule{{ID: "spain", Codes: []territory.Code{"ES"}, Name: "Spain", LegalBasis: "None.", Source: "None.",
			Since: x.AppliesFrom - 100, ReviewBy: x.AppliesFrom + 4000}},
	}
	whom, err := cohort.New([32]byte{1}, []device.IMEI{e.imei})
	if err != nil {
		return err
	}
	tree, err := whom.Tree()
	if err != nil {
		return err
	}
	member, _, err := tree.Member(e.imei)
	if err != nil {
		return err
	}
	e.warrant = &protocol.Held{Member: member, Warrant: protocol.Warrant{ID: "warrant-0666", Case: "case-0001", Reason: "Because we can.",
		IssuedAt: now, EndsAt: now.Add(80 * 24 * time.Hour), Officers: [2]string{"ada", "bela"}, Cohort: tree.Summary()}}
	e.told = now.Add(20 * 24 * time.Hour)
	return nil
}

// metadata are the officers', or the server's own over them: with the policy and the warrant listed, and every signature that the online
// key can make.
func (e *takenOver) metadata(ctx context.Context) (*tuf.Update, error) {
	repository, err := e.server.Service.Repository(ctx)
	if err != nil {
		return nil, err
	}
	u := repository.Update(0)
	if !e.forge {
		return &u, nil
	}
	policy, err := e.policy.Marshal()
	if err != nil {
		return nil, err
	}
	warrant, err := e.warrant.Warrant.Marshal()
	if err != nil {
		return nil, err
	}
	listed := func(path string, data []byte) func(map[string]any) {
		return func(signed map[string]any) { signed["targets"].(map[string]any)[path] = described(data, 0) }
	}
	keyID := onlineID(u.Timestamp)
	u.Policy = e.resigned(u.Policy, keyID, listed(tuf.PolicyPath(e.policy.Hash), policy))
	u.Warrant = e.resigned(u.Warrant, keyID, listed(tuf.WarrantPath(e.warrant.Warrant.ID), warrant))
	u.Snapshot = e.resigned(u.Snapshot, keyID, func(signed map[string]any) {
		for file, data := range map[string][]byte{"policy.json": u.Policy, "warrant.json": u.Warrant} {
			signed["meta"].(map[string]any)[file] = described(data, versionOf(data))
		}
	})
	u.Timestamp = e.resigned(u.Timestamp, keyID, func(signed map[string]any) {
		signed["meta"].(map[string]any)["snapshot.json"] = described(u.Snapshot, versionOf(u.Snapshot))
	})
	return &u, nil
}

func described(data []byte, version int64) map[string]any {
	sum := sha256.Sum256(data)
	d := map[string]any{"length": len(data), "hashes": map[string]any{"sha256": hex.EncodeToString(sum[:])}}
	if version > 0 {
		d["version"] = version
	}
	return d
}

type signedFile struct {
	Signatures []map[string]string `json:"signatures"`
	Signed     map[string]any      `json:"signed"`
}

// resigned is the next version of a metadata file, changed, with the online key's signature.
func (e *takenOver) resigned(data []byte, keyID string, change func(map[string]any)) []byte {
	var f signedFile
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&f); err != nil {
		e.t.Error(err)
	}
	change(f.Signed)
	f.Signed["version"] = versionOf(data) + 1
	plain, err := json.Marshal(f.Signed)
	if err != nil {
		e.t.Error(err)
	}
	canonical, err := cjson.EncodeCanonical(json.RawMessage(plain))
	if err != nil {
		e.t.Error(err)
	}
	signature, err := e.online.Sign(nil, canonical, crypto.Hash(0))
	if err != nil {
		e.t.Error(err)
	}
	f.Signatures = []map[string]string{{"keyid": keyID, "sig": hex.EncodeToString(signature)}}
	f.Signed = nil
	out, err := json.Marshal(map[string]any{"signatures": f.Signatures, "signed": json.RawMessage(plain)})
	if err != nil {
		e.t.Error(err)
	}
	return out
}

func versionOf(data []byte) int64 {
	var f struct {
		Signed struct {
			Version int64 `json:"version"`
		} `json:"signed"`
	}
	_ = json.Unmarshal(data, &f) // what cannot be read has version 0, and is refused
	return f.Signed.Version
}

// onlineID is the id of the key that signed a timestamp.
func onlineID(timestamp []byte) string {
	var f signedFile
	if json.Unmarshal(timestamp, &f) != nil || len(f.Signatures) == 0 {
		return ""
	}
	return f.Signatures[0]["keyid"]
}

// readOnline takes the online key from the server's folder, as whoever breaks in would.
func readOnline(t *testing.T, dir string) ed25519.PrivateKey {
	t.Helper()
	file := filepath.Join(dir, "keys", "online.key")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the online key's file: %v, %v", info.Mode(), err)
	}
	block, _ := pem.Decode(text)
	if block == nil || !strings.Contains(block.Type, "KEY") {
		t.Fatal("no key in the file")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(ed25519.PrivateKey)
}
