// Package cli is the command line of bailiwick: one command per capability, each a struct whose fields are its flags.
//
// Commands write results to standard output and everything else to standard error, give JSON with --json, and return
// errors: [Main] prints them once, with their fix, and chooses the exit status.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/alecthomas/kong"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// Exit statuses.
const (
	exitOK      = 0
	exitFailure = 1 // what was asked for did not succeed, or did not hold
	exitUsage   = 2 // the command line is wrong
)

// Environment is what a command sees of the world.
type Environment struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Now            func() time.Time
	Terminal       bool // Stderr is a terminal: progress bars make sense
}

// System is the real world.
func System() Environment {
	info, err := os.Stderr.Stat()
	return Environment{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now,
		Terminal: err == nil && info.Mode()&os.ModeCharDevice != 0,
	}
}

type commands struct {
	Demo      demoCommand      `cmd:"" help:"Watch the main job from end to end: thousands of agents, sixty simulated days, a server to explore."`
	Serve     serveCommand     `cmd:"" help:"Run the authority: device endpoints, console, owner page, public ledger."`
	Device    deviceCommand    `cmd:"" help:"Run a virtual phone: a real agent with a screen in your browser."`
	Territory territoryCommand `cmd:"" help:"Ask where a place, a network or an address is."`
	Policy    policyCommand    `cmd:"" help:"Check policy files."`
	Login     loginCommand     `cmd:"" help:"Log in to a server as an officer, for the commands below."`
	Logout    logoutCommand    `cmd:"" help:"End the login."`
	Wave      waveCommand      `cmd:"" help:"Look at proposed locks, approve or reject them."`
	Case      caseCommand      `cmd:"" help:"Investigate a consignment: open a case, hold by warrant, conclude and release."`
	Version   versionCommand   `cmd:"" help:"Print the version."`
}

const description = `Decides in which territories a device may be provided, tells its owner in time, and enforces it in a way that the owner, the
public and a court can check.

Examples:
  bailiwick demo                                  the main job, end to end, with a server to explore
  bailiwick serve --data ./bailiwick-data         a server of your own
  bailiwick device --server http://127.0.0.1:8470 a virtual phone on it
  bailiwick territory locate 45.36 36.47          which territory is this?
  bailiwick policy check policies/terms-2026-11.yaml`

// Main runs the command that args name and returns the exit status.
func Main(ctx context.Context, args []string, env Environment) int {
	exit, exited := exitOK, false
	parser, err := kong.New(&commands{},
		kong.Name("bailiwick"), kong.Description(description), kong.Vars{"server": defaultServer},
		kong.Writers(env.Stdout, env.Stderr),
		kong.Exit(func(code int) { exit, exited = code, true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
		kong.WithHyphenPrefixedParameters(true), // negative latitudes
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(env),
	)
	if err != nil {
		fmt.Fprintln(env.Stderr, "bailiwick:", err)
		return exitFailure
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exited {
		return exit
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "bailiwick: %v\nTry bailiwick --help, or --help after a command.\n", err)
		return exitUsage
	}
	if err := parsed.Run(); err != nil {
		return report(env.Stderr, err)
	}
	return exitOK
}

// usageError is a wrong command line that only the command itself could notice.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errSaid is returned by a command that has already told everything, and failed.
var errSaid = errors.New("failed")

func report(w io.Writer, err error) int {
	var usage usageError
	var known *authority.Error
	switch {
	case errors.Is(err, errSaid):
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(w, "bailiwick: stopped")
	case errors.As(err, &usage):
		fmt.Fprintf(w, "bailiwick: %v\n", err)
		return exitUsage
	case errors.As(err, &known) && known.Fix != "":
		fmt.Fprintf(w, "bailiwick: %v\n  %s\n", err, known.Fix)
	default:
		fmt.Fprintf(w, "bailiwick: %v\n", err)
	}
	return exitFailure
}

type versionCommand struct{}

func (versionCommand) Run(env Environment) error {
	version := "(development)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	_, err := fmt.Fprintln(env.Stdout, "bailiwick", version)
	return err
}
