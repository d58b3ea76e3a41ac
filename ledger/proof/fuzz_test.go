package proof_test

import (
	"bytes"
	"flag"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/corpus"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

var update = flag.Bool("update", false, "write the seeds of the fuzz tests again")

func seeds(tb testing.TB) map[string][]byte {
	_, s := newVerifier(tb, nil, 0)
	ada, _ := witness(tb, "witness.example/ada", 10)
	return map[string][]byte{
		"first-of-one":  newTree(tb, 1).prove(tb, 0, s).Marshal(),
		"third-of-five": newTree(tb, 5).prove(tb, 2, s).Marshal(),
		"cosigned":      newTree(tb, 3).prove(tb, 1, s, ada).Marshal(),
	}
}

// No text proves a leaf that the tree does not have, and every refusal has a name.
func FuzzVerify(f *testing.F) {
	v, _ := newVerifier(f, nil, 0)
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := v.Verify([]byte("never appended"), text); err == nil {
			t.Fatalf("proved at %+v", c)
		} else if proof.FaultOf(err) == "" {
			t.Fatalf("an error without a name: %v", err)
		}
	})
}

func TestSeeds(t *testing.T) {
	made := seeds(t)
	if *update {
		for name, text := range made {
			corpus.Write(t, "FuzzVerify", name, text)
		}
		corpus.Write(t, "FuzzVerify", "no-signature", made["third-of-five"][:200])
	}
	corpus.CheckNames(t, "FuzzVerify")
	v, _ := newVerifier(t, nil, 0)
	for name, index := range map[string]int{"first-of-one": 0, "third-of-five": 2, "cosigned": 1} {
		text := corpus.Read(t, "FuzzVerify", name)
		if _, err := v.Verify(leaf(index), text); err != nil {
			t.Errorf("seed %s: %v", name, err)
		}
		if name != "cosigned" && !bytes.Equal(text, made[name]) { // cosignatures carry the time
			t.Errorf("seed %s is out of date", name)
		}
	}
}
