package authority

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
)

// owner is what a person without a login shows: the IMEI, and the reference that only the screen tells.
type owner struct {
	imei      device.IMEI
	reference string
}

// readOwner reads what was typed. What cannot be an IMEI or a reference is said so; whether they are known is not.
func readOwner(imei, reference string) (*owner, error) {
	i, err := device.ParseIMEI(imei)
	if err != nil {
		return nil, &Error{Kind: Invalid, Name: "imei-mistyped", Detail: "this is no IMEI", Fix: "dial *#06# or look at the screen; it has 15 digits", Err: err}
	}
	r, err := order.ParseReference(reference)
	if err != nil {
		return nil, &Error{Kind: Invalid, Name: "reference-mistyped", Detail: "this is no reference", Fix: "type the 8 characters as the screen shows them", Err: err}
	}
	return &owner{i, r}, nil
}

// find returns the device and the restriction that both fit, or ErrNoMatch for either. It reads as much for an unknown IMEI as for
// a known one, and compares in constant time.
func (o *owner) find(tx Tx) (*Device, *Restriction, error) {
	d, err := tx.DeviceByIMEI(o.imei)
	none, err := absent(err)
	if err != nil {
		return nil, nil, err
	}
	if none {
		d = &Device{}
	}
	restrictions, err := tx.Restrictions(d.ID)
	if err != nil {
		return nil, nil, err
	}
	var found *Restriction
	for _, r := range restrictions {
		if subtle.ConstantTimeCompare([]byte(r.Reference), []byte(o.reference)) == 1 {
			found = r
		}
	}
	if found == nil || none {
		return nil, nil, ErrNoMatch
	}
	return d, found, nil
}

// OwnerLook shows an owner one restriction of their device with everything that supports it. Wrong IMEI and wrong reference are one
// error.
func (s *Service) OwnerLook(ctx context.Context, imei, reference string) (*OwnerView, error) {
	owner, err := readOwner(imei, reference)
	if err != nil {
		return nil, err
	}
	now := s.now()
	e, err := s.inForce(ctx, now)
	if err != nil && !errors.Is(err, ErrNoPolicy) {
		return nil, err
	}
	var view *OwnerView
	err = s.view(ctx, func(tx Tx) error {
		d, r, err := owner.find(tx)
		if err != nil {
			return err
		}
		view = &OwnerView{
			Model: d.Model, Reference: r.Reference, Stage: r.Stage, Ground: r.Ground, Territory: r.Territory, Days: d.Days,
			NoticedAt: r.NoticedAt, Deadline: r.Deadline, EffectAt: r.EffectAt, EndsAt: r.EndsAt, ShownDays: r.ShownDays,
			NeededDays: order.MinShownDays, LiftedAt: r.LiftedAt, Cause: r.Cause,
		}
		if d.Activation != nil {
			view.ActivationDay = d.Activation.Day
		}
		return s.ownerSees(tx, view, d, r, e, now)
	})
	if err != nil {
		return nil, err
	}
	return view, nil
}

func (s *Service) ownerSees(tx Tx, view *OwnerView, d *Device, r *Restriction, e *edition, now time.Time) error {
	if e != nil {
		view.Contact = e.policy.Contact
	}
	if r.Ground.Kind == order.Rule {
		if entry, ok := s.entryFor(r, e); ok {
			view.RuleName, view.LegalBasis, view.Source = entry.Name, entry.LegalBasis, entry.Source
		}
		if e != nil {
			view.NeededDays = max(e.policy.Notice.ShownDays, order.MinShownDays)
		}
	} else {
		w, err := tx.Warrant(r.Ground.ID)
		if err != nil {
			return err
		}
		view.WarrantReason = w.Reason
		if view.EndsAt.IsZero() {
			view.EndsAt = w.EndsAt
		}
	}
	appeals, err := tx.AppealsOf(d.ID)
	if err != nil {
		return err
	}
	view.CanAppeal = mayAppeal(r, appeals, now) == nil
	for _, a := range appeals {
		if a.Ground == r.Ground {
			a.AnsweredBy = ""
			view.Appeals = append(view.Appeals, a)
		}
	}
	slices.SortStableFunc(view.Appeals, func(a, b *Appeal) int { return b.OpenedAt.Compare(a.OpenedAt) })
	if err := newestOrder(tx, view, d.ID); err != nil {
		return err
	}
	return ownEvents(tx, view, d.ID)
}

// entryFor finds the rule's text in the policy that the restriction rests on, or else in the one in force.
func (s *Service) entryFor(r *Restriction, e *edition) (entry policy.Prohibited, ok bool) {
	if first := s.edition(r.Authority); first != nil {
		if entry, ok = first.entries[r.Ground.ID]; ok {
			return entry, true
		}
	}
	if e != nil {
		entry, ok = e.entries[r.Ground.ID]
	}
	return entry, ok
}

// OwnerOrder gives an owner the newest order on the ground that the reference names, as the device got it: with its proof, for
// checking it with tools that are not the authority's. It fails with ErrNoMatch as OwnerLook does, and with ErrNoOrder while
// there is none in the ledger.
func (s *Service) OwnerOrder(ctx context.Context, imei, reference string) (*order.Sealed, error) {
	return s.ownersOrder(ctx, imei, reference, func(tx Tx, id device.ID, g order.Ground) (*Order, error) {
		orders, err := tx.OrdersOf(id, 100)
		for _, o := range orders {
			if o.Ground == g && o.Sequenced {
				return o, err
			}
		}
		return nil, err
	})
}

// ownersOrder seals the order that choose finds for the device and the ground that an owner names; ErrNoOrder when it finds none.
func (s *Service) ownersOrder(ctx context.Context, imei, reference string, choose func(Tx, device.ID, order.Ground) (*Order, error)) (*order.Sealed, error) {
	owner, err := readOwner(imei, reference)
	if err != nil {
		return nil, err
	}
	var found *Order
	err = s.view(ctx, func(tx Tx) error {
		d, r, err := owner.find(tx)
		if err != nil {
			return err
		}
		found, err = choose(tx, d.ID, r.Ground)
		return err
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, ErrNoOrder
	}
	return s.seal(ctx, found)
}

func newestOrder(tx Tx, view *OwnerView, id device.ID) error {
	orders, err := tx.OrdersOf(id, 100)
	if err != nil {
		return err
	}
	for _, o := range orders {
		if o.Ground == view.Ground {
			view.OrderID = o.ID
			if o.Sequenced {
				index := o.Index
				view.LedgerIndex = &index
			}
			return nil
		}
	}
	return nil
}

// ownEvents picks what an owner may read of the time line: what concerns the ground, or the device as a whole. Officers act there
// for the authority and are not named.
func ownEvents(tx Tx, view *OwnerView, id device.ID) error {
	events, err := tx.Events(id, 200)
	if err != nil {
		return err
	}
	for _, e := range events {
		if e.Ground != view.Ground && e.Ground != (order.Ground{}) || e.Kind == "unlock-code" {
			continue
		}
		switch e.Actor {
		case "rule", "device", "owner":
		default:
			e.Actor = "officer"
		}
		view.Events = append(view.Events, e)
	}
	return nil
}
