package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// session is one connection and, if it may write, its row in the table receipt. One goroutine uses a session at a time. The connection
// is made when it is needed, and again after it was lost.
type session struct {
	config *pgx.ConnConfig
	conn   *pgx.Conn // nil or closed when there is none
	member *member   // nil when it only reads
	slot   int
	server int64 // the number under which it has written
	number int64 // of its last transaction
}

// ready connects unless there is a connection, and takes over the server's present number. Nothing may be in doubt.
func (s *session) ready(ctx context.Context) error {
	if err := s.connect(ctx); err != nil || s.member == nil {
		return err
	}
	server, err := s.member.number(ctx, s.conn)
	if err == nil && server != s.server {
		s.server, s.number = server, 0
	}
	return s.hurt(err)
}

// hurt closes the connection if err says that it is of no use: it may lead to a server that is not the primary any more.
func (s *session) hurt(err error) error {
	if err != nil && sort(err) == lost {
		s.drop()
	}
	return err
}

func (s *session) connect(ctx context.Context) error {
	if s.conn != nil && !s.conn.IsClosed() {
		return nil
	}
	c, err := pgx.ConnectConfig(ctx, s.config)
	if err != nil {
		return err
	}
	s.conn = c
	return nil
}

// drop closes the connection: the server rolls back whatever was open on it.
func (s *session) drop() {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.conn.Close(ctx) // it is given up either way
	s.conn = nil
}

// tidy ends the transaction that is open, if any, so that the session can be used again.
func (s *session) tidy(ctx context.Context) {
	if s.conn == nil || s.conn.IsClosed() || s.conn.PgConn().TxStatus() == 'I' {
		return
	}
	if _, err := s.conn.Exec(ctx, "ROLLBACK"); err != nil {
		s.drop()
	}
}

const (
	fileReceipt = "UPDATE receipt SET number = $3 WHERE server = $1 AND slot = $2 AND fenced_at IS NULL"
	// It writes, so that what it finds is on the synchronous standby, too, when it returns: a commit that waits for the standby and is
	// broken off there is visible on the primary, and would be lost with it.
	readReceipt = "UPDATE receipt SET number = number WHERE server = $1 AND slot = $2 RETURNING number"
)

// file queues the receipt of the transaction that begins or is open. Its row stays locked until the transaction ends: who fences this
// server waits for it, and so does who asks what became of it.
func (s *session) file(b *pgx.Batch) {
	s.number++
	server := s.server
	b.Queue(fileReceipt, server, s.slot, s.number).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 0 {
			s.member.gone(server)
			return errFenced
		}
		return nil
	})
}

// commit sends the last statements of a transaction, which may be none, and its COMMIT. Sure is false when the connection was lost on
// the way: then the receipt has to be asked.
func (s *session) commit(ctx context.Context, b *pgx.Batch) (sure bool, err error) {
	committed := ""
	b.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		committed = tag.String()
		return nil
	})
	err = s.conn.SendBatch(ctx, b).Close()
	var e *pgconn.PgError
	switch {
	case err == nil && committed == "COMMIT":
		return true, nil
	case err == nil: // it answers ROLLBACK when a statement before had failed
		return true, fmt.Errorf("the transaction was ended with %s", committed)
	case errors.As(err, &e) && e.Code[:2] != "08" && (e.Code[:2] != "57" || e.Code == "57014"):
		return true, err
	}
	// Shutting down, a server may answer with an error (57P01) when the commit is in its log already.
	s.drop()
	return false, err
}

// committed asks, on a new connection, whether the last transaction was committed. It waits for the server to be done with it. A receipt
// that is not there at all is that of a server that registered on a primary that failed: what it wrote later is not there either.
func (s *session) committed(ctx context.Context) (bool, error) {
	if err := s.connect(ctx); err != nil {
		return false, err
	}
	var number int64
	err := s.conn.QueryRow(ctx, readReceipt, s.server, s.slot).Scan(&number)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		s.member.gone(s.server)
		return false, nil
	case err != nil:
		s.drop()
		return false, err
	}
	return number == s.number, nil
}
