package authority

import (
	"context"
	"errors"

	"github.com/bailiwick-dev/bailiwick/order"
)

// Overview returns the state of the whole fleet.
func (s *Service) Overview(ctx context.Context) (*Overview, error) {
	now := s.now()
	book, err := s.book(ctx, now)
	if err != nil {
		return nil, err
	}
	o := &Overview{At: now, Totals: make(map[order.Stage]int), LedgerOrigin: s.cfg.Trust.Origin,
		Founded: book.signed.founded(), SignaturesEnd: book.signed.ending(now), SignsHere: s.cfg.Signer != nil}
	if e := book.edition; e != nil {
		o.Policy, o.PolicyTitle = e.document, e.policy.Title
		for _, w := range e.policy.Check(now).Warnings {
			o.PolicyWarnings = append(o.PolicyWarnings, w.Message)
		}
	}
	if o.LedgerSize, err = s.cfg.Ledger.Size(ctx); err != nil {
		return nil, ErrLedgerUnavailable.because(err)
	}
	before := *o
	err = s.view(ctx, func(tx Tx) error {
		*o = before // it may run again
		clear(o.Totals)
		t := &turn{s: s, tx: tx, now: now}
		return errors.Join(o.countDevices(tx), o.listWork(t, book))
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

func (o *Overview) countDevices(tx Tx) (err error) {
	if o.Devices, err = tx.CountDevices(); err != nil {
		return err
	}
	if o.Stages, err = tx.StageCounts(); err != nil {
		return err
	}
	for _, c := range o.Stages {
		o.Totals[c.Stage] += c.Devices
	}
	pending, err := tx.PendingOrders(maxListing)
	o.PendingOrders = len(pending)
	return err
}

// listWork lists what waits for a human.
func (o *Overview) listWork(t *turn, b *book) error {
	wave, err := t.tx.OpenWave()
	if none, err := absent(err); err != nil {
		return err
	} else if !none {
		o.OpenWave = wave
	}
	appeals, err := t.tx.Appeals(AppealOpen, maxListing)
	if err != nil {
		return err
	}
	for _, a := range appeals {
		if t.now.After(a.DueAt) {
			o.AppealsOverdue++
		}
	}
	if o.OpenAppeals, err = t.appealRows(b, appeals[:min(len(appeals), 20)]); err != nil {
		return err
	}
	cases, err := t.tx.Cases(maxListing)
	if err != nil {
		return err
	}
	for _, c := range cases {
		if c.State != CaseConcluded && len(o.Cases) < 20 {
			o.Cases = append(o.Cases, c)
		}
	}
	o.Recent, err = t.tx.RecentEvents(200)
	return err
}
