package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// publishFlags are those of every command that publishes a signed proposal.
type publishFlags struct {
	officerFlags
	Proposal string `arg:"" help:"The proposal, with enough signatures."`
}

// publishedAnswer is what came of a proposal.
type publishedAnswer struct {
	Subject  tufrepo.Subject `json:"subject"`
	Versions tuf.Versions    `json:"versions"`
	Signers  []string        `json:"signers"`
	Policy   *struct {
		Hash       string    `json:"hash"`
		ActivateAt time.Time `json:"activate_at"`
	} `json:"policy"`
	Warrant *warrantAnswer `json:"warrant"`
}

func (c *publishFlags) publish(ctx context.Context, env Environment, subjects ...tufrepo.Subject) error {
	p, err := readProposal(env, c.Proposal)
	if err != nil {
		return err
	}
	return c.publishProposal(ctx, env, p, subjects...)
}

func (c *publishFlags) publishProposal(ctx context.Context, env Environment, p *tufrepo.Proposal, subjects ...tufrepo.Subject) error {
	answer, raw, err := c.handIn(ctx, env, p, subjects...)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() { answer.write(env) })
}

// handIn hands a proposal to the server. What it lacks is said here already, with names, before anything is sent.
func (c *publishFlags) handIn(ctx context.Context, env Environment, p *tufrepo.Proposal, subjects ...tufrepo.Subject) (*publishedAnswer, json.RawMessage, error) {
	if err := about(c.Proposal, p, subjects...); err != nil {
		return nil, nil, err
	}
	status := p.Status()
	if status.Fault != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.Proposal, status.Fault)
	}
	if err := enough(c.Proposal, status); err != nil {
		return nil, nil, err
	}
	data, err := p.Marshal()
	if err != nil {
		return nil, nil, err
	}
	answer := &publishedAnswer{}
	raw, err := c.upload(ctx, env, pathProposals, "application/json", bytes.NewReader(data), answer)
	return answer, raw, err
}

// pathProposals is where a server takes signed proposals.
const pathProposals = "/v1/proposals"

// upload sends a body that may be large.
func (f *officerFlags) upload(ctx context.Context, env Environment, path, mediaType string, body *bytes.Reader, answer any) ([]byte, error) {
	return f.send(ctx, env, http.MethodPost, path, mediaType, body, answer)
}

// enough says who has yet to sign.
func enough(file string, s tufrepo.Status) error {
	for _, part := range s.Parts {
		q := part.Quorum
		if q.Complete() && part.Before != nil {
			q = *part.Before
		}
		if q.Complete() {
			continue
		}
		return fmt.Errorf("%s is signed by %s, and needs %d: %s may still sign\n  An officer signs with: bailiwick %s sign %s --key KEY", file,
			namesOf(signersOf(q.Signed)), q.Threshold, namesOf(signersOf(q.Open)), verbOf[s.Subject], file)
	}
	return nil
}

func (a *publishedAnswer) write(env Environment) {
	signed := "signed by " + joinAnd(a.Signers)
	switch {
	case a.Policy != nil:
		fmt.Fprintf(env.Stdout, "Published, %s: in force from %s\nsha256 %s\n", signed, a.Policy.ActivateAt.Format(time.RFC3339), a.Policy.Hash)
	case a.Warrant != nil:
		fmt.Fprintf(env.Stdout, "%s is in force until %s, %s: %s", a.Warrant.ID, a.Warrant.EndsAt.Format(time.DateOnly), signed, a.Warrant.told())
	case a.Subject == tufrepo.Founding:
		fmt.Fprintf(env.Stdout, "Founded, %s. Propose the first policy with: bailiwick policy propose FILE -o proposal.json\n", signed)
	case a.Subject == tufrepo.Officers:
		fmt.Fprintf(env.Stdout, "Published, %s: root %d is in force. Devices follow it at their next check-in.\n", signed, a.Versions.Root)
	default:
		fmt.Fprintf(env.Stdout, "Published, %s: the signatures are renewed.\n", signed)
	}
}

func joinAnd(names []string) string {
	var b bytes.Buffer
	for i, n := range names {
		switch {
		case i > 0 && i == len(names)-1:
			b.WriteString(" and ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(n)
	}
	return b.String()
}

// steps says what to do on a server that cannot sign by itself.
func steps(file string) string {
	return fmt.Sprintf(`A policy needs the signatures of two officers (Charter C7), in three steps:
  1. bailiwick policy propose %[1]s -o proposal.json
  2. bailiwick policy sign proposal.json --key KEY       by two officers, each on their own machine
  3. bailiwick policy publish proposal.json`, file)
}

// needsSignatures reports whether a server refused because officers have to sign.
func needsSignatures(err error) bool {
	var refused *problem
	return errors.As(err, &refused) && problemName(refused) == "needs-signatures"
}

// problemName is the last part of a problem's type.
func problemName(p *problem) string {
	i := len(p.Type)
	for i > 0 && p.Type[i-1] != '/' && p.Type[i-1] != ':' && p.Type[i-1] != '#' {
		i--
	}
	return p.Type[i:]
}
