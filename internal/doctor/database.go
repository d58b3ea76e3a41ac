package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/jobs/riverqueue"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
)

// maxSkew is how far two clocks may be apart before evidence and deadlines suffer.
const maxSkew = 30 * time.Second

// database looks at PostgreSQL, in one read-only transaction.
func (x *examination) database(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	config, err := pgx.ParseConfig(x.Database)
	if err != nil {
		x.found("database", Fault, "the address cannot be read", "write it as postgres://USER@HOST:PORT/DATABASE; the password may stand in PGPASSWORD or ~/.pgpass")
		return
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		x.found("database", Fault, "cannot connect: "+err.Error(), "see that it runs and is reached; docs/operations.md, PostgreSQL: When it is away")
		return
	}
	defer c.Close(context.WithoutCancel(ctx))
	tx, err := c.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		x.found("database", Fault, err.Error(), "")
		return
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // nothing was written
	var s settings
	before := x.Now()
	err = tx.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('fsync'), current_setting('full_page_writes'),
		current_setting('synchronous_commit'), current_setting('synchronous_standby_names'), current_setting('server_encoding'),
		pg_is_in_recovery(), current_setting('default_transaction_read_only'), current_setting('max_connections')::int,
		current_setting('superuser_reserved_connections')::int, clock_timestamp(), pg_database_size(current_database())`).Scan(
		&s.version, &s.fsync, &s.pages, &s.commit, &s.standbys, &s.encoding, &s.standby, &s.readOnly, &s.connections, &s.reserved, &s.now, &s.bytes)
	if err != nil {
		x.found("database", Fault, err.Error(), "")
		return
	}
	after := x.Now()
	x.durability(s)
	x.skew("database.clock", "the database", s.now, before, after)
	var tables bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass('schema_step') IS NOT NULL").Scan(&tables); err != nil || !tables {
		x.found("database.records", Warning, "there are no records in this database yet", "start the server with it, or name another one")
		return
	}
	x.inUse(ctx, tx, s)
}

// settings are those of a server that matter.
type settings struct {
	version, connections, reserved                     int
	fsync, pages, commit, standbys, encoding, readOnly string
	standby                                            bool
	now                                                time.Time
	bytes                                              int64
}

// durability: what was acknowledged must survive a crash, and the primary must be the one that answers.
func (x *examination) durability(s settings) {
	switch {
	case s.version < 15_00_00:
		x.found("database.version", Fault, fmt.Sprintf("PostgreSQL %d", s.version/10000), "15 or later is needed")
	default:
		x.found("database.version", OK, fmt.Sprintf("PostgreSQL %d.%d, %.1f GB in this database", s.version/10000, s.version%10000, float64(s.bytes)/1e9), "")
	}
	if s.fsync != "on" || s.pages != "on" {
		x.found("database.durability", Fault, fmt.Sprintf("fsync is %s, full_page_writes is %s", s.fsync, s.pages), "set both to on: a crash could lose what was acknowledged, and no server starts")
	} else if s.commit != "on" && s.commit != "remote_apply" {
		x.found("database.durability", OK, "fsync and full_page_writes are on; synchronous_commit is "+s.commit+", which servers overrule for their connections", "")
	} else {
		x.found("database.durability", OK, "fsync and full_page_writes are on, synchronous_commit is "+s.commit, "")
	}
	if s.encoding != "UTF8" {
		x.found("database.encoding", Fault, "the encoding is "+s.encoding, "make a database with ENCODING 'UTF8'")
	}
	switch {
	case s.standby:
		x.found("database.primary", Fault, "this is a standby: nothing can be written", "name the primary, or several hosts with target_session_attrs=read-write")
	case s.readOnly == "on":
		x.found("database.primary", Fault, "default_transaction_read_only is on", "set it to off")
	case s.standbys == "":
		x.found("database.primary", OK, "this is the primary; no standby is synchronous (one that is promoted may lack the last check-ins)", "")
	default:
		x.found("database.primary", OK, "this is the primary; synchronous standbys: "+s.standbys, "")
	}
}

// inUse: connections, servers, orders.
func (x *examination) inUse(ctx context.Context, tx pgx.Tx, s settings) {
	var used, servers, pending int
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'").Scan(&used); err != nil {
		x.found("database.connections", Unknown, err.Error(), "")
		return
	}
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM server WHERE seen_at > clock_timestamp() - interval '1 minute'").Scan(&servers); err != nil {
		x.found("database.servers", Unknown, err.Error(), "bring the database to this release's schema: start a server of it")
		return
	}
	room, each := s.connections-s.reserved, postgres.Options{}.Connections()+riverqueue.Options{}.Connections()
	detail := fmt.Sprintf("%d of %d are used; a server of this machine's size takes up to %d, and %d run", used, room, each, servers)
	switch {
	case used >= room:
		x.found("database.connections", Fault, detail, "raise max_connections, or end other clients")
	case room < each*max(servers, 1) || room-used < each/2:
		x.found("database.connections", Warning, detail, "raise max_connections before you start another server")
	default:
		x.found("database.connections", OK, detail, "")
	}
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM (SELECT 1 FROM orders WHERE leaf_index IS NULL LIMIT 100001) AS waiting").Scan(&pending); err != nil {
		x.found("orders.pending", Unknown, err.Error(), "")
	} else if pending > 100_000 {
		x.found("orders.pending", Warning, "more than 100,000 orders wait for the ledger", "see in the leader's log why they do not get there")
	} else {
		x.found("orders.pending", OK, fmt.Sprintf("orders that wait for the ledger: %d", pending), "")
	}
}

// skew holds a clock that was read between before and after to this machine's.
func (x *examination) skew(check, whose string, read, before, after time.Time) {
	early, late := before.Sub(read), read.Sub(after) // either is positive when the clocks differ for sure
	by := max(early, late, 0).Round(time.Millisecond)
	switch {
	case by > maxSkew:
		x.found(check, Fault, fmt.Sprintf("the clocks of %s and of this machine are %v apart", whose, by), "set them by NTP: deadlines, epochs and signatures go by them")
	case by > time.Second:
		x.found(check, Warning, fmt.Sprintf("the clocks of %s and of this machine are %v apart", whose, by), "see that NTP runs on both")
	default:
		x.found(check, OK, fmt.Sprintf("the clock of %s agrees with this machine's", whose), "")
	}
}
