package simulate

import (
	"context"
	"errors"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/memory"
	"github.com/bailiwick-dev/bailiwick/order"
)

var (
	errDead        = errors.New("simulate: the process has died")
	errFull        = errors.New("simulate: no space left on the server's disk")
	errUnreachable = errors.New("simulate: the server cannot be reached")
	errWitnesses   = errors.New("simulate: too few witnesses cosigned")
)

// server is the server of a world: what is durable, and the process that runs on it, if one does.
type server struct {
	w       *world
	db      *memory.DB
	log     *ledger
	random  reader             // of every process: ids and salts
	process *process           // nil while the server is down
	service *authority.Service // of the process
	backups []*memory.Backup
	unsaved *memory.Backup // of a planted bug
}

// process is one life of the server, from its start to the write at which it dies.
type process struct{ dead bool }

func newServer(w *world) *server {
	s := &server{w: w, db: memory.New(), log: newLedger(w.factory.ledger), random: reader{newDice(w.seed, w.number, 1).source}}
	s.db.Fault = func(int) (bool, error) {
		switch {
		case w.strikes(Crash, 0.004):
			s.process.dead = true
			return w.dice.chance(0.5), errDead
		case w.strikes(ServerFullDisk, 0.002):
			return false, errFull
		}
		return true, nil
	}
	s.log.sequencing = func(n int) (int, error) {
		switch {
		case w.strikes(LedgerCrash, 0.05):
			s.process.dead = true
			return w.dice.IntN(n + 1), errDead
		case w.strikes(LedgerFailure, 0.04):
			return w.dice.IntN(n + 1), errWitnesses
		}
		return n, nil
	}
	return s
}

// start begins a process on what is durable. Opening the ledger publishes what was sequenced.
func (s *server) start() error {
	s.log.publish()
	p := &process{}
	var store authority.Store = &disk{s.db, p}
	if s.w.plant.store != nil {
		store = s.w.plant.store(s, store)
	}
	var public authority.Ledger = &open{s.log, p}
	if s.w.plant.ledger != nil {
		public = s.w.plant.ledger(s, public)
	}
	cfg := authority.Config{
		Store: store, Ledger: public, Verifier: s.w.factory.verifier, Now: func() time.Time { return s.w.now },
		DeviceIDs: s.random, Salts: s.random, Online: s.w.factory.online, Signer: s.w.factory.officers, Trust: s.log.trust(), EpochSecret: [32]byte{1}, UnlockMaster: [32]byte{2}, PasswordCost: 4,
	}
	service, err := authority.New(cfg)
	if err != nil {
		return err
	}
	s.process, s.service = p, service
	s.w.tracef("server starts")
	return nil
}

// disk is the store as a process sees it: nothing works any more for one that has died.
type disk struct {
	db *memory.DB
	p  *process
}

func (d *disk) Update(ctx context.Context, fn func(authority.Tx) error) error {
	if d.p.dead {
		return errDead
	}
	return d.db.Update(ctx, fn)
}

func (d *disk) View(ctx context.Context, fn func(authority.Tx) error) error {
	if d.p.dead {
		return errDead
	}
	return d.db.View(ctx, fn)
}

// open is the ledger as a process sees it.
type open struct {
	*ledger
	p *process
}

func (o *open) AppendBatch(ctx context.Context, leaves [][]byte) ([]uint64, error) {
	if o.p.dead {
		return nil, errDead
	}
	return o.ledger.AppendBatch(ctx, leaves)
}

func (o *open) FindAll(ctx context.Context, ids []order.ID, since uint64) (map[order.ID]uint64, error) {
	if o.p.dead {
		return nil, errDead
	}
	return o.ledger.FindAll(ctx, ids, since)
}

func (o *open) Proof(ctx context.Context, index uint64) ([]byte, error) {
	if o.p.dead {
		return nil, errDead
	}
	return o.ledger.Proof(ctx, index)
}

// ask has the server do something. What a process returned that died on the way is lost.
func (s *server) ask(what string, fn func(context.Context, *authority.Service) error) error {
	w := s.w
	if s.process == nil {
		return errUnreachable
	}
	w.step++
	err := fn(context.Background(), s.service)
	if err != nil {
		w.tracef("server %s: %v", what, err)
	} else {
		w.tracef("server %s", what)
	}
	dead := s.process.dead
	if dead {
		s.process, s.service = nil, nil
		err = errUnreachable
		w.tracef("server is dead")
		w.after(w.dice.between(time.Second, pick(w.dice, time.Minute, time.Hour, 30*time.Hour)), w.restart)
	}
	w.books.audit(dead)
	return err
}

// work is what a server does by itself as time passes.
func (s *server) work(sweep bool) {
	if sweep {
		_ = s.ask("sweep", func(ctx context.Context, a *authority.Service) error { return a.Sweep(ctx) })
	}
	if s.waits() {
		_ = s.ask("sequence", func(ctx context.Context, a *authority.Service) error {
			_, err := a.Sequence(ctx)
			return err
		})
		s.call()
	}
}

// call has those devices come for which an order lies ready.
func (s *server) call() {
	_ = s.db.View(context.Background(), func(tx authority.Tx) error {
		for _, h := range s.w.phones {
			d, err := tx.DeviceByIMEI(h.made.imei)
			if err != nil {
				continue
			}
			if ready, err := tx.Deliverable(d.ID); err == nil && len(ready) > 0 {
				h.called(2 * day)
			}
		}
		return nil
	})
}

// waits reports whether an order waits for the ledger.
func (s *server) waits() (waits bool) {
	_ = s.db.View(context.Background(), func(tx authority.Tx) error {
		pending, err := tx.PendingOrders(1)
		waits = len(pending) > 0
		return err
	})
	return waits
}

// restart brings the server up, now and then on an old backup.
func (w *world) restart() {
	if w.server.process != nil {
		return
	}
	if n := len(w.server.backups); n > 0 && w.strikes(RestoredBackup, 0.1) {
		w.server.db.Restore(w.server.backups[w.dice.IntN(n)])
		w.books.restored()
	}
	if err := w.server.start(); err != nil {
		w.violate("server", "it does not start: %v", err)
		return
	}
	w.books.audit(true)
	w.server.work(w.dice.chance(0.5))
}

// backup keeps a copy of the store, among the last few.
func (w *world) backup() {
	s := w.server
	if s.backups = append(s.backups, s.db.Backup()); len(s.backups) > 3 {
		s.backups = s.backups[1:]
	}
	w.after(w.dice.between(10*day, 200*day), w.backup)
}
