package vectors

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/lines"
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// life is what happens to one device, step by step, and what it must answer.
type life struct {
	Name  string `json:"name"`
	Steps []step `json:"steps"`
}

type step struct {
	Do     string `json:"do"`        // open, enrol, observe, shown, tick, evidence, accept, lift
	Wall   int64  `json:"wall"`      // what the wall clock shows, Unix seconds
	Uptime int64  `json:"uptime_ms"` // since boot
	BootID string `json:"boot_id"`
	Boot   int    `json:"boot"` // state of the boot chain, as in evidence

	Signals json.RawMessage `json:"signals,omitempty"` // observe
	Data    Hex             `json:"data,omitempty"`    // enrol, accept: the answer; lift: the sealed order

	Claims     *claims     `json:"claims,omitempty"`     // evidence: what it must say
	Applied    []Hex       `json:"applied,omitempty"`    // accept, lift
	Refused    []refusal   `json:"refused,omitempty"`    // accept, lift
	Fails      string      `json:"fails,omitempty"`      // enrol: the reason for which the policy is refused
	Stage      string      `json:"stage"`                // of the screen after it
	Activation *activation `json:"activation,omitempty"` // after it
}

// lifeIMEI is the device's in every life.
const lifeIMEI device.IMEI = "490154203237518"

// body is a device for a life: clocks as the step says, and storage that survives an "open".
type body struct {
	t       *testing.T
	at      step
	storage agent.Storage
	agent   *agent.Agent
}

func newBody(t *testing.T) *body { return &body{t: t, storage: agent.MemoryStorage()} }

func (b *body) open() error {
	k := edKey("life")
	a, err := agent.Open(agent.Platform{
		Storage: b.storage, Key: k, Chain: [][]byte{{1}}, Random: noRandom{},
		Now:    func() time.Time { return time.Unix(b.at.Wall, 0) },
		Uptime: func() time.Duration { return time.Duration(b.at.Uptime) * time.Millisecond },
		BootID: func() string { return b.at.BootID }, Boot: func() evidence.Boot { return evidence.Boot(b.at.Boot) },
		Software: "1.0", Identity: agent.Identity{IMEI: lifeIMEI},
	})
	b.agent = a
	return err
}

// noRandom makes the challenge, which is not part of a life, the same every time.
type noRandom struct{}

func (noRandom) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// do takes a step and returns it with what came of it.
func (b *body) do(s step) step {
	b.t.Helper()
	b.at = s
	out := step{Do: s.Do, Wall: s.Wall, Uptime: s.Uptime, BootID: s.BootID, Boot: s.Boot, Signals: s.Signals, Data: s.Data}
	var err error
	switch s.Do {
	case "open":
		err = b.open()
	case "enrol":
		var reason agent.Reason
		if err = b.agent.AcceptEnrolment(s.Data); errors.As(err, &reason) {
			out.Fails, err = string(reason), nil
		}
	case "observe":
		signals, e := lines.ParseSignals(s.Signals)
		if err = e; err == nil {
			err = b.agent.Observe(signals)
		}
	case "shown":
		err = b.agent.Shown()
	case "tick":
		err = b.agent.Tick()
	case "evidence":
		token, e := b.agent.Evidence()
		if err = e; err == nil {
			out.Claims = claimsOf(must(must(evidence.Parse(token))(b.t).Verify(edKey("life").Public()))(b.t))
		}
	case "accept", "lift":
		take := b.agent.Accept
		if s.Do == "lift" {
			take = b.agent.AcceptLift
		}
		outcome, e := take(s.Data)
		err = e
		for _, id := range outcome.Applied {
			out.Applied = append(out.Applied, id[:])
		}
		for _, r := range outcome.Refused {
			out.Refused = append(out.Refused, refusal{r.Order[:], r.Reason})
		}
	default:
		b.t.Fatalf("no step %q", s.Do)
	}
	if err != nil {
		b.t.Fatalf("%s: %v", s.Do, err)
	}
	screen := b.agent.Screen()
	out.Stage = screen.Stage.String()
	if a := screen.Activation; a != nil {
		out.Activation = &activation{string(a.Territory), int(a.Day), a.Mixed}
	}
	return out
}

// enrolWith enrols a new device under a policy, and returns the reason for which it refuses.
func enrolWith(t *testing.T, p protocol.Policy) string {
	t.Helper()
	w := newWriter(t, "")
	w.policy = p
	w.take(step{Do: "enrol", Data: w.enrolAnswer()})
	return w.life.Steps[len(w.life.Steps)-1].Fails
}

func TestLives(t *testing.T) {
	reasons := map[string]bool{}
	for _, l := range file(t, "lives.json", makeLives(t)) {
		t.Run(l.Name, func(t *testing.T) {
			b := newBody(t)
			for i, want := range l.Steps {
				got := b.do(want)
				if text, w := must(json.Marshal(got))(t), must(json.Marshal(want))(t); string(text) != string(w) {
					t.Fatalf("step %d:\n%s, want\n%s", i, text, w)
				}
				if want.Claims == nil {
					continue
				}
				for _, r := range want.Claims.Refusals {
					reasons[r.Reason] = true
				}
			}
		})
	}
	for _, r := range agent.Reasons() {
		if !reasons[string(r)] && !shownElsewhere[r] {
			t.Errorf("no life shows the reason %s", r)
		}
	}
}

// shownElsewhere are the reasons that policies.json and metadata.json show, and those for what has no room in the formats that are shown.
var shownElsewhere = map[agent.Reason]bool{
	agent.PolicyNoticeTooShort: true, agent.PolicyTooFewShown: true, agent.PolicyTooFewDays: true, agent.PolicyLockTooLong: true,
	agent.PolicyIncomplete: true, agent.PolicyTooLarge: true, agent.ProofMissing: true,
	agent.MetadataOversized: true, agent.MetadataThreshold: true, agent.MetadataRootGap: true, agent.MetadataMixed: true,
}
