package ipterritory

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"github.com/bailiwick-dev/bailiwick/territory"
)

func TestLookup(t *testing.T) {
	for _, tt := range []struct {
		addr string
		want territory.Code
	}{
		{"200.55.128.1", "CU"},
		{"152.206.0.1", "CU"},
		{"5.160.0.1", "IR"},
		{"2.144.0.1", "IR"},
		{"175.45.176.1", "KP"},
		{"82.137.192.1", "SY"},
		{"197.251.0.1", "SD"},
		{"8.8.8.8", "US"},
		{"::ffff:8.8.8.8", "US"},
		{"193.0.6.139", "NL"},
		{"2001:67c:2e8::1", "NL"},
		{"2a00:1450:4001::1", "IE"},
		{"2.59.51.7", "UA-43"},    // AS 201776, registered as RU
		{"46.151.150.1", "UA-43"}, // AS 56587
		{"62.76.12.1", "UA-40"},   // AS 59833
		{"62.76.13.1", "RU"},      // its neighbour

		{"0.0.0.0", ""},
		{"10.1.2.3", ""},
		{"100.64.0.1", ""},
		{"100.127.255.255", ""},
		{"127.0.0.1", ""},
		{"169.254.1.1", ""},
		{"172.16.0.1", ""},
		{"192.168.1.1", ""},
		{"192.0.2.1", ""},
		{"198.18.0.1", ""},
		{"198.51.100.1", ""},
		{"203.0.113.1", ""},
		{"224.0.0.1", ""},
		{"240.0.0.1", ""},
		{"255.255.255.255", ""},
		{"::", ""},
		{"::1", ""},
		{"::ffff:127.0.0.1", ""},
		{"fe80::1%eth0", ""},
		{"fc00::1", ""},
		{"fd12::1", ""},
		{"ff02::1", ""},
		{"2001:db8::1", ""},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
	} {
		if got := Lookup(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("%s is %q, want %q", tt.addr, got, tt.want)
		}
	}
	if got := Lookup(netip.Addr{}); got != territory.Unknown {
		t.Errorf("no address is %q", got)
	}
	if got := Lookup(netip.MustParseAddr("2001:67c:2e8::1").WithZone("eth0")); got != "NL" {
		t.Errorf("with a zone it is %q", got)
	}
}

func TestEmbeddedTable(t *testing.T) {
	if len(ranges) > 1_500_000 {
		t.Errorf("%d bytes in the binary", len(ranges))
	}
	table, err := decode(ranges)
	if err != nil {
		t.Fatal(err)
	}
	if len(table.starts) < 300_000 || len(table.starts6) < 200_000 || len(table.codes) < 240 {
		t.Errorf("%d and %d segments, %d codes", len(table.starts), len(table.starts6), len(table.codes))
	}
	for i := range table.starts {
		if i > 0 && (table.starts[i] <= table.starts[i-1] || table.in[i] == table.in[i-1]) {
			t.Fatalf("segment %d", i)
		}
	}
	// The index must lead to the same segment as a search of everything.
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		v := r.Uint32()
		if v&7 == 0 {
			v = table.starts[r.IntN(len(table.starts))] - v>>3&1
		}
		a := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, v)))
		i, found := slices.BinarySearch(table.starts, v)
		if !found {
			i--
		}
		want := table.codes[table.in[i]]
		if !public(a) {
			want = territory.Unknown
		}
		if got := table.lookup(a); got != want {
			t.Fatalf("%s is %q, want %q", a, got, want)
		}
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	a, b := netip.MustParseAddr("200.55.128.1"), netip.MustParseAddr("2a00:1450:4001::1")
	Lookup(a)
	if n := testing.AllocsPerRun(100, func() { Lookup(a); Lookup(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// small is a table of three segments for each family.
func small() []byte {
	raw := []byte{3, 0, 2, 'C', 'U', 5, 'U', 'A', '-', '4', '3'}
	raw = append(raw, 3, 24, 64+16, 1, 1, 0, 1, 2) // 2^24 unknown, 3·2^16 of CU, the rest UA-43
	return append(raw, 3, 61, 48, 0, 0, 1, 2)      // 2000::/3 begins with 2^48 of CU
}

func packed(raw []byte) []byte {
	out := bytes.NewBufferString(magic)
	w, err := flate.NewWriter(out, flate.BestSpeed)
	if err != nil {
		panic(err)
	}
	if _, err := w.Write(raw); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func TestDecodeSmallTable(t *testing.T) {
	table, err := decode(packed(small()))
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]territory.Code{
		"1.0.0.0": "CU", "1.2.255.255": "CU", "1.3.0.0": "UA-43", "223.255.255.255": "UA-43",
		"2000::": "CU", "2000:ffff:ffff:ffff:ffff::": "CU", "2001::": "UA-43", "1fff::": "",
	} {
		if got := table.lookup(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is %q, want %q", addr, got, want)
		}
	}
}

func TestDamagedTables(t *testing.T) {
	edit := func(at int, to byte) []byte {
		raw := small()
		raw[at] = to
		return packed(raw)
	}
	whole := packed(small())
	for name, data := range map[string][]byte{
		"empty":                     nil,
		"another file":              []byte("PK\x03\x04"),
		"cut off":                   whole[:len(whole)-3],
		"something behind":          append(slices.Clone(whole), 0),
		"more in the stream":        packed(append(small(), 0)),
		"less in the stream":        packed(small()[:20]),
		"no codes":                  edit(0, 0),
		"first code is not unknown": edit(1, 1),
		"no such territory":         edit(3, 'Q'),
		"no segments":               edit(11, 0),
		"too many segments":         packed(append(small()[:11], 0x81, 0x80, 0x40)),
		"number too long":           packed(append(small()[:11], bytes.Repeat([]byte{0xff}, 11)...)),
		"beyond IPv4":               edit(12, 32),
		"wraps round IPv4":          edit(12, 63),
		"no such size":              edit(12, 255),
		"odd part of one":           edit(15, 0),
		"odd parts left over":       edit(13, 16),
		"no such code number":       edit(17, 3),
	} {
		if table, err := decode(data); !errors.Is(err, errDamaged) || table != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(small())
	f.Add([]byte{1, 0, 1, 0, 0, 1, 0, 0})
	f.Add([]byte{2, 0, 2, 'X', 'K', 2, 31, 0, 0, 1, 2, 63, 0, 1, 0})
	f.Add([]byte{1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := decode(raw); err == nil && !bytes.HasPrefix(raw, []byte(magic)) {
			t.Fatal("read without its magic")
		}
		table, err := decode(packed(raw))
		if err != nil {
			if !errors.Is(err, errDamaged) {
				t.Fatal(err)
			}
			return
		}
		for _, s := range []string{"1.1.1.1", "223.255.255.255", "2000::", "3fff:ffff::", "8.8.8.8"} {
			if c := table.lookup(netip.MustParseAddr(s)); c != territory.Unknown && !c.Valid() {
				t.Fatalf("%s is %q", s, c)
			}
		}
	})
}

func FuzzLookup(f *testing.F) {
	f.Add([]byte{8, 8, 8, 8})
	f.Add(bytes.Repeat([]byte{0xff}, 16))
	f.Add([]byte{0x2a, 0, 0x14, 0x50, 0x40, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if c := Lookup(a); c != territory.Unknown && (!ok || !c.Valid() || a.Unmap().IsPrivate()) {
			t.Fatalf("%v is %q", a, c)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var four, six [1024]netip.Addr
	for i := range four {
		four[i] = netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 1<<24+r.Uint32N(222<<24))))
		v6 := binary.BigEndian.AppendUint64(nil, 0x2a00<<48|r.Uint64N(1<<52))
		six[i] = netip.AddrFrom16([16]byte(append(v6, make([]byte, 8)...)))
	}
	for name, addrs := range map[string]*[1024]netip.Addr{"ipv4": &four, "ipv6": &six} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				Lookup(addrs[i&1023])
				i++
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept, err := decode(ranges)
	if err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		if _, err := decode(ranges); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB-held")
	runtime.KeepAlive(kept)
}
