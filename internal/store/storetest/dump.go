package storetest

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
)

// content is everything in a store that can be reached without knowing its key.
type content struct {
	Devices      []*authority.Device
	Restrictions []*restriction.Restriction
	Orders       []*authority.Order
	Events       []authority.Event
	Waves        []*authority.Wave
	Cases        []*authority.Case
	Warrants     []*authority.Warrant
	Appeals      []*authority.Appeal
	Policies     []*authority.PolicyDocument
	Officers     []*authority.Officer
	Metadata     []*authority.Metadata
	Jobs         []*authority.Job
}

func dump(t *testing.T, s authority.Store) content {
	t.Helper()
	return got(t, s, dumpTx)
}

func dumpTx(tx authority.Tx) (c content, err error) {
	const all = 1000
	if err = tx.EachDevice(device.ID{}, func(d *authority.Device) error {
		c.Devices = append(c.Devices, d)
		list, err := tx.Restrictions(d.ID)
		c.Restrictions = append(c.Restrictions, list...)
		if err != nil {
			return err
		}
		orders, err := tx.OrdersOf(d.ID, all)
		c.Orders = append(c.Orders, orders...)
		return err
	}); err != nil {
		return c, err
	}
	if c.Events, err = tx.RecentEvents(all); err != nil {
		return c, err
	}
	if c.Jobs, err = tx.Jobs(all); err != nil {
		return c, err
	}
	if c.Waves, err = tx.Waves(all); err != nil {
		return c, err
	}
	if c.Cases, err = tx.Cases(all); err != nil {
		return c, err
	}
	for _, k := range c.Cases {
		list, err := tx.Warrants(k.ID)
		if err != nil {
			return c, err
		}
		c.Warrants = append(c.Warrants, list...)
	}
	if c.Appeals, err = tx.Appeals("", all); err != nil {
		return c, err
	}
	if c.Policies, err = tx.Policies(all); err != nil {
		return c, err
	}
	for _, role := range []string{"root", "targets", "policy", "warrant", "snapshot", "timestamp"} {
		list, err := tx.MetadataOf(role)
		if err != nil {
			return c, err
		}
		c.Metadata = append(c.Metadata, list...)
	}
	c.Officers, err = tx.Officers()
	return c, err
}
