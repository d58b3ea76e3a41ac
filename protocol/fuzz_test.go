package protocol_test

import (
	"bytes"
	"flag"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bailiwick-dev/bailiwick/internal/corpus"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

var update = flag.Bool("update", false, "write the seeds of the fuzz tests again")

// exact fuzzes a parser: what it accepts is written again to the same bytes, and each refusal has a name.
func exact[T interface{ Marshal() ([]byte, error) }](f *testing.F, parse func([]byte) (*T, error)) {
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := parse(data)
		if err != nil {
			if protocol.FaultOf(err) == "" {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		again, err := (*v).Marshal()
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("read %x\nwrote %x, %v", data, again, err)
		}
	})
}

func FuzzParseEpochAnswer(f *testing.F)   { exact(f, protocol.ParseEpochAnswer) }
func FuzzParseEnrolAnswer(f *testing.F)   { exact(f, protocol.ParseEnrolAnswer) }
func FuzzParseCheckInAnswer(f *testing.F) { exact(f, protocol.ParseCheckInAnswer) }
func FuzzParsePolicy(f *testing.F)        { exact(f, protocol.ParsePolicy) }

// Nobody but the key's holder enrols: what verifies was signed with the seed's key.
func FuzzParseEnrolment(f *testing.F) {
	key := esKey(f)
	f.Fuzz(func(t *testing.T, token []byte) {
		u, err := protocol.ParseEnrolment(token)
		if err != nil {
			if protocol.FaultOf(err) == "" {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		e, err := u.Verify(&key.PublicKey)
		if err == nil && (e.IMEI != enrolment().IMEI || len(u.Chain) != 1) {
			t.Fatalf("%+v was accepted and never signed", e)
		}
	})
}

func TestSeeds(t *testing.T) {
	names := []string{"FuzzParseEnrolment"}
	for _, m := range messages(t) {
		fuzz := "FuzzParse" + m.name
		names = append(names, fuzz)
		if *update {
			corpus.Write(t, fuzz, "full", m.data)
			corpus.Write(t, fuzz, "truncated", m.data[:len(m.data)/2])
			corpus.Write(t, fuzz, "indefinite", append(append([]byte{0xbf}, m.data[1:]...), 0xff))
			corpus.Write(t, fuzz, "duplicate-key", append([]byte{m.data[0] + 1, m.data[1], 0}, m.data[1:]...))
		}
		if !bytes.Equal(corpus.Read(t, fuzz, "full"), m.data) {
			t.Errorf("seed of %s is out of date", fuzz)
		}
	}
	if *update {
		corpus.Write(t, "FuzzParseEnrolment", "one-certificate", enrolToken(t))
		corpus.Write(t, "FuzzParseEnrolment", "truncated", enrolToken(t)[:150])
	}
	corpus.CheckNames(t, names...)
	u, err := protocol.ParseEnrolment(corpus.Read(t, "FuzzParseEnrolment", "one-certificate"))
	if err != nil {
		t.Fatal(err)
	}
	want := enrolment()
	if got, err := u.Verify(&esKey(t).PublicKey); err != nil || !cmp.Equal(*got, want) {
		t.Errorf("the enrolment seed says %+v, %v", got, err)
	}
}
