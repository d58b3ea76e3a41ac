// Package witness is a witness of public ledgers: it cosigns a ledger's checkpoint when that checkpoint continues the last
// one that it cosigned, and never otherwise. Who counts a quorum of witnesses cannot be shown a ledger of their own.
//
// It speaks C2SP tlog-witness (add-checkpoint) and answers with tlog-cosignature/v1, Ed25519. It knows the ledgers whose
// verifier keys it was given, and holds for each the newest checkpoint that it cosigned, in its folder:
//
//	witness.lock     locked by the one process that cosigns
//	witness.key      its signing key and verifier key, mode 0600, made at the first start
//	<id>.checkpoint  the newest checkpoint of one ledger; id is the SHA-256 of its origin
//	<id>.fork        two checkpoints that the ledger signed and that cannot both be true, when it ever did
//
// A checkpoint is on disk, renamed into place and synced, before its cosignature leaves. A folder that is copied back from
// an older backup forgets what was cosigned since: restore a witness as a new one, with a new key.
package witness

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

// The errors of Open, besides those of the file system.
var (
	ErrInUse = errors.New("witness: another process has this folder open; stop it, or choose another folder")
	ErrKey   = errors.New("witness: the signing key cannot be used")
	ErrLogs  = errors.New("witness: the ledgers to witness cannot be used")
	ErrState = errors.New("witness: what it cosigned last cannot be read")
)

// Config says whose witness this is.
type Config struct {
	Dir    string           // folder of key and state; made if need be
	Name   string           // the witness's name, a schema-less URL by custom; needed at the first start, and for life
	Logs   []string         // verifier keys of the ledgers, each under its origin's name; at least one
	Now    func() time.Time // time.Now when nil
	Logger *slog.Logger     // nothing is logged when nil
}

// Witness is an open witness. Its methods may be called concurrently.
type Witness struct {
	name   string
	secret ed25519.PrivateKey
	vkey   string
	hash   uint32
	logs   map[string]*witnessed
	dir    string
	lock   *os.File
	now    func() time.Time
	logger *slog.Logger
}

// witnessed is one ledger and what was cosigned of it.
type witnessed struct {
	verifier *proof.Verifier
	file     string

	mu     sync.Mutex // held from the comparison with latest until the new state is durable
	latest proof.Checkpoint
	signed []byte // latest as it came; nil when none was cosigned
	closed bool
}

// Open opens the witness in cfg.Dir. Close must be called. It fails with ErrInUse, ErrKey, ErrLogs, ErrState or an error
// of the file system.
func Open(cfg Config) (_ *Witness, err error) {
	if len(cfg.Logs) == 0 {
		return nil, fmt.Errorf("%w: give the verifier key of at least one", ErrLogs)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	lock, err := lockFolder(cfg.Dir)
	if err != nil {
		return nil, err
	}
	w := &Witness{dir: cfg.Dir, lock: lock, now: cfg.Now, logger: cfg.Logger, logs: make(map[string]*witnessed)}
	defer func() {
		if err != nil {
			_ = lock.Close() // frees the lock
		}
	}()
	if w.now == nil {
		w.now = time.Now
	}
	if w.logger == nil {
		w.logger = slog.New(slog.DiscardHandler)
	}
	if err := w.loadKey(cfg.Name); err != nil {
		return nil, err
	}
	for _, key := range cfg.Logs {
		if err := w.addLog(key); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *Witness) addLog(key string) error {
	origin, _, _ := strings.Cut(key, "+")
	if _, err := proof.New(origin, key, []string{w.vkey}, 0); err != nil { // nor is it the witness's own key
		return fmt.Errorf("%w: %q: %w", ErrLogs, key, err)
	}
	verifier, err := proof.New(origin, key, nil, 0) // signatures of anybody else, ours too, are ignored
	if err != nil {
		return fmt.Errorf("%w: %q: %w", ErrLogs, key, err)
	}
	if w.logs[origin] != nil {
		return fmt.Errorf("%w: two keys for %s", ErrLogs, origin)
	}
	l := &witnessed{verifier: verifier, file: stateFile(w.dir, origin)}
	if err := l.load(); err != nil {
		return err
	}
	w.logs[origin] = l
	return nil
}

// VerifierKey returns the key by which the cosignatures are checked (type 0x04, C2SP tlog-cosignature).
func (w *Witness) VerifierKey() string { return w.vkey }

// Name returns the witness's name.
func (w *Witness) Name() string { return w.name }

// Close frees the folder. No cosignature leaves after it.
func (w *Witness) Close() error {
	for _, l := range w.logs {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
	}
	return w.lock.Close()
}

// refusal is why a checkpoint is not cosigned, and how that is said over HTTP.
type refusal struct {
	status int
	size   *uint64 // of the latest cosigned checkpoint, when that is the answer
	text   string
}

func (r *refusal) Error() string { return r.text }

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, text: fmt.Sprintf(format, args...)}
}

// add judges one submission and returns the cosignature line.
func (w *Witness) add(s *submission) ([]byte, error) {
	origin, _, _ := strings.Cut(string(s.checkpoint), "\n")
	l := w.logs[origin]
	if l == nil {
		return nil, refuse(404, "this witness does not know a ledger of that origin")
	}
	c, err := l.verifier.Checkpoint(s.checkpoint)
	switch proof.FaultOf(err) {
	case "":
	case proof.ErrUnsigned:
		return nil, refuse(403, "%v", err)
	default:
		return nil, refuse(400, "%v", err)
	}
	if c.Size > maxSize || s.old > c.Size {
		return nil, refuse(400, "the old size %d is above the checkpoint's %d", s.old, c.Size)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, refuse(503, "the witness is closing")
	}
	if s.old != l.latest.Size {
		size := l.latest.Size
		return nil, &refusal{409, &size, fmt.Sprintf("the newest checkpoint cosigned here has size %d", size)}
	}
	if err := l.continues(c, s.proof); err != nil {
		w.keepFork(l, origin, c, s.checkpoint)
		return nil, err
	}
	if l.signed == nil || c.Size > l.latest.Size {
		if err := l.save(c, s.checkpoint); err != nil {
			w.logger.Error("a checkpoint could not be kept, and is not cosigned", "origin", origin, "size", c.Size, "error", err)
			return nil, refuse(500, "the witness cannot write its state")
		}
	}
	return w.cosign(c.Text), nil
}

// continues checks that c is the latest checkpoint or a later one of the same ledger.
func (l *witnessed) continues(c proof.Checkpoint, path [][32]byte) error {
	switch {
	case c.Size == l.latest.Size && l.signed != nil && c.Root != l.latest.Root:
		return refuse(409, "another root of the same size was cosigned here: the ledger has forked")
	case c.Size == 0 && c.Root != emptyRoot:
		return refuse(422, "an empty ledger has another root")
	case l.latest.Size == 0 || c.Size == l.latest.Size:
		if len(path) > 0 {
			return refuse(422, "nothing is to be proved from size %d to %d", l.latest.Size, c.Size)
		}
		return nil
	}
	steps := make(tlog.TreeProof, len(path))
	for i := range path {
		steps[i] = path[i]
	}
	if err := tlog.CheckTree(steps, int64(c.Size), c.Root, int64(l.latest.Size), l.latest.Root); err != nil {
		return refuse(422, "the consistency proof does not hold")
	}
	return nil
}

// cosign returns the signature line of C2SP tlog-cosignature, cosignature/v1.
func (w *Witness) cosign(text string) []byte {
	now := uint64(max(w.now().Unix(), 0))
	signature := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, w.hash), now)
	signature = append(signature, ed25519.Sign(w.secret, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", now, text))...)
	return fmt.Appendf(nil, "\u2014 %s %s\n", w.name, base64.StdEncoding.EncodeToString(signature))
}
