package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/cli"
	"github.com/bailiwick-dev/bailiwick/internal/store/move"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/test/crash"
)

// childMove turns the test binary into a copy to the database that it names.
const childMove = "BAILIWICK_E2E_MOVE"

func beMover() int {
	return cli.Main(context.Background(), []string{"store", "copy", "--data", os.Getenv(childFolder), "--to", os.Getenv(childMove), "--wait", "--json"}, cli.System())
}

// mover is a copy process, not started.
func (s *siege) mover(url string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFolder+"="+s.dir, childMove+"="+url)
	return cmd
}

// TestMoveUnderLoad moves a fleet to PostgreSQL while phones check in, days pass and an officer works. The copy is killed again and again, beside
// the server and after its end; between kills the server goes on, from the folder, as long as nothing was given over. At the end everything
// that was ever acknowledged is in the database.
func TestMoveUnderLoad(t *testing.T) {
	url := database(t)
	s := besiege(t)
	const movers, reserve = 24, 6
	phones := s.found(movers + reserve)
	working, stop := context.WithCancel(t.Context())
	defer func() { stop(); s.busy.Wait() }()
	process := s.spawn()
	for _, p := range phones[:movers] {
		s.start(func() { s.live(working, p) })
	}
	s.start(func() { s.calendar(working) })
	s.start(func() { s.officer(working) })
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	upTo := func(longest time.Duration) time.Duration { return time.Duration(random.Int64N(int64(longest))) }

	for range 8 { // beside the server, for which the copy waits when it is through
		if _, err := crash.Kill(s.mover(url), upTo(time.Second)); err != nil {
			t.Fatal(err)
		}
		s.onlyOne(url, false)
	}
	const least = 200 // check-ins from the folder, however slow the machine is
	for deadline := time.Now().Add(5 * time.Minute); s.checkIns.Load() < least && time.Now().Before(deadline); {
		pause(t.Context(), 20*time.Millisecond)
	}
	kills := 0
	for there := false; !there; {
		if process != nil {
			s.end(process)
		}
		cmd := s.mover(url)
		cmd.Stderr = os.Stderr
		life := upTo(time.Duration(50+20*kills) * time.Millisecond)
		if kills >= 16 {
			life = time.Minute // it has had its share
		}
		_, err := crash.Kill(cmd, life)
		through := err != nil && cmd.ProcessState.Success()
		if err != nil && !through {
			t.Fatal(err)
		}
		kills++
		var folder bool
		if folder, there = s.onlyOne(url, true); through && !there {
			t.Fatal("the copy says that it is through, and the database cannot be served")
		}
		if !folder {
			process = nil // and the copy, unless it was killed behind its last step, is to conclude
			continue
		}
		if kills <= reserve { // one that enrols while the copy is on its way
			p := phones[movers+kills-1]
			s.start(func() { s.live(working, p) })
		}
		process = s.spawn() // on the folder, which goes on meanwhile
		pause(t.Context(), 300*time.Millisecond)
	}
	t.Logf("killed %d times after the server's end; %d check-ins acknowledged until then", kills-1, s.checkIns.Load())
	before := s.checkIns.Load()
	s.database = url
	process = s.spawn()
	enough := func() bool { return before >= least && s.checkIns.Load() >= before+500 && s.followed() >= 10 }
	for deadline := time.Now().Add(5 * time.Minute); !enough() && time.Now().Before(deadline); {
		pause(t.Context(), 20*time.Millisecond)
	}
	s.end(process)
	stop()
	s.busy.Wait()
	s.aftermath(phones)
	for _, b := range s.broken {
		t.Error(b)
	}
	if !enough() {
		t.Errorf("too little happened for this to prove anything: %d check-ins before, %d after, %d orders obeyed", before, s.checkIns.Load()-before, len(s.obeyed))
	}
}

// onlyOne checks that not both, folder and database, can be served, and says which of them can; of the folder as far as its marks tell. It is
// only opened when nobody has it.
func (s *siege) onlyOne(url string, quiet bool) (folder, inDatabase bool) {
	s.t.Helper()
	try := func(database string) error {
		cfg := s.config()
		cfg.Database = database
		a, err := app.Open(s.t.Context(), cfg)
		if err == nil {
			err = a.Close()
		}
		return err
	}
	inDatabase = try(url) == nil
	_, err := os.Stat(filepath.Join(s.dir, sqlite.FileName))
	folder = err == nil
	if _, err := os.Stat(filepath.Join(s.dir, move.Mark)); err == nil {
		folder = false
	}
	if folder && inDatabase {
		s.t.Fatal("both the folder and the database can be served")
	}
	if quiet {
		if err := try(""); (err == nil) != folder {
			s.t.Fatalf("served from the folder: %v, expected %v", err, folder)
		}
	}
	return folder, inDatabase
}

// TestMoveConcludes loses the machine at the two moments that are too short to be met by chance: after the folder was marked, and after the database
// was given over.
func TestMoveConcludes(t *testing.T) {
	t.Parallel()
	url := database(t)
	s := besiege(t)
	s.found(2)
	mark := filepath.Join(s.dir, move.Mark)
	started := func(database, says string) {
		t.Helper()
		cfg := s.config()
		cfg.Database = database
		a, err := app.Open(t.Context(), cfg)
		if err == nil {
			err = a.Close()
		}
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	runs := func() move.Report {
		t.Helper()
		out, err := s.mover(url).Output()
		if err != nil {
			t.Fatal(err)
		}
		var report struct {
			move.Report
			Next string
		}
		if err := json.Unmarshal(out, &report); err != nil || !strings.HasPrefix(report.Next, "bailiwick serve --data "+s.dir+" --database ") {
			t.Fatalf("%v: %s", err, out)
		}
		return report.Report
	}
	if err := os.WriteFile(mark, []byte("They were moved.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	started("", "run bailiwick store copy again")
	started(url, "run bailiwick store copy again")
	if r := runs(); len(r.Tables) < 15 {
		t.Errorf("%+v", r)
	}
	there, away := filepath.Join(s.dir, sqlite.FileName), filepath.Join(s.dir, move.PutAway)
	if err := os.Rename(away, there); err != nil {
		t.Fatal(err)
	}
	started("", "run bailiwick store copy again")
	started(url, "run bailiwick store copy again")
	if r := runs(); len(r.Passes) != 0 {
		t.Errorf("it copied again: %+v", r)
	}
	if _, err := os.Stat(away); err != nil {
		t.Error(err)
	}
	started("", "They were moved to the database")
	started(url, "")
	out, err := s.mover(url).CombinedOutput()
	var failed *exec.ExitError
	if !errors.As(err, &failed) || !strings.Contains(string(out), "They were moved to the database") {
		t.Errorf("moved twice: %v, %s", err, out)
	}
	if _, err := os.Stat(there); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
