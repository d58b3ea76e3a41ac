package firmware

import (
	"bytes"
	"crypto/rand"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
	"github.com/bailiwick-dev/bailiwick/agent/daemon"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
)

// A device whose record was rolled back is free, goes on checking in with a server that knows it otherwise, and what comes
// after begins with a new notice.
func TestRolledBackDeviceMeetsTheServer(t *testing.T) {
	w := newWorld(t)
	cfg, err := daemon.ReadConfig(w.files(t.TempDir()))
	w.must(err)
	began, flash := w.clock.Now(), &agenttest.Flash{}
	hardware := daemon.Hardware{
		Now: w.clock.Now, Uptime: func() time.Duration { return w.clock.Now().Sub(began) }, BootID: func() string { return "boot" },
		Storage: flash, Counter: &agenttest.Counter{},
	}
	var d *daemon.Daemon
	open := func() {
		t.Helper()
		d, err = daemon.Open(cfg, hardware, io.Discard, slog.New(slog.NewTextHandler(t.Output(), nil)))
		w.must(err)
	}
	stage := func() order.Stage {
		t.Helper()
		a, err := agent.Open(platformOf(w, hardware))
		w.must(err)
		return a.Screen().Stage
	}
	live := func() {
		t.Helper()
		w.must(d.Once(t.Context(), strings.NewReader(tehran+"\nshown\n")))
		w.must(w.day())
		_, err := w.approve()
		w.must(err)
	}
	open()
	until := func(want order.Stage, most int) {
		t.Helper()
		for range most {
			if live(); stage() == want {
				return
			}
		}
		t.Fatalf("not %v after %d days, but %v", want, most, stage())
	}
	until(order.Noticed, 30)
	old := bytes.Clone(flash.Record())
	until(order.Locked, 60)
	w.must(flash.Save(old))
	open()
	live()
	if s := stage(); s != order.Lifted {
		t.Fatalf("a rolled-back device shows %v", s)
	}
	until(order.Noticed, 60)
	until(order.Locked, 60)
}

// platformOf is enough of a platform to look at a record.
func platformOf(w *world, hw daemon.Hardware) agent.Platform {
	return agent.Platform{
		Storage: hw.Storage, Key: w.key, Chain: w.chain, Now: hw.Now, Uptime: hw.Uptime, BootID: hw.BootID,
		Boot: func() evidence.Boot { return evidence.BootVerified }, Random: rand.Reader, Software: "look",
		StateKey: bytes.Repeat([]byte{0x5a}, 32), Counter: hw.Counter,
	}
}
