package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// prompter asks people on a terminal, or reads lines elsewhere. One command has one, since lines are read ahead.
type prompter struct {
	ctx      context.Context
	env      Environment
	terminal int // file descriptor; -1 when there is no terminal
	lines    *bufio.Scanner
}

func newPrompter(ctx context.Context, env Environment) *prompter {
	p := &prompter{ctx: ctx, env: env, terminal: -1}
	if f, ok := env.Stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.terminal = int(f.Fd())
	}
	p.lines = bufio.NewScanner(interruptible(ctx, env.Stdin))
	p.lines.Buffer(nil, 4<<10)
	return p
}

// secret asks for a line that is not shown.
func (p *prompter) secret(prompt string) (string, error) {
	if p.terminal < 0 {
		return p.line(prompt)
	}
	fmt.Fprint(p.env.Stderr, prompt)
	text, err := readPassword(p.ctx, p.terminal)
	fmt.Fprintln(p.env.Stderr)
	return text, err
}

// line asks for a line that may be seen.
func (p *prompter) line(prompt string) (string, error) {
	if p.terminal >= 0 {
		fmt.Fprint(p.env.Stderr, prompt)
	}
	if !p.lines.Scan() {
		if err := p.lines.Err(); err != nil {
			return "", err
		}
		return "", fmt.Errorf("standard input has no line for %q", strings.TrimSuffix(prompt, ": "))
	}
	return strings.TrimRight(p.lines.Text(), "\r"), nil
}

// errDeclined is what came of a question that was not answered with yes.
var errDeclined = errors.New("not signed: the question was not answered with yes")

// confirm goes on only after "yes".
func (p *prompter) confirm(question string) error {
	answer, err := p.line(question + " (yes or no): ")
	if err != nil {
		return fmt.Errorf("%w\n  Answer with yes, or give --yes when you have read what is signed", err)
	}
	if strings.TrimSpace(strings.ToLower(answer)) != "yes" {
		return errDeclined
	}
	return nil
}

// maxPassphrase bounds a passphrase, in bytes.
const maxPassphrase = 1 << 10

// passphraseFile reads a passphrase that a file holds in its first line.
func passphraseFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPassphrase+1))
	if err != nil {
		return nil, err
	}
	phrase, _, _ := strings.Cut(string(text), "\n")
	phrase = strings.TrimSuffix(phrase, "\r")
	if phrase == "" || len(text) > maxPassphrase {
		return nil, fmt.Errorf("%s holds no passphrase: write one into its first line", name)
	}
	return []byte(phrase), nil
}
