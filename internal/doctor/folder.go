package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/backup"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

// Bounds of what is looked at.
const (
	leastFree  = 1 << 30   // bytes that should be free where the data folder is
	hardlyFree = 64 << 20  // bytes below which the next check-ins may be refused
	quickTail  = 20_000    // entries of the ledger that are read when it is not the whole
	largeLog   = 512 << 20 // bytes of a write-ahead log that something keeps from being shortened
)

// folder looks at a data folder.
func (x *examination) folder(ctx context.Context) {
	info, err := os.Stat(x.Dir)
	if err != nil || !info.IsDir() {
		x.found("folder", Fault, fmt.Sprintf("%s is no data folder: %v", x.Dir, err), "name the folder that the server is started with (--data)")
		return
	}
	if _, err := backup.Admit(x.Dir); err != nil {
		x.found("folder.restored", Fault, err.Error(), "do what it says, with bailiwick restore")
	}
	x.permissions(info)
	x.keys()
	x.room()
	x.records(ctx)
	if !x.inDatabase() { // what lies there may be from before a move
		x.ledger(ctx)
	}
}

// permissions: only the server's own account may look into the folder.
func (x *examination) permissions(info fs.FileInfo) {
	const check = "folder.permissions"
	if m := info.Mode().Perm(); m&0o077 != 0 {
		x.found(check, Warning, fmt.Sprintf("%s has mode %04o: others on this machine can look into it", x.Dir, m), "chmod 700 "+x.Dir)
		return
	}
	x.found(check, OK, "only its owner can look into "+x.Dir, "")
}

// keys: each is there, and readable by its owner alone.
func (x *examination) keys() {
	const check = "folder.keys"
	var missing, open []string
	shared := cmp.Or(x.Keys, filepath.Join(x.Dir, "keys"))
	places := map[string]string{"ledger/ledger.key": filepath.Join(x.Dir, "ledger", "ledger.key")}
	if x.inDatabase() {
		places = map[string]string{"keys/ledger.key": filepath.Join(shared, "ledger.key")}
	}
	for _, name := range []string{"unlock-master.key", "epoch.key", "online.key"} {
		places["keys/"+name] = filepath.Join(shared, name)
	}
	for _, name := range slices.Sorted(maps.Keys(places)) {
		info, err := os.Stat(places[name])
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, name)
		case err != nil:
			x.found(check, Unknown, err.Error(), "run it as the server's own account")
			return
		case info.Mode().Perm()&0o077 != 0:
			open = append(open, name)
		}
	}
	switch {
	case len(open) > 0:
		x.found(check, Fault, "others can read "+strings.Join(open, ", "), "chmod 600, and think about who may have read them: docs/operations.md, Keys")
	case len(missing) > 0:
		x.found(check, Fault, "missing: "+strings.Join(missing, ", "), "put them back from where you keep them before the server is started: it would make new ones")
	default:
		x.found(check, OK, "all are there, and only their owner can read them", "")
	}
}

// room: what is free where the data folder is.
func (x *examination) room() {
	const check = "folder.space"
	var s syscall.Statfs_t
	if err := syscall.Statfs(x.Dir, &s); err != nil {
		x.found(check, Unknown, err.Error(), "")
		return
	}
	free := s.Bavail * uint64(s.Bsize)
	detail := fmt.Sprintf("%.1f GB free, %.0f %% of the file system", float64(free)/1e9, 100*float64(s.Bavail)/float64(max(s.Blocks, 1)))
	switch {
	case free < hardlyFree:
		x.found(check, Fault, detail, "make room: without it nothing is acknowledged")
	case free < leastFree:
		x.found(check, Warning, detail, "make room soon")
	default:
		x.found(check, OK, detail, "")
	}
}

// inDatabase reports whether records and ledger are in PostgreSQL.
func (x *examination) inDatabase() bool {
	_, err := os.Stat(filepath.Join(x.Dir, "records-in-database"))
	return err == nil
}

// records looks at the file of records.
func (x *examination) records(ctx context.Context) {
	file := filepath.Join(x.Dir, sqlite.FileName)
	if x.inDatabase() {
		if x.Database == "" {
			x.found("records", Unknown, "the records are in PostgreSQL", "name it with --database to have it looked at")
		}
		return
	}
	e, err := sqlite.Examine(ctx, file, !x.Whole)
	switch {
	case err != nil:
		x.found("records.integrity", Fault, err.Error(), restoreAdvice)
		return
	case len(e.Faults) > 0:
		x.found("records.integrity", Fault, "SQLite finds the file damaged: "+strings.Join(e.Faults, "; "), restoreAdvice)
	default:
		x.found("records.integrity", OK, "SQLite finds every page whole", "")
	}
	switch {
	case e.Schema > e.Known:
		x.found("records.schema", Fault, fmt.Sprintf("the records have schema %d, this program knows %d", e.Schema, e.Known), "use the release that wrote them, or a newer one")
	case e.Schema < e.Known:
		x.found("records.schema", Warning, fmt.Sprintf("the records have schema %d, this program knows %d", e.Schema, e.Known), "the next start moves them there; take a backup before")
	default:
		x.found("records.schema", OK, fmt.Sprintf("schema %d, journal mode %s", e.Schema, e.Log), "")
	}
	if info, err := os.Stat(file + "-wal"); err == nil && info.Size() > largeLog {
		x.found("records.log", Warning, fmt.Sprintf("the write-ahead log has %.1f GB", float64(info.Size())/1e9), "something keeps it from being shortened: a backup under way, a long export, a full disk")
	}
	n, err := sqlite.Pending(ctx, file)
	switch {
	case err != nil:
		x.found("orders.pending", Unknown, err.Error(), "")
	case n > 100_000:
		x.found("orders.pending", Warning, fmt.Sprintf("orders that wait for the ledger: %d", n), "see that the server runs, and in its log why they do not get there: witnesses, disk")
	default:
		x.found("orders.pending", OK, fmt.Sprintf("orders that wait for the ledger: %d", n), "")
	}
}

const restoreAdvice = "stop the server, keep the folder as it is, and put a backup back into a new one (bailiwick restore), with the ledger of this one"

// ledger looks at the ledger's public files.
func (x *examination) ledger(ctx context.Context) {
	source := ledger.Folder(filepath.Join(x.Dir, "ledger"))
	signed, err := source.ReadCheckpoint(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		if text := x.beforeFirstStart(); text != "" {
			x.found("ledger", OK, text, "")
			return
		}
		x.found("ledger", Fault, "the ledger has no checkpoint", "if there was one, put a backup back; at a first start it comes by itself")
		return
	} else if err != nil {
		x.found("ledger", Unknown, err.Error(), "")
		return
	}
	key, err := source.ReadKey(ctx)
	if err != nil {
		x.found("ledger", Fault, "the verifier key beside the ledger cannot be read: "+err.Error(), "start the server once, which writes it")
		return
	}
	origin, _, _ := strings.Cut(key, "+")
	verifier, err := proof.New(origin, key, nil, 0)
	if err != nil {
		x.found("ledger", Fault, err.Error(), "start the server once, which writes the key anew")
		return
	}
	c, err := verifier.Checkpoint(signed)
	if err != nil {
		x.found("ledger", Fault, "the checkpoint does not hold: "+err.Error(), restoreAdvice)
		return
	}
	x.signed = signed
	x.verified(ctx, source, key, c.Size)
	if info, err := os.Stat(filepath.Join(x.Dir, "ledger", "log", "checkpoint")); err == nil {
		age := x.Now().Sub(info.ModTime()).Round(time.Second)
		x.found("ledger.checkpoint", OK, fmt.Sprintf("%s has the size %d; its checkpoint was published %v ago", origin, c.Size, age), "")
	}
}

// beforeFirstStart says why the ledger of a folder that was put back rightly has no checkpoint yet; it is empty when it should have one.
func (x *examination) beforeFirstStart() string {
	r, err := backup.RestoredIn(x.Dir)
	switch {
	case err != nil || r == nil:
		return ""
	case !r.CaughtUp:
		return fmt.Sprintf("the ledger of the backup (size %d) is kept aside until it has caught up, as folder.restored says", r.Entries)
	case r.Succeeded:
		return "the folder was put back and another ledger begun, which is empty until the first start; nothing is wrong"
	case r.Entries == 0:
		return "the folder was put back with an empty ledger, as it was when the backup was taken; it gets its checkpoint at the first start, nothing is wrong"
	}
	return ""
}

// verified reads the newest entries, or all of them, and holds them to the checkpoint.
func (x *examination) verified(ctx context.Context, source ledger.Source, key string, size uint64) {
	const check = "ledger.entries"
	if !x.Whole && size > quickTail {
		if err := ledger.VerifyTail(ctx, source, key, quickTail); err != nil {
			x.found(check, Fault, err.Error(), restoreAdvice)
			return
		}
		x.found(check, OK, fmt.Sprintf("the last %d entries are in the signed tree (all are read with --whole)", quickTail), "")
		return
	}
	v, err := ledger.Verify(ctx, source, key, nil)
	if err != nil {
		x.found(check, Fault, err.Error(), restoreAdvice)
		return
	}
	x.found(check, OK, fmt.Sprintf("all that it has (%d) bear out the signed root", v.Entries), "")
}
