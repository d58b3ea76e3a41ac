package cli

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// options are those of Main that matter for parsing.
func parser(t *testing.T) *kong.Kong {
	t.Helper()
	k, err := kong.New(&commands{}, kong.Vars{"server": defaultServer, "version": "test"}, kong.Groups{"officers": "Officers"})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func run(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, faults bytes.Buffer
	status = Main(context.Background(), args, Environment{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &faults, Getenv: func(string) string { return t.TempDir() }, Now: time.Now,
	})
	return out.String(), faults.String(), status
}

var (
	example = regexp.MustCompile(`^ +(bailiwick .*)$`)
	// Two spaces begin a remark, and a shell's characters end a command.
	afterCommand = regexp.MustCompile(`  +.*| [|<>&].*`)
	word         = regexp.MustCompile(`"[^"]*"|\S+`)
)

// TestHelp reads the help of every command: it has examples, which the parser takes, and each flag says what it is.
func TestHelp(t *testing.T) {
	k := parser(t)
	nodes := slices.Clone(k.Model.Leaves(false))
	for _, leaf := range k.Model.Leaves(false) {
		if leaf.Parent.Type == kong.CommandNode && !slices.Contains(nodes, leaf.Parent) {
			nodes = append(nodes, leaf.Parent)
		}
	}
	if len(nodes) < 25 {
		t.Fatalf("only %d commands", len(nodes))
	}
	t.Chdir(t.TempDir())
	for _, file := range []string{"factory-roots.pem", "my-policy.yaml", "passphrase.txt", "ada.key", "bela.key", "ada.pub", "bela.pub", "cleo.pub", "dora.pub", "bench.json", "from-ada.json", "from-bela.json",
		"bailiwick.backup", "full.backup", "newest-checkpoint.txt"} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("copy-of-metadata", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes {
		path := strings.Fields(node.FullPath())[1:]
		command := append(slices.DeleteFunc(path, func(s string) bool { return strings.ContainsAny(s, "<[") }), "--help")
		help, faults, status := run(t, command...)
		if status != exitOK || faults != "" {
			t.Errorf("%v: status %d, %s", command, status, faults)
		}
		_, examples, found := strings.Cut(help, "Examples:\n")
		if !found {
			t.Errorf("%v has no examples", command)
		}
		checkExamples(t, examples)
		for _, flag := range node.Flags {
			if flag.Help == "" {
				t.Errorf("%v: --%s says nothing", command, flag.Name)
			}
		}
		for _, argument := range node.Positional {
			if argument.Help == "" {
				t.Errorf("%v: <%s> says nothing", command, argument.Name)
			}
		}
	}
	help, _, _ := run(t)
	_, examples, _ := strings.Cut(help, "Examples:\n")
	checkExamples(t, examples)
}

func checkExamples(t *testing.T, text string) {
	t.Helper()
	text = strings.ReplaceAll(text, "\\\n", "")
	taken := 0
	for line := range strings.Lines(text) {
		m := example.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			if strings.TrimSpace(line) == "" {
				continue
			}
			break
		}
		words := word.FindAllString(afterCommand.ReplaceAllString(collapse(m[1]), ""), -1)
		for i := range words {
			words[i] = strings.Trim(words[i], `"`)
		}
		if _, err := parser(t).Parse(rewrite(words[1:])); err != nil {
			t.Errorf("the example %q is refused: %v", m[1], err)
		}
		taken++
	}
	if taken == 0 {
		t.Errorf("no example in %q", text)
	}
}

// collapse takes the indentation of a continued line out.
func collapse(s string) string {
	before, after, found := strings.Cut(s, "    --")
	if !found {
		return s
	}
	return strings.TrimRight(before, " ") + " --" + after
}

func TestRewriteKeepsFlags(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{nil, []string{"--help"}},
		{[]string{"help"}, []string{"--help"}},
		{[]string{"help", "wave", "list"}, []string{"wave", "list", "--help"}},
		{[]string{"territory", "locate", "-1", "--json", "-.5", "-h"}, []string{"territory", "locate", " -1", "--json", " -.5", "-h"}},
		{[]string{"wave", "show", "-1"}, []string{"wave", "show", "-1"}},
	} {
		before := slices.Clone(c.in)
		if got := rewrite(c.in); !slices.Equal(got, c.want) {
			t.Errorf("rewrite(%q) = %q, want %q", c.in, got, c.want)
		}
		if !slices.Equal(c.in, before) {
			t.Errorf("rewrite changed %q to %q", before, c.in)
		}
	}
}

func TestInterruptibleEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { w.Close(); r.Close() }()
	in := interruptible(ctx, r)
	if _, err := w.WriteString("12"); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1)
	for _, want := range []string{"1", "2"} {
		if n, err := in.Read(buffer); err != nil || string(buffer[:n]) != want {
			t.Fatalf("read %q, %v; want %s", buffer[:n], err, want)
		}
	}
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := in.Read(buffer); err != context.Canceled {
		t.Fatalf("the read ended with %v", err)
	}
	if _, err := in.Read(buffer); err != context.Canceled {
		t.Fatalf("the next read ended with %v", err)
	}
}

func TestOneLine(t *testing.T) {
	if got := oneLine("a\x1b[2Jb\n c\t"); got != "a [2Jb c" {
		t.Errorf("oneLine gives %q", got)
	}
	if got := []rune(oneLine(strings.Repeat("ä", 200))); len(got) != maxCell {
		t.Errorf("oneLine leaves %d characters", len(got))
	}
}
