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
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

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
	return Environment{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now, Terminal: drawable(os.Stderr)}
}

// drawable reports whether f is a terminal that has room for a bar; some say that they have no columns.
func drawable(f *os.File) bool {
	columns, _, err := term.GetSize(int(f.Fd()))
	return err == nil && columns >= 40
}

type commands struct {
	VersionFlag kong.VersionFlag `name:"version" help:"Print the version." hidden:""`

	Demo        demoCommand        `cmd:"" help:"Watch the main job from end to end: thousands of agents, sixty simulated days, a server to explore."`
	Serve       serveCommand       `cmd:"" help:"Run the authority: device endpoints, console, owner page, public ledger."`
	Device      deviceCommand      `cmd:"" help:"Run a virtual phone: a real agent with a screen in your browser."`
	Territory   territoryCommand   `cmd:"" help:"Ask where a place, a network or an address is."`
	Policy      policyCommand      `cmd:"" help:"Check and compare policies; propose, sign and publish them."`
	Ledger      ledgerCommand      `cmd:"" help:"Check the public ledger, count it again, explain an order."`
	Witness     witnessCommand     `cmd:"" help:"Run a witness, which cosigns ledgers that have one history only."`
	Drill       drillCommand       `cmd:"" help:"Attack and strain this system, to see that its promises hold."`
	Store       storeCommand       `cmd:"" help:"Move a fleet's records to PostgreSQL; print the tables for engines that spread them."`
	Escrow      escrowCommand      `cmd:"" help:"Keep a way out for when the maker is gone: split the unlock master, join it, make codes."`
	Backup      backupCommand      `cmd:"" help:"Copy records and ledger into one file while the server goes on."`
	Restore     restoreCommand     `cmd:"" help:"Put a backup back into a new folder, verified, and so that the ledger cannot fork."`
	Doctor      doctorCommand      `cmd:"" help:"Look a server over: folder, database, ledger, clocks, keys; and say what to do."`
	Healthcheck healthcheckCommand `cmd:"" help:"Ask a server whether it is ready, for containers."`
	Bench       benchCommand       `cmd:"" help:"Measure this system on this machine, each row beside its bound."`
	Fleet       fleetCommand       `cmd:"" help:"Strain a sandbox with a fleet's check-ins."`
	Version     versionCommand     `cmd:"" help:"Print the version."`

	Login       loginCommand       `cmd:"" group:"officers" help:"Log in to a server as an officer, for the commands below."`
	Logout      logoutCommand      `cmd:"" group:"officers" help:"End the login."`
	Find        findCommand        `cmd:"" group:"officers" help:"Show what is known of a device, and why it is restricted or not."`
	Devices     devicesCommand     `cmd:"" group:"officers" help:"List enrolled devices by territory, stage, consignment or model."`
	UnlockCode  unlockCodeCommand  `cmd:"" group:"officers" help:"Give out a code that lifts a device's lock without a network."`
	UnlockCodes unlockCodesCommand `cmd:"" group:"officers" help:"Hold unlock codes given out against codes used."`
	Licence     licenceCommand     `cmd:"" group:"officers" help:"Attach an individual licence of the policy to a device, or take it away."`
	Erase       eraseCommand       `cmd:"" group:"officers" help:"Forget what a device told of its owner, at the owner's request."`
	Appeal      appealCommand      `cmd:"" group:"officers" help:"Read owners' appeals and answer them."`
	Wave        waveCommand        `cmd:"" group:"officers" help:"Look at proposed locks, approve or reject them."`
	Case        caseCommand        `cmd:"" group:"officers" help:"Investigate a consignment: open a case, hold by warrant, conclude and release."`
	Warrant     warrantCommand     `cmd:"" group:"officers" help:"Draft, sign and publish the warrant of a case."`
	Job         jobCommand         `cmd:"" group:"officers" help:"Look at long work on the server, wait for it, or call it off."`
	Custody     custodyCommand     `cmd:"" group:"officers" help:"Import production records."`
	Officer     officerCommand     `cmd:"" group:"officers" help:"Officers' keys and signatures; and who may log in."`
}

const description = `Decides in which territories a device may be provided, tells its owner in time, and enforces it in a way that the owner, the
public and a court can check.

Examples:
  bailiwick demo                                  the main job, end to end, with a server to explore
  bailiwick serve --sandbox                       a server of your own, for trying things out
  bailiwick device                                a virtual phone on it
  bailiwick territory locate 45.36 36.47          which territory is this?
  bailiwick policy check policies/terms-2026-11.yaml`

// Main runs the command that args name and returns the exit status.
func Main(ctx context.Context, args []string, env Environment) int {
	exit, exited := exitOK, false
	parser, err := kong.New(&commands{},
		kong.Name("bailiwick"), kong.Description(description), kong.Vars{"server": defaultServer, "version": "bailiwick " + version()},
		kong.Groups{"officers": "Commands of officers (most of them after bailiwick login):"},
		kong.Writers(env.Stdout, env.Stderr),
		kong.Exit(func(code int) { exit, exited = code, true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(env),
	)
	if err != nil {
		fmt.Fprintln(env.Stderr, "bailiwick:", err)
		return exitFailure
	}
	parsed, err := parser.Parse(rewrite(args))
	if exited {
		return exit
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "bailiwick: %v\nTry: %s --help\n", err, attempted(err))
		return exitUsage
	}
	if err := parsed.Run(); err != nil {
		return report(env.Stderr, err)
	}
	return exitOK
}

// rewrite lets `bailiwick` alone and `bailiwick help COMMAND` show help, and keeps the parser from taking a negative latitude
// for a flag: with a space in front it is an argument like any other, and coordinate trims it.
func rewrite(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(append([]string{}, args[1:]...), "--help")
	case len(args) < 2 || args[0] != "territory" || args[1] != "locate":
		return args
	}
	out := append([]string{}, args...)
	for i, arg := range out {
		if len(arg) > 1 && arg[0] == '-' && (arg[1] == '.' || arg[1] >= '0' && arg[1] <= '9') {
			out[i] = " " + arg
		}
	}
	return out
}

// attempted is as much of the command as could be read.
func attempted(err error) string {
	command := "bailiwick"
	var failed *kong.ParseError
	if errors.As(err, &failed) && failed.Context != nil {
		for _, step := range failed.Context.Path {
			if step.Command != nil {
				command += " " + step.Command.Name
			}
		}
	}
	return command
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
		fmt.Fprintf(w, "bailiwick: %s\n", plain(err))
		return exitUsage
	case errors.As(err, &known) && known.Fix != "":
		fmt.Fprintf(w, "bailiwick: %s\n  %s\n", plain(err), known.Fix)
	default:
		fmt.Fprintf(w, "bailiwick: %s\n", plain(err))
	}
	return exitFailure
}

// plain is an error without the name of the package that it came from, which tells people nothing.
func plain(err error) string {
	text := err.Error()
	for _, name := range []string{"territory: ", "sqlite: ", "postgres: ", "move: ", "verifier: ", "custody: ", "device: ", "ledger: ", "witness: "} {
		text = strings.TrimPrefix(text, name)
	}
	for _, name := range []string{"tufrepo: ", "targets: "} { // these stand behind the name of a file
		text = strings.ReplaceAll(text, name, "")
	}
	return text
}

type versionCommand struct{}

func (versionCommand) Help() string {
	return `Examples:
  bailiwick version`
}

func (versionCommand) Run(env Environment) error {
	_, err := fmt.Fprintln(env.Stdout, "bailiwick", version())
	return err
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(development)"
}
