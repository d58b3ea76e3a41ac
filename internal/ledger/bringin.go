package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bailiwick-dev/bailiwick/internal/durable"
)

// BringIn brings the ledger that a folder holds into the tables, as the leader of a term, and marks the folder: from then on the ledger goes on
// in the database alone. All entries are read, and their root has to be the one of the folder's checkpoint, which is published as it is. What a
// killed process has begun is gone on with. A folder that has no ledger, or is marked, is left alone.
func (l *Ledger) BringIn(ctx context.Context, office Office, dir string) (err error) {
	s, ok := l.kept.(*tableShelf)
	if !ok {
		return errors.New("ledger: only tables take in a ledger")
	}
	if _, err := os.Stat(filepath.Join(dir, keyName)); err != nil {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, movedName)); err == nil {
		return nil
	}
	opts := l.opts
	opts.Origin = l.origin
	folder, err := Open(ctx, dir, opts) // publishes what was sequenced and was not published yet
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close(context.WithoutCancel(ctx))) }()
	if folder.LogKey() != l.logKey {
		return fmt.Errorf("%w: the folder %s holds the ledger %s, and the keys are those of %s", ErrKey, dir, folder.LogKey(), l.logKey)
	}
	c, err := folder.newest(ctx)
	if err != nil {
		return err
	}
	tree, err := office.Settle(ctx)
	if err != nil {
		return err
	}
	if tree.Elsewhere {
		if err := s.copyFrom(ctx, office, folder, tree, c); err != nil {
			return err
		}
	} else if _, err := loadEdge(ctx, s.tables, Tree{Size: c.size, Root: c.root}); err != nil {
		return fmt.Errorf("ledger: the database does not hold what the folder %s does: %w", dir, err)
	}
	text := "The ledger of this folder is in PostgreSQL: start the server with --database. What lies here is a copy as of then.\n"
	if err := durable.WriteFile(filepath.Join(dir, movedName), []byte(text), 0o600); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// copyFrom appends what the tables do not have yet, up to the checkpoint c.
func (s *tableShelf) copyFrom(ctx context.Context, office Office, folder *Ledger, tree Tree, c *checkpoint) error {
	e, err := loadEdge(ctx, s.tables, tree)
	if err != nil {
		return err
	}
	for e.tree.End() < c.size {
		from := e.tree.End()
		var leaves [][]byte
		err := folder.Entries(ctx, from, min(c.size, from+growMost), func(_ uint64, leaf []byte) error {
			leaves = append(leaves, leaf)
			return nil
		})
		if err != nil {
			return err
		}
		g, next, err := e.grown(leaves)
		if err != nil {
			return err
		}
		if err := office.Grow(ctx, g); err != nil {
			return err
		}
		e = next
	}
	if root, err := rootOf(e.tree); err != nil || root != c.root || e.tree.End() != c.size {
		return fmt.Errorf("%w: the entries of the folder, or what the database has of them, do not come to the root of the folder's checkpoint; nothing was published (%v)", ErrCorrupted, err)
	}
	return office.Publish(ctx, c.size, c.raw)
}
