package ledger

import "context"

// Sequenced is how many entries the tree has, published or not.
func (l *Ledger) Sequenced(ctx context.Context) (uint64, error) { return l.kept.IntegratedSize(ctx) }
