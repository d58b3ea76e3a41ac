package drill

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// impostor is the attacker's server as one phone reaches it: at the server's address, under its certificate. It answers whatever the
// attacker wants, in the protocol's form.
type impostor struct{ victim *victim }

func (s *impostor) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	answer, err := s.answer(r.URL.Path, body)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {protocol.MediaType}}, Body: io.NopCloser(bytes.NewReader(answer)), Request: r,
	}, nil
}

func (s *impostor) answer(path string, body []byte) ([]byte, error) {
	st := s.victim.stage
	switch path {
	case protocol.PathEpoch:
		return protocol.EpochAnswer{Epoch: []byte("the attacker's"), Time: st.told()}.Marshal()
	case protocol.PathEnrol:
		v := s.victim
		return protocol.EnrolAnswer{
			Device: v.id, UnlockSecret: [32]byte{1}, Trust: st.scene.trust, Policy: *v.policy, Metadata: *v.metadata,
			Epoch: []byte("the attacker's"), Time: st.told(),
		}.Marshal()
	case protocol.PathCheckIn:
		said, err := s.read(body)
		if err != nil {
			return nil, err
		}
		st.watch.evidence(s.victim, said)
		a := s.victim.reply()
		a.Sequence = said.Sequence
		return a.Marshal()
	}
	return nil, fmt.Errorf("the attacker's server has no %s", path)
}

// reply is what the attacker tells this phone now.
func (v *victim) reply() protocol.CheckInAnswer {
	return protocol.CheckInAnswer{
		Epoch: []byte("the attacker's"), Time: v.stage.told(), NextCheckIn: v.stage.every,
		Orders: v.orders, Warrants: v.warrants, Policy: v.policy, IP: v.ip, Metadata: v.metadata, Unlocks: v.unlocks,
	}
}

// read verifies evidence with the device's key, as the store has it.
func (s *impostor) read(token []byte) (*evidence.Claims, error) {
	u, err := evidence.Parse(token)
	if err != nil {
		return nil, err
	}
	return u.Verify(s.victim.key)
}
