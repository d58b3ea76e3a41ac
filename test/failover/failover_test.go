package failover

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const (
	phones  = 180
	between = 600 * time.Millisecond // check-ins of a phone, about
	stages  = 6                      // of the run, in which the phones begin: orders are issued all the time
)

// scene is the three servers on a database that fails over.
type scene struct {
	t                *testing.T
	primary, standby *pgtest.Cluster
	url              string
	servers          []*process
	fleet            *fleet
	seen             *ledger.Seen // of the public ledger, before anything failed
}

// TestFailOver is the story that the package's comment tells. It has no deadline of its own: what does not come about is waited for until
// the tests' time is up.
func TestFailOver(t *testing.T) {
	s := setUp(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	list := make([]*phone, phones)
	factory, making := errgroup.WithContext(ctx)
	factory.SetLimit(8)
	for i := range list {
		factory.Go(func() (err error) {
			if list[i], err = s.fleet.enrol(making); err == nil {
				list[i].server = i
			}
			return err
		})
	}
	if err := factory.Wait(); err != nil {
		t.Fatal(err, s.logs())
	}
	running, ctx := errgroup.WithContext(ctx)
	stage := make([]chan struct{}, stages)
	for i := range stage {
		stage[i] = make(chan struct{})
	}
	for i, p := range list {
		running.Go(func() error { return s.live(ctx, p, stage[i%stages]) })
	}
	// begin lets the next phones begin, whose orders are issued in whatever happens then.
	begun := 0
	begin := func() {
		close(stage[begun])
		begun++
	}
	// everyone waits until all phones that have begun have their notices.
	everyone := func() bool { return s.fleet.delivered.Load() >= int64(begun*phones/stages) }
	begin()
	s.await(ctx, "the first orders", everyone)
	s.audit()

	term, leader := s.leader()
	s.step(ctx, "the leader is killed", everyone, func() {
		begin()
		leader.kill()
		s.await(ctx, "another leader", func() bool { now, _ := s.term(); return now > term })
	})
	s.step(ctx, "the database is killed and its standby promoted", everyone, func() {
		begin()
		if err := s.primary.Kill(); err != nil {
			t.Fatal(err)
		}
		begin()
		if err := s.standby.Promote(); err != nil {
			t.Fatal(err)
		}
	})
	term, leader = s.leader()
	s.step(ctx, "the leader is stopped, and continued when another one leads", everyone, func() {
		begin()
		leader.signal(t, syscall.SIGSTOP)
		s.await(ctx, "another leader", func() bool { now, _ := s.term(); return now > term })
		leader.signal(t, syscall.SIGCONT)
		s.await(ctx, "the stopped server answers again", func() bool { return s.answers(leader) })
	})
	s.await(ctx, "the stopped server knows that it follows", func() bool { return strings.Contains(leader.said(), "another server leads now") })
	if err := leader.alive(); err != nil {
		t.Error(err)
	}
	// Later on it may well be elected again, when a slow machine lets the other one's lease end; not in the term after its own.
	if now, by := s.leader(); by == leader && now < term+2 {
		t.Errorf("the stopped server leads term %d, and led term %d", now, term)
	}
	begin()
	if err := running.Wait(); err != nil {
		t.Fatal(err, s.logs())
	}
	s.check(list)
	t.Logf("%d check-ins acknowledged, %d orders delivered; the longest pause between two acknowledged check-ins was %s",
		s.fleet.count.Load(), s.fleet.delivered.Load(), s.fleet.longest.Round(time.Millisecond))
}

// live has a phone check in until it is done.
func (s *scene) live(ctx context.Context, p *phone, begin <-chan struct{}) error {
	select {
	case <-begin:
	case <-ctx.Done():
		return ctx.Err()
	}
	for !p.done() {
		if err := p.checkIn(ctx, s.fleet); err != nil {
			return err
		}
		if err := wait(ctx, between/2+rand.N(between)); err != nil {
			return err
		}
	}
	return nil
}

// setUp starts a primary with a synchronous standby and three servers with the same keys.
func setUp(t *testing.T) *scene {
	program := build(t)
	s := &scene{t: t}
	var err error
	if s.primary, err = pgtest.Start(); err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, s.primary)
	database := s.primary.Database(t)
	if s.standby, err = s.primary.Standby(); err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, s.standby)
	s.url = pgtest.Hosts(database, s.primary, s.standby)
	dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	var bases []string
	for i, dir := range dirs {
		if i > 0 { // as an operator would: the keys, and here also the sandbox's factory and officers
			for _, folder := range []string{"keys", "sandbox"} {
				copyFolder(t, filepath.Join(dirs[0], folder), filepath.Join(dir, folder))
			}
		}
		p := serve(t, program, string(rune('A'+i)), dir, s.url)
		s.servers, bases = append(s.servers, p), append(bases, p.base)
	}
	s.fleet = newFleet(bases)
	t.Cleanup(s.fleet.client.CloseIdleConnections)
	return s
}

func stopAtEnd(t *testing.T, c *pgtest.Cluster) {
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// copyFolder copies files for their owner alone.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	err := os.CopyFS(to, os.DirFS(from))
	if err == nil {
		err = filepath.WalkDir(to, func(path string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			return os.Chmod(path, 0o600)
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// step does something to the servers, and waits until check-ins are acknowledged and everyone has the orders that were issued meanwhile.
func (s *scene) step(ctx context.Context, what string, everyone func() bool, do func()) {
	s.t.Helper()
	s.fleet.pauseSince()
	began := time.Now()
	do()
	acked := s.fleet.count.Load()
	s.await(ctx, what+": check-ins go on", func() bool { return s.fleet.count.Load() >= acked+phones/4 })
	s.await(ctx, what+": orders go on", everyone)
	s.t.Logf("%s: all orders delivered after %s, longest pause of acknowledged check-ins %s", what,
		time.Since(began).Round(time.Millisecond), s.fleet.pauseSince().Round(time.Millisecond))
}

// await waits for something.
func (s *scene) await(ctx context.Context, what string, done func() bool) {
	s.t.Helper()
	for !done() {
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			s.t.Fatalf("%s: never: %v%s", what, context.Cause(ctx), s.logs())
		}
	}
}

func (s *scene) logs() string {
	var b strings.Builder
	for _, p := range s.servers {
		fmt.Fprintf(&b, "\n-- server %s\n%s", p.name, p.said())
	}
	return b.String()
}

// term returns the newest term and the process that holds it, by its id; 0 when the database does not answer or nobody leads.
func (s *scene) term() (term int64, pid int) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return 0, 0
	}
	defer c.Close(ctx)
	var holder string
	var alive bool
	if err := c.QueryRow(ctx, "SELECT term, holder, expires_at > clock_timestamp() FROM leader").Scan(&term, &holder, &alive); err != nil || !alive {
		return 0, 0
	}
	_, text, _ := strings.Cut(holder, "process ")
	pid, err = strconv.Atoi(text)
	if err != nil {
		s.t.Fatalf("holder %q", holder)
	}
	return term, pid
}

// leader waits until one of the servers leads, and returns it.
func (s *scene) leader() (term int64, leader *process) {
	s.await(s.t.Context(), "a leader", func() bool {
		var pid int
		term, pid = s.term()
		i := slices.IndexFunc(s.servers, func(p *process) bool { return p.cmd.Process.Pid == pid && p.alive() == nil })
		if i >= 0 {
			leader = s.servers[i]
		}
		return i >= 0
	})
	return term, leader
}

// answers reports whether a server is ready.
func (s *scene) answers(p *process) bool {
	i := slices.Index(s.servers, p)
	_, err := s.fleet.ask(s.t.Context(), i, "/readyz", "", nil)
	return err == nil
}

// auditor reads the public ledger at one of the servers that live, as anybody may.
func (s *scene) auditor() *ledger.Auditor {
	s.t.Helper()
	key := s.servers[0].key
	origin, _, _ := strings.Cut(key, "+")
	verifier, err := proof.New(origin, key, nil, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range s.servers {
		if p.alive() != nil {
			continue
		}
		source, err := ledger.Remote(p.base + "/ledger/")
		if err != nil {
			s.t.Fatal(err)
		}
		return ledger.NewAuditor(source, verifier, s.seen, time.Now)
	}
	s.t.Fatal("no server lives", s.logs())
	return nil
}

// audit notes what the public ledger was before anything failed.
func (s *scene) audit() {
	s.t.Helper()
	a := s.auditor()
	if found, err := a.Audit(s.t.Context(), nil); err != nil || found.Size == 0 {
		s.t.Fatalf("%+v, %v", found, err)
	}
	s.seen = a.Seen()
}

// check compares what phones were told with what the records and the ledger hold.
func (s *scene) check(list []*phone) {
	t := s.t
	at := make(map[order.ID]uint64)
	found, err := s.auditor().Audit(t.Context(), func(index uint64, leaf []byte) error {
		id := order.LeafID(leaf)
		if before, twice := at[id]; twice {
			t.Errorf("an order is in the ledger twice, at %d and %d", before, index)
		}
		at[id] = index
		return nil
	})
	if err != nil {
		t.Fatal("the public ledger: ", err) // a fork, too: it is held to what was seen before anything failed
	}
	db, err := postgres.Open(t.Context(), s.url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	orders := 0
	for _, p := range list {
		err := db.View(t.Context(), func(tx authority.Tx) error {
			d, err := tx.Device(p.id)
			if err != nil {
				return err
			}
			if d.Sequence < p.acked {
				t.Errorf("device %s: sequence %d was acknowledged, and %d is stored", p.id, p.acked, d.Sequence)
			}
			for _, day := range p.days {
				if !slices.ContainsFunc(d.Days, func(r territory.DayRecord) bool { return r.Day == day }) {
					t.Errorf("device %s: an acknowledged check-in told day %d, which is not stored", p.id, day)
				}
			}
			issued, err := tx.OrdersOf(p.id, 100)
			for _, o := range issued {
				orders++
				index, there := at[o.ID]
				if !o.Sequenced || !there || index != o.Index {
					t.Errorf("an order of device %s is in the ledger: %v at %d, in the records: %v at %d", p.id, there, index, o.Sequenced, o.Index)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, there := at[p.proved]; !there {
			t.Errorf("device %s was given an order that the ledger does not have", p.id)
		}
	}
	if uint64(orders) != found.Size || orders < phones {
		t.Errorf("%d orders for %d devices, and %d entries in the ledger", orders, phones, found.Size)
	}
}
