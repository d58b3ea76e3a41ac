package e2e

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/cli"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/order"
)

// bailiwick runs a command as people type it.
func bailiwick(t *testing.T, stdin string, args ...string) (stdout string) {
	t.Helper()
	var out, faults bytes.Buffer
	status := cli.Main(t.Context(), args, cli.Environment{
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &faults, Getenv: func(string) string { return t.TempDir() }, Now: time.Now,
	})
	if status != 0 {
		t.Fatalf("bailiwick %s: status %d\n%s", strings.Join(args, " "), status, faults.String())
	}
	return out.String()
}

// lockedFleet has so many phones locked by a server that is then deleted with all that it had; the shares of its unlock master are
// all that is left.
func lockedFleet(t *testing.T, n int, shares string) (phones []*phone.Phone) {
	t.Run("while there is a server", func(t *testing.T) {
		var dir string
		s := serve(t, time.Date(2021, time.September, 2, 7, 0, 0, 0, time.UTC), func(c *app.Config) { dir = c.Dir })
		teller := &story{t: t, server: s}
		for i := range n {
			p := teller.orderPhone("AE", phone.Tehran)
			w := p.World()
			w.Address = netip.AddrFrom4([4]byte{5, byte(1 + i), 1, 1}) // each in a network of its own
			p.Move(w)
			phones = append(phones, p)
		}
		officer, _ := s.officer(t, "ana", "officer")
		for days := 0; !allLocked(phones); days++ {
			if days > 40 {
				t.Fatalf("after %d days the first phone is %v", days, phones[0].Agent().Screen().Stage)
			}
			var day errgroup.Group
			day.SetLimit(8)
			for _, p := range phones {
				day.Go(func() error { return liveADay(t.Context(), p) })
			}
			if err := day.Wait(); err != nil {
				t.Fatal(err)
			}
			approveAll(t, s, officer)
			if err := (clockOf{s}).MoveOn(t.Context(), 24); err != nil {
				t.Fatal(err)
			}
		}
		told := bailiwick(t, "", "escrow", "split", "--data", dir, "-k", "3", "-n", "5", "--server", "trust.example.com", "--qr", "-o", shares)
		master, err := os.ReadFile(filepath.Join(dir, "keys", "unlock-master.key"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(told), strings.TrimSpace(string(master))) {
			t.Fatal("the master was printed")
		}
	})
	return phones
}

func liveADay(ctx context.Context, p *phone.Phone) error {
	if err := p.Use(); err != nil {
		return err
	}
	return p.CheckIn(ctx)
}

func allLocked(phones []*phone.Phone) bool {
	for _, p := range phones {
		if p.Agent().Screen().Stage != order.Locked {
			return false
		}
	}
	return true
}

// approveAll approves the wave that is open, if one is.
func approveAll(t *testing.T, s *server, officer *authority.Officer) {
	t.Helper()
	now, err := s.Service.Overview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if now.OpenWave == nil {
		return
	}
	wave, err := s.Service.WaveDetail(t.Context(), now.OpenWave.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Service.ApproveWave(t.Context(), officer, now.OpenWave.ID, authority.WaveApproval{Note: "looked at the samples", Confirm: wave.Confirm}); err != nil {
		t.Fatal(err)
	}
}

// TestTheMakerIsGone: two hundred locked phones, no server and no database; three of five people with a piece of paper open them all. Half
// of the lists come from agents that do not show their count.
func TestTheMakerIsGone(t *testing.T) {
	t.Parallel()
	const n = 200
	folder := t.TempDir()
	phones := lockedFleet(t, n, filepath.Join(folder, "shares"))
	if t.Failed() {
		return
	}
	share := func(name string) string { return filepath.Join(folder, "shares", name) }
	kit, list, codes := filepath.Join(folder, "kit.age"), filepath.Join(folder, "screens.csv"), filepath.Join(folder, "codes.csv")
	const phrase = "quiet harbour at dawn, five herons"
	bailiwick(t, phrase+"\n"+phrase+"\n", "escrow", "join", share("share-2-of-5.txt"), share("share-5-of-5.png"), share("share-1-of-5.txt"), "-o", kit)

	var screens strings.Builder
	w := csv.NewWriter(&screens)
	_ = w.Write([]string{"device_number", "challenge", "counter"})
	for i, p := range phones {
		world := p.World()
		world.Online = false
		p.Move(world)
		s := p.Agent().Screen()
		counter := strconv.FormatUint(s.CodeCounter, 10)
		if i%2 == 1 {
			counter = ""
		}
		_ = w.Write([]string{persian(s.DeviceNumber), s.Challenge, counter})
	}
	w.Flush()
	if err := os.WriteFile(list, []byte(screens.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	bailiwick(t, phrase+"\n", "escrow", "batch", "--kit", kit, list, "-o", codes)
	t.Logf("%d screens answered in %v, of which the passphrase takes most", n, time.Since(began))
	text, err := os.ReadFile(codes)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(rows) != n+1 {
		t.Fatal(len(rows), err)
	}
	for i, p := range phones {
		result, err := p.Agent().EnterCode(rows[i+1][3])
		if err != nil || !result.Unlocked || p.Agent().Screen().Stage != order.Lifted {
			t.Errorf("phone %d: %+v, %v", i, result, err)
		}
	}
	one := phones[0].Agent().Screen()
	if one.CodeCounter == 0 {
		t.Error("the code was not spent")
	}
	again := bailiwick(t, phrase+"\n", "escrow", "unlock", "--kit", kit, one.DeviceNumber, one.Challenge, "--counter", fmt.Sprint(one.CodeCounter))
	if code := strings.TrimSpace(again); len(code) != 9 {
		t.Errorf("the next code is %q", code)
	}
}
