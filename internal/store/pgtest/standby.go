package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// Standby makes a streaming standby of c by pg_basebackup, starts it, and has c wait for it with every commit from then on: what is acknowledged
// is on both. Stop must be called. Promote makes it a primary of its own.
func (c *Cluster) Standby() (*Cluster, error) {
	s := &Cluster{bin: c.bin, as: c.as}
	var err error
	if s.dir, err = os.MkdirTemp("/tmp", "bailiwick-pg-"); err != nil {
		return nil, err
	}
	if err := s.follow(c); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.Restart(); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	if err := c.awaitStandby(); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

const standbyName = "standby"

func (c *Cluster) follow(primary *Cluster) error {
	if c.as != nil {
		if err := os.Chown(c.dir, int(c.as.user), int(c.as.group)); err != nil {
			return fmt.Errorf("pgtest: %w", err)
		}
	}
	from := fmt.Sprintf("host=%s user=bailiwick application_name=%s", primary.dir, standbyName)
	if err := c.run("pg_basebackup", "-d", from, "-D", c.data(), "-R", "-X", "stream", "--checkpoint=fast", "--no-sync"); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "unix_socket_directories = '%s'\n", c.dir)
	return errors.Join(err, f.Close())
}

// run runs one of PostgreSQL's programs as who the server runs as.
func (c *Cluster) run(program string, args ...string) error {
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.Dir = c.dir
	cmd.SysProcAttr = attributes(c.as, 0)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgtest: %s: %w\n%s", program, err, out)
	}
	return nil
}

// awaitStandby makes every commit wait for the standby, once it streams.
func (c *Cluster) awaitStandby() error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	defer conn.Close(ctx)
	for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = '" + standbyName + "'", "SELECT pg_reload_conf()"} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("pgtest: %w", err)
		}
	}
	for {
		var there bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming')").Scan(&there); err != nil {
			return fmt.Errorf("pgtest: the standby does not stream: %w", err)
		}
		if there {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Promote makes a standby the primary, and returns when it takes writes.
func (c *Cluster) Promote() error { return c.run("pg_ctl", "promote", "-w", "-D", c.data()) }

// Hosts is how to reach a database, whose URL on one of several clusters is known, on whichever of them is the primary.
func Hosts(database string, clusters ...*Cluster) string {
	u, err := url.Parse(database)
	if err != nil {
		panic(err) // not one of URL's
	}
	hosts := ""
	for i, c := range clusters {
		if i > 0 {
			hosts += ","
		}
		hosts += c.dir
	}
	values := u.Query()
	values.Set("host", hosts)
	values.Set("target_session_attrs", "read-write")
	u.RawQuery = values.Encode()
	return u.String()
}
