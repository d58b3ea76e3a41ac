package table

import (
	"fmt"
	"math"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// CountProductions needs no more than an index of production records by their lots.
func (t Tx) CountProductions(consignment string, most int) (n int, err error) {
	if consignment == "" { // production records without a consignment are no consignment
		return 0, nil
	}
	limit := int64(most)
	if limit <= 0 {
		limit = math.MaxInt64
	}
	return n, Single(t, `SELECT count(*) FROM (SELECT 1 FROM production WHERE lot IN (SELECT number FROM lot WHERE consignment = $1)
		LIMIT $2) AS bounded`, key(consignment, limit), &n)
}

// Path is the way by which a list of devices is read. What else the query asks for is compared record by record, so that a statement
// never passes over more records than it gives.
type Path int

const (
	ByNumber Path = iota
	ByPlace
	ByStage
	ByConsignment
	ByNone // no device fits
)

// gathered bounds how many devices an engine reads and sorts for a page, where no index has them in their order.
const gathered = 10_000

// PathOf chooses the way with the fewest devices on it. placesSorted says that the engine has the devices of a place in their order; those
// of a consignment no engine has.
func (t Tx) PathOf(q authority.DeviceQuery, counts func() ([]authority.StageCount, error), placesSorted bool) (Path, error) {
	path, least := ByNumber, math.MaxInt
	choose := func(p Path, n int) {
		if n < least {
			path, least = p, n
		}
	}
	if q.Consignment != "" {
		n, err := t.CountProductions(q.Consignment, gathered+1)
		if err != nil {
			return ByNone, err
		}
		if n <= gathered {
			choose(ByConsignment, n)
		}
	}
	if q.Territory != territory.Unknown || q.Stage != nil {
		list, err := counts()
		if err != nil {
			return ByNone, err
		}
		there, staged, both := 0, 0, 0
		for _, c := range list {
			here, so := c.Territory == q.Territory, q.Stage != nil && c.Stage == *q.Stage
			if here {
				there += c.Devices
			}
			if so {
				staged += c.Devices
			}
			if (here || q.Territory == territory.Unknown) && (so || q.Stage == nil) {
				both += c.Devices
			}
		}
		if both == 0 {
			return ByNone, nil
		}
		if q.Territory != territory.Unknown && (placesSorted || there <= gathered) {
			choose(ByPlace, there)
		}
		if q.Stage != nil && *q.Stage != 0 { // most have stage 0, and no index has them
			choose(ByStage, staged)
		}
	}
	if least == 0 {
		path = ByNone
	}
	return path, nil
}

// ListDevices lists what a query asks for. read gives up to limit records on the path, from a number on and in that order, to take, until take wants
// no more.
func ListDevices(q authority.DeviceQuery, path Path, read func(first int64, limit int, take func(*authority.Device) bool) error) (list []*authority.Device,
	next device.ID, err error) {
	if q.Limit < 1 || q.Limit > 1000 {
		return nil, next, fmt.Errorf("a list of devices has a limit of 1 to 1,000, not %d", q.Limit)
	}
	left := authority.MaxRead
	if q.Read > 0 {
		left = min(q.Read, left)
	}
	fits, whole := rest(q, path)
	for after := q.After; path != ByNone; {
		first, behind := Behind(after)
		if !behind {
			break
		}
		if left == 0 || len(list) == q.Limit {
			return list, after, nil
		}
		page := min(1000, left)
		if whole {
			page = min(q.Limit-len(list)+1, left) // one more shows whether there is more
		}
		looked, full := 0, false
		err := read(first, page, func(d *authority.Device) bool {
			if full = len(list) == q.Limit; full {
				return false
			}
			after, looked = d.ID, looked+1
			if fits(d) {
				list = append(list, d)
			}
			return true
		})
		if err != nil {
			return nil, next, err
		}
		if left -= looked; full {
			return list, after, nil
		}
		if looked < page {
			break
		}
	}
	return list, next, nil
}

// rest is what a record on a path has yet to be compared with; whole says that there is nothing.
func rest(q authority.DeviceQuery, path Path) (fits func(*authority.Device) bool, whole bool) {
	place, stage := q.Territory == territory.Unknown || path == ByPlace, q.Stage == nil || path == ByStage
	consignment, model := q.Consignment == "" || path == ByConsignment, q.Model == ""
	return func(d *authority.Device) bool {
		return (place || record.Place(d) == q.Territory) && (stage || d.Stage == *q.Stage) &&
			(consignment || d.Made != nil && d.Made.Consignment == q.Consignment) && (model || d.Model == q.Model)
	}, place && stage && consignment && model
}
