package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/fleet/load"
)

// localPeak is the highest rate of check-ins without sockets.
type localPeak struct{ rate, bound float64 }

// few is the population that every fleet is compared with.
func (s *session) few() int { return pick(s, 100_000, 100_000) }

// mostTurnedAway of those who come as fast as they can: a server at its peak turns some away, and those are not counted.
const mostTurnedAway = .5

// mixNote tells of all rows of check-ins what was sent.
const mixNote = "98 % without news, 2 % changes"

// checkIns measures check-ins through the handler of a whole server on every processor: from the bytes of a request to those of its answer,
// durable in between, in the order of IDs.
func (s *session) checkIns(ctx context.Context, dir, database string, f *fleetOf) (p localPeak, err error) {
	duration := pick(s, 15*time.Second, 6*time.Second)
	glance, err := es256Rate(300 * time.Millisecond)
	if err != nil {
		return p, err
	}
	n := int(min(glance*.9*duration.Seconds(), 1_500_000)) // nobody beats the bound
	w, err := s.enter(ctx, dir, database, f, n)
	if err != nil {
		return p, err
	}
	tokens, err := w.sign(ctx, s, n)
	if err != nil {
		return p, errors.Join(err, w.leave())
	}
	devices := len(w.devices)
	w.devices = nil // the collector would go through what the load keeps of them, at the server's charge, and there are more of them in a larger fleet
	s.Progress.Stage("checking in", n)
	connections := underWay(runtime.GOMAXPROCS(0))
	p.bound, err = between(time.Second, es256Rate, func() error {
		defer app.Settle()() // as `bailiwick serve` does
		r := load.Fire(ctx, load.Local(w.app.Handler()), tokens, load.Plan{Duration: duration, Connections: connections, Devices: devices, Pause: pause, Sent: func(int) { s.Progress.Step(1) }})
		p.rate = r.Rate()
		return s.refusals(r, mostTurnedAway)
	})
	return p, errors.Join(err, w.leave())
}

// inSQLite is the peak with 100,000 devices in SQLite, measured when it is asked for first.
func (s *session) inSQLite(ctx context.Context) (*localPeak, error) {
	if s.local != nil {
		return s.local, nil
	}
	dir, remove, err := s.scratch("checkin")
	if err != nil {
		return nil, err
	}
	defer remove()
	f, err := s.populate(ctx, dir, "", s.few())
	if err != nil {
		return nil, err
	}
	p, err := s.checkIns(ctx, dir, "", f)
	if err != nil {
		return nil, err
	}
	s.local = &p
	return s.local, nil
}

func checkin(ctx context.Context, s *session) (Row, error) {
	p, err := s.inSQLite(ctx)
	if err != nil {
		return Row{}, err
	}
	return Row{Value: p.rate, Bound: p.bound, Note: fmt.Sprintf("SQLite, %s devices, in this process; %s", thousands(s.few()), mixNote)}, nil
}

func checkin10m(ctx context.Context, s *session) (Row, error) {
	few, err := s.inSQLite(ctx)
	if err != nil {
		return Row{}, err
	}
	dir, f, err := s.large(ctx)
	if err != nil {
		return Row{}, err
	}
	p, err := s.checkIns(ctx, dir, "", f)
	return Row{Value: p.rate, Bound: few.rate, Note: fmt.Sprintf("%s; in the order of the schedule; %.2f of bare ES256 in the same run", s.largeNote(), p.rate/p.bound)}, err
}

func checkinPostgres(ctx context.Context, s *session) (Row, error) {
	database, drop, err := s.database(ctx)
	if err != nil {
		return Row{}, err
	}
	dir, remove, err := s.scratch("checkin-postgres")
	if err != nil {
		return Row{}, errors.Join(err, drop())
	}
	defer remove()
	var p localPeak
	f, err := s.populate(ctx, dir, database, s.few())
	if err == nil {
		p, err = s.checkIns(ctx, dir, database, f)
	}
	note := fmt.Sprintf("PostgreSQL on the same processors, %s devices; %s", thousands(s.few()), mixNote)
	return Row{Value: p.rate, Bound: p.bound, Note: note}, errors.Join(err, drop())
}
