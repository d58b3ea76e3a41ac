package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/bailiwick-dev/bailiwick/internal/custody"
	"github.com/bailiwick-dev/bailiwick/internal/web"
)

// importAnswer is an import as the server tells of it.
type importAnswer struct {
	Job   jobAnswer     `json:"job"`
	Place custody.Place `json:"place"`
}

// imported is the summary.
type imported struct {
	Job      int64  `json:"job"`
	Records  int64  `json:"records"`
	Rejected int64  `json:"rejected"`
	Resumed  bool   `json:"resumed"`
	Rejects  string `json:"rejects,omitempty"` // file of the lines that were left out
}

// importFile brings a file to the server in parts. What was imported before the import was cut short is read again, but not sent again, so
// that the file of rejects is always whole.
func (c *custodyImportCommand) importFile(ctx context.Context, env Environment) error {
	digest, size, faults, err := c.look(ctx)
	if err != nil {
		return err
	}
	if len(faults) > 0 && c.Rejects == "" {
		return fmt.Errorf("%w\n  Mend them, or import the other lines with --rejects FILE", custody.Faults(faults))
	}
	rejects, err := c.openRejects() // before the server hears of it: a name that is wrong begins nothing
	if err != nil {
		return err
	}
	var answer importAnswer
	question := map[string]any{"name": filepath.Base(c.File), "sha256": digest, "size": size}
	if _, err := c.ask(ctx, env, http.MethodPost, "/v1/imports", question, &answer); err != nil {
		return errors.Join(err, rejects.close())
	}
	summary := imported{Job: answer.Job.ID, Resumed: answer.Place.Offset > 0, Rejects: c.Rejects}
	err = c.bring(ctx, env, &answer, size, rejects)
	if err = errors.Join(err, rejects.close()); err != nil {
		return err
	}
	var result struct {
		Records  int64 `json:"records"`
		Rejected int64 `json:"rejected"`
	}
	if err := json.Unmarshal(answer.Job.Result, &result); err != nil {
		return err
	}
	summary.Records, summary.Rejected = result.Records, result.Rejected
	raw, err := json.Marshal(summary)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() {
		fmt.Fprintf(env.Stdout, "Imported %s.\n", web.Count(int(summary.Records), "production record", "production records"))
		if summary.Rejected > 0 {
			fmt.Fprintf(env.Stdout, "Left out: %s; %s has what is wrong with each.\n", web.Count(int(summary.Rejected), "line", "lines"), c.Rejects)
		}
	})
}

// look reads the file once: its digest and size, and its first faults.
func (c *custodyImportCommand) look(ctx context.Context) (digest string, size int64, faults []custody.Fault, err error) {
	f, err := os.Open(c.File)
	if err != nil {
		return "", 0, nil, err
	}
	defer f.Close()
	sum := sha256.New()
	counted := &counting{to: sum}
	errMany := errors.New("many faults")
	err = custody.Scan(ctx, io.TeeReader(f, counted), func(b *custody.Block) error {
		faults = append(faults, b.Faults...)
		if c.Rejects == "" && len(faults) >= custody.MaxFaults {
			faults = faults[:custody.MaxFaults]
			return errMany
		}
		faults = faults[:min(len(faults), custody.MaxFaults)]
		return nil
	})
	if errors.Is(err, errMany) {
		return "", 0, faults, nil
	}
	return hex.EncodeToString(sum.Sum(nil)), counted.n, faults, err
}

type counting struct {
	to io.Writer
	n  int64
}

func (c *counting) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return c.to.Write(b)
}

// bring sends what the server does not have yet.
func (c *custodyImportCommand) bring(ctx context.Context, env Environment, answer *importAnswer, size int64, rejects *rejects) error {
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	bar := newJobBar(ctx, env)
	defer bar.end()
	err = custody.Scan(ctx, f, func(b *custody.Block) error {
		if err := rejects.write(b); err != nil {
			return err
		}
		if b.End.Offset <= answer.Place.Offset {
			return nil
		}
		if err := c.sendLines(ctx, env, answer, b.End, len(b.Faults), bytes.Join(b.Text, []byte("\n"))); err != nil {
			return err
		}
		shown := answer.Job
		shown.Subject = filepath.Base(c.File)
		bar.show(&shown)
		return nil
	})
	if err == nil && answer.Place.Offset < size { // a file without records
		err = c.sendLines(ctx, env, answer, custody.Place{Offset: size, Line: answer.Place.Line + 1}, 0, nil)
	}
	return err
}

// sendLines brings the import from where it is to a place behind it.
func (c *custodyImportCommand) sendLines(ctx context.Context, env Environment, answer *importAnswer, to custody.Place, rejected int, lines []byte) error {
	question := map[string]any{"from": answer.Place, "to": to, "rejected": rejected, "lines": string(lines)}
	next := importAnswer{}
	if _, err := c.ask(ctx, env, http.MethodPost, fmt.Sprintf("/v1/imports/%d/rows", answer.Job.ID), question, &next); err != nil {
		if ctx.Err() != nil {
			return errors.New("stopped; run the same command again: it goes on where it is")
		}
		return fmt.Errorf("%w\n  Run the same command again: it goes on where it is", err)
	}
	*answer = next
	return nil
}

// rejects is the file of lines that were left out.
type rejects struct {
	file *os.File
	text *bufio.Writer
	csv  *csv.Writer
}

func (c *custodyImportCommand) openRejects() (*rejects, error) {
	if c.Rejects == "" {
		return &rejects{}, nil
	}
	if theirs, err := os.Stat(c.Rejects); err == nil {
		ours, err := os.Stat(c.File)
		if err != nil {
			return nil, err
		}
		if os.SameFile(ours, theirs) {
			return nil, usageError{fmt.Errorf("--rejects names the file that is imported, %s: name another one", c.File)}
		}
	}
	f, err := os.OpenFile(c.Rejects, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	r := &rejects{file: f, text: bufio.NewWriter(f)}
	r.csv = csv.NewWriter(r.text)
	return r, r.csv.Write([]string{"line", "reason", "text"})
}

func (r *rejects) write(b *custody.Block) error {
	if r.file == nil {
		return nil
	}
	for i, f := range b.Faults {
		if err := r.csv.Write([]string{strconv.Itoa(f.Line), f.Text, string(bytes.ToValidUTF8(b.Bad[i], []byte("\uFFFD")))}); err != nil {
			return err
		}
	}
	return nil
}

func (r *rejects) close() error {
	if r.file == nil {
		return nil
	}
	r.csv.Flush()
	return errors.Join(r.csv.Error(), r.text.Flush(), r.file.Close())
}
