package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent/lines"
	"github.com/bailiwick-dev/bailiwick/order"
)

// MaxLine bounds a line in bytes. A longer one ends the connection, or the reading of standard input.
const MaxLine = 8 << 10

// answer is one line out; exactly one member is there.
type answer struct {
	OK      bool           `json:"ok,omitempty"`
	Screen  *lines.Screen  `json:"screen,omitempty"`
	Code    *lines.Code    `json:"code,omitempty"`
	Outcome *lines.Outcome `json:"outcome,omitempty"`
	Error   string         `json:"error,omitempty"`
}

// input handles the lines of standard input until it ends.
func (d *Daemon) input(ctx context.Context, in io.Reader) {
	if in == nil {
		return
	}
	err := d.converse(ctx, in, func(text []byte) error {
		d.writing.Lock()
		defer d.writing.Unlock()
		_, err := d.out.Write(text)
		return err
	})
	if err != nil && ctx.Err() == nil {
		d.log.Error("standard input is not read any more", "error", err)
	}
}

// serve handles one connection until it ends, falls silent, or ctx ends.
func (d *Daemon) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	quiet := time.AfterFunc(idle, func() { conn.Close() })
	defer quiet.Stop()
	err := d.converse(ctx, conn, func(text []byte) error {
		quiet.Reset(idle)
		_, err := conn.Write(text)
		return err
	})
	if err != nil && ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
		d.log.Warn("socket", "error", err)
	}
}

func (d *Daemon) converse(ctx context.Context, in io.Reader, reply func([]byte) error) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 0, 512), MaxLine)
	for scanner.Scan() {
		line := bytes.TrimSpace(scanner.Bytes())
		if len(line) == 0 {
			continue
		}
		text, err := json.Marshal(d.handle(ctx, string(line)))
		if err != nil {
			return err
		}
		if err := reply(append(text, '\n')); err != nil {
			return err
		}
		d.publish()
	}
	return scanner.Err()
}

// handle does what a line says.
func (d *Daemon) handle(ctx context.Context, line string) answer {
	command, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case line[0] == '{':
		s, err := lines.ParseSignals([]byte(line))
		if err == nil {
			err = d.agent.Observe(s)
		}
		return done(err)
	case command == "code":
		result, err := d.agent.EnterCode(rest)
		code := lines.CodeOf(result)
		if err != nil && !code.Unlocked {
			return done(err)
		}
		return answer{Code: &code} // a right code counts at once, even when the disk is full
	case command == "lift":
		return d.lift(rest)
	case command == "lift-qr":
		return d.take([]byte(rest))
	case rest != "":
	case command == "screen":
		return answer{Screen: d.screen()}
	case command == "shown":
		return done(d.agent.Shown())
	case command == "tick":
		err := d.agent.Tick()
		select {
		case d.wake <- struct{}{}: // a check-in may be due
		default:
		}
		return done(err)
	case command == "check-in":
		out, err := d.checkIn(ctx)
		if err != nil {
			return done(err)
		}
		outcome := lines.OutcomeOf(out)
		return answer{Outcome: &outcome}
	}
	return answer{Error: "not understood; write signals as a JSON object, or screen, shown, code CODE, lift FILE, lift-qr TEXT, tick, check-in"}
}

func done(err error) answer {
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{OK: true}
}

// lift takes a lift from a file: its bytes, their base64, or the text of a QR code.
func (d *Daemon) lift(path string) answer {
	sealed, err := readLift(path)
	if err != nil {
		return done(err)
	}
	return d.take(sealed)
}

func (d *Daemon) take(lift []byte) answer {
	out, err := d.agent.AcceptLift(lift)
	if err != nil {
		return done(err)
	}
	outcome := lines.OutcomeOf(out)
	return answer{Outcome: &outcome}
}

func readLift(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("lift: %w", err)
	case !info.Mode().IsRegular(), info.Size() > 2*order.MaxSealed:
		return nil, fmt.Errorf("lift: %s is no regular file of at most %d bytes", path, 2*order.MaxSealed)
	}
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("lift: %w", err)
	}
	if text, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(data))); err == nil && len(text) > 0 {
		return text, nil
	}
	return data, nil
}
