package cohort_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/cohort"
)

func imei(n int) device.IMEI {
	body := fmt.Sprintf("00%012d", n)
	return device.IMEI(body + string(device.CheckDigit(body)))
}

// Every member of a cohort of any size can prove it, to the verifier that devices have; nobody else can, and no proof serves another device.
func TestMembers(t *testing.T) {
	for _, size := range []int{1, 2, 3, 15, 16, 17, 31, 32, 33, 100, 257} {
		var devices []device.IMEI
		for i := range size {
			devices = append(devices, imei((i*7919)%100_003)) // in no sequence
		}
		c, err := cohort.New([32]byte{byte(size)}, devices)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := c.Tree()
		if err != nil {
			t.Fatal(err)
		}
		of := tree.Summary()
		if of.Size != uint64(size) || tree.Size() != size {
			t.Fatalf("%d devices: %+v", size, of)
		}
		salts := map[[32]byte]bool{}
		for i, d := range devices {
			m, found, err := tree.Member(d)
			if err != nil || !found || !tree.Contains(d) {
				t.Fatalf("%d devices: %s is no member: %v", size, d, err)
			}
			if err := m.Verify(of, d); err != nil {
				t.Fatalf("%d devices: %s: %v", size, d, err)
			}
			if other := devices[(i+1)%size]; other != d && m.Verify(of, other) == nil {
				t.Fatalf("%d devices: the proof of %s serves %s", size, d, other)
			}
			salts[m.Salt] = true
		}
		if len(salts) != size {
			t.Errorf("%d salts for %d devices", len(salts), size)
		}
		if m, found, err := tree.Member(imei(500_000)); found || err != nil || m.Path != nil || tree.Contains("123") {
			t.Errorf("a stranger is a member: %+v, %v", m, err)
		}
	}
}

func TestRootDependsOnSecretAndDevices(t *testing.T) {
	roots := map[[32]byte]string{}
	for name, c := range map[string]*cohort.Cohort{
		"one":            {Secret: [32]byte{1}, Devices: []uint64{1, 2, 3}},
		"another secret": {Secret: [32]byte{2}, Devices: []uint64{1, 2, 3}},
		"fewer":          {Secret: [32]byte{1}, Devices: []uint64{1, 2}},
		"another device": {Secret: [32]byte{1}, Devices: []uint64{1, 2, 4}},
	} {
		tree, err := c.Tree()
		if err != nil {
			t.Fatal(err)
		}
		root := tree.Summary().Root
		if same, taken := roots[root]; taken {
			t.Errorf("%s and %s have one root", name, same)
		}
		roots[root] = name
	}
}

func TestRefused(t *testing.T) {
	for name, devices := range map[string][]device.IMEI{
		"nobody": nil, "twice": {imei(1), imei(2), imei(1)}, "a short one": {"1234"}, "a sign": {"+23456789012345"}, "letters": {"12345678901234x"},
	} {
		if _, err := cohort.New([32]byte{}, devices); !errors.Is(err, cohort.ErrFaulty) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := &cohort.Cohort{Secret: [32]byte{0xab}, Devices: []uint64{1, 20}}
	whole := string(c.Marshal())
	if again, err := cohort.Parse([]byte(whole)); err != nil || !bytes.Equal(again.Marshal(), []byte(whole)) {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "another heading": strings.Replace(whole, "cohort 1", "cohort 2", 1), "no devices": whole[:len(whole)-32], "half a line": whole[:len(whole)-1],
		"descending": whole[:len(whole)-32] + whole[len(whole)-16:] + whole[len(whole)-32:len(whole)-16], "twice": whole + whole[len(whole)-16:],
		"capitals": strings.Replace(whole, "ab00", "AB00", 1), "a letter": strings.Replace(whole, "20\n", "2x\n", 1), "spaces": whole + "                ",
	} {
		if _, err := cohort.Parse([]byte(text)); !errors.Is(err, cohort.ErrFaulty) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add((&cohort.Cohort{Secret: [32]byte{1}, Devices: []uint64{1}}).Marshal())
	f.Add((&cohort.Cohort{Devices: []uint64{490154203237518, 999999999999999}}).Marshal())
	f.Add([]byte("bailiwick cohort 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := cohort.Parse(data)
		if err != nil {
			return
		}
		if !bytes.Equal(c.Marshal(), data) {
			t.Fatalf("%q can be written in two ways", data)
		}
		tree, err := c.Tree()
		if err != nil {
			t.Fatal(err)
		}
		first := cohort.IMEI(c.Devices[0])
		m, found, err := tree.Member(first)
		if err != nil || !found || m.Verify(tree.Summary(), first) != nil {
			t.Fatalf("its first device is no member: %v", err)
		}
	})
}

// BenchmarkTree gives the time of a tree, for each device.
func BenchmarkTree(b *testing.B) {
	c := &cohort.Cohort{Devices: make([]uint64, b.N)}
	for i := range c.Devices {
		c.Devices[i] = uint64(i)
	}
	b.ResetTimer()
	tree, err := c.Tree()
	if err != nil {
		b.Fatal(err)
	}
	_ = tree.Summary()
}
