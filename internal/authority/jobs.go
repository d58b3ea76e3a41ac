package authority

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// Kinds of jobs.
const (
	ReleaseJob    = "release"    // lifts every hold of a concluded case; its subject
	WaveJob       = "wave"       // orders the locks of an approved wave; its subject
	SimulationJob = "simulation" // what a policy would do to the fleet
	ImportJob     = "import"     // production records from a file; whoever has the file drives it
	RetentionJob  = "retention"  // forgets what is too old
	CountJob      = "count"      // counts the consignment of a case; its subject
	NoticeJob     = "notices"    // gives the notices of a warrant that was published; its subject
)

// JobFault is what [Job.Fault] holds: an [Error] as far as it may be shown.
type JobFault struct {
	Kind   Kind   `json:"kind"`
	Name   string `json:"name"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

// Err returns why the job failed, or why its last step has to be tried again; nil when nothing is wrong.
func (j *Job) Err() error {
	if j.Fault == "" {
		return nil
	}
	var f JobFault
	if err := json.Unmarshal([]byte(j.Fault), &f); err != nil {
		return &Error{Kind: Internal, Name: "internal", Detail: "the job's fault cannot be read", Err: err}
	}
	return &Error{Kind: f.Kind, Name: f.Name, Detail: f.Detail, Fix: f.Fix}
}

func faultOf(err error) string {
	e := AsError(err)
	text, _ := json.Marshal(JobFault{e.Kind, e.Name, e.Detail, e.Fix}) // of texts and a number
	return string(text)
}

// work is a kind of job.
type work struct {
	// step does one bounded piece, in transactions of its own, the last of which advances the job (turn.advance): it moves the cursor,
	// and sets State to JobDone when nothing is left.
	step func(s *Service, ctx context.Context, j *Job) error
	// cancel says that an officer may call it off: what is done stays done, and nothing hangs on the rest.
	cancel bool
	// driven says that somebody outside has to bring what each step needs.
	driven bool
	// patient says that it waits while owners wait for a release, or officers for a wave or for notices: it writes to the same devices.
	patient bool
}

func kindOf(j *Job) (work, error) {
	switch j.Kind {
	case ReleaseJob:
		return work{step: (*Service).releaseStep}, nil
	case WaveJob:
		return work{step: (*Service).waveStep}, nil
	case RetentionJob:
		return work{step: (*Service).retentionStep, cancel: true, patient: true}, nil
	case CountJob:
		return work{step: (*Service).countStep, cancel: true}, nil
	case NoticeJob:
		return work{step: (*Service).noticeStep}, nil
	case ImportJob:
		return work{driven: true, cancel: true}, nil
	case SimulationJob:
		return work{step: (*Service).simulationStep, cancel: true}, nil
	}
	return work{}, ErrInvalid.saying("this server does not know jobs of the kind %q", j.Kind).fixing("use a newer release")
}

// newJob makes a job, to be inserted in the transaction that decides about it.
func newJob(kind, subject, by string, now time.Time, arguments any) (*Job, error) {
	text, err := json.Marshal(arguments)
	if err != nil {
		return nil, err
	}
	return &Job{Kind: kind, Subject: subject, By: by, Arguments: text, State: JobWaiting, CreatedAt: now, UpdatedAt: now}, nil
}

// begin inserts a job.
func begin(tx Tx, j *Job) (err error) {
	j.ID, err = tx.InsertJob(j)
	return err
}

// advance moves the cursor, in the transaction of the step's work.
func (t *turn) advance(j *Job, cursor, result any) error {
	return advance(t.tx, t.now, j, cursor, result)
}

// at fails when the job has gone on from the step that is to be done, before the step's work is done in vain.
func (t *turn) at(j *Job) error {
	stored, err := t.tx.Job(j.ID)
	if err == nil && (stored.Step != j.Step || stored.State.Finished()) {
		err = ErrConflict
	}
	return err
}

func advance(tx Tx, now time.Time, j *Job, cursor, result any) (err error) {
	step := j.Step
	if j.Cursor, err = json.Marshal(cursor); err != nil {
		return err
	}
	if j.Result, err = json.Marshal(result); err != nil {
		return err
	}
	if j.State == JobWaiting {
		j.State = JobRunning
	}
	if j.StartedAt.IsZero() {
		j.StartedAt = j.CreatedAt
	}
	j.Fault, j.UpdatedAt = "", now
	j.Total = max(j.Total, j.Done)
	if j.State.Finished() {
		j.FinishedAt = now
	}
	return tx.AdvanceIfAt(j, step)
}

// StepJob does the next step of a job and returns the job as it is then. Two that step the same job at once do nothing twice. An error
// that a rule gave ends the job; any other one leaves it to be tried again.
func (s *Service) StepJob(ctx context.Context, id int64) (*Job, error) {
	j, err := s.Job(ctx, id)
	if err != nil || j.State.Finished() {
		return j, err
	}
	kind, err := kindOf(j)
	if err != nil || kind.driven {
		return j, err // of a newer server beside this one, it is left to that one
	}
	if kind.patient {
		if waits, err := s.givesWay(ctx); waits || err != nil {
			return j, err
		}
	}
	err = kind.step(s, ctx, j)
	switch {
	case err == nil:
		s.counters.steps.WithLabelValues(j.Kind).Inc()
		return s.Job(ctx, id)
	case !lasting(err):
		return j, err
	case s.movedOn(ctx, id, j.Step): // somebody else did this step, and what it found in the way is that one's work
		return s.Job(ctx, id)
	}
	s.counters.jobs.WithLabelValues(j.Kind, string(JobFailed)).Inc()
	if e := s.endJob(ctx, id, j.Step, JobFailed, faultOf(err)); e != nil {
		return j, errors.Join(err, e)
	}
	return s.Job(ctx, id)
}

// givesWay reports, after a while, that a patient job has to wait.
func (s *Service) givesWay(ctx context.Context) (waits bool, err error) {
	list, err := s.UnfinishedJobs(ctx)
	if err != nil || !slices.ContainsFunc(list, awaited) {
		return false, err
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
	return true, ctx.Err()
}

// awaited reports whether patient jobs give way to this one.
func awaited(j *Job) bool { return j.Kind == ReleaseJob || j.Kind == WaveJob || j.Kind == NoticeJob }

func (s *Service) movedOn(ctx context.Context, id, step int64) bool {
	j, err := s.Job(ctx, id)
	return err == nil && (j.Step != step || j.State.Finished())
}

// lasting reports whether trying again would not help.
func lasting(err error) bool {
	var e *Error
	return errors.As(err, &e) && slices.Contains([]Kind{Invalid, NotFound, Conflict, Refused, Forbidden}, e.Kind)
}

// anyStep ends a job wherever it is.
const anyStep = -1

// endJob ends a job unless it has gone on from the given step.
func (s *Service) endJob(ctx context.Context, id, at int64, state JobState, fault string) error {
	now := s.now()
	return s.update(ctx, func(tx Tx) error {
		j, err := tx.Job(id)
		if err != nil || j.State.Finished() || at != anyStep && j.Step != at {
			return err
		}
		return end(tx, j, state, fault, now)
	})
}

// end ends a job as it was read in the same transaction.
func end(tx Tx, j *Job, state JobState, fault string, now time.Time) error {
	j.State, j.Fault, j.UpdatedAt, j.FinishedAt = state, fault, now, now
	if j.StartedAt.IsZero() {
		j.StartedAt = j.CreatedAt
	}
	return tx.AdvanceIfAt(j, j.Step)
}

// FinishJob steps a job until it is finished, and returns it. A step that fails for now ends the call with its error; the job stays.
func (s *Service) FinishJob(ctx context.Context, id int64) (*Job, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		j, err := s.StepJob(ctx, id)
		if err != nil || j.State.Finished() {
			return j, err
		}
		if kind, err := kindOf(j); err != nil || kind.driven {
			return j, err
		}
	}
}

// maxUnfinished bounds how many jobs are looked at at once.
const maxUnfinished = 100

// UnfinishedJobs lists jobs that this server can go on with, releases, waves and notices first; those that somebody outside drives, or of a kind that only
// a newer server knows, are not among them.
func (s *Service) UnfinishedJobs(ctx context.Context) (list []*Job, err error) {
	err = s.view(ctx, func(tx Tx) (err error) {
		list, err = tx.UnfinishedJobs(maxUnfinished)
		return err
	})
	return slices.DeleteFunc(list, func(j *Job) bool {
		kind, err := kindOf(j)
		return err != nil || kind.driven
	}), err
}

// Work does one step of each unfinished job, in turn, until none is left. It is what [Service.Run] does unless Config.Jobs does it.
func (s *Service) Work(ctx context.Context) error {
	for {
		list, err := s.UnfinishedJobs(ctx)
		if err != nil || len(list) == 0 {
			return err
		}
		if slices.ContainsFunc(list, awaited) {
			list = slices.DeleteFunc(list, func(j *Job) bool { kind, err := kindOf(j); return err == nil && kind.patient })
		}
		var failed []error
		for _, j := range list {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := s.StepJob(ctx, j.ID); err != nil {
				failed = append(failed, err)
			}
		}
		if err := errors.Join(failed...); err != nil {
			return err
		}
	}
}

// dispatch goes on with unfinished jobs, or gives them to whoever does.
func (s *Service) dispatch(ctx context.Context) error {
	if s.cfg.Jobs == nil {
		return s.Work(ctx)
	}
	list, err := s.UnfinishedJobs(ctx)
	if err != nil || len(list) == 0 {
		return err
	}
	return s.cfg.Jobs(ctx, list)
}

// handOver tells whoever runs jobs that one was made.
func (s *Service) handOver(ctx context.Context, j *Job) {
	if s.cfg.Jobs != nil {
		if err := s.cfg.Jobs(ctx, []*Job{j}); err != nil { // whoever leads looks for what was left
			s.cfg.Logger.Error("a job could not be handed over and will be later", "job", j.ID, "error", err)
		}
		return
	}
	select {
	case s.jobs <- struct{}{}:
	default:
	}
}

// Job returns a job, ErrNotFound when there is none.
func (s *Service) Job(ctx context.Context, id int64) (j *Job, err error) {
	err = s.view(ctx, func(tx Tx) (err error) {
		j, err = tx.Job(id)
		return err
	})
	return j, err
}

// Jobs lists jobs, newest first. limit is 1 to 1,000.
func (s *Service) Jobs(ctx context.Context, limit int) (list []*Job, err error) {
	err = s.view(ctx, func(tx Tx) (err error) {
		list, err = tx.Jobs(bounded(limit))
		return err
	})
	return list, err
}

// Cancellable reports whether an officer may call the job off, if it is not over.
func (j *Job) Cancellable() bool {
	kind, err := kindOf(j)
	return err != nil || kind.cancel
}

// CancelJob calls a job off: what is done stays done. A release, an approved wave and a warrant's notices cannot be called off.
func (s *Service) CancelJob(ctx context.Context, actor *Officer, id int64) (*Job, error) {
	if err := allow(actor, MayInvestigate); err != nil {
		return nil, err
	}
	j, err := s.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	if j.State.Finished() {
		return nil, ErrChanged.saying("job %d is %s already", id, j.State)
	}
	if !j.Cancellable() {
		fix := "wait for its end"
		if j.Kind == NoticeJob {
			fix = "to end the hold, conclude its case: that stops the notices, and lifts those that were given"
		}
		return nil, ErrForbidden.saying("a job of the kind %s is not called off: its decision was taken, and what hangs on it has to be brought to its end", j.Kind).fixing("%s", fix)
	}
	fault := faultOf(&Error{Kind: Conflict, Name: "cancelled", Detail: "called off by " + actor.Name})
	if err := s.endJob(ctx, id, anyStep, JobCancelled, fault); err != nil {
		return nil, err
	}
	s.counters.jobs.WithLabelValues(j.Kind, string(JobCancelled)).Inc()
	return s.Job(ctx, id)
}

// finished waits for a job's end in the call that asked for it. Two that do the same steps are in each other's way, so that it does them
// only where nobody else does.
func (s *Service) finished(ctx context.Context, j *Job, result any) error {
	const patience = 2 * time.Second // for a step elsewhere
	done, err := s.AwaitJob(ctx, j.ID, patience)
	for step := j.Step; err == nil && !done.State.Finished(); {
		if step == done.Step {
			done, err = s.FinishJob(ctx, j.ID)
			break
		}
		step = done.Step
		done, err = s.AwaitJob(ctx, j.ID, patience)
	}
	if err != nil {
		return err
	}
	if len(done.Result) > 0 {
		if err := json.Unmarshal(done.Result, result); err != nil {
			return err
		}
	}
	if done.State != JobDone {
		return done.Err()
	}
	return nil
}

// AwaitJob waits, for a while at most, until a job is finished, and returns it as it is then. Where Run is not at work, it does its steps.
func (s *Service) AwaitJob(ctx context.Context, id int64, patience time.Duration) (*Job, error) {
	until := time.Now().Add(patience)
	for {
		var j *Job
		var err error
		elsewhere := s.working.Load() || s.cfg.Jobs != nil
		if elsewhere {
			j, err = s.Job(ctx, id)
		} else {
			j, err = s.StepJob(ctx, id)
		}
		if err != nil || j.State.Finished() || !time.Now().Before(until) {
			return j, err
		}
		if elsewhere {
			select {
			case <-ctx.Done():
				return j, nil
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}
