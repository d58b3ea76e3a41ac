package order_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
)

func TestWords(t *testing.T) {
	type words struct {
		Kind   order.Kind
		Ground order.Ground
		Stage  order.Stage
		Cause  order.Cause
		None   order.Cause
		ID     order.ID
	}
	in := words{order.Lock, cuba, order.Locked, order.ByCase, 0, order.ID{1}}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Kind":"lock","Ground":"rule:cuba","Stage":"locked","Cause":"case","None":"","ID":"01` + strings.Repeat("00", 31) + `"}`
	if string(text) != want {
		t.Errorf("%s, want %s", text, want)
	}
	var out words
	if err := json.Unmarshal(text, &out); err != nil || out != in {
		t.Errorf("%+v, %v", out, err)
	}
	for _, bad := range []string{`{"Kind":"wipe"}`, `{"Stage":"wiped"}`, `{"Cause":"whim"}`, `{"Ground":"cuba"}`, `{"ID":"01"}`, `{"Kind":""}`} {
		if err := json.Unmarshal([]byte(bad), &out); !errors.Is(err, order.ErrInvalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, bad := range []any{order.Kind(0), order.Kind(9), order.GroundKind(9), order.Stage(9), order.Cause(9), order.Ground{}} {
		if text, err := json.Marshal(bad); err == nil {
			t.Errorf("%T %v is written as %s", bad, bad, text)
		}
	}
	got := []string{
		order.Notice.String(), order.Lift.String(), order.Rule.String(), order.Warrant.String(), order.Observed.String(),
		order.Noticed.String(), order.Lifted.String(), order.ByRule.String(), order.ByHuman.String(), order.ByEnd.String(),
		order.ByCode.String(), order.Cause(0).String(), order.Kind(9).String(),
	}
	if diff := cmp.Diff([]string{
		"notice", "lift", "rule", "warrant", "observed", "noticed", "lifted", "rule", "human", "end", "code", "", "invalid-9",
	}, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseGround(t *testing.T) {
	for _, g := range []order.Ground{cuba, hold, {Kind: order.Rule, ID: strings.Repeat("z", 64)}} {
		if got, err := order.ParseGround(g.String()); err != nil || got != g {
			t.Errorf("%v is read as %v, %v", g, got, err)
		}
	}
	for _, bad := range []string{"", "cuba", "rule:", ":cuba", "Rule:cuba", "rule:Cuba", "warrant:a b", "rule:a:b", "rule: cuba", strings.Repeat("r", 500)} {
		if g, err := order.ParseGround(bad); !errors.Is(err, order.ErrInvalid) {
			t.Errorf("%q is read as %v, %v", bad, g, err)
		}
	}
}

func TestParseID(t *testing.T) {
	id := order.LeafID([]byte("leaf"))
	if got, err := order.ParseID(id.String()); err != nil || got != id || got.IsZero() {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", id.String()[1:], strings.ToUpper(id.String()), strings.Repeat("zz", 32)} {
		if _, err := order.ParseID(bad); !errors.Is(err, order.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestReference(t *testing.T) {
	// By hand, as docs/protocol.md says it.
	sum := sha256.Sum256([]byte("bailiwick/order/reference/1\x00" + string(thisID[:]) + "\x01cuba"))
	var bits uint64
	for _, b := range sum[:5] {
		bits = bits<<8 | uint64(b)
	}
	want := ""
	for i := range 8 {
		want += string("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[bits>>(35-5*i)&31])
	}
	want = want[:4] + "-" + want[4:]
	if got := order.Reference(thisID, cuba); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if order.Reference(thisID, hold) == want || order.Reference(device.ID{1}, cuba) == want {
		t.Error("another ground or device has the same reference")
	}
	if order.Reference(thisID, order.Ground{Kind: order.Warrant, ID: "cuba"}) == want {
		t.Error("a warrant has the reference of a rule")
	}
}

func TestParseReference(t *testing.T) {
	for in, want := range map[string]string{
		"K7QF-2M9X": "K7QF-2M9X", "k7qf2m9x": "K7QF-2M9X", " K7QF 2M9X ": "K7QF-2M9X", "k-7-q-f-2-m-9-x": "K7QF-2M9X",
		"K۷QF-۲M۹X": "K7QF-2M9X", "K٧QF٢M٩X": "K7QF-2M9X", "\u200fK7QF-2M9X\u200e": "K7QF-2M9X", "OOOO-IlLi": "0000-1111",
		"K7QF–2M9X": "K7QF-2M9X",
	} {
		if got, err := order.ParseReference(in); err != nil || got != want {
			t.Errorf("%q is read as %q, %v; want %q", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "K7QF-2M9", "K7QF-2M9XX", "K7QF-2M9U", "K7QF-2M9!", "К7QF-2M9X", "K7QF-2M9\xff", strings.Repeat("-", 200)} {
		if got, err := order.ParseReference(bad); !errors.Is(err, order.ErrInvalid) {
			t.Errorf("%q is read as %q, %v", bad, got, err)
		}
	}
}

// A reference survives whatever people do to it on the way from the screen to the page.
func TestReferenceSurvivesTyping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var id device.ID
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		ref := order.Reference(id, cuba)
		var typed strings.Builder
		for _, r := range ref {
			switch rapid.IntRange(0, 4).Draw(t, "how") {
			case 0:
				typed.WriteString(strings.ToLower(string(r)))
			case 1:
				typed.WriteString(" " + string(r))
			case 2:
				typed.WriteString(strings.NewReplacer("0", "O", "1", "l").Replace(string(r)))
			case 3:
				if r >= '0' && r <= '9' {
					r += '۰' - '0'
				}
				typed.WriteRune(r)
			default:
				typed.WriteRune(r)
			}
		}
		if got, err := order.ParseReference(typed.String()); err != nil || got != ref {
			t.Fatalf("%q is read as %q, %v; want %q", typed.String(), got, err, ref)
		}
	})
}
