package app

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/durable"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

const (
	// clockBound is how far a server's clock may be off the database's. Dates that are told to owners are days; codes and epochs live for hours.
	clockBound = 2 * time.Minute
	clockEvery = 15 * time.Second

	ledgerKey = "ledger.key"
)

// keyFiles are what the servers on one database share.
var keyFiles = []string{"unlock-master.key", "epoch.key", "online.key", ledgerKey}

// keysDir is where the keys are.
func (c *Config) keysDir() string {
	if c.Keys != "" {
		return c.Keys
	}
	return filepath.Join(c.Dir, "keys")
}

// database returns the store if it is a database, which other servers may share.
func (a *App) database() (*postgres.DB, bool) {
	db, ok := a.store.(*postgres.DB)
	return db, ok
}

// sameKeys refuses to make keys for a database that has its own: another unlock master could open no device, and another ledger key would begin
// another ledger. A folder from the time when the ledger was in it has its key there, and gets a copy where the others are.
func (a *App) sameKeys(ctx context.Context, keys string) error {
	db, ok := a.database()
	if !ok {
		return nil
	}
	own := filepath.Join(a.cfg.Dir, "ledger", ledgerKey)
	if there, err := exists(filepath.Join(keys, ledgerKey)); err != nil {
		return err
	} else if !there {
		if text, err := os.ReadFile(own); err == nil {
			if err := durable.WriteFile(filepath.Join(keys, ledgerKey), text, 0o600); err != nil {
				return err
			}
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	bound, err := db.Bound(ctx)
	if err != nil || !bound {
		return err
	}
	var missing []string
	for _, name := range keyFiles {
		if there, err := exists(filepath.Join(keys, name)); err != nil {
			return err
		} else if !there {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the records in this database are kept with keys that are not here: %s lacks %s. Copy the folder keys from the data folder of the server "+
			"that runs on it already, or name it with --keys", keys, strings.Join(missing, ", "))
	}
	return nil
}

// fingerprint is the same for all who have the same keys, and tells nothing of them.
func fingerprint(master, epoch [32]byte, online *tufrepo.Key, logKey string) (sum [32]byte) {
	h := sha256.New()
	for _, part := range [][]byte{[]byte("bailiwick keys 1"), master[:], epoch[:], []byte(online.Public().ID()), []byte(logKey)} {
		one := sha256.Sum256(part)
		h.Write(one[:])
	}
	return [32]byte(h.Sum(nil))
}

// siteSecret is what pages sign their forms with: the same on every server, since the next click may reach another one.
func siteSecret(epoch [32]byte) (secret [32]byte, err error) {
	key, err := hkdf.Key(sha256.New, epoch[:], nil, "bailiwick pages 1", len(secret))
	copy(secret[:], key)
	return secret, err
}

// office knows whether this server leads. One that shares its store with nobody always does.
type office struct {
	mu     sync.Mutex
	term   context.Context // nil while another server leads
	turned chan struct{}   // closed when that changes
	stop   context.CancelFunc
	ended  chan struct{} // closed when it stands for office no longer
	failed error         // why it cannot lead, when that is not for another one to
}

func newOffice() *office { return &office{turned: make(chan struct{}), stop: func() {}} }

func (o *office) turn(term context.Context) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.term = term
	close(o.turned)
	o.turned = make(chan struct{})
}

func (o *office) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.term = nil
	close(o.turned)
	o.turned = make(chan struct{})
}

func (o *office) now() (term context.Context, turned <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.term, o.turned
}

func (o *office) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failed = err
}

func (o *office) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failed
}

// Leads reports whether this server leads those on its database: it alone appends to the ledger and does what time makes due.
func (a *App) Leads() bool {
	term, _ := a.office.now()
	return term != nil && term.Err() == nil
}

// whileLeading runs work whenever this server leads, until ctx ends.
func (a *App) whileLeading(ctx context.Context, work func(context.Context) error) error {
	for {
		term, turned := a.office.now()
		if term != nil && term.Err() == nil {
			running, cancel := context.WithCancel(ctx)
			detach := context.AfterFunc(term, cancel)
			err := work(running)
			detach()
			cancel()
			if err != nil && ctx.Err() == nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-turned:
		}
	}
}

// standForOffice begins to stand for office, and returns when it is known who leads; where the caller does the work itself, when this server does.
func (a *App) standForOffice(ctx context.Context) error {
	a.office = newOffice()
	db, ok := a.database()
	if !ok {
		a.office.turn(context.Background())
		return nil
	}
	standing, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.office.stop, a.office.ended = stop, make(chan struct{})
	go func() {
		defer close(a.office.ended)
		a.campaign(standing, db)
	}()
	for {
		if err := a.office.failure(); err != nil {
			return err
		}
		if a.Leads() {
			return nil
		}
		if !a.cfg.ManualWork {
			if led, err := db.LedByAnother(ctx); err != nil {
				return err
			} else if led {
				return nil
			}
		}
		_, turned := a.office.now()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-turned:
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// campaign leads whenever it can, until ctx ends.
func (a *App) campaign(ctx context.Context, db *postgres.DB) {
	for ctx.Err() == nil {
		if !a.watch.right() {
			if pause(ctx, time.Second) != nil {
				return
			}
			continue
		}
		term, err := db.Campaign(ctx)
		if err != nil {
			if ctx.Err() == nil {
				a.cfg.Logger.Error("this server cannot stand for the lead, and tries again", "error", err)
				_ = pause(ctx, 5*time.Second)
			}
			continue
		}
		err = a.lead(ctx, term)
		if e := term.Resign(); e != nil {
			a.cfg.Logger.Warn("the lead could not be given back", "error", e)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil || errors.Is(err, ledger.ErrNotLeader):
			a.cfg.Logger.Warn("another server leads now, or may: this one goes on as a follower", "term", term.Number)
		default:
			a.office.fail(err)
			a.cfg.Logger.Error("this server cannot lead, and tries again", "term", term.Number, "error", err)
			_ = pause(ctx, 5*time.Second)
		}
	}
}

// lead leads for a term: until it is lost, or ctx ends, or the clock cannot be trusted.
func (a *App) lead(ctx context.Context, term *postgres.Term) error {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-term.Lost():
		case <-a.watch.wrong():
		case <-running.Done():
		}
		cancel()
	}()
	if err := a.Ledger.BringIn(running, term.Ledger(), filepath.Join(a.cfg.Dir, "ledger")); err != nil {
		return err
	}
	led := make(chan error, 1)
	go func() { led <- a.Ledger.Lead(running, term.Ledger()) }()
	for !a.Ledger.Leads() {
		select {
		case err := <-led:
			return err
		case <-time.After(time.Millisecond):
		}
	}
	a.office.fail(nil)
	a.cfg.Logger.Info("this server leads now", "term", term.Number)
	a.office.turn(running)
	err := <-led
	cancel()
	a.office.leave()
	return err
}

// leaveOffice lets another server lead.
func (a *App) leaveOffice() {
	if a.office == nil || a.office.ended == nil {
		return
	}
	a.office.stop()
	<-a.office.ended
}

// watch compares this server's clock with the database's.
type watch struct {
	mu  sync.Mutex
	off time.Duration
	bad chan struct{} // closed while the clock is wrong
}

func newWatch() *watch { return &watch{bad: make(chan struct{})} }

// right reports whether the clock was right when it was last compared.
func (w *watch) right() bool { return w.err() == nil }

// wrong is closed when the clock is found to be wrong.
func (w *watch) wrong() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bad
}

func (w *watch) found(off time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was, is := w.off.Abs() > clockBound, off.Abs() > clockBound
	w.off = off
	switch {
	case is && !was:
		close(w.bad)
	case was && !is:
		w.bad = make(chan struct{})
	}
}

func (w *watch) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.off.Abs() <= clockBound {
		return nil
	}
	return fmt.Errorf("the clock of this server is off the database's by %s, and dates that owners are told would be wrong: set it right (NTP)", w.off.Round(time.Second))
}

// startWatch refuses to start with a wrong clock, and goes on comparing until Close. A sandbox's clock may be moved.
func (a *App) startWatch(ctx context.Context) error {
	a.watch = newWatch()
	db, ok := a.database()
	if !ok || a.cfg.Sandbox {
		return nil
	}
	if err := a.compareClock(ctx, db); err != nil {
		return err
	}
	if err := a.watch.err(); err != nil {
		return err
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	a.stopWatch = func() { stop(); <-ended }
	go func() {
		defer close(ended)
		for pause(watching, a.clockEvery()) == nil {
			was := a.watch.right()
			if err := a.compareClock(watching, db); err != nil {
				continue // the database is away: others say so
			}
			if err := a.watch.err(); err != nil && was {
				a.cfg.Logger.Error("this server takes no evidence until its clock is right", "error", err)
			}
		}
	}()
	return nil
}

// inTime keeps what would write a time into the records from a server whose clock is wrong, and the epochs that devices sign. What only reads goes on.
func (a *App) inTime(next http.Handler) http.Handler {
	if a.stopWatch == nil { // nobody compares the clock
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reads := (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.Path != protocol.PathEpoch
		if reads || a.watch.right() {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Retry-After", strconv.Itoa(int(clockEvery/time.Second)))
		refuse(w, http.StatusServiceUnavailable, "unavailable", "this server's clock is wrong, and it takes nothing until it is right: try again later")
	})
}

func (a *App) clockEvery() time.Duration {
	if a.cfg.ClockEvery > 0 {
		return a.cfg.ClockEvery
	}
	return clockEvery
}

// compareClock allows for the time that the question takes.
func (a *App) compareClock(ctx context.Context, db *postgres.DB) error {
	before := a.cfg.Now()
	theirs, err := db.Clock(ctx)
	if err != nil {
		return err
	}
	after := a.cfg.Now()
	switch {
	case theirs.Before(before):
		a.watch.found(before.Sub(theirs))
	case theirs.After(after):
		a.watch.found(after.Sub(theirs))
	default:
		a.watch.found(0)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
