package order

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// The words for kinds, stages and causes, as people, JSON and query strings see them. The index is the value.
var (
	kindNames       = [...]string{"", "notice", "lock", "lift"}
	groundKindNames = [...]string{"", "rule", "warrant"}
	stageNames      = [...]string{"observed", "noticed", "locked", "lifted"}
	causeNames      = [...]string{"", "rule", "human", "case", "end", "code"}
)

// String returns "notice", "lock" or "lift".
func (k Kind) String() string { return name(kindNames[:], k) }

// String returns "rule" or "warrant".
func (k GroundKind) String() string { return name(groundKindNames[:], k) }

// String returns "observed", "noticed", "locked" or "lifted".
func (s Stage) String() string { return name(stageNames[:], s) }

// String returns "rule", "human", "case", "end" or "code", and "" for the zero Cause, which is none.
func (c Cause) String() string { return name(causeNames[:], c) }

// MarshalText implements encoding.TextMarshaler. It fails for a value without a name.
func (k Kind) MarshalText() ([]byte, error) { return marshalName(kindNames[:], k) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Kind) UnmarshalText(text []byte) error { return unmarshalName(kindNames[:], k, text, "kind") }

// MarshalText implements encoding.TextMarshaler. It fails for a value without a name.
func (k GroundKind) MarshalText() ([]byte, error) { return marshalName(groundKindNames[:], k) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *GroundKind) UnmarshalText(text []byte) error {
	return unmarshalName(groundKindNames[:], k, text, "ground kind")
}

// MarshalText implements encoding.TextMarshaler. It fails for a value without a name.
func (s Stage) MarshalText() ([]byte, error) { return marshalName(stageNames[:], s) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Stage) UnmarshalText(text []byte) error {
	return unmarshalName(stageNames[:], s, text, "stage")
}

// MarshalText implements encoding.TextMarshaler. No cause is empty text; it fails for a value without a name.
func (c Cause) MarshalText() ([]byte, error) {
	if c == 0 {
		return []byte{}, nil
	}
	return marshalName(causeNames[:], c)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Cause) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*c = 0
		return nil
	}
	return unmarshalName(causeNames[:], c, text, "cause")
}

func name[T ~uint8](names []string, v T) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("invalid-%d", uint8(v))
}

func marshalName[T ~uint8](names []string, v T) ([]byte, error) {
	if int(v) >= len(names) || names[v] == "" {
		return nil, invalid("%d has no name", uint8(v))
	}
	return []byte(names[v]), nil
}

func unmarshalName[T ~uint8](names []string, to *T, text []byte, what string) error {
	for i, n := range names {
		if n != "" && n == string(text) {
			*to = T(i)
			return nil
		}
	}
	return invalid("%q is no %s; one of %s", clip(string(text)), what, strings.TrimPrefix(strings.Join(names, ", "), ", "))
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// String returns the ground as "rule:cuba" or "warrant:2021-09-a".
func (g Ground) String() string { return g.Kind.String() + ":" + g.ID }

// ParseGround reads what Ground.String wrote. It fails with ErrInvalid.
func ParseGround(s string) (Ground, error) {
	kind, id, found := strings.Cut(s, ":")
	if !found {
		return Ground{}, invalid("%q is no ground; write it as rule:ID or warrant:ID", clip(s))
	}
	g := Ground{ID: id}
	if err := g.Kind.UnmarshalText([]byte(kind)); err != nil {
		return Ground{}, err
	}
	if err := g.Validate(); err != nil {
		return Ground{}, err
	}
	return g, nil
}

// MarshalText implements encoding.TextMarshaler.
func (g Ground) MarshalText() ([]byte, error) { return []byte(g.String()), g.Validate() }

// UnmarshalText implements encoding.TextUnmarshaler.
func (g *Ground) UnmarshalText(text []byte) error {
	parsed, err := ParseGround(string(text))
	if err == nil {
		*g = parsed
	}
	return err
}

// IsZero reports whether id names no order.
func (id ID) IsZero() bool { return id == ID{} }

// String returns id as 64 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads what ID.String wrote. It fails with ErrInvalid.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) {
		return ID{}, invalid("an order's id has 64 hexadecimal digits, not %d characters", len(s))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil || id.String() != s {
		return ID{}, invalid("an order's id has 64 lower-case hexadecimal digits")
	}
	return id, nil
}

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}
