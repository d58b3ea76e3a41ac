package tufrepo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

// format names the kind of file and its version.
const format = "bailiwick-proposal/1"

// maxRootChain bounds how many roots a proposal leads on from.
const maxRootChain = 1024

type wireProposal struct {
	Format      string     `json:"format"`
	Subject     Subject    `json:"subject"`
	Created     string     `json:"created"`
	Base        wireBase   `json:"base"`
	Parts       []wirePart `json:"parts"`
	Files       []wireFile `json:"files"`
	Attachments []wireBlob `json:"attachments"`
}

type wireBase struct {
	Roots   []json.RawMessage `json:"roots"`
	Targets json.RawMessage   `json:"targets,omitempty"`
	Policy  json.RawMessage   `json:"policy,omitempty"`
	Warrant json.RawMessage   `json:"warrant,omitempty"`
}

type wirePart struct {
	Role     string          `json:"role"`
	Metadata json.RawMessage `json:"metadata"`
}

type wireFile struct {
	Path string `json:"path"`
	Data []byte `json:"data"`
}

type wireBlob struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

// Marshal returns the proposal as one file: indented JSON, in which metadata stand as they will be published and files in base64. A proposal
// has one encoding. Faults are [ErrTooLarge].
func (p *Proposal) Marshal() ([]byte, error) {
	w := wireProposal{Format: format, Subject: p.subject, Created: stamp(p.created), Base: wireBase{Roots: []json.RawMessage{}, Targets: p.base.Targets,
		Policy: p.base.Policy, Warrant: p.base.Warrant}, Parts: []wirePart{}, Files: []wireFile{}, Attachments: []wireBlob{}}
	for _, root := range p.base.Roots {
		w.Base.Roots = append(w.Base.Roots, root)
	}
	for _, part := range p.parts {
		data, err := part.bytes()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrProposal, err)
		}
		w.Parts = append(w.Parts, wirePart{part.role, data})
	}
	size := 0
	for _, f := range p.files {
		w.Files = append(w.Files, wireFile{f.Path, present(f.Data)})
		size += len(f.Data)
	}
	for _, name := range sortedPaths(p.attachments) {
		w.Attachments = append(w.Attachments, wireBlob{name, present(p.attachments[name])})
		size += len(p.attachments[name])
	}
	if size > MaxProposal {
		return nil, fmt.Errorf("%w: files and attachments of %d bytes; a proposal file has at most %d", ErrTooLarge, size, MaxProposal)
	}
	data, err := json.MarshalIndent(w, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProposal, err)
	}
	if data = append(data, '\n'); len(data) > MaxProposal {
		return nil, fmt.Errorf("%w: a proposal file has at most %d bytes, this one would have %d", ErrTooLarge, MaxProposal, len(data))
	}
	return data, nil
}

// present makes no bytes an empty string, not null.
func present(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

// ParseProposal reads a proposal file, at most [MaxProposal] bytes. It takes what [Proposal.Marshal] writes, byte for byte, so that there is nothing
// in it that one reader sees and another does not. It checks form; [Proposal.Check] checks sense. Faults are [ErrProposal] and [ErrTooLarge].
func ParseProposal(data []byte) (*Proposal, error) {
	if len(data) > MaxProposal {
		return nil, fmt.Errorf("%w: a proposal file has at most %d bytes, this one %d", ErrTooLarge, MaxProposal, len(data))
	}
	p, err := parseProposal(data)
	if err != nil && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrProposal) {
		err = fmt.Errorf("%w: %w", ErrProposal, err)
	}
	if err != nil {
		return nil, err
	}
	again, err := p.Marshal()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, data) {
		return nil, fmt.Errorf("%w: it is not as Bailiwick writes proposals (a member twice, another order, other spaces): it was changed on its way; ask for it again", ErrProposal)
	}
	return p, nil
}

func parseProposal(data []byte) (*Proposal, error) {
	var w wireProposal
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&w); err != nil {
		return nil, fmt.Errorf("this is no proposal file: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the proposal")
	}
	if w.Format != format {
		return nil, fmt.Errorf("its format is %q; this version reads %q", w.Format, format)
	}
	created, err := time.Parse(time.RFC3339, w.Created)
	if err != nil || created.Year() < 1970 || created.Year() > 9000 {
		return nil, fmt.Errorf("it was made at %q, which is no date in UTC", w.Created)
	}
	if len(w.Base.Roots) > maxRootChain || len(w.Parts) > len(parts[Founding]) || len(w.Files) > maxFiles || len(w.Attachments) > maxAttachments {
		return nil, fmt.Errorf("%w: %d roots, %d parts, %d files, %d attachments", ErrTooLarge, len(w.Base.Roots), len(w.Parts), len(w.Files), len(w.Attachments))
	}
	p := propose(w.Subject, created)
	if err := p.readMetadata(w); err != nil {
		return nil, err
	}
	for _, f := range w.Files {
		p.files = append(p.files, File(f))
	}
	if !slices.IsSortedFunc(p.files, func(a, b File) int { return bytes.Compare([]byte(a.Path), []byte(b.Path)) }) {
		return nil, errors.New("its files are not in sequence")
	}
	for _, b := range w.Attachments {
		if err := checkAttachment(b.Name); err != nil {
			return nil, err
		}
		p.attachments[b.Name] = b.Data
	}
	return p, nil
}

func (p *Proposal) readMetadata(w wireProposal) error {
	for _, raw := range w.Base.Roots {
		root, _, err := compact(raw)
		if err != nil {
			return fmt.Errorf("base, roots: %w", err)
		}
		p.base.Roots = append(p.base.Roots, root)
	}
	for _, b := range []struct {
		raw  json.RawMessage
		into *[]byte
	}{{w.Base.Targets, &p.base.Targets}, {w.Base.Policy, &p.base.Policy}, {w.Base.Warrant, &p.base.Warrant}} {
		if b.raw == nil {
			continue
		}
		var err error
		if *b.into, _, err = compact(b.raw); err != nil {
			return fmt.Errorf("base: %w", err)
		}
	}
	for _, raw := range w.Parts {
		_, d, err := compact(raw.Metadata)
		if err != nil {
			return fmt.Errorf("%s: %w", raw.Role, err)
		}
		p.parts = append(p.parts, part{raw.Role, d})
	}
	return nil
}

// compact takes the indentation off metadata; what is left are the published bytes.
func compact(raw json.RawMessage) ([]byte, document, error) {
	if len(raw) > 16*tuf.MaxMetadata {
		return nil, document{}, fmt.Errorf("%w: metadata of %d bytes", ErrTooLarge, len(raw))
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return nil, document{}, err
	}
	d, err := readDocument(b.Bytes())
	return b.Bytes(), d, err
}
