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
	File string `arg:"" help:"CSV file; - reads standard input."`
}

func (custodyImportCommand) Help() string {
	return `The first line is ` + strings.Join(custody.Header, ",") + `.
Nothing is imported from a file with a fault; every fault is told with its line.

Examples:
  bailiwick custody import production.csv
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
		if info, err := f.Stat(); err != nil || info.IsDir() {
			return errors.Join(err, fmt.Errorf("%s is a folder: give a CSV file", c.File))
		}
		file = f
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
