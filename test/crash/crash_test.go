package crash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/order"
)

// The environment that turns the test binary into the process that is killed.
const (
	writerFolder = "BAILIWICK_CRASH_FOLDER"
	writerRound  = "BAILIWICK_CRASH_ROUND"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerFolder); dir != "" {
		if err := write(dir, os.Getenv(writerRound)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

var (
	start  = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	ground = order.Ground{Kind: order.Rule, ID: "cuba"}
)

// options make checkpoints frequent, so that many kills meet one.
var options = sqlite.Options{LogBytes: 256 << 10}

// write is the process that is killed: many goroutines that each enrol a device and then let it check in, several records
// in each update, and say so once it is acknowledged. It never returns without an error.
func write(dir, round string) error {
	db, err := sqlite.Open(context.Background(), dir, options)
	if err != nil {
		return err
	}
	const writers = 48
	failed := make(chan error, writers)
	for w := range writers {
		go func() {
			for n := 0; ; n++ {
				if err := life(db, fmt.Sprintf("%s-%d-%d", round, w, n)); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

func life(db *sqlite.DB, name string) error {
	d := deviceNamed(name)
	err := db.Update(context.Background(), func(tx authority.Tx) error {
		_, err := tx.NextNumber("lives")
		return errors.Join(err, tx.InsertDevice(d), tx.AddEvent(authority.Event{Device: d.ID, At: start, Kind: "enrolled", Detail: name}),
			tx.NoticeIfFree(&restriction.Restriction{Device: d.ID, Ground: ground, NoticedAt: start, Deadline: start.Add(order.MinNotice)}))
	})
	if err != nil {
		return err
	}
	fmt.Printf("%s 0\n", name)
	for visit := 1; visit <= 3; visit++ {
		err := db.Update(context.Background(), func(tx authority.Tx) error {
			d.Sequence, d.Unlocks = uint64(visit), uint64(visit)
			return errors.Join(tx.UpdateDeviceIfNewer(d, uint64(visit-1)),
				tx.ReportApplied(d.ID, ground, order.Noticed, visit, start, ""))
		})
		if err != nil {
			return err
		}
		fmt.Printf("%s %d\n", name, visit)
	}
	return nil
}

func deviceNamed(name string) *authority.Device {
	h := sha256.Sum256([]byte(name))
	digits := make([]byte, 14)
	for i := range digits {
		digits[i] = '0' + h[16+i]%10
	}
	d := &authority.Device{IMEI: device.IMEI(append(digits, device.CheckDigit(string(digits)))), Serial: name, Key: h[:], EnrolledAt: start}
	copy(d.ID[:], h[:])
	return d
}

func TestNothingAcknowledgedIsLost(t *testing.T) {
	dir := t.TempDir()
	known := make(map[string]int) // name of a life → visits acknowledged
	began := time.Now()
	const least = 2000
	total, rounds := 0, 0
	acknowledged := Run(t, Plan{
		Rounds: 50, Longest: 500 * time.Millisecond, Seed: 2021, Enough: func() bool { return total >= least },
		Command: func(round int) *exec.Cmd {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), writerFolder+"="+dir, fmt.Sprint(writerRound, "=", round))
			return cmd
		},
		Check: func(round int, lines []string) error {
			total, rounds = total+len(lines), round+1
			fresh := make(map[string]int)
			for _, line := range lines {
				var name string
				var visit int
				if _, err := fmt.Sscanf(line, "%s %d", &name, &visit); err != nil {
					return fmt.Errorf("%q: %w", line, err)
				}
				fresh[name] = max(fresh[name], visit)
				known[name] = fresh[name]
			}
			return check(dir, fresh, known, round%10 == 9)
		},
	})
	t.Logf("%d acknowledged updates survived %d kills, checked in %v", acknowledged, rounds, time.Since(began).Round(time.Second))
	if acknowledged < least {
		t.Errorf("only %d updates were acknowledged; that proves little", acknowledged)
	}
}

// check opens the store as the next start would. Of what was acknowledged in this round nothing may be missing; with all,
// the same goes for every round so far, and no record may be there by half.
func check(dir string, fresh, known map[string]int, all bool) error {
	db, err := sqlite.Open(context.Background(), dir, options)
	if err != nil {
		return err
	}
	looked := db.View(context.Background(), func(tx authority.Tx) error {
		if all {
			return whole(tx, known)
		}
		for name, visits := range fresh {
			if err := present(tx, name, visits); err != nil {
				return err
			}
		}
		return nil
	})
	// The writer has to work, too.
	written := db.Update(context.Background(), func(tx authority.Tx) error { _, err := tx.NextNumber("opened"); return err })
	return errors.Join(looked, written, db.Close())
}

func present(tx authority.Tx, name string, visits int) error {
	d, err := tx.Device(deviceNamed(name).ID)
	if err != nil {
		return fmt.Errorf("%s was acknowledged: %w", name, err)
	}
	if d.Sequence < uint64(visits) {
		return fmt.Errorf("%s: visit %d was acknowledged, %d is stored", name, visits, d.Sequence)
	}
	return untorn(tx, d)
}

// untorn checks that what one update wrote is there as a whole.
func untorn(tx authority.Tx, d *authority.Device) error {
	r, err := tx.Restriction(d.ID, ground)
	if err != nil {
		return fmt.Errorf("%s has no notice: %w", d.Serial, err)
	}
	events, err := tx.Events(d.ID, 10)
	want := deviceNamed(d.Serial)
	if err != nil || len(events) != 1 || events[0].Detail != d.Serial || d.Unlocks != d.Sequence || uint64(r.ShownDays) != d.Sequence ||
		d.IMEI != want.IMEI || !bytes.Equal(d.Key, want.Key) {
		return fmt.Errorf("%s is torn: %+v, %+v, %+v (%v)", d.Serial, d, r, events, err)
	}
	return nil
}

func whole(tx authority.Tx, known map[string]int) error {
	n, missing := 0, len(known)
	err := tx.EachDevice(device.ID{}, func(d *authority.Device) error {
		n++
		if visits, ok := known[d.Serial]; ok {
			missing--
			if d.Sequence < uint64(visits) {
				return fmt.Errorf("%s: visit %d was acknowledged, %d is stored", d.Serial, visits, d.Sequence)
			}
		}
		return untorn(tx, d)
	})
	if err == nil && missing > 0 {
		err = fmt.Errorf("%d acknowledged devices are missing", missing)
	}
	if err != nil {
		return err
	}
	events, err := tx.RecentEvents(n + 1)
	if err == nil && len(events) != n {
		err = fmt.Errorf("%d devices, %d of their events", n, len(events))
	}
	return err
}

// TestKillTellsEarlyEndFromKill keeps the helper honest: a process that stops by itself must not pass for one that was
// killed, and half a line is no acknowledgement.
func TestKillTellsEarlyEndFromKill(t *testing.T) {
	if _, err := Kill(exec.Command("sh", "-c", "echo one"), time.Minute); err == nil {
		t.Error("an early end passed for a kill")
	}
	var lines []string
	for after := 300 * time.Millisecond; len(lines) == 0 && after < time.Minute; after *= 2 { // a slow machine kills it before it has said anything
		var err error
		if lines, err = Kill(exec.Command("sh", "-c", "printf 'one\\ntwo\\nthr'; exec sleep 600"), after); err != nil {
			t.Fatal(err)
		}
	}
	if len(lines) != 2 || lines[0] != "one" || lines[1] != "two" {
		t.Errorf("lines %q", lines)
	}
}
