package tufrepo

import (
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

// Verified is a repository that was found to hold, with what of it a server needs to sign timestamps and snapshots: so that it need
// not verify all that officers signed each time that it signs something itself. It does not change.
type Verified struct {
	repository        *Repository
	signers           signers
	root, targets     time.Time // when they end
	snapshot, stamped head
}

// Verified checks r as Verify does, and returns what Refresh goes on from. The caller does not change r any more.
func (r *Repository) Verified(now time.Time) (*Verified, error) {
	c, err := r.verified(now, nil)
	if err != nil {
		return nil, err
	}
	return &Verified{r, c.root.signers, c.root.expires, c.targets.expires, c.snapshot.head, c.stamped.head}, nil
}

// Repository returns what was verified.
func (v *Verified) Repository() *Repository { return v.repository }

// Stamps returns what the server itself signs.
func (v *Verified) Stamps() Stamps {
	return Stamps{v.snapshot.version, v.stamped.version, v.snapshot.expires, v.stamped.expires}
}

// Refresh is [Repository.Refresh] of a repository that was verified already: with the same outcome and faults, but only the signatures
// that it makes are checked. v is not changed.
func (v *Verified) Refresh(online *Key, now time.Time) (next *Verified, changed bool, err error) {
	snapshot := v.snapshot.expires.Before(now.Add(snapshotLeft))
	if !snapshot && !v.stamped.expires.Before(now.Add(timestampLeft)) {
		return v, false, nil
	}
	if online, err = named(v.signers, online); err != nil {
		return nil, false, err
	}
	if !now.Before(v.root) {
		return nil, false, fmt.Errorf("%w: root: its date was %s", ErrExpired, stamp(v.root))
	}
	if snapshot && !now.Before(v.targets) {
		return nil, false, fmt.Errorf("%w: targets: its date was %s", ErrExpired, stamp(v.targets))
	}
	made, after := *v.repository, *v
	after.repository = &made
	if snapshot {
		after.snapshot = headAt(tuf.Snapshot, v.snapshot.version+1, now)
		if made.Snapshot, err = makeSnapshot(&made, after.snapshot.version, online, now); err != nil {
			return nil, false, err
		}
	}
	after.stamped = headAt(tuf.Timestamp, v.stamped.version+1, now)
	if made.Timestamp, err = makeTimestamp(&made, after.stamped.version, online, now); err != nil {
		return nil, false, err
	}
	return &after, true, nil
}
