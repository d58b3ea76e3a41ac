// Command bailiwick decides where devices may be provided, tells their owners in time, and shows the public what was
// ordered. `bailiwick --help` lists what it can do; `bailiwick demo` shows the main job from end to end.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/bailiwick-dev/bailiwick/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once what does not end by itself
	os.Exit(cli.Main(ctx, os.Args[1:], cli.System()))
}
