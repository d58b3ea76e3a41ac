package authority

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/span"
	"github.com/bailiwick-dev/bailiwick/internal/verifier"
)

// Service is the authority: everything that devices, officers, owners and the public may ask of it. All methods are
// safe for concurrent use. Errors are [*Error], or a context's error.
type Service struct {
	cfg       Config
	verifier  *verifier.Verifier
	counters  *counters
	passwords passwords
	rules     rulebook
	holds     holdbook
	signs     signbook
	cohorts   cohortbook
	changes   changes
	report    reportCache
	urgent    urgents
	pacer     *pacer
	drawing   sync.Mutex // guards cfg.DeviceIDs and cfg.Salts, which need not be safe for concurrent use
	sequencer sequencer
	ahead     readAhead
	simulated simulated
	sweep     sync.Mutex // one sweep at a time
	wake      chan struct{}
	jobs      chan struct{} // a job was made
	working   atomic.Bool   // Run goes on with jobs
	started   time.Time
	kept      atomic.Int64 // second in which it was last looked whether retention is due
	logged    atomic.Int64 // second in which a failing store was logged last
	refreshed atomic.Int64 // second in which the metadata were last tried to be signed anew
	warned    atomic.Int64 // second in which it was last said whose signatures end
	unsettled sync.Map     // ids of approved waves that still have restrictions to lock
}

// New returns a Service. It starts nothing; see [Service.Run].
func New(cfg Config) (*Service, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	counters, err := newCounters(cfg.Registry)
	if err != nil {
		return nil, err
	}
	pacer, err := newPacer(cfg.Pace)
	if err != nil {
		return nil, err
	}
	return &Service{
		cfg: cfg, verifier: cfg.Verifier, counters: counters, pacer: pacer, started: cfg.Now(),
		passwords: newPasswords(cfg.PasswordCost), wake: make(chan struct{}, 1), jobs: make(chan struct{}, 1),
	}, nil
}

// Run sequences orders, goes on with jobs, and does what time makes due, until ctx ends; then it returns nil. A failure of one pass is logged and
// tried again. Of several servers on one store only the one that leads runs it, with a context of its term (InTerm): what another one left
// half done, it takes up.
func (s *Service) Run(ctx context.Context) error {
	s.sequencer.mu.Lock()
	s.sequencer.begun = false
	s.sequencer.mu.Unlock()
	s.unsettled.Delete(int64(0))
	var wait sync.WaitGroup
	s.working.Store(true)
	defer s.working.Store(false)
	wait.Go(func() { s.every(ctx, s.cfg.SweepEvery, nil, "sweep", s.Sweep) })
	wait.Go(func() { s.every(ctx, s.cfg.WorkEvery, s.jobs, "jobs", s.dispatch) })
	s.every(ctx, s.cfg.SequenceEvery, s.wake, "sequence", func(ctx context.Context) error {
		_, err := s.Sequence(ctx)
		return err
	})
	wait.Wait()
	return nil
}

// every calls work, and again after each pause or wake-up, until ctx ends. After a failure it waits longer, up to a minute.
func (s *Service) every(ctx context.Context, pause time.Duration, wake <-chan struct{}, what string, work func(context.Context) error) {
	failures := 0
	for ctx.Err() == nil {
		err := work(ctx)
		wait := pause
		if err != nil && ctx.Err() == nil {
			failures = min(failures+1, 16)
			wait = max(pause, min(time.Minute, time.Second<<min(failures, 6)))
			s.cfg.Logger.Error("a pass failed and will be tried again", "pass", what, "failures", failures, "error", err)
			select { // a wake-up must not turn a failing pass into a busy loop
			case <-ctx.Done():
			case <-time.After(wait):
			}
			continue
		}
		failures = 0
		select {
		case <-ctx.Done():
		case <-wake:
		case <-time.After(wait):
		}
	}
}

// rouse tells the sequencer that an order waits.
func (s *Service) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// now is the time of one event: whole seconds, as everything that leaves the authority has it.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Second) }

// update runs fn in a durable transaction and gives what fails its name.
func (s *Service) update(ctx context.Context, fn func(Tx) error) error {
	ctx, sp := span.Start(ctx, "store update")
	defer sp.End()
	if hold := TermOf(ctx); hold != nil {
		write := fn
		fn = func(tx Tx) error {
			if err := hold(tx); err != nil {
				return err
			}
			return write(tx)
		}
	}
	return marked(sp, s.told(storeFault(s.cfg.Store.Update(ctx, fn))))
}

// view runs fn on a snapshot.
func (s *Service) view(ctx context.Context, fn func(Tx) error) error {
	ctx, sp := span.Start(ctx, "store view")
	defer sp.End()
	return marked(sp, s.told(storeFault(s.cfg.Store.View(ctx, fn))))
}

// marked says on a span that what it is of failed, by the error's stable name, and passes the error on.
func marked(sp trace.Span, err error) error {
	if err != nil && sp.IsRecording() {
		span.Fail(sp, AsError(err).Name)
	}
	return err
}

// told logs why the store fails, which those who asked are not told; at most once a second, since all of them get the same.
func (s *Service) told(err error) error {
	if !errors.Is(err, ErrStoreUnavailable) {
		return err
	}
	if now := s.now().Unix(); s.logged.Swap(now) != now {
		s.cfg.Logger.Error("the store cannot be used", "error", err)
	}
	return err
}

func storeFault(err error) error {
	var named *Error
	switch {
	case err == nil, errors.As(err, &named), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, ErrAbsent):
		return ErrNotFound.because(err)
	case errors.Is(err, ErrConflict):
		return ErrChanged.because(err)
	}
	return ErrStoreUnavailable.because(err)
}

// absent reports whether a single look-up found nothing, and passes other errors on.
func absent(err error) (bool, error) {
	if errors.Is(err, ErrAbsent) {
		return true, nil
	}
	return false, err
}

// newDeviceID draws the id of a device to be enrolled.
func (s *Service) newDeviceID() (id device.ID, err error) {
	err = s.draw(s.cfg.DeviceIDs, id[:])
	return id, err
}

// newSalt draws the salt of an order, or the secret of a cohort's.
func (s *Service) newSalt() (salt [32]byte, err error) {
	err = s.draw(s.cfg.Salts, salt[:])
	return salt, err
}

func (s *Service) draw(from io.Reader, into []byte) error {
	s.drawing.Lock()
	defer s.drawing.Unlock()
	if _, err := io.ReadFull(from, into); err != nil {
		return &Error{Kind: Unavailable, Name: "no-random", Detail: "no random numbers can be had now", Fix: "try again later", Err: err}
	}
	return nil
}

// random fills b with what cannot be guessed.
func random(b []byte) { _, _ = rand.Read(b) } // never fails (crypto/rand)
