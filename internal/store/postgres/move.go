package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var (
	// ErrInUse says that somebody else works on the database.
	ErrInUse = errors.New("the database is in use")
	// ErrMoving says that records are on their way into the database, and not all of them are there.
	ErrMoving = errors.New("records are being moved into this database, and not all are there")
	// ErrMoved says that the move of these very records into the database came to its end.
	ErrMoved = errors.New("the records have been moved into this database")
	// ErrOccupied says that the database has records already.
	ErrOccupied = errors.New("the database has records already")
)

// closing is how long a connection is given to say good-bye.
const closing = 2 * time.Second

// serversOwn are the tables that say who runs on a database and how: they hold nothing of the fleet.
// The ledger is brought in by the first server that starts on the database with the data folder.
var serversOwn = []string{"schema_step", "server", "receipt", "leader", "belongs", "move", "ledger", "ledger_tile", "ledger_bundle"}

// ServersOwn reports whether a table says who runs on a database, and so has no counterpart in a data folder.
func ServersOwn(table string) bool {
	return slices.Contains(serversOwn, table) || strings.HasPrefix(table, "river_") // the queue that hands work to a server
}

// Move is a database into which somebody moves the records of a data folder. As long as the table move is there no server starts on it,
// also when the process that moves is gone: the next one goes on. It is dropped with the end of the move.
type Move struct {
	config *pgx.ConnConfig
	conn   *pgx.Conn // with the row of the table move locked, so that one process at a time moves
	tx     pgx.Tx
	// Resumed says that an earlier process began it.
	Resumed bool
}

// BeginMove brings the database to the newest schema and begins to move into it the records that belong to a ledger, or goes on with it.
// It fails with ErrInUse while a server runs on the database or somebody else moves, with ErrOccupied when other records are there, and with
// ErrMoved when the move came to its end.
func BeginMove(ctx context.Context, url, ledger string) (_ *Move, err error) {
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	set(config, "application_name", "bailiwick store copy")
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0" // this connection waits with a row locked
	m := &Move{config: config}
	if m.conn, err = pgx.ConnectConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("postgres: cannot connect: %w%s", err, advice(err))
	}
	defer func() {
		if err != nil {
			m.Close()
		}
	}()
	if err := (&DB{config: config}).examine(ctx, m.conn); err != nil {
		return nil, err
	}
	if err := migrate(ctx, m.conn, migrations, newPassage(nil)); err != nil {
		return nil, err
	}
	if err := pgx.BeginFunc(ctx, m.conn, func(tx pgx.Tx) error { return m.begin(ctx, tx, ledger) }); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if m.tx, err = m.conn.Begin(ctx); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	// One that was killed is let go of when the server notices, which takes a moment.
	for _, statement := range []string{"SET LOCAL lock_timeout = '5s'", "SELECT FROM move FOR UPDATE", "SET LOCAL lock_timeout = 0"} {
		if _, err = m.tx.Exec(ctx, statement); err != nil {
			break
		}
	}
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "55P03" {
		return nil, fmt.Errorf("postgres: %w: another bailiwick store copy moves records into it", ErrInUse)
	} else if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return m, nil
}

// begin marks the database, unless an earlier process did. It keeps servers from registering meanwhile: either they come first, and are seen
// here, or they see the mark.
func (m *Move) begin(ctx context.Context, tx pgx.Tx, ledger string) error {
	if _, err := tx.Exec(ctx, "LOCK TABLE server IN SHARE ROW EXCLUSIVE MODE"); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, "SELECT holder FROM server WHERE seen_at > clock_timestamp() - $1 * interval '1 ms' ORDER BY started_at", silence.Milliseconds())
	if err != nil {
		return err
	}
	if living, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return err
	} else if len(living) > 0 {
		return fmt.Errorf("%w: servers run on it (%s); stop them first, or name an empty database", ErrInUse, strings.Join(living, "; "))
	}
	var bound string
	err = tx.QueryRow(ctx, "SELECT ledger FROM belongs").Scan(&bound)
	switch {
	case err == nil && bound == ledger:
		return ErrMoved
	case err == nil:
		return fmt.Errorf("%w: those of the ledger %s; name an empty database", ErrOccupied, bound)
	case !errors.Is(err, pgx.ErrNoRows):
		return err
	}
	if moving, err := isMoving(ctx, tx); err != nil {
		return err
	} else if moving {
		m.Resumed = true
		var whose string
		if err := tx.QueryRow(ctx, "SELECT ledger FROM move").Scan(&whose); err != nil {
			return err
		}
		if whose != ledger {
			return fmt.Errorf("%w: those of the ledger %s are being moved into it; name an empty database", ErrOccupied, whose)
		}
		return nil
	}
	if err := empty(ctx, tx); err != nil {
		return err
	}
	// A server that is only paused must not write any more.
	for _, statement := range []string{"UPDATE receipt SET fenced_at = clock_timestamp() WHERE fenced_at IS NULL", "DELETE FROM server",
		`CREATE TABLE move (one boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one), ledger text NOT NULL, began_at timestamptz NOT NULL DEFAULT now())`} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, "INSERT INTO move (ledger) VALUES ($1)", ledger)
	return err
}

// empty refuses a database in which a fleet has left anything.
func empty(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename")
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	var begun bool
	if err := tx.QueryRow(ctx, "SELECT size > 0 OR checkpoint IS NOT NULL FROM ledger").Scan(&begun); err != nil {
		return err
	}
	if begun {
		return fmt.Errorf("%w: it holds a ledger; name an empty database", ErrOccupied)
	}
	for _, name := range names {
		if ServersOwn(name) {
			continue
		}
		var some bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+pgx.Identifier{name}.Sanitize()+")").Scan(&some); err != nil {
			return err
		}
		if some {
			return fmt.Errorf("%w: the table %s is not empty; name an empty database", ErrOccupied, name)
		}
	}
	return nil
}

func isMoving(ctx context.Context, tx pgx.Tx) (moving bool, err error) {
	err = tx.QueryRow(ctx, "SELECT to_regclass(quote_ident(current_schema()) || '.move') IS NOT NULL").Scan(&moving)
	return moving, err
}

// noMove refuses to let a server run on records that are not all there.
func noMove(ctx context.Context, tx pgx.Tx) error {
	moving, err := isMoving(ctx, tx)
	if err == nil && moving {
		err = fmt.Errorf("%w: let bailiwick store copy come to its end first (or, to give the move up, drop this database: the data folder goes on)", ErrMoving)
	}
	return err
}

// Connect opens a connection for copying. What it commits may be lost when the server crashes, until Finish has returned; then all of
// it is durable.
func (m *Move) Connect(ctx context.Context) (*pgx.Conn, error) {
	config := m.config.Copy()
	config.RuntimeParams["synchronous_commit"] = "off"
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("postgres: cannot connect: %w%s", err, advice(err))
	}
	return c, nil
}

// Where says where the database is, without a password.
func (m *Move) Where() string {
	where := fmt.Sprintf("%s:%d", m.config.Host, m.config.Port)
	if strings.HasPrefix(m.config.Host, "/") {
		where = m.config.Host
	}
	return fmt.Sprintf("the database %s on %s", m.config.Database, where)
}

// Finish lets last do what remains, gives the records to their ledger, and opens the database to servers, all at once and durably.
func (m *Move) Finish(ctx context.Context, ledger string, last func(pgx.Tx) error) error {
	if err := last(m.tx); err != nil {
		return err
	}
	if _, err := m.tx.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', true)
		WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')`); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if _, err := m.tx.Exec(ctx, "INSERT INTO belongs (ledger) VALUES ($1)", ledger); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	for _, statement := range []string{
		// The ledger is in the folder, and the next server that starts with it brings it in. The trigger refuses this for one that is here.
		"ALTER TABLE ledger DISABLE TRIGGER ledger_grows",
		"UPDATE ledger SET elsewhere = true WHERE size = 0 AND checkpoint IS NULL",
		"ALTER TABLE ledger ENABLE TRIGGER ledger_grows",
		"DROP TABLE move",
	} {
		if _, err := m.tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
	}
	if err := m.tx.Commit(ctx); err != nil {
		return fmt.Errorf("postgres: the end of the move was not confirmed; run the command again, which finds out: %w", err)
	}
	return nil
}

// Close lets go of the database. A move that is not finished stays begun.
func (m *Move) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	_ = m.conn.Close(ctx) // the server rolls back what is open on it
}
