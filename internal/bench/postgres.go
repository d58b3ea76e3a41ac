package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

// cluster is the PostgreSQL of a run.
type cluster struct {
	own    *pgtest.Cluster // nil when somebody named one
	url    func(database string) (string, error)
	number int
}

// database makes an empty database and returns its URL and what drops it. It fails with leftOut when there is no PostgreSQL.
func (s *session) database(ctx context.Context) (address string, drop func() error, err error) {
	if s.cluster == nil {
		if s.cluster, err = s.reach(); err != nil {
			return "", nil, err
		}
	}
	c := s.cluster
	c.number++
	name := fmt.Sprint("bailiwick_bench_", c.number)
	if err := c.command(ctx, "DROP DATABASE IF EXISTS "+name, "CREATE DATABASE "+name+" ENCODING 'UTF8' TEMPLATE template0"); err != nil {
		return "", nil, err
	}
	address, err = c.url(name)
	return address, func() error { return c.command(context.WithoutCancel(ctx), "DROP DATABASE "+name+" WITH (FORCE)") }, err
}

func (s *session) reach() (*cluster, error) {
	if s.Database != "" {
		return &cluster{url: func(name string) (string, error) { return withDatabase(s.Database, name) }}, nil
	}
	s.Progress.Stage("starting PostgreSQL", 0)
	own, err := pgtest.Start("shared_buffers = 1GB", "max_wal_size = 4GB")
	if err != nil {
		return nil, leftOut("no PostgreSQL: " + strings.TrimPrefix(err.Error(), "pgtest: ") + "; or name one with --database")
	}
	return &cluster{own: own, url: func(name string) (string, error) { return own.URL(name), nil }}, nil
}

// withDatabase is the address of another database on the same server.
func withDatabase(address, name string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", errors.New("write the database as postgres://USER@HOST:PORT/DATABASE; the password may stand in PGPASSWORD or ~/.pgpass")
	}
	u.Path = "/" + name
	return u.String(), nil
}

// command runs statements outside of a transaction, in the database that is always there.
func (c *cluster) command(ctx context.Context, statements ...string) error {
	address, err := c.url("postgres")
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	for _, statement := range statements {
		if _, err = conn.Exec(ctx, statement); err != nil {
			err = fmt.Errorf("PostgreSQL: %s: %w", statement, err)
			break
		}
	}
	return errors.Join(err, conn.Close(ctx))
}

func (c *cluster) stop() error {
	if c.own == nil {
		return nil
	}
	return c.own.Stop()
}
