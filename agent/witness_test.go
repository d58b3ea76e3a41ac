package agent_test

import (
	"crypto/rand"
	"strings"
	"testing"

	cosignature "github.com/transparency-dev/formats/note"
	tlogproof "github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// cosigned adds cosignatures of another implementation to the checkpoint in an order's proof.
func cosigned(t *testing.T, s order.Sealed, signers ...note.Signer) order.Sealed {
	t.Helper()
	var p tlogproof.TLogProof
	must(t, p.Unmarshal(s.Proof))
	text, _, _ := strings.Cut(string(p.Checkpoint), "\n\n")
	signed, err := note.Sign(&note.Note{Text: text + "\n"}, signers...)
	must(t, err)
	_, lines, _ := strings.Cut(string(signed), "\n\n")
	p.Checkpoint = append(p.Checkpoint, lines...)
	s.Proof = p.Marshal()
	return s
}

// A device that was told of witnesses at enrolment obeys no order without a quorum of them, also after it was switched off and on, and
// takes the same order once the quorum is there.
func TestQuorumOfWitnesses(t *testing.T) {
	r := newRig(t, 1)
	var signers []note.Signer
	ans := r.enrolAnswer()
	for _, name := range []string{"witness.example/a", "witness.example/b", "witness.example/c"} {
		secret, public, err := note.GenerateKey(rand.Reader, name)
		must(t, err)
		s, err := cosignature.NewSignerForCosignatureV1(secret)
		must(t, err)
		signers = append(signers, s)
		ans.Trust.Witnesses = append(ans.Trust.Witnesses, public)
	}
	ans.Trust.Quorum = 2
	_, err := r.agent.EnrolmentToken(protocol.EpochAnswer{Epoch: r.freshEpoch(), Time: r.serverTime()})
	must(t, err)
	answer, err := ans.Marshal()
	must(t, err)
	must(t, r.agent.AcceptEnrolment(answer))
	for range 3 {
		r.live(cuba)
	}
	r.open()
	notice := r.seal(r.notice(ruleCuba))
	for name, bad := range map[string]order.Sealed{
		"none":           notice,
		"one of two":     cosigned(t, notice, signers[0]),
		"the one, twice": cosigned(t, cosigned(t, notice, signers[1]), signers[1]),
	} {
		if out := r.checkIn(bad); len(out.Refused) != 1 || out.Refused[0].Reason != string(agent.ProofInvalid) {
			t.Errorf("%s: %+v", name, out)
		}
	}
	r.stage(order.Observed)
	r.applied(r.checkIn(cosigned(t, notice, signers[2], signers[0])), notice)
	r.stage(order.Noticed)
}
