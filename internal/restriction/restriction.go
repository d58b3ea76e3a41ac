// Package restriction is the pure rule of stages: what one restriction, a decision and the time make due.
//
//	            notice issued          wave approved            end, rule, human, case
//	observed ───────────────▶ noticed ───────────────▶ locked ───────────────▶ lifted
//	                            ▲ │ ◀── appeal before ───┘                       ▲ │
//	                            │ │     it holds                                 │ │
//	                            │ └──────────────────────────────────────────────┘ │
//	                            └───────── new round, after a lift by rule ────────┘
//
// An appeal stops the clock. One that is filed after a lock was ordered and before it holds takes the lock back, with a date after
// the day on which the appeal is due. A device that does not hear of it locks all the same and is lifted at its next contact; its
// notice then begins anew, in another round.
//
// A stage is reached by one guarded UPDATE in a store; this package says which one is due and never writes. The device
// checks the same conditions by itself, from its own facts (package agent).
package restriction

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Restriction is one device on one ground, as the authority sees it.
type Restriction struct {
	Device      device.ID
	Ground      order.Ground
	Round       int // 1, and one more each time that a non-final lift is followed by a new notice
	Stage       order.Stage
	Territory   territory.Code
	Authority   [32]byte // hash of the policy or warrant it rests on
	Reference   string   // what the owner reads off the screen
	NoticedAt   time.Time
	Deadline    time.Time // as told; never moves earlier
	ShownDays   int       // distinct days on which the device says it showed the notice
	Wave        int64     // open or approved wave that proposes its lock; 0 when none
	LockedAt    time.Time // when the lock was ordered
	EffectAt    time.Time
	EndsAt      time.Time
	LiftedAt    time.Time
	Cause       order.Cause
	Appealing   bool        // an appeal is open: no lock, and time does not run
	Applied     order.Stage // what the device last said it applies
	AppliedAt   time.Time   // when it first said so; zero before
	AppliedNote string      // refusal reason, if it said no
}

// Final reports whether the ground can never restrict this device again.
func (r *Restriction) Final() bool { return r.Stage == order.Lifted && r.Cause.Final() }

// Active reports whether the restriction is noticed or locked.
func (r *Restriction) Active() bool { return r.Stage == order.Noticed || r.Stage == order.Locked }
