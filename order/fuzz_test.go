package order_test

import (
	"bytes"
	"flag"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/corpus"
	"github.com/bailiwick-dev/bailiwick/order"
)

var update = flag.Bool("update", false, "write the seeds of the fuzz tests again")

// What ParseLeaf accepts, Marshal writes again to the same bytes.
func FuzzParseLeaf(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := order.ParseLeaf(data)
		if err != nil {
			if order.FaultOf(err) == "" {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		again, err := l.Marshal()
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("read %x\nwrote %x, %v", data, again, err)
		}
	})
}

// What ParseSealed accepts, Marshal writes again to the same bytes, and Open opens to no stranger.
func FuzzParseSealed(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := order.ParseSealed(data)
		if err != nil {
			if order.FaultOf(err) == "" {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		again, err := s.Marshal()
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("read %x\nwrote %x, %v", data, again, err)
		}
		if l, err := s.Open(thisID); err == nil && l.Commitment != order.Commit(s.Salt, thisID) {
			t.Fatal("opened to a stranger")
		}
	})
}

func TestSeeds(t *testing.T) {
	leaves := map[string]order.Leaf{"notice": notice(), "lock": lock(), "hold": holdLock(), "lift": lift()}
	sealed := order.Sealed{Leaf: marshal(t, lock()), Salt: salt, Proof: []byte("c2sp.org/tlog-proof@v1\n")}
	packed, err := sealed.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		for name, l := range leaves {
			corpus.Write(t, "FuzzParseLeaf", name, marshal(t, l))
		}
		data := marshal(t, notice())
		corpus.Write(t, "FuzzParseLeaf", "truncated", data[:40])
		corpus.Write(t, "FuzzParseLeaf", "version-2", append([]byte{data[0], 0, 2}, data[3:]...))
		corpus.Write(t, "FuzzParseLeaf", "indefinite", append(append([]byte{0xbf}, data[1:]...), 0xff))
		corpus.Write(t, "FuzzParseSealed", "lock", packed)
		corpus.Write(t, "FuzzParseSealed", "empty-parts", []byte{0x83, 0x40, 0x40, 0x40})
	}
	corpus.CheckNames(t, "FuzzParseLeaf", "FuzzParseSealed", "FuzzParseQRText")
	for name, l := range leaves {
		if !bytes.Equal(corpus.Read(t, "FuzzParseLeaf", name), marshal(t, l)) {
			t.Errorf("seed %s is out of date", name)
		}
	}
	if !bytes.Equal(corpus.Read(t, "FuzzParseSealed", "lock"), packed) {
		t.Error("seed lock of FuzzParseSealed is out of date")
	}
}
