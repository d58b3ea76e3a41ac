package vectors

import (
	"bytes"
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

func replaced(t *testing.T, data, old, new []byte) []byte {
	t.Helper()
	if bytes.Count(data, old) != 1 || len(old) != len(new) {
		t.Fatalf("%q stands %d times", old, bytes.Count(data, old))
	}
	return bytes.Replace(data, old, new, 1)
}

type unlockVector struct {
	Name      string `json:"name"`
	Master    Hex    `json:"master,omitempty"` // with device: the secret is derived from it
	Device    Hex    `json:"device,omitempty"`
	Secret    Hex    `json:"secret"`
	Counter   uint64 `json:"counter"` // that the device expects next
	Challenge string `json:"challenge"`
	Typed     string `json:"typed"`
	Accepted  bool   `json:"accepted"`
	Spent     uint64 `json:"spent,omitempty"` // when accepted: the counter that the code was for
}

func makeCodes(t *testing.T) (made []unlockVector) {
	secret := seed("unlock secret")
	answer := func(counter uint64, challenge string) string {
		return must(unlock.Answer(secret[:], counter, challenge))(t)
	}
	add := func(name string, counter uint64, challenge, typed string, spent uint64, accepted bool) {
		made = append(made, unlockVector{Name: name, Secret: secret[:], Counter: counter, Challenge: challenge, Typed: typed, Accepted: accepted, Spent: spent})
	}
	zero := answer(0, "20260302")
	add("the next counter", 0, "20260302", zero, 0, true)
	add("as people type it", 0, "20260302", zero[:4]+" - "+zero[4:], 0, true)
	persian := ""
	for _, digit := range zero {
		persian += string('۰' + digit - '0')
	}
	add("in Persian digits", 0, "20260302", persian, 0, true)
	add("the last of the window", 7, "20260302", answer(22, "20260302"), 22, true)
	add("behind the window", 7, "20260302", answer(23, "20260302"), 0, false)
	add("spent already", 1, "20260302", zero, 0, false)
	add("of another challenge", 0, "20260303", zero, 0, false)
	add("a challenge that begins with 0", 1<<33, "00000017", answer(1<<33, "00000017"), 1<<33, true)
	add("seven digits", 0, "20260302", zero[:7], 0, false)
	add("a letter", 0, "20260302", "x"+zero[1:], 0, false)
	id, master := deviceID("a"), seed("master")
	derived := unlock.DeriveSecret(master, id)
	made = append(made, unlockVector{Name: "with a derived secret", Master: master[:], Device: id[:], Secret: derived[:], Counter: 3,
		Challenge: "12345678", Typed: must(unlock.Answer(derived[:], 3, "12345678"))(t), Accepted: true, Spent: 3})
	return made
}

func TestUnlockCodes(t *testing.T) {
	for _, v := range file(t, "unlock-codes.json", makeCodes(t)) {
		t.Run(v.Name, func(t *testing.T) {
			if v.Master != nil {
				if derived := unlock.DeriveSecret([32]byte(v.Master), device.ID(v.Device)); !bytes.Equal(derived[:], v.Secret) {
					t.Errorf("secret %x", derived)
				}
			}
			spent, right := unlock.Check(v.Secret, v.Counter, unlock.Window, v.Challenge, v.Typed)
			if right != v.Accepted || right && spent != v.Spent {
				t.Errorf("%v at %d", right, spent)
			}
		})
	}
}

type referenceVector struct {
	Name      string `json:"name"`
	Device    Hex    `json:"device"`
	Ground    string `json:"ground"`
	Typed     string `json:"typed"`     // as an owner might write it
	Reference string `json:"reference"` // empty when typed is none
}

func makeReferences() (made []referenceVector) {
	for _, g := range []order.Ground{{Kind: order.Rule, ID: "cuba"}, {Kind: order.Warrant, ID: "cuba"}, {Kind: order.Rule, ID: "ua.crimea_2014-a"}} {
		for _, name := range []string{"a", "b"} {
			id := deviceID(name)
			r := order.Reference(id, g)
			made = append(made, referenceVector{"device " + name + ", " + g.String(), id[:], g.String(), r, r})
		}
	}
	id, g := deviceID("a"), order.Ground{Kind: order.Rule, ID: "cuba"}
	r := order.Reference(id, g)
	add := func(name, typed, want string) {
		made = append(made, referenceVector{name, id[:], g.String(), typed, want})
	}
	add("in small letters, without the dash", string(bytes.ToLower([]byte(r[:4]+r[5:]))), r)
	add("with spaces", " "+r[:4]+" "+r[5:]+" ", r)
	add("seven characters", r[:8], "")
	add("nine characters", r+"0", "")
	add("a U", "UUUU-UUUU", "")
	return made
}

func TestReferences(t *testing.T) {
	for _, v := range file(t, "references.json", makeReferences()) {
		t.Run(v.Name, func(t *testing.T) {
			got, err := order.ParseReference(v.Typed)
			if (err == nil) != (v.Reference != "") || err == nil && got != v.Reference {
				t.Errorf("%q is read as %q, %v", v.Typed, got, err)
			}
			if r := order.Reference(device.ID(v.Device), must(order.ParseGround(v.Ground))(t)); v.Reference != "" && r != v.Reference {
				t.Errorf("reference %s", r)
			}
		})
	}
}

type commitmentVector struct {
	Name       string `json:"name"`
	Salt       Hex    `json:"salt"`
	Device     Hex    `json:"device"`
	Commitment Hex    `json:"commitment"`
}

func makeCommitments() (made []commitmentVector) {
	for _, name := range []string{"a", "b", "c"} {
		salt, id := seed("salt/"+name), deviceID(name)
		c := order.Commit(salt, id)
		made = append(made, commitmentVector{"device " + name, salt[:], id[:], c[:]})
	}
	return made
}

func TestCommitments(t *testing.T) {
	for _, v := range file(t, "commitments.json", makeCommitments()) {
		if c := order.Commit([32]byte(v.Salt), device.ID(v.Device)); !bytes.Equal(c[:], v.Commitment) {
			t.Errorf("%s: %x", v.Name, c)
		}
	}
}
