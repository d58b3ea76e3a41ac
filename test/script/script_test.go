// Package script tells the stories of bailiwick's commands, as people type them: what they print, where, and with which exit
// status. Each file in testdata is a story (github.com/rogpeppe/go-internal/testscript); the commands run in processes of
// their own, from this very test binary.
package script

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bailiwick-dev/bailiwick/internal/cli"
)

// patience bounds every wait, and every story, on a machine that is busy with others.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bailiwick": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(cli.Main(ctx, os.Args[1:], cli.System()))
	}})
}

func TestStories(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("ROOT", root)
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "config"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "waitfor": waitFor, "fetch": fetch, "press": press, "signal": sendSignal,
			"shaped": shaped, "sameoutcome": sameOutcome, "manylines": manyLines, "countlines": countLines, "crlf": crlf, "password": passwordLines, "private": private,
			"made": made, "underway": underWay, "rejected": rejected,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(2 * patience),
	})
}

// exits STATUS COMMAND ARGUMENTS... runs a command that must end with this very status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND ARGUMENTS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// waitfor FILE PATTERN [VARIABLE...] waits until a file, which a command in the background writes, has what the pattern looks
// for, and sets the variables to the pattern's groups.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: waitfor FILE PATTERN [VARIABLE...]")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	if pattern.NumSubexp() != len(args)-2 {
		ts.Fatalf("%d groups for %d variables", pattern.NumSubexp(), len(args)-2)
	}
	poll(ts, func() error {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err != nil {
			return err
		}
		groups := pattern.FindSubmatch(text)
		if groups == nil {
			return fmt.Errorf("%s has no %s:\n%s", args[0], args[1], text)
		}
		for i, name := range args[2:] {
			ts.Setenv(name, string(groups[i+1]))
		}
		return nil
	})
}

func poll(ts *testscript.TestScript, try func() error) {
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("waited for %v: %v", patience, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// fetch [STATUS] URL gets a page; stdout then looks at it. The status is 200 when left out. It waits for a listener that is not
// up yet; "! fetch URL" wants none to answer.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	want := http.StatusOK
	if len(args) == 2 {
		n, err := strconv.Atoi(args[0])
		ts.Check(err)
		want, args = n, args[1:]
	}
	if len(args) != 1 {
		ts.Fatalf("usage: fetch [STATUS] URL")
	}
	client := &http.Client{Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	if neg {
		if response, err := client.Get(args[0]); err == nil {
			response.Body.Close()
			ts.Fatalf("%s still answers", args[0])
		}
		return
	}
	poll(ts, func() error {
		response, err := client.Get(args[0])
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != want {
			ts.Fatalf("%s answers %s, want %d", args[0], response.Status, want)
		}
		_, err = io.Copy(ts.Stdout(), io.LimitReader(response.Body, 4<<20))
		return err
	})
}

// press URL sends the form of a button there, without fields, as a browser does.
func press(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: press URL")
	}
	client := &http.Client{Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.PostForm(args[0], nil)
	ts.Check(err)
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		ts.Fatalf("%s answers %s", args[0], response.Status)
	}
}

// signal TERM|INT|KILL PIDFILE sends a signal to the process whose number a file has.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}
	if neg || len(args) != 2 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal TERM|INT|KILL PIDFILE")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[1])))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, signals[args[0]]))
}

// shaped FILE SHAPE checks that JSON has all the fields of another document, each of the same kind.
func shaped(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: shaped FILE SHAPE")
	}
	if missing := missingFields("", decode(ts, args[1]), decode(ts, args[0])); len(missing) > 0 {
		ts.Fatalf("%s lacks %s", args[0], strings.Join(missing, ", "))
	}
}

func decode(ts *testscript.TestScript, file string) (v any) {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(file)))
	if err := d.Decode(&v); err != nil {
		ts.Fatalf("%s is no JSON: %v", file, err)
	}
	if _, err := d.Token(); err != io.EOF {
		ts.Fatalf("%s has something after the JSON", file)
	}
	return v
}

func missingFields(at string, want, got any) (missing []string) {
	if reflect.TypeOf(want) != reflect.TypeOf(got) {
		return []string{fmt.Sprintf("%s as %T, it is %T", at, want, got)}
	}
	switch want := want.(type) {
	case map[string]any:
		for name, value := range want {
			field, ok := got.(map[string]any)[name]
			if !ok {
				missing = append(missing, at+"."+name)
				continue
			}
			missing = append(missing, missingFields(at+"."+name, value, field)...)
		}
	case []any:
		if len(want) == 0 {
			return nil
		}
		if len(got.([]any)) == 0 {
			return []string{at + "[0]"}
		}
		for i, element := range got.([]any) {
			missing = append(missing, missingFields(fmt.Sprintf("%s[%d]", at, i), want[0], element)...)
		}
	}
	slices.Sort(missing)
	return missing
}

// sameoutcome FILE FILE compares two reports of the demo, but for the seconds that they took.
func sameOutcome(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: sameoutcome FILE FILE")
	}
	var reports [2]map[string]any
	for i, file := range args {
		report, ok := decode(ts, file).(map[string]any)
		if !ok {
			ts.Fatalf("%s is no report", file)
		}
		delete(report, "seconds")
		reports[i] = report
	}
	if same := reflect.DeepEqual(reports[0], reports[1]); same == neg {
		ts.Fatalf("same outcome: %v\n%v\n%v", same, reports[0], reports[1])
	}
}

// manylines N LINE FILE writes a line N times.
func manyLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: manylines N LINE FILE")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.Repeat(args[1]+"\n", n)), 0o644))
}

// countlines N FILE checks how many lines a file has.
func countLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: countlines N FILE")
	}
	if got := strings.Count(ts.ReadFile(args[1]), "\n"); strconv.Itoa(got) != args[0] {
		ts.Fatalf("%s has %d lines, want %s", args[1], got, args[0])
	}
}

// crlf FILE COPY copies a text with the line ends of other systems.
func crlf(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: crlf FILE COPY")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.ReplaceAll(ts.ReadFile(args[0]), "\n", "\r\n")), 0o644))
}

// password FILE LINE... writes what somebody would type.
func passwordLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: password FILE LINE...")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(args[1:], "\n")+"\n"), 0o600))
}

// private FILE checks that its owner alone can read a file.
func private(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: private FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if info.Mode().Perm()&0o077 != 0 {
		ts.Fatalf("%s is %v", args[0], info.Mode())
	}
}
