package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"
)

const defaultServer = "http://127.0.0.1:8470"

// login is what the login command keeps for the others, readable by its user alone.
type login struct {
	Server string `json:"server"`
	Name   string `json:"name"`
	Token  string `json:"token"`
}

// officerFlags are those of every command that acts as an officer.
type officerFlags struct {
	Server string `help:"The server; the one of the last login when left out." env:"BAILIWICK_SERVER" placeholder:"URL"`
	Token  string `help:"Session token; the one of the last login when left out." env:"BAILIWICK_TOKEN" placeholder:"TOKEN"`
	JSON   bool   `name:"json" help:"Write JSON, as the server gave it."`
}

// uploadTimeout is longer than a server gives an upload.
const uploadTimeout = 15 * time.Minute

// large reports whether a request or its answer may be large: production records, and proposals, which carry lists of devices.
func large(path, mediaType string) bool {
	return mediaType == "text/csv" || path == pathProposals || strings.HasSuffix(path, "/warrants") || strings.HasSuffix(path, "/proposal")
}

// ask makes a request as the officer; answer gets the decoded JSON, and raw the text.
func (f *officerFlags) ask(ctx context.Context, env Environment, method, path string, question, answer any) (raw json.RawMessage, err error) {
	if question == nil {
		return f.send(ctx, env, method, path, "", nil, answer)
	}
	text, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	return f.send(ctx, env, method, path, "application/json", bytes.NewReader(text), answer)
}

// send makes a request with a body of any kind. An upload may take its time; everything else is answered within a minute.
func (f *officerFlags) send(ctx context.Context, env Environment, method, path, mediaType string, body io.Reader, answer any) (raw json.RawMessage, err error) {
	_, raw, err = f.exchange(ctx, env, method, path, mediaType, body, answer)
	return raw, err
}

// exchange is send with the headers of the answer.
func (f *officerFlags) exchange(ctx context.Context, env Environment, method, path, mediaType string, body io.Reader, answer any) (header http.Header, raw json.RawMessage, err error) {
	kept, err := readLogin(env)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	server, token := kept.Server, kept.Token
	if f.Server != "" && strings.TrimRight(f.Server, "/") != server {
		server, token = f.Server, ""
	}
	if f.Token != "" {
		token = f.Token
	}
	if server == "" {
		server = defaultServer
	}
	if server, err = serverAddress(server); err != nil {
		return nil, nil, err
	}
	if token == "" {
		return nil, nil, fmt.Errorf("you are not logged in to %s\n  Log in with: bailiwick login --server %s NAME", server, server)
	}
	client := &http.Client{Timeout: time.Minute}
	if large(path, mediaType) {
		client.Timeout = uploadTimeout
	}
	if header, err = exchange(ctx, client, method, server+path, token, mediaType, body, &raw); err != nil {
		var refused *problem
		if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
			return nil, nil, fmt.Errorf("%w\n  Log in again with: bailiwick login --server %s NAME", err, server)
		}
		return nil, nil, err
	}
	if answer != nil && len(raw) > 0 {
		return header, raw, json.Unmarshal(raw, answer)
	}
	return header, raw, nil
}

// serverTime asks the server what time it is there.
func (f *officerFlags) serverTime(ctx context.Context, env Environment) (time.Time, error) {
	var overview struct {
		At time.Time `json:"at"`
	}
	_, err := f.ask(ctx, env, http.MethodGet, "/v1/overview", nil, &overview)
	return overview.At, err
}

// show prints the server's JSON, or what people read.
func (f *officerFlags) show(env Environment, raw json.RawMessage, people func()) error {
	if !f.JSON {
		people()
		return nil
	}
	var pretty bytes.Buffer
	if len(raw) == 0 {
		raw = json.RawMessage("{}")
	}
	if err := json.Indent(&pretty, raw, "", "  "); err != nil {
		return err
	}
	_, err := fmt.Fprintln(env.Stdout, pretty.String())
	return err
}

func loginFile(env Environment) (string, error) {
	if dir := env.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "bailiwick", "login.json"), nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "bailiwick", "login.json"), nil
}

func readLogin(env Environment) (l login, err error) {
	file, err := loginFile(env)
	if err != nil {
		return l, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return l, fmt.Errorf("%s: %w (delete it and log in again)", file, err)
	}
	return l, nil
}

type loginCommand struct {
	Name   string `arg:"" help:"Your name as an officer."`
	Server string `help:"The server." default:"${server}" env:"BAILIWICK_SERVER"`
}

func (loginCommand) Help() string {
	return `Asks for the password, or reads it from standard input. A one-time password has to be changed: the new one is asked for, or is the second line.

Examples:
  bailiwick login admin
  bailiwick login --server https://trust.example.com officer-one < password.txt`
}

func (c *loginCommand) Run(ctx context.Context, env Environment) error {
	server, err := serverAddress(c.Server)
	if err != nil {
		return err
	}
	ask := passwords(ctx, env)
	password, err := ask("Password: ")
	if err != nil {
		return err
	}
	session, err := begin(ctx, server, c.Name, password)
	if err != nil {
		return err
	}
	if session.Officer.MustChange {
		chosen, err := ask("That was a one-time password. Choose a new one: ")
		if err != nil {
			return err
		}
		change := map[string]string{"old": password, "new": chosen}
		if err := callJSON(ctx, &http.Client{Timeout: time.Minute}, http.MethodPost, server+"/v1/password", session.Token, change, nil); err != nil {
			return err
		}
		if session, err = begin(ctx, server, c.Name, chosen); err != nil {
			return err
		}
	}
	file, err := loginFile(env)
	if err != nil {
		return err
	}
	text, err := json.Marshal(login{Server: server, Name: c.Name, Token: session.Token})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "Logged in to %s as %s (%s).\n", server, c.Name, session.Officer.Role)
	return err
}

type sessionAnswer struct {
	Token   string `json:"token"`
	Officer struct {
		Role       string `json:"role"`
		MustChange bool   `json:"must_change_password"`
	} `json:"officer"`
}

func begin(ctx context.Context, server, name, password string) (s sessionAnswer, err error) {
	question := map[string]string{"name": name, "password": password}
	return s, callJSON(ctx, &http.Client{Timeout: time.Minute}, http.MethodPost, server+"/v1/login", "", question, &s)
}

// passwords returns a function that asks on a terminal without showing what is typed, or reads lines elsewhere.
func passwords(ctx context.Context, env Environment) func(prompt string) (string, error) {
	if f, ok := env.Stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return func(prompt string) (string, error) {
			fmt.Fprint(env.Stderr, prompt)
			text, err := readPassword(ctx, int(f.Fd()))
			fmt.Fprintln(env.Stderr)
			return text, err
		}
	}
	lines := bufio.NewScanner(interruptible(ctx, env.Stdin))
	lines.Buffer(nil, 4<<10)
	return func(prompt string) (string, error) {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return "", err
			}
			return "", fmt.Errorf("standard input has no line for %q", strings.TrimSuffix(prompt, ": "))
		}
		return strings.TrimRight(lines.Text(), "\r"), nil
	}
}

// readPassword reads a line that is not shown. Ctrl-C ends it, and the terminal shows again what is typed.
func readPassword(ctx context.Context, terminal int) (string, error) {
	before, err := term.GetState(terminal)
	if err != nil {
		return "", err
	}
	type line struct {
		text []byte
		err  error
	}
	typed := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(terminal)
		typed <- line{text, err}
	}()
	select {
	case l := <-typed:
		return string(l.text), l.err
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(terminal, before))
	}
}

type logoutCommand struct{ officerFlags }

func (logoutCommand) Help() string {
	return `Examples:
  bailiwick logout`
}

func (c *logoutCommand) Run(ctx context.Context, env Environment) error {
	raw, err := c.ask(ctx, env, http.MethodPost, "/v1/logout", struct{}{}, nil)
	if err != nil {
		return err
	}
	file, err := loginFile(env)
	if err != nil {
		return err
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return c.show(env, raw, func() { fmt.Fprintln(env.Stdout, "Logged out.") })
}
