package table

import (
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

func (t Tx) AddEvent(e authority.Event) error {
	_, err := t.Exec("INSERT INTO event (device, at, kind, ground_kind, ground, case_id, actor, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		e.Device[:], Stamp(e.At), e.Kind, int64(e.Ground.Kind), e.Ground.ID, e.Case, e.Actor, e.Detail)
	return err
}

const eventColumns = "number, device, at, kind, ground_kind, ground, case_id, actor, detail"

func (t Tx) Events(id device.ID, limit int) ([]authority.Event, error) {
	if err := Within(limit); err != nil {
		return nil, err
	}
	return List(t, scanEvent, "SELECT "+eventColumns+" FROM event WHERE device = $1 ORDER BY number DESC LIMIT $2", id[:], limit)
}

func (t Tx) CaseEvents(caseID string, limit int) ([]authority.Event, error) {
	if err := Within(limit); err != nil {
		return nil, err
	}
	return List(t, scanEvent, "SELECT "+eventColumns+" FROM event WHERE case_id = $1 AND case_id <> '' ORDER BY number DESC LIMIT $2", caseID, limit)
}

func (t Tx) RecentEvents(limit int) ([]authority.Event, error) {
	if err := Within(limit); err != nil {
		return nil, err
	}
	return List(t, scanEvent, "SELECT "+eventColumns+" FROM event ORDER BY number DESC LIMIT $1", limit)
}

func scanEvent(row Row) (e authority.Event, err error) {
	var kind int64
	err = row.Scan(&e.ID, Fixed(e.Device[:]), When(&e.At), &e.Kind, &kind, &e.Ground.ID, &e.Case, &e.Actor, &e.Detail)
	e.Ground.Kind = order.GroundKind(kind)
	return e, err
}
