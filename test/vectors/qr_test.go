package vectors

import (
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
)

// qrVector is the text of a QR code, and the sealed order in it or why there is none.
type qrVector struct {
	Name   string `json:"name"`
	Text   string `json:"text"`
	Sealed Hex    `json:"sealed,omitempty"`
	Fault  string `json:"fault,omitempty"`
}

func makeQR(t *testing.T) (made []qrVector) {
	const origin = "ledger.example/vectors"
	l := newLedger(t, origin, "ledger")
	w1, w2 := cosigner{"witness.example/1", edKey("witness 1")}, cosigner{"witness.example/2", edKey("witness 2")}
	lift := noticeLeaf()
	lift.Kind, lift.Cause, lift.Deadline = order.Lift, order.ByHuman, lift.EffectAt
	salt := seed("salt/qr")
	lift.Commitment = order.Commit(salt, deviceID("a"))
	data := must(lift.Marshal())(t)
	text := ""
	add := func(name string, s order.Sealed) {
		text = must(s.QRText())(t)
		made = append(made, qrVector{Name: name, Text: text, Sealed: must(s.Marshal())(t)})
	}
	first := l.append(data)
	add("the only entry of a ledger", order.Sealed{Leaf: data, Salt: salt, Proof: l.proof(first)})
	for n := range 9 {
		l.append([]byte{byte(n)})
	}
	add("one of ten, with two cosignatures", order.Sealed{Leaf: data, Salt: salt, Proof: l.proof(first, w1, w2)})
	refuse := func(name, text string, fault order.Fault) {
		made = append(made, qrVector{Name: name, Text: text, Fault: fault.Error()})
	}
	refuse("a link", "https://shop.example/", order.ErrNotQR)
	refuse("in small letters", strings.ToLower(text), order.ErrNotQR)
	refuse("a later version", "BWL2:"+text[5:], order.ErrVersion)
	refuse("cut in the middle", text[:len(text)/2], order.ErrMalformed)
	refuse("cut by one", text[:len(text)-1], order.ErrMalformed)
	refuse("more behind it", text+"000", order.ErrMalformed)
	refuse("a character of no alphabet", text[:30]+"_"+text[31:], order.ErrMalformed)
	refuse("three characters beyond 65,535", text+":::", order.ErrMalformed)
	return made
}

func TestLiftsAsText(t *testing.T) {
	for _, v := range file(t, "lifts-as-text.json", makeQR(t)) {
		t.Run(v.Name, func(t *testing.T) {
			s, err := order.ParseQRText(v.Text)
			if got := order.FaultOf(err); string(got) != v.Fault {
				t.Fatalf("fault %q, want %q", got, v.Fault)
			}
			if v.Fault != "" {
				return
			}
			if data := must(s.Marshal())(t); string(data) != string(v.Sealed) {
				t.Errorf("holds %x", data)
			}
			if text := must(s.QRText())(t); text != v.Text {
				t.Errorf("is written %q", text)
			}
		})
	}
}

// numberVector is a device number as people type it, and the device that it names or which group is mistyped.
type numberVector struct {
	Name   string `json:"name"`
	Typed  string `json:"typed"`
	Device Hex    `json:"device,omitempty"` // absent: the number names none
	Group  int    `json:"group,omitempty"`  // the first mistyped, from 1
}

func makeNumbers() (made []numberVector) {
	id := deviceID("a")
	number := id.Number()
	groups := strings.Fields(number)
	swapped := append([]string{}, groups...)
	swapped[2] = swapped[2][:4] + string(swapped[2][5]) + string(swapped[2][4])
	for swapped[2] == groups[2] {
		swapped[2] = "000001"
	}
	made = []numberVector{
		{Name: "as shown", Typed: number, Device: id[:]},
		{Name: "without spaces", Typed: strings.Join(groups, ""), Device: id[:]},
		{Name: "with dashes, in Persian digits", Typed: strings.Map(func(r rune) rune {
			if r == ' ' {
				return '-'
			}
			return '۰' + r - '0'
		}, number), Device: id[:]},
		{Name: "two digits exchanged", Typed: strings.Join(swapped, " "), Group: 3},
		{Name: "a group beyond sixteen bits", Typed: strings.Join(append(append([]string{}, groups[:7]...), "720896"), " "), Group: 8},
		{Name: "a group is missing", Typed: strings.Join(groups[:7], " ")},
		{Name: "zeros", Typed: strings.Repeat("0", 48)},
		{Name: "a letter", Typed: "O" + number[1:]},
	}
	return made
}

func TestDeviceNumbers(t *testing.T) {
	for _, v := range file(t, "device-numbers.json", makeNumbers()) {
		t.Run(v.Name, func(t *testing.T) {
			id, err := device.ParseNumber(v.Typed)
			if (err == nil) != (v.Device != nil) || err == nil && string(id[:]) != string(v.Device) {
				t.Errorf("read as %v, %v", id, err)
			}
			if got := device.WrongGroup(v.Typed); got != v.Group {
				t.Errorf("group %d, want %d", got, v.Group)
			}
		})
	}
}
