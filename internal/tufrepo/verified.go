package tufrepo

import (
	"fmt"
	"maps"
	"time"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

// How much must be left of what the server signs by itself; with less, Refresh signs anew.
const (
	timestampLeft = 7 * day / 2
	snapshotLeft  = 15 * day // more than a timestamp lives, so that no timestamp outlives its snapshot
)

// Verified is a repository that was found sound, with what a server needs of it: so that it need not verify all that officers signed
// each time that it signs something itself. It does not change.
type Verified struct {
	repository *Repository
	content    Content
	signers    signers
}

// Content is what a repository says.
type Content struct {
	Versions tuf.Versions
	Expires  map[string]time.Time         // of every role, in UTC
	Listed   map[string]map[string]Target // by [tuf.Policy] and [tuf.Warrant], and path
}

// Sound checks all that Verify does but the dates, as of the last moment at which nothing had expired: an end that has come makes nothing
// forged, and has its own consequences. The caller does not change r any more. Faults are [ErrRepository].
func (r *Repository) Sound() (*Verified, error) {
	c, err := r.read()
	if err != nil {
		return nil, err
	}
	v := &Verified{r, c.content(), c.root.signers}
	first := c.root.expires
	for _, end := range v.content.Expires {
		if end.Before(first) {
			first = end
		}
	}
	if err := r.hold(first.Add(-time.Second), nil); err != nil {
		return nil, err
	}
	return v, nil
}

func (c *contents) content() Content {
	return Content{
		Versions: tuf.Versions{Root: c.root.version, Timestamp: c.stamped.version, Snapshot: c.snapshot.version,
			Targets: c.targets.version, Policy: c.policy.version, Warrant: c.warrant.version},
		Expires: map[string]time.Time{tuf.Root: c.root.expires, tuf.Targets: c.targets.expires, tuf.Policy: c.policy.expires,
			tuf.Warrant: c.warrant.expires, tuf.Snapshot: c.snapshot.expires, tuf.Timestamp: c.stamped.expires},
		Listed: map[string]map[string]Target{tuf.Policy: c.policy.files, tuf.Warrant: c.warrant.files},
	}
}

// Repository returns what was verified.
func (v *Verified) Repository() *Repository { return v.repository }

// Content returns what it says. Callers do not change the maps.
func (v *Verified) Content() Content { return v.content }

// Due reports whether less than half of the timestamp's life is left, and so whether it is time for Refresh. No snapshot needs it sooner:
// it outlives its timestamp.
func (v *Verified) Due(now time.Time) bool {
	return v.content.Expires[tuf.Timestamp].Before(now.Add(timestampLeft))
}

func (v *Verified) snapshotDue(now time.Time) bool {
	return v.content.Expires[tuf.Snapshot].Before(now.Add(snapshotLeft))
}

// Refresh signs the timestamp anew when it is Due, and with it the snapshot when less than half of its life is left; the snapshot's time
// may also come first. Either may have expired. When neither is due it returns v itself. It needs no officer, and it cannot renew what
// officers sign: see [Repository.Expiring]. Policy and warrant may have expired: a device tells by itself. Only the signatures that it makes
// are checked, and each of them is. Faults are [ErrOnlineKey], and [ErrExpired] where root or targets have ended, without which a device
// takes nothing.
func (v *Verified) Refresh(online *Key, now time.Time) (*Verified, error) {
	if !v.Due(now) && !v.snapshotDue(now) {
		return v, nil
	}
	return v.stamp(online, now, v.snapshotDue(now), 0)
}

// versionsAhead is how many versions SkipAhead leaves out: with one every 3½ days and one with each publication, more than any backup is behind.
const versionsAhead = 1 << 20

// SkipAhead signs snapshot and timestamp anew, under versions that are far ahead. It is for a repository that was put back from a backup:
// devices have seen later versions of both, and refuse earlier ones. What officers sign keeps its version. Faults are those of Refresh.
func (v *Verified) SkipAhead(online *Key, now time.Time) (*Verified, error) {
	return v.stamp(online, now, true, versionsAhead)
}

// stamp signs the timestamp anew, and with it the snapshot, leaving so many versions out.
func (v *Verified) stamp(online *Key, now time.Time, snapshot bool, skip uint64) (*Verified, error) {
	online, err := named(v.signers, online)
	if err != nil {
		return nil, err
	}
	for _, role := range []string{tuf.Root, tuf.Targets} {
		if end := v.content.Expires[role]; !now.Before(end) {
			return nil, fmt.Errorf("%w: %s: its date was %s", ErrExpired, role, stamp(end))
		}
	}
	made := *v.repository
	next := &Verified{&made, v.content, v.signers}
	next.content.Expires = maps.Clone(v.content.Expires)
	if snapshot {
		head := headAt(tuf.Snapshot, v.content.Versions.Snapshot+1+skip, now)
		if made.Snapshot, err = makeSnapshot(&made, head.version, online, now); err != nil {
			return nil, err
		}
		next.content.Versions.Snapshot, next.content.Expires[tuf.Snapshot] = head.version, head.expires
	}
	head := headAt(tuf.Timestamp, v.content.Versions.Timestamp+1+skip, now)
	if made.Timestamp, err = makeTimestamp(&made, head.version, online, now); err != nil {
		return nil, err
	}
	next.content.Versions.Timestamp, next.content.Expires[tuf.Timestamp] = head.version, head.expires
	return next, nil
}
