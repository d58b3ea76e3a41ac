package drill

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/fleet"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/internal/witness"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// stage is one attack under way: copies of some of the scene's phones, and a server that is the attacker's.
type stage struct {
	*loot
	ctx    context.Context
	scene  *Scene
	clock  *fleet.Clock
	phones []*victim
	public *book // what everybody reads
	watch  *watch

	// What the attacker's server tells everyone.
	lie   time.Duration // by how much the time that it tells is wrong
	every time.Duration // when phones are to come again

	began    time.Time
	hostile  time.Time        // the first act against a phone; zero before
	cosigned time.Time        // when the public ledger's checkpoint was last taken to the witness for its date
	witness  *witness.Witness // nil when the attacker has its key
}

// step is how often phones are looked at.
const step = 6 * time.Hour

// victim is one phone under attack.
type victim struct {
	*actor
	stage *stage
	phone *phone.Phone
	id    device.ID
	key   crypto.PublicKey

	// What the attacker sends it with every answer.
	orders   []order.Sealed
	warrants []protocol.Held
	policy   *protocol.Policy
	metadata *tuf.Update
	ip       territory.Code
	unlocks  uint64

	unseen bool // its owner never looks at it
	back   bool // it has a network again, whatever its part says
	nights bool // it is switched off from eleven at night to five in the morning
	judge  judge
}

// attack is one way of trying a drill's aim.
type attack struct {
	name       string   // what the attacker does, for people
	phones     []string // who is there
	ownWitness bool     // the witness runs beside the server, and the attacker has its key
	dates      bool     // the server lies about dates: a lock is held to the Charter's notice, and not to the date told
	hidden     []string // phones whose only orders are ones that no witness cosigned: any lock of theirs is wrong
	allows     string   // the one phone that an older policy still reaches: officers' signatures on it stand
	run        func(*stage) error
}

// perform stages the attack on copies of everything, and tells what became of it.
func (a *attack) perform(ctx context.Context, scene *Scene, loot *loot) (_ *outcome, err error) {
	dir, err := os.MkdirTemp(scene.dir, "attack-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	st := &stage{
		loot: loot, ctx: ctx, scene: scene, clock: fleet.NewClock(morning(takeover)), every: step, began: morning(takeover), cosigned: morning(takeover),
	}
	cosigning, err := st.openWitness(dir, a.ownWitness)
	if err != nil {
		return nil, err
	}
	if st.witness != nil {
		defer func() { err = errors.Join(err, st.witness.Close()) }()
	}
	if st.public, err = newBook(loot, cosigning); err != nil {
		return nil, err
	}
	if st.watch, err = newWatch(st); err != nil {
		return nil, err
	}
	for _, name := range a.phones {
		if err := st.enter(name); err != nil {
			return nil, err
		}
		v := st.phones[len(st.phones)-1]
		v.judge.dates, v.judge.old, v.judge.hidden = a.dates, a.allows == name, slices.Contains(a.hidden, name)
	}
	if err := a.run(st); err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	return st.end()
}

// openWitness gives the attacker the witness's key, or asks a copy of the witness, which nobody but its own people holds.
func (st *stage) openWitness(dir string, own bool) (cosigns, error) {
	if own {
		key, err := cosigner(st.scene.witnessDir())
		return stolen{key}, err
	}
	if err := os.CopyFS(filepath.Join(dir, "witness"), os.DirFS(st.scene.witnessDir())); err != nil {
		return nil, err
	}
	if err := os.Chmod(filepath.Join(dir, "witness", "witness.key"), 0o600); err != nil {
		return nil, err
	}
	w, err := witness.Open(witness.Config{Dir: filepath.Join(dir, "witness"), Name: witnessName, Logs: []string{st.scene.trust.LogKey}, Now: st.clock.Now})
	if err != nil {
		return nil, err
	}
	st.witness = w
	return foreign{&http.Client{Transport: near{w.Handler()}}}, nil
}

// enter brings a copy of a phone on the stage.
func (st *stage) enter(name string) error {
	a := st.scene.actor(name)
	known := st.devices[a.made.IMEI]
	if known == nil {
		return fmt.Errorf("the store does not know the phone %s", name)
	}
	v := &victim{actor: a, stage: st, id: known.ID}
	var err error
	if v.key, err = x509.ParsePKIXPublicKey(known.Key); err != nil {
		return err
	}
	storage := agent.MemoryStorage()
	if err := storage.Save(a.record); err != nil {
		return err
	}
	return v.switchOn(storage)
}

// switchOn puts the phone on the stage, with its network in the attacker's hands.
func (v *victim) switchOn(storage agent.Storage) (err error) {
	cfg := v.made
	cfg.Server, cfg.HTTP, cfg.Storage, cfg.Now = "http://127.0.0.1", &http.Client{Transport: &impostor{victim: v}}, storage, v.stage.clock.Now
	if v.phone, err = phone.New(cfg); err != nil {
		return err
	}
	v.judge.begin(v)
	v.stage.phones = append(v.stage.phones, v)
	return nil
}

// newcomer is a phone out of its box in New York, whose first contact is the attacker's server. root is what its firmware has of the
// officers; nil for nothing.
func (st *stage) newcomer(root []byte) (*victim, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	made := phone.Config{IMEI: sandbox.IMEI("00100101", 900), Serial: "DR000900", Model: "Lantern P", Key: key, Root: root}
	made.Chain = st.scene.actor(newYork).made.Chain // the attacker's server looks at none
	a := &actor{role: role{name: "new out of the box in New York", at: stays(phone.NewYork), online: always}, made: made}
	v := &victim{actor: a, stage: st, id: device.ID{9}, key: key.Public()}
	return v, v.switchOn(agent.MemoryStorage())
}

func (st *stage) phone(name string) *victim {
	for _, v := range st.phones {
		if v.name == name {
			return v
		}
	}
	panic("the attack has no phone " + name) // the names are constants
}

// struck is when the attack began.
func (st *stage) struck() time.Time {
	if st.hostile.IsZero() {
		return st.began
	}
	return st.hostile
}

// strike says that the attack begins now, unless it has begun.
func (st *stage) strike() {
	if st.hostile.IsZero() {
		st.hostile = st.clock.Now()
	}
}

// told is the time that the attacker's server tells.
func (st *stage) told() time.Time { return st.clock.Now().Add(st.lie).Truncate(time.Second) }

// pass lets time pass until t. Whoever monitors the ledger looks in between.
func (st *stage) pass(t time.Time) error {
	if err := st.watch.until(t); err != nil {
		return err
	}
	st.clock.AdvanceTo(t)
	if t.Sub(st.cosigned) < day {
		return nil
	}
	st.cosigned = t
	return st.public.refresh()
}

// live lets phones and their owners live for some days.
func (st *stage) live(days int) error {
	end := st.clock.Now().Add(time.Duration(days) * 24 * time.Hour)
	for st.clock.Now().Before(end) {
		if err := st.everyone(false); err != nil {
			return err
		}
		if err := st.pass(st.clock.Now().Add(step)); err != nil {
			return err
		}
	}
	return st.everyone(false)
}

// contact has every phone check in now, some times, with a minute in between.
func (st *stage) contact(times int) error {
	for range times {
		if err := st.everyone(true); err != nil {
			return err
		}
		if err := st.pass(st.clock.Now().Add(time.Minute)); err != nil {
			return err
		}
	}
	return nil
}

func (st *stage) everyone(contact bool) error {
	for _, v := range st.phones {
		if err := v.use(contact); err != nil {
			return fmt.Errorf("the phone %s: %w", v.name, err)
		}
	}
	return st.ctx.Err()
}

// use lives through a moment: the owner looks at the phone, which checks in when it wants to; contact has it check in at once, as the
// attacker's last answer could have asked for.
func (v *victim) use(contact bool) error {
	now := v.stage.clock.Now()
	switch hour := now.Hour(); {
	case v.nights && (hour >= 23 || hour < 5):
		return nil
	case v.nights && hour == 5:
		v.phone.Restart()
	}
	w := v.world(dayOf(now))
	w.Online = w.Online || v.back
	v.phone.Move(w)
	look := v.phone.Use
	if v.unseen {
		look = v.phone.Agent().Tick
	}
	if err := look(); err != nil {
		return err
	}
	v.judge.look(v)
	if !w.Online || !contact && !v.phone.Due() {
		return nil
	}
	err := v.phone.CheckIn(v.stage.ctx)
	if reason := agent.Reason(""); err != nil && !v.phone.Agent().Enrolled() && errors.As(err, &reason) {
		v.stage.watch.note(unenrolled, string(reason), now)
		return nil
	} else if err != nil {
		return err
	}
	v.judge.look(v)
	return nil
}

// seal writes an order for the phone into a ledger and returns it with its genuine proof.
func (v *victim) seal(b *book, leaf order.Leaf) (order.Sealed, error) {
	v.stage.strike()
	var s order.Sealed
	if _, err := rand.Read(s.Salt[:]); err != nil {
		return s, err
	}
	leaf.Commitment = order.Commit(s.Salt, v.id)
	var err error
	if s.Leaf, err = leaf.Marshal(); err != nil {
		return s, err
	}
	index, err := b.append(s.Leaf)
	if err != nil {
		return s, err
	}
	s.Proof, err = b.prove(index)
	return s, err
}

// send seals an order in the public ledger and sends it with every answer from now on.
func (v *victim) send(leaf order.Leaf) error {
	s, err := v.seal(v.stage.public, leaf)
	v.orders = append(v.orders, s)
	return err
}

// threat is a notice and the lock after it, as an attacker words them.
type threat struct {
	ground    order.Ground
	authority [32]byte
	leaf      order.Leaf // territory, and times that are not the usual ones
}

const day = 24 * time.Hour

// notice is a first notice as a server would write it at a time, and lock the lock that follows it.
func (t threat) notice(at time.Time, days int) order.Leaf {
	l := t.leaf
	l.Kind, l.Ground, l.Authority, l.IssuedAt, l.Deadline = order.Notice, t.ground, t.authority, at, at.Add(time.Duration(days)*day)
	return l
}

func (t threat) lock(at, deadline, ends time.Time) order.Leaf {
	l := t.leaf
	l.Kind, l.Ground, l.Authority, l.IssuedAt, l.Deadline, l.EffectAt, l.EndsAt = order.Lock, t.ground, t.authority, at, deadline, deadline, ends
	return l
}

// menace sends both at once: a notice with a date so many days ahead by the time told, and the lock at that date.
func (v *victim) menace(t threat, days int, lasting time.Duration) error {
	at := v.stage.told()
	n := t.notice(at, days)
	return errors.Join(v.send(n), v.send(t.lock(at, n.Deadline, n.Deadline.Add(lasting))))
}

// outcome is what became of an attack.
type outcome struct {
	wrong    []string      // who was wrongly locked, and how
	locked   []string      // who was locked since, within what signed policies and warrants allow
	shortest time.Duration // the shortest notice that one of those had; 0 without
	ahead    time.Duration // by how much a lock came before the date told, at most
	findings []finding
}

func (st *stage) end() (*outcome, error) {
	if err := st.watch.until(st.clock.Now().Add(time.Minute)); err != nil {
		return nil, err
	}
	o := &outcome{findings: st.watch.findings}
	for _, v := range st.phones {
		switch {
		case v.judge.wrong != "":
			o.wrong = append(o.wrong, v.name+": "+v.judge.wrong)
		case v.judge.fresh:
			o.locked = append(o.locked, v.name)
			o.ahead = max(o.ahead, v.judge.ahead)
			if n := v.judge.shortest; n > 0 && (o.shortest == 0 || n < o.shortest) {
				o.shortest = n
			}
		}
	}
	return o, nil
}
