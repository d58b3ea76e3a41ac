package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/bailiwick-dev/bailiwick/internal/custody"
)

type custodyCommand struct {
	Import custodyImportCommand `cmd:"" help:"Add or replace production records from a CSV file."`
}

func (custodyCommand) Help() string {
	return `Examples:
  bailiwick custody import production.csv`
}

type custodyImportCommand struct {
	officerFlags
	File    string `arg:"" help:"CSV file; - reads standard input."`
	Rejects string `help:"Import the good lines and write the others, with their numbers and faults, to this file." type:"path" placeholder:"FILE"`
}

func (custodyImportCommand) Help() string {
	return `The first line is ` + strings.Join(custody.Header, ",") + `.
Nothing is imported from a file with a fault, and its faults are told with their lines; with --rejects the other lines are imported, and the faulty ones
written to a file. A file is brought in parts. When that is cut short, by whatever, the same command goes on where it was. Standard input, which
cannot be read again, is taken whole or not at all.

Examples:
  bailiwick custody import production.csv
  bailiwick custody import production.csv --rejects rejects.csv
  zcat production.csv.gz | bailiwick custody import -`
}

func (c *custodyImportCommand) Run(ctx context.Context, env Environment) (err error) {
	file := interruptible(ctx, env.Stdin)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil || info.IsDir() {
			return errors.Join(err, fmt.Errorf("%s is a folder: give a CSV file", c.File))
		}
		if info.Mode().IsRegular() {
			return c.importFile(ctx, env)
		}
		file = f // a pipe by name
	}
	if c.Rejects != "" {
		return usageError{errors.New("--rejects needs a file that can be read twice, not a pipe")}
	}
	var imported struct {
		Records int `json:"records"`
	}
	raw, err := c.send(ctx, env, http.MethodPost, "/v1/production", "text/csv", file, &imported)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() { fmt.Fprintf(env.Stdout, "Imported %d production records.\n", imported.Records) })
}
