package postgres

import (
	"fmt"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
)

const (
	putProduction = `INSERT INTO production (imei, serial, lot) SELECT * FROM unnest($1::bigint[], $2::text[], $3::integer[])
		ON CONFLICT (imei) DO UPDATE SET serial = excluded.serial, lot = excluded.lot`
	setLots = `UPDATE device AS d SET lot = v.lot FROM unnest($1::bigint[], $2::integer[]) AS v(imei, lot)
		WHERE d.imei = v.imei AND d.lot <> v.lot`
)

// PutProduction writes all rows with two statements. Of two for one IMEI the later one counts.
func (t *tx) PutProduction(list []authority.Production) error {
	if err := t.usable(); err != nil || len(list) == 0 {
		return err
	}
	last := make(map[device.IMEI]int, len(list))
	for i := range list {
		last[list[i].IMEI] = i
	}
	var imeis, lots []int64
	var serials []string
	for i := range list {
		p := &list[i]
		if last[p.IMEI] != i {
			continue
		}
		imei, err := record.IMEINumber(p.IMEI)
		if err != nil {
			return err
		}
		lot, err := t.books.lot(t.ctx, p.Lot())
		if err != nil {
			return t.unread(err)
		}
		imeis, serials, lots = append(imeis, imei), append(serials, p.Serial), append(lots, lot)
	}
	if _, err := t.Exec(putProduction, imeis, serials, lots); err != nil {
		return err
	}
	_, err := t.Exec(setLots, imeis, lots)
	return err
}

const productionColumns = "p.imei, p.serial, l.model, l.market, l.consignment, l.consignee, l.shipped_on FROM "

func (t *tx) Production(imei device.IMEI) (p authority.Production, err error) {
	if err := t.usable(); err != nil {
		return p, err
	}
	number, err := record.IMEINumber(imei)
	if err != nil {
		return p, fmt.Errorf("%w: %w", authority.ErrAbsent, err)
	}
	list, err := table.List(t, scanProduction, "SELECT "+productionColumns+"production AS p JOIN lot AS l ON l.number = p.lot WHERE p.imei = $1", number)
	if err == nil && len(list) == 0 {
		err = authority.ErrAbsent
	}
	if err != nil {
		return p, err
	}
	return list[0], nil
}

// Productions merges a page of each lot of the consignment; most have one.
func (t *tx) Productions(consignment string, after device.IMEI, limit int) ([]authority.Production, error) {
	if err := table.Within(limit); err != nil {
		return nil, err
	}
	if consignment == "" { // production records without a consignment are no consignment
		return nil, nil
	}
	last := int64(-1)
	if after != "" {
		var err error
		if last, err = record.IMEINumber(after); err != nil {
			return nil, err
		}
	}
	return table.List(t, scanProduction, "SELECT "+productionColumns+`lot AS l CROSS JOIN LATERAL (
			SELECT o.imei, o.serial FROM production AS o WHERE o.lot = l.number AND o.imei > $2 ORDER BY o.imei LIMIT $3) AS p
		WHERE l.consignment = $1 ORDER BY p.imei LIMIT $3`, consignment, last, limit)
}

func scanProduction(s table.Row) (p authority.Production, err error) {
	var imei int64
	if err = s.Scan(&imei, &p.Serial, &p.Model, &p.Market, &p.Consignment, &p.Consignee, &p.ShippedOn); err != nil {
		return p, err
	}
	p.IMEI, err = record.IMEI(imei)
	return p, err
}
