package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/escrow"
	"github.com/bailiwick-dev/bailiwick/internal/escrowpage"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

// kitFlag opens a kit.
type kitFlag struct {
	Kit  string `help:"The kit, as escrow join wrote it. Its passphrase is asked for, or read from standard input." xor:"kit" required:"" type:"path" placeholder:"KIT"`
	Data string `help:"Instead of a kit: a server's data folder that still has its unlock master, for when only the records are lost." xor:"kit" required:"" type:"path" placeholder:"DIR"`
}

func (k *kitFlag) open(ctx context.Context, env Environment) (*escrow.Kit, error) {
	if k.Data != "" {
		master, err := readMaster(k.Data)
		return escrow.KitOf(master, k.Data, env.Now()), err
	}
	f, err := os.Open(k.Kit)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	phrase, err := passwords(ctx, env)("Passphrase of the kit: ")
	if err != nil {
		return nil, err
	}
	return escrow.OpenKit(f, phrase)
}

type escrowUnlockCommand struct {
	kitFlag
	Number    string `arg:"" help:"Device number on the locked screen: eight groups of six digits, in quotes, in any script."`
	Challenge string `arg:"" help:"The eight digits to answer, in any script."`
	Counter   string `help:"Count on the locked screen. When left out, the codes to try are given, likeliest first." placeholder:"N"`
	JSON      bool   `name:"json" help:"Print JSON."`
}

func (escrowUnlockCommand) Help() string {
	return `The locked screen shows device number, challenge and count under "Unlock code".

Examples:
  bailiwick escrow unlock --kit kit.age "211519 005665 011319 016973 022627 028281 033935 720885" "4711 0815" --counter 0`
}

func (c *escrowUnlockCommand) Run(ctx context.Context, env Environment) error {
	ask, err := readQuestion(c.Number, c.Challenge, c.Counter)
	if err != nil {
		return usageError{err}
	}
	kit, err := c.open(ctx, env)
	if err != nil {
		return err
	}
	codes, err := ask.codes(kit)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(env.Stdout, map[string]any{"device": ask.device, "codes": codes})
	}
	fmt.Fprintln(env.Stdout, unlock.Group(codes[0]))
	if len(codes) > 1 {
		fmt.Fprintln(env.Stdout, "If the phone says that it is wrong, wait as it asks, and try one after the other:")
		for _, code := range codes[1:] {
			fmt.Fprintln(env.Stdout, "  ", unlock.Group(code))
		}
	}
	return nil
}

// question is what a locked screen shows.
type question struct {
	device    device.ID
	challenge string
	counters  []uint64
}

func readQuestion(number, challenge, counter string) (q question, err error) {
	if q.device, err = device.ParseNumber(number); err != nil {
		return q, err
	}
	if q.challenge, err = unlock.Normalise(challenge); err != nil {
		return q, fmt.Errorf("the challenge: %w", err)
	}
	if strings.TrimSpace(counter) == "" {
		q.counters = escrow.Unknown()
		return q, nil
	}
	n, err := escrowpage.ParseCounter(counter)
	q.counters = []uint64{n}
	return q, err
}

// codes answers it, once for each counter.
func (q question) codes(kit *escrow.Kit) (codes []string, err error) {
	for _, n := range q.counters {
		code, err := kit.Code(q.device, n, q.challenge)
		if err != nil {
			return nil, err
		}
		codes = append(codes, code)
	}
	return codes, nil
}

// maxBatch bounds a list, in bytes: a million screens fit.
const maxBatch = 128 << 20

type escrowBatchCommand struct {
	kitFlag
	File string `arg:"" help:"CSV with the columns device_number, challenge and, if known, counter." type:"path"`
	Out  string `short:"o" help:"CSV to write: the lines as they came, with the codes. An existing file is never replaced. Standard output when left out." type:"path" placeholder:"FILE"`
}

func (escrowBatchCommand) Help() string {
	return `Each line gets its codes, likeliest first when its count is not known, or a word on what is mistyped in it. The command fails when there was such a line.

Examples:
  bailiwick escrow batch --kit kit.age screens.csv -o codes.csv`
}

func (c *escrowBatchCommand) Run(ctx context.Context, env Environment) error {
	rows, err := readScreens(c.File)
	if err != nil {
		return err
	}
	kit, err := c.open(ctx, env)
	if err != nil {
		return err
	}
	var text strings.Builder
	wrong, err := answerScreens(ctx, kit, rows, &text)
	if err != nil {
		return err
	}
	if c.Out == "" {
		_, err = io.WriteString(env.Stdout, text.String())
	} else {
		err = writeSecret(c.Out, []byte(text.String()))
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(env.Stderr, "%d screens, %d answered.\n", len(rows), len(rows)-wrong)
	if wrong > 0 {
		return fmt.Errorf("%d lines are mistyped; the column error says how", wrong)
	}
	return nil
}

// readScreens reads the list: number, challenge and counter of each line.
func readScreens(file string) (rows [][3]string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(io.LimitReader(f, maxBatch))
	r.FieldsPerRecord = -1
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	at := [3]int{-1, -1, -1}
	for i, name := range head {
		switch strings.ToLower(strings.Trim(name, " \ufeff")) {
		case "device_number":
			at[0] = i
		case "challenge":
			at[1] = i
		case "counter":
			at[2] = i
		}
	}
	if at[0] < 0 || at[1] < 0 {
		return nil, fmt.Errorf("%s: the first line names the columns device_number, challenge and, if known, counter", file)
	}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		var row [3]string
		for i, column := range at {
			if column >= 0 && column < len(record) {
				row[i] = record[column]
			}
		}
		rows = append(rows, row)
	}
}

// answerScreens writes the list with its codes, and counts the lines that cannot be answered.
func answerScreens(ctx context.Context, kit *escrow.Kit, rows [][3]string, to io.Writer) (wrong int, err error) {
	w := csv.NewWriter(to)
	head := []string{"device_number", "challenge", "counter", "code"}
	for i := 1; i < escrow.MaxTries; i++ {
		head = append(head, "then_"+strconv.Itoa(i))
	}
	if err := w.Write(append(head, "error")); err != nil {
		return 0, err
	}
	for _, row := range rows {
		if err := ctx.Err(); err != nil {
			return wrong, err
		}
		line := append(row[:], make([]string, escrow.MaxTries+1)...)
		q, err := readQuestion(row[0], row[1], row[2])
		if err == nil {
			var codes []string
			codes, err = q.codes(kit)
			copy(line[3:], codes)
		}
		if err != nil {
			wrong++
			line[len(line)-1] = plain(err)
		}
		if err := w.Write(line); err != nil {
			return wrong, err
		}
	}
	w.Flush()
	return wrong, w.Error()
}

type escrowServeCommand struct {
	kitFlag
	Listen string `help:"Address and port of the page, on this machine's loopback." default:"127.0.0.1:0" placeholder:"HOST:PORT"`
}

func (escrowServeCommand) Help() string {
	return `Volunteers type what a caller reads off a locked screen, in any script, and read out the code. The page speaks several languages, needs no network, keeps nothing,
and is reached from this machine alone.

Examples:
  bailiwick escrow serve --kit kit.age`
}

func (c *escrowServeCommand) Run(ctx context.Context, env Environment) error {
	host, _, err := net.SplitHostPort(c.Listen)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return usageError{fmt.Errorf("--listen %s is not on this machine's loopback: whoever reached the page could make codes", c.Listen)}
	}
	kit, err := c.open(ctx, env)
	if err != nil {
		return err
	}
	handler, err := escrowpage.New(kit, env.Now)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w (choose another with --listen)", c.Listen, err)
	}
	fmt.Fprintf(env.Stdout, "Codes for the phones of %s are made at http://%s/. Stop with Ctrl-C.\n", oneLine(kit.Server), listener.Addr())
	return servePage(ctx, listener, handler)
}
