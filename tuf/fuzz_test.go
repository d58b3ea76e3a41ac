package tuf_test

import (
	"bytes"
	"flag"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/corpus"
	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

var update = flag.Bool("update", false, "write the seeds of the fuzz tests again")

// rotated is what the fuzz tests start from: published, with one root more.
func rotated() *tuftest.Repository {
	r := published(tuftest.Options{ECDSA: true})
	r.Rotate(date(), tuftest.Rotation{Add: 1})
	return r
}

// replaced is r's update with one part replaced: the first byte says which.
func replaced(r *tuftest.Repository, data []byte) tuf.Update {
	u := r.Update(2)
	if len(data) > 0 {
		*part(&u, roles()[int(data[0])%len(roles())]) = data[1:]
	}
	return u
}

// Whatever stands in one of its parts: an update is refused by name, or go-tuf takes it too.
func FuzzApply(f *testing.F) {
	r := rotated()
	trusted := open(f, r.Root(2))
	f.Fuzz(func(t *testing.T, data []byte) {
		u := replaced(r, data)
		if _, _, err := trusted.Apply(u, date()); err != nil {
			if tuf.FaultOf(err) == "" {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		j, err := judge(r.Root(2), tuf.Update{}, u, date())
		if err == nil {
			err = delegated(j, u)
		}
		if err != nil {
			t.Fatalf("accepted, but go-tuf says: %v", err)
		}
	})
}

// A root is refused by name, or go-tuf takes it too and a record of it is read again.
func FuzzOpen(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		trusted, err := tuf.Open(data)
		if err != nil {
			if tuf.FaultOf(err) == "" {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		if _, err := judgeRoot(data); err != nil {
			t.Fatalf("accepted, but go-tuf says: %v", err)
		}
		if again, err := tuf.Parse(marshal(t, trusted)); err != nil || again.Versions() != trusted.Versions() {
			t.Fatalf("its record: %v", err)
		}
	})
}

// What is read of a record is written again to the same bytes.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		trusted, err := tuf.Parse(data)
		if err != nil {
			if tuf.FaultOf(err) == "" {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		if !bytes.Equal(marshal(t, trusted), data) {
			t.Fatal("another record is written than was read")
		}
	})
}

func TestSeeds(t *testing.T) {
	r := rotated()
	trusted := open(t, r.Root(2))
	made := map[string]map[string][]byte{"FuzzApply": {}, "FuzzOpen": {}, "FuzzParse": {}}
	for i, role := range roles() {
		u := r.Update(2)
		made["FuzzApply"][role] = append([]byte{byte(i)}, *part(&u, role)...)
		one := r.Break(tuftest.OneSignature, role).Update(2)
		made["FuzzApply"]["unsigned-"+role] = append([]byte{byte(i)}, *part(&one, role)...)
	}
	made["FuzzOpen"]["first"], made["FuzzOpen"]["third"] = r.Root(1), r.Root(3)
	made["FuzzOpen"]["unsigned"] = r.Break(tuftest.OneSignature, tuf.Root).Root(4)
	made["FuzzParse"]["begun"], made["FuzzParse"]["updated"] = marshal(t, trusted), marshal(t, trusting(t, r))
	for fuzz, seeds := range made {
		for name, data := range seeds {
			if *update {
				corpus.Write(t, fuzz, name, data)
			}
			if !bytes.Equal(corpus.Read(t, fuzz, name), data) {
				t.Errorf("seed %s of %s is out of date", name, fuzz)
			}
		}
	}
	corpus.CheckNames(t, "FuzzApply", "FuzzOpen", "FuzzParse", "FuzzJSON")
	// The seeds are what they are called: good ones get to the end, so that a fuzzer begins where it matters.
	for _, role := range roles() {
		if err := applied(trusted, replaced(r, made["FuzzApply"][role])); err != nil {
			t.Errorf("%s: %v", role, err)
		}
		if err := applied(trusted, replaced(r, made["FuzzApply"]["unsigned-"+role])); err == nil {
			t.Errorf("unsigned %s is taken", role)
		}
	}
}
