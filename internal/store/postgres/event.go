package postgres

import (
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

func (t *tx) AddEvent(e authority.Event) error {
	kind, id := ground(e.Ground)
	_, err := t.exec("INSERT INTO event (device, at, kind, ground_kind, ground, actor, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		e.Device[:], stamp(e.At), e.Kind, kind, id, e.Actor, e.Detail)
	return err
}

const eventColumns = "number, device, at, kind, ground_kind, ground, actor, detail"

func (t *tx) Events(id device.ID, limit int) ([]authority.Event, error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	return rows(t, scanEvent, "SELECT "+eventColumns+" FROM event WHERE device = $1 ORDER BY number DESC LIMIT $2", id[:], limit)
}

func (t *tx) RecentEvents(limit int) ([]authority.Event, error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	return rows(t, scanEvent, "SELECT "+eventColumns+" FROM event ORDER BY number DESC LIMIT $1", limit)
}

func scanEvent(s scanner) (e authority.Event, err error) {
	var kind int64
	err = s.Scan(&e.ID, fixed{e.Device[:]}, when{&e.At}, &e.Kind, &kind, &e.Ground.ID, &e.Actor, &e.Detail)
	e.Ground.Kind = order.GroundKind(kind)
	return e, err
}
