package authority

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/internal/verifier"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Ledger is the public transparency log, as far as the authority needs it. All methods may be called concurrently.
type Ledger interface {
	// AppendBatch adds leaves and returns their indexes once a durable, published checkpoint covers them. When it fails,
	// any of them may be in the ledger or not: FindAll tells.
	AppendBatch(ctx context.Context, leaves [][]byte) ([]uint64, error)
	// FindAll returns the indexes of those leaves, by RFC 6962 leaf hash, that are in the ledger at since or later,
	// published by the time it returns.
	FindAll(ctx context.Context, ids []order.ID, since uint64) (map[order.ID]uint64, error)
	// Proof returns the C2SP tlog-proof of the leaf at index, for a published checkpoint.
	Proof(ctx context.Context, index uint64) ([]byte, error)
	// Size returns how many leaves the newest published checkpoint covers.
	Size(ctx context.Context) (uint64, error)
	// Checkpoint returns the newest published checkpoint, a signed note (C2SP tlog-checkpoint).
	Checkpoint(ctx context.Context) ([]byte, error)
	// Entries calls fn for the leaves of [from, to) in order, until fn returns an error. to is at most Size.
	Entries(ctx context.Context, from, to uint64, fn func(index uint64, leaf []byte) error) error
}

// Breaker says which waves need the officer to type in the number of locks.
type Breaker struct {
	Share     float64       // of the enrolled fleet, 0 to 1
	Least     int           // a wave of at most so many devices is never out of proportion
	PolicyAge time.Duration // a policy in force for less than this is new
}

// Config is what a [Service] is made of. Fields with a default may be left zero.
type Config struct {
	Store    Store
	Ledger   Ledger
	Verifier *verifier.Verifier
	Now      func() time.Time

	// DeviceIDs is the source of device ids; crypto/rand by default; a simulation may seed it. Nothing else comes from it: tokens and
	// one-time passwords are always from crypto/rand.
	DeviceIDs io.Reader
	// Salts is the source of orders' salts and of cohorts' secrets; crypto/rand by default. Only a simulation without a network may seed
	// it: whoever foresees salts can tell which device an order in the public ledger is for.
	Salts io.Reader

	// Retention says how long records are kept; nothing is forgotten when it is zero. See DefaultRetention.
	Retention Retention
	// Jobs hands unfinished jobs to whoever steps them, here or on another server; it is called again and again with all that are
	// unfinished, and has to take each once. By default this server does their steps itself.
	Jobs func(ctx context.Context, unfinished []*Job) error

	Logger   *slog.Logger          // default: nothing is logged; never sees IMEIs, references or tokens
	Registry prometheus.Registerer // default: counters are kept and not exported

	// Online is the server's own key: it says which of what officers signed is the newest, and can sign nothing else. Required.
	Online *tufrepo.Key
	// Signer signs in the name of officers; only for sandboxes and tests. Without it policies and warrants come by Publish.
	Signer Signer

	Trust        protocol.Trust                  // told to devices at enrolment
	UnlockMaster [32]byte                        // device unlock secrets are derived from it; keep it as safe as the ledger's key
	EpochSecret  [32]byte                        // shared by all servers of one authority
	IP           func(netip.Addr) territory.Code // territory of an address; default: Unknown
	PasswordCost int                             // bcrypt cost, 4 to 15; default 12; the simulator and tests lower it
	Category     string                          // class of goods of this maker's devices, a fact for rules and general licences; default "consumer"

	CheckInEvery   time.Duration // between check-ins of a device; default 24 h
	Pace           Pace          // of one device; default 60 check-ins at once and one more every 30 s
	PendingCheckIn time.Duration // when an order for this device waits for the ledger; default 30 s
	SequenceEvery  time.Duration // pause of the sequencer when nothing waits; default 200 ms
	SweepEvery     time.Duration // default 1 min
	WorkEvery      time.Duration // unfinished jobs are looked for so often; default 2 s
	SeenWithin     time.Duration // a lock is proposed only for devices seen within; default 14 days
	LockMargin     time.Duration // from approval until a lock may take hold, so that devices hear of it; default 36 h
	AppealWithin   time.Duration // in which an appeal has to be answered; default 7 days
	WavePause      time.Duration // after a rejected wave no other is opened for so long; default 24 h
	SessionLife    time.Duration // default 12 h
	Breaker        Breaker       // default 20 %, 50 devices, 72 h
}

func (c *Config) complete() error {
	switch {
	case c.Store == nil:
		return errors.New("authority: Config.Store is missing")
	case c.Ledger == nil:
		return errors.New("authority: Config.Ledger is missing")
	case c.Verifier == nil:
		return errors.New("authority: Config.Verifier is missing")
	case c.Now == nil:
		return errors.New("authority: Config.Now is missing")
	case c.Online == nil:
		return errors.New("authority: Config.Online is missing; make a key and keep it")
	case c.EpochSecret == [32]byte{}:
		return errors.New("authority: Config.EpochSecret is missing; make 32 random bytes and keep them")
	case c.UnlockMaster == [32]byte{}:
		return errors.New("authority: Config.UnlockMaster is missing; make 32 random bytes and keep them")
	case c.PasswordCost != 0 && (c.PasswordCost < 4 || c.PasswordCost > 15):
		return errors.New("authority: Config.PasswordCost is 4 to 15")
	case c.Pace != Pace{} && c.Pace.Burst >= 0 && (c.Pace.Every <= 0 || c.Pace.Burst < 1):
		return errors.New("authority: Config.Pace has an Every above 0 and a Burst of at least 1, or a negative Burst for no limit")
	case c.Breaker.Share < 0 || c.Breaker.Share > 1:
		return errors.New("authority: Config.Breaker.Share is 0 to 1")
	}
	if c.DeviceIDs == nil {
		c.DeviceIDs = rand.Reader
	}
	if c.Salts == nil {
		c.Salts = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.IP == nil {
		c.IP = func(netip.Addr) territory.Code { return territory.Unknown }
	}
	c.PasswordCost = or(c.PasswordCost, 12)
	c.Category = or(c.Category, "consumer")
	c.CheckInEvery = or(c.CheckInEvery, 24*time.Hour)
	c.Pace = or(c.Pace, Pace{Every: 30 * time.Second, Burst: 60})
	c.PendingCheckIn = or(c.PendingCheckIn, 30*time.Second)
	c.SequenceEvery = or(c.SequenceEvery, 200*time.Millisecond)
	c.SweepEvery = or(c.SweepEvery, time.Minute)
	c.WorkEvery = or(c.WorkEvery, 2*time.Second)
	c.SeenWithin = or(c.SeenWithin, 14*24*time.Hour)
	c.LockMargin = or(c.LockMargin, 36*time.Hour)
	c.AppealWithin = or(c.AppealWithin, 7*24*time.Hour)
	c.WavePause = or(c.WavePause, 24*time.Hour)
	c.SessionLife = or(c.SessionLife, 12*time.Hour)
	c.Breaker.Share = or(c.Breaker.Share, 0.20)
	c.Breaker.Least = or(c.Breaker.Least, 50)
	c.Breaker.PolicyAge = or(c.Breaker.PolicyAge, 72*time.Hour)
	return nil
}

// or returns v, or what stands in for its zero value.
func or[T comparable](v, standard T) T {
	var zero T
	if v == zero {
		return standard
	}
	return v
}
