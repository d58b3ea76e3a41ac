package authority

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"

	"github.com/bailiwick-dev/bailiwick/internal/cohort"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// maxMembers bounds how many devices of cohorts are kept in memory, at some 12 bytes each; what is over it is read again when it
// is asked for.
const maxMembers = 16 << 20

// cohortbook keeps the cohorts of warrants in memory, with their trees: a cohort is read, and its tree computed, once.
type cohortbook struct {
	mu      sync.Mutex
	trees   map[string]*cohort.Tree // by warrant
	used    []string                // least lately asked for first
	members int
}

func (b *cohortbook) find(warrant string) *cohort.Tree {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.trees[warrant]
	if t != nil && b.used[len(b.used)-1] != warrant {
		b.used = append(slices.DeleteFunc(b.used, func(w string) bool { return w == warrant }), warrant)
	}
	return t
}

func (b *cohortbook) keep(warrant string, t *cohort.Tree) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.trees == nil {
		b.trees = make(map[string]*cohort.Tree)
	}
	if b.trees[warrant] != nil {
		return
	}
	for len(b.used) > 0 && b.members+t.Size() > maxMembers {
		b.members -= b.trees[b.used[0]].Size()
		delete(b.trees, b.used[0])
		b.used = b.used[1:]
	}
	b.trees[warrant], b.used, b.members = t, append(b.used, warrant), b.members+t.Size()
}

// retain forgets the cohorts of all other warrants.
func (b *cohortbook) retain(warrants map[string]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used = slices.DeleteFunc(b.used, func(w string) bool {
		if warrants[w] {
			return false
		}
		b.members -= b.trees[w].Size()
		delete(b.trees, w)
		return true
	})
}

// tree returns a warrant's cohort; nil, with a line in the log, when the store holds none that could be one. A cohort is frozen, so what
// is in memory is what the store had; whether officers signed for it is for authentic to say.
func (s *Service) tree(tx Tx, warrant string) (*cohort.Tree, error) {
	if t := s.cohorts.find(warrant); t != nil {
		return t, nil
	}
	c, err := tx.Cohort(warrant)
	if none, err := absent(err); none {
		return nil, nil
	} else if err != nil && !errors.Is(err, cohort.ErrFaulty) {
		return nil, err
	}
	var t *cohort.Tree
	if err == nil {
		t, err = c.Tree()
	}
	if err != nil {
		s.cfg.Logger.Error("a cohort cannot be read: its warrant does not count", "warrant", warrant, "error", err)
		return nil, nil
	}
	s.cohorts.keep(warrant, t)
	return t, nil
}

// authentic reports whether a warrant counts: officers have signed its document, and the record and the cohort beside it say what the
// document says. A record that somebody else wrote into the store holds nobody.
func (s *Service) authentic(tx Tx, g *signatures, w *Warrant) (*cohort.Tree, bool, error) {
	if w.CountersignBy == "" || !g.lists(tuf.Warrant, tuf.WarrantPath(w.ID), w.Document) || sha256.Sum256(w.Document) != w.Hash {
		return nil, false, nil
	}
	t, err := s.tree(tx, w.ID)
	if err != nil || t == nil {
		return nil, false, err
	}
	return t, documents(w, t.Summary()), nil
}

// documents reports whether a warrant's document is the one of its record.
func documents(w *Warrant, of protocol.Cohort) bool {
	document, err := documentOf(w, of).Marshal()
	return err == nil && bytes.Equal(document, w.Document)
}

// documentOf is a warrant as officers sign it and devices read it; its hash is what orders rest on. Who signs is in the metadata; the
// drafter's name is for people.
func documentOf(w *Warrant, of protocol.Cohort) protocol.Warrant {
	return protocol.Warrant{
		ID: w.ID, Case: w.Case, Reason: w.Reason, IssuedAt: w.DraftedAt, EndsAt: w.EndsAt,
		Officers: [2]string{w.DraftedBy, ""}, Cohort: of,
	}
}
