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
	term   int64
	slot   int   // 0: only reads
	number int64 // of its last transaction
}

// ready connects unless there is a connection.
func (s *session) ready(ctx context.Context) error {
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
	fileReceipt = "UPDATE receipt SET number = $3 WHERE term = $1 AND slot = $2 AND NOT fenced"
	readReceipt = "SELECT number FROM receipt WHERE term = $1 AND slot = $2 FOR UPDATE"
)

// file queues the receipt of the transaction that begins or is open. Its row stays locked until the transaction ends: who fences this
// server waits for it, and so does who asks what became of it.
func (s *session) file(b *pgx.Batch) {
	s.number++
	b.Queue(fileReceipt, s.term, s.slot, s.number).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 0 {
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

// committed asks, on a new connection, whether the last transaction was committed. It waits for the server to be done with it.
func (s *session) committed(ctx context.Context) (bool, error) {
	if err := s.ready(ctx); err != nil {
		return false, err
	}
	var number int64
	if err := s.conn.QueryRow(ctx, readReceipt, s.term, s.slot).Scan(&number); err != nil {
		s.drop()
		return false, err
	}
	return number == s.number, nil
}
