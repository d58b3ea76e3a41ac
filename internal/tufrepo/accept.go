package tufrepo

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

// ahead is how far the clock of who made a proposal may be before ours. A later date would lengthen what it signs.
const ahead = day

// Accept returns the repository with the proposal in it, and snapshot and timestamp signed anew with the online key, which must be the one
// that the root names from then on. A founding has r == nil. r is not changed. Faults are [ErrProposal], [ErrStale], [ErrSignatures], [ErrExpired],
// [ErrOnlineKey], and [ErrRepository] when the outcome would not hold for a TUF client.
func (r *Repository) Accept(p *Proposal, online *Key, now time.Time) (*Repository, error) {
	c, err := p.check()
	if err != nil {
		return nil, err
	}
	if p.created.After(now.Add(ahead)) {
		return nil, fmt.Errorf("%w: it was made at %s, which has not come yet: make it anew on a machine whose clock is right", ErrProposal, stamp(p.created))
	}
	if err := r.stale(p); err != nil {
		return nil, err
	}
	if missing := p.status(c).missing(); missing != "" {
		return nil, fmt.Errorf("%w: %s", ErrSignatures, missing)
	}
	if online, err = named(c.after, online); err != nil {
		return nil, err
	}
	next, snapshot, timestamp, err := r.with(p)
	if err != nil {
		return nil, err
	}
	if next.Snapshot, err = makeSnapshot(next, snapshot, online, now); err != nil {
		return nil, err
	}
	if next.Timestamp, err = makeTimestamp(next, timestamp, online, now); err != nil {
		return nil, err
	}
	if err := next.verify(now, p.untouched()); err != nil {
		return nil, err
	}
	return next, nil
}

// untouched returns the listings that a proposal leaves alone, which may have ended.
func (p *Proposal) untouched() []string {
	switch p.subject {
	case Policy:
		return []string{tuf.Warrant}
	case Warrant:
		return []string{tuf.Policy}
	}
	return nil
}

// with returns the repository with the parts of the proposal, and the next versions of snapshot and timestamp.
func (r *Repository) with(p *Proposal) (next *Repository, snapshot, timestamp uint64, err error) {
	next = &Repository{}
	if r != nil {
		v, err := r.Versions()
		if err != nil {
			return nil, 0, 0, err
		}
		*next, snapshot, timestamp = *r, v.Snapshot, v.Timestamp
	}
	for _, part := range p.parts {
		data, err := part.bytes()
		if err != nil {
			return nil, 0, 0, fmt.Errorf("%w: %w", ErrProposal, err)
		}
		switch part.role {
		case tuf.Root:
			next.Roots = append(slices.Clip(next.Roots), data)
		case tuf.Targets:
			next.Targets = data
		case tuf.Policy:
			next.Policy = data
		case tuf.Warrant:
			next.Warrant = data
		}
	}
	return next, snapshot + 1, timestamp + 1, nil
}

// stale refuses a proposal that leads on from anything but what is in force.
func (r *Repository) stale(p *Proposal) error {
	again := "make the proposal anew from what is in force, and have it signed again"
	if p.subject == Founding {
		if r != nil {
			return fmt.Errorf("%w: it was founded already; whoever shall be an officer is proposed to the officers of now", ErrStale)
		}
		return nil
	}
	if r == nil {
		return fmt.Errorf("%w: here is none yet; the officers found it first", ErrStale)
	}
	if !slices.EqualFunc(r.Roots, p.base.Roots, bytes.Equal) {
		return fmt.Errorf("%w: there are %d roots, the proposal leads on from %d, or from others: %s", ErrStale, len(r.Roots), len(p.base.Roots), again)
	}
	for _, part := range []struct {
		role      string
		now, base []byte
	}{{tuf.Targets, r.Targets, p.base.Targets}, {tuf.Policy, r.Policy, p.base.Policy}, {tuf.Warrant, r.Warrant, p.base.Warrant}} {
		if part.base == nil || bytes.Equal(part.now, part.base) {
			continue
		}
		is, err1 := versionOf(part.now)
		was, err2 := versionOf(part.base)
		if err1 != nil || err2 != nil {
			return fmt.Errorf("%w: %s", ErrStale, again)
		}
		return fmt.Errorf("%w: %s is at version %d, the proposal leads on from %d: %s", ErrStale, part.role, is, was, again)
	}
	return nil
}
