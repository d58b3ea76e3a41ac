package authority

import (
	"encoding/json"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
)

// JobState is how far a job has come.
type JobState string

const (
	JobWaiting   JobState = "waiting" // nobody has begun
	JobRunning   JobState = "running" // begun; what interrupts it, a later step makes up for
	JobDone      JobState = "done"
	JobFailed    JobState = "failed"    // a rule refused to go on; Fault says which
	JobCancelled JobState = "cancelled" // by an officer
)

// Finished reports whether nothing will be done about it any more.
func (s JobState) Finished() bool { return s == JobDone || s == JobFailed || s == JobCancelled }

// Bounds of what a job carries, in bytes.
const (
	MaxJobArguments = 4 << 20
	MaxJobCursor    = 64 << 10
	MaxJobResult    = 1 << 20
)

// Job is long work: steps, each a bounded transaction that does something and moves the cursor, together. So whoever finds a job
// unfinished can go on with it, after kill -9, too, and two that step it at once do nothing twice: the second finds it at another step.
type Job struct {
	ID        int64
	Kind      string          // "release", "wave", "simulation", "import", "retention", "count", "notices"
	Subject   string          // what it is about: the case, the wave; of unfinished jobs of a kind one is about a subject; empty: any number
	Arguments json.RawMessage // what was asked for; does not change
	Cursor    json.RawMessage // where it goes on; empty at the beginning
	Result    json.RawMessage // what has come of it so far; empty at the beginning
	Done      int64           // of Total
	Total     int64           // as far as it is known; 0 while it is not
	Step      int64           // steps taken
	State     JobState
	Fault     string // why it failed, or why its last step has to be tried again: a JSON object, see JobFault; mostly empty
	By        string // officer, or "rule"

	CreatedAt  time.Time
	StartedAt  time.Time // zero while waiting
	UpdatedAt  time.Time // of the last step
	FinishedAt time.Time // zero while unfinished
}

// About names what the job is about, for people: the file of an import, the file of a simulation's policy, else the subject.
func (j *Job) About() string {
	if j.Kind == ImportJob || j.Kind == SimulationJob {
		var file struct{ Name string }
		if err := json.Unmarshal(j.Arguments, &file); err == nil && file.Name != "" {
			return file.Name
		}
	}
	return j.Subject
}

// Left estimates how long it will take yet, by the pace so far; 0 when that cannot be said.
func (j *Job) Left() time.Duration {
	spent := j.UpdatedAt.Sub(j.StartedAt)
	if j.State != JobRunning || j.Done <= 0 || j.Total <= j.Done || spent <= 0 {
		return 0
	}
	return time.Duration(float64(spent) / float64(j.Done) * float64(j.Total-j.Done)).Round(time.Second)
}

// JobTx keeps jobs.
type JobTx interface {
	// InsertJob gives j its number and keeps it as waiting, at step 0. ErrConflict when an unfinished job of the kind is about the subject.
	InsertJob(j *Job) (int64, error)
	Job(id int64) (*Job, error)
	Jobs(limit int) ([]*Job, error) // newest first
	// UnfinishedJobs lists releases, waves and notices first, which owners and officers wait for, and imports last, which nobody may ever bring to their
	// end: neither they nor many simulations push a release off the list. Within that the oldest are first.
	UnfinishedJobs(limit int) ([]*Job, error)
	// LastJob is the newest job of a kind about a subject, in the given state or, if that is empty, in any.
	LastJob(kind, subject string, state JobState) (*Job, error)
	// AdvanceIfAt writes cursor, result, done, total, state, fault and times, and counts a step, if the job is unfinished and has taken as
	// many steps as given: it is the guard against doing a step twice.
	AdvanceIfAt(j *Job, step int64) error
	// DeleteJobs forgets finished jobs that ended before a time, at most so many, and returns how many.
	DeleteJobs(before time.Time, limit int) (int, error)
}

// Lock is one transition of LockAllIfNoticed.
type Lock struct {
	Device                     device.ID
	Ground                     order.Ground
	LockedAt, EffectAt, EndsAt time.Time
}

// Place is where in the ledger an order of a device is.
type Place struct {
	Device device.ID
	ID     order.ID
	Index  uint64
}

// RestrictionKey names a restriction. Restrictions are in the order of devices, and of one device in that of grounds, by kind and ID.
type RestrictionKey struct {
	Device device.ID
	Ground order.Ground
}

// BulkTx does for many records what other methods do for one, in a few statements. Where rows have guards of their own, hit tells, by
// position, which of them held; the others are left alone. Nothing is listed twice in one call.
type BulkTx interface {
	// CountActiveOn counts what is noticed or locked on a ground.
	CountActiveOn(g order.Ground) (int, error)
	// LiftAllIfActive is LiftIfActive for many devices on one ground. It leaves alone those that an appeal is open on, and those noticed that
	// are in a wave: there is more to do about these.
	LiftAllIfActive(g order.Ground, ids []device.ID, at time.Time, cause order.Cause) (hit []bool, err error)
	// NoticeAllIfFree is NoticeIfFree for many restrictions, of devices that are all there: ErrAbsent otherwise, and the transaction is over.
	NoticeAllIfFree(list []*Restriction) (hit []bool, err error)
	// LockAllIfNoticed is LockIfNoticed for many restrictions.
	LockAllIfNoticed(locks []Lock) (hit []bool, err error)
	// InsertOrders is InsertOrder for many: all of them, or an error and the transaction is over.
	InsertOrders(list []*Order) error
	// SettleReplaced settles what each of these orders, which are in the store, replaces: a lift everything older of its device on its
	// ground, a notice or a lock the older notices and locks.
	SettleReplaced(list []*Order) error
	// AddEvents is AddEvent for many.
	AddEvents(list []Event) error
	// SequenceAllIfPending is SequenceIfPending for many.
	SequenceAllIfPending(places []Place) (hit []bool, err error)
	// Unsettled lists, in the order of devices behind the given one, the newest order of each on a ground that it has not confirmed.
	Unsettled(g order.Ground, after device.ID, limit int) ([]*Order, error)
}

// RetentionTx forgets. Nothing of it touches what is noticed, locked or not yet confirmed.
type RetentionTx interface {
	// ForgetOrders deletes settled orders that were issued before a time, are in the ledger, and on whose ground nothing is noticed or
	// locked; at most so many. It returns how many it deleted.
	ForgetOrders(before time.Time, limit int) (int, error)
	// ForgetEvents deletes lines of devices' time lines of before a time, at most so many; the fleet's own stay.
	ForgetEvents(before time.Time, limit int) (int, error)
	// ForgetContacts empties how to reach owners whose appeals were answered before a time, at most so many.
	ForgetContacts(before time.Time, limit int) (int, error)
	// ForgetHistory deletes the time line and the settled orders of a device, and the words of its answered appeals, and returns how many
	// records that were.
	ForgetHistory(id device.ID) (int, error)
}
