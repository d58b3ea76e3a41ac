package pgtest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// beKilled makes the test binary a process that starts a server and waits to be killed.
const beKilled = "BAILIWICK_TEST_BE_KILLED"

func TestMain(m *testing.M) {
	if os.Getenv(beKilled) == "" {
		Main(m)
	}
	c, err := Start()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(c.dir)
	select {}
}

// TestServerEndsWithItsStarter: nothing stays behind when tests are killed with SIGKILL and cannot tidy up.
func TestServerEndsWithItsStarter(t *testing.T) {
	starter := exec.Command(os.Args[0])
	starter.Env = append(os.Environ(), beKilled+"=1")
	out, err := starter.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := starter.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	c := &Cluster{dir: strings.TrimSpace(line)}
	defer os.RemoveAll(c.dir)
	answers := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, c.URL("postgres"))
		if err == nil {
			err = conn.Close(ctx)
		}
		return err
	}
	if err := answers(); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if err := starter.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = starter.Wait()
	for deadline := time.Now().Add(20 * time.Second); answers() == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server runs on")
		}
	}
}

func TestKilledServerComesBack(t *testing.T) {
	c := Shared(t)
	url := c.Database(t)
	run := func(statement string) error {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			return err
		}
		defer conn.Close(t.Context())
		_, err = conn.Exec(t.Context(), statement)
		return err
	}
	if err := run("CREATE TABLE kept (x int)"); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := run("SELECT 1"); err == nil {
		t.Fatal("it was killed and answers")
	}
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := run("INSERT INTO kept VALUES (1)"); err != nil {
		t.Error(err)
	}
}

// A standby has what its primary acknowledged, and takes writes once it is promoted.
func TestStandbyTakesOver(t *testing.T) {
	primary, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	defer primary.Stop()
	standby, err := primary.Standby()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := standby.Stop(); err != nil {
			t.Error(err)
		}
	}()
	run := func(statement string) error {
		conn, err := pgx.Connect(t.Context(), Hosts(primary.URL("postgres"), primary, standby))
		if err != nil {
			return err
		}
		defer conn.Close(t.Context())
		_, err = conn.Exec(t.Context(), statement)
		return err
	}
	if err := run("CREATE TABLE kept AS SELECT 1 AS x"); err != nil {
		t.Fatal(err)
	}
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := run("SELECT 1"); err == nil {
		t.Error("a standby that was not promoted counts as a primary")
	}
	if err := standby.Promote(); err != nil {
		t.Fatal(err)
	}
	if err := run("INSERT INTO kept SELECT x FROM kept"); err != nil {
		t.Error(err)
	}
}
