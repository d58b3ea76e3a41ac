package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// ask makes a request as the officer; answer gets the decoded JSON, and raw the text.
func (f *officerFlags) ask(ctx context.Context, env Environment, method, path string, question, answer any) (raw json.RawMessage, err error) {
	kept, err := readLogin(env)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	server, token := kept.Server, kept.Token
	if f.Server != "" && f.Server != server {
		server, token = f.Server, ""
	}
	if f.Token != "" {
		token = f.Token
	}
	if server == "" {
		server = defaultServer
	}
	if token == "" {
		return nil, fmt.Errorf("you are not logged in to %s\n  Log in with: bailiwick login --server %s NAME", server, server)
	}
	client := &http.Client{Timeout: time.Minute}
	if err := callJSON(ctx, client, method, strings.TrimSuffix(server, "/")+path, token, question, &raw); err != nil {
		var refused *problem
		if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
			return nil, fmt.Errorf("%w\n  Log in again with: bailiwick login --server %s NAME", err, server)
		}
		return nil, err
	}
	if answer != nil && len(raw) > 0 {
		return raw, json.Unmarshal(raw, answer)
	}
	return raw, nil
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
	ask := passwords(env)
	password, err := ask("Password: ")
	if err != nil {
		return err
	}
	server := strings.TrimSuffix(c.Server, "/")
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
		if err := callJSON(ctx, http.DefaultClient, http.MethodPost, server+"/v1/password", session.Token, change, nil); err != nil {
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
	return s, callJSON(ctx, http.DefaultClient, http.MethodPost, server+"/v1/login", "", question, &s)
}

// passwords returns a function that asks on a terminal without showing what is typed, or reads lines elsewhere.
func passwords(env Environment) func(prompt string) (string, error) {
	if f, ok := env.Stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return func(prompt string) (string, error) {
			fmt.Fprint(env.Stderr, prompt)
			text, err := term.ReadPassword(int(f.Fd()))
			fmt.Fprintln(env.Stderr)
			return string(text), err
		}
	}
	lines := bufio.NewScanner(env.Stdin)
	return func(prompt string) (string, error) {
		if !lines.Scan() {
			return "", errors.Join(fmt.Errorf("%sstandard input has no more lines", strings.ToLower(prompt)), lines.Err())
		}
		return strings.TrimRight(lines.Text(), "\r"), nil
	}
}

type logoutCommand struct{ officerFlags }

func (c *logoutCommand) Run(ctx context.Context, env Environment) error {
	if _, err := c.ask(ctx, env, http.MethodPost, "/v1/logout", struct{}{}, nil); err != nil {
		return err
	}
	file, err := loginFile(env)
	if err != nil {
		return err
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	_, err = fmt.Fprintln(env.Stdout, "Logged out.")
	return err
}
