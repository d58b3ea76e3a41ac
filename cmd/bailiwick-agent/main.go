// Command bailiwick-agent is the device's side of Bailiwick for devices that run Linux or Android: it says where it was
// activated, judges orders by the Charter, and tells the platform what to show. `bailiwick-agent --help` says how.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent/daemon"
)

const usage = `bailiwick-agent observes, checks in, judges orders, and says what the screen shows.

Usage:
  bailiwick-agent --config FILE                 run until SIGINT or SIGTERM
  bailiwick-agent --config FILE --once          handle standard input, check in if due, end
  bailiwick-agent --config FILE --check         read the configuration, the key and the record, end
  bailiwick-agent --config FILE --ask COMMAND   ask the agent that runs, over its socket
  bailiwick-agent --version

It reads lines from standard input and from the socket: signals as a JSON object, or a command. It writes an answer to
each, and the screen to standard output whenever it changed. Its log goes to standard error.

  {"gnss":{"lat":52.52,"lon":13.405,"accuracy_m":20},"cell":"262-01","sim":"262-01","wifi":"DE"}
  screen | shown | code 1234 5678 | lift FILE | lift-qr TEXT | tick | check-in

The configuration is one JSON object; only the first four members are required, and key unless the firmware brings one:

  {
    "server": "https://authority.example",
    "storage": "/var/lib/bailiwick-agent",
    "imei": "490154203237518",
    "chain": "/etc/bailiwick-agent/chain.pem",     certificates of the key, the device's first
    "key": "/etc/bailiwick-agent/key.pem",         PKCS#8, ECDSA P-256 or Ed25519
    "serial": "R5CN90", "model": "SM-G991B",
    "boot_state": "android",                       or verified, custom, unlocked, unknown
    "state_key": "/etc/bailiwick-agent/state.key", 32 to 64 bytes, hexadecimal; authenticates the record
    "adopt_plain": false,                          take over a record from before there was a state_key
    "officers_root": "/etc/bailiwick-agent/1.root.json",  whose signatures count (the server's /metadata/1.root.json)
    "socket": "/run/bailiwick-agent.sock",
    "roots": "/etc/bailiwick-agent/roots.pem",     the only roots of the server's certificate
    "dns": "192.0.2.53:53",                        where there is no /etc/resolv.conf, as on Android
    "tick_seconds": 60                             1 to 900
  }

Examples:
  echo '{"cell":"262-01","wifi":"DE"}' | bailiwick-agent --config agent.json --once
  bailiwick-agent --config agent.json --ask screen
  bailiwick-agent --config agent.json --ask 'code 1234 5678'
  bailiwick-agent --config agent.json --ask 'lift /sdcard/lift.bin'

Ends with 0, with 1 when something went wrong, with 2 when it was called wrongly.
`

var errUsage = errors.New("called wrongly; see --help")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends at once what does not end by itself
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bailiwick-agent:", err)
	}
	switch {
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader, out, log io.Writer) error {
	flags := flag.NewFlagSet("bailiwick-agent", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	config, ask := flags.String("config", "", ""), flags.String("ask", "", "")
	once, check, version := flags.Bool("once", false, ""), flags.Bool("check", false, ""), flags.Bool("version", false, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		_, err := io.WriteString(out, usage)
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", err, errUsage)
	case flags.NArg() > 0:
		return fmt.Errorf("%q is no option: %w", flags.Arg(0), errUsage)
	case *version:
		_, err := fmt.Fprintln(out, "bailiwick-agent", daemon.Version())
		return err
	case *config == "":
		return fmt.Errorf("--config is missing: %w", errUsage)
	}
	cfg, err := daemon.ReadConfig(*config)
	if err != nil {
		return err
	}
	if *ask != "" {
		return askRunning(ctx, cfg.Socket, *ask, out)
	}
	logger := slog.New(slog.NewTextHandler(log, nil))
	if !*once && !*check {
		return daemon.Run(ctx, cfg, daemon.Hardware{}, in, out, logger)
	}
	if *check {
		if _, err := daemon.Open(cfg, daemon.Hardware{}, io.Discard, logger); err != nil {
			return err
		}
		_, err := fmt.Fprintln(out, "the configuration, the key and the record can be used")
		return err
	}
	d, err := daemon.Open(cfg, daemon.Hardware{}, out, logger)
	if err != nil {
		return err
	}
	return d.Once(ctx, in)
}

// askRunning sends one line to the agent that runs, and prints its answer.
func askRunning(ctx context.Context, socket, command string, out io.Writer) error {
	if socket == "" {
		return errors.New(`the configuration names no "socket"`)
	}
	if strings.ContainsAny(command, "\r\n") {
		return fmt.Errorf("--ask takes one line: %w", errUsage)
	}
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("no agent answers: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil { // a check-in may take that long
		return err
	}
	if _, err := fmt.Fprintln(conn, command); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the agent did not answer: %w", err)
	}
	_, err = io.WriteString(out, answer)
	return err
}
