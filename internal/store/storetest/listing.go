package storetest

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// listed is one page of devices.
func listed(t *testing.T, s authority.Store, q authority.DeviceQuery) []*authority.Device {
	t.Helper()
	return got(t, s, func(tx authority.Tx) ([]*authority.Device, error) { list, _, err := tx.Devices(q); return list, err })
}

// turned goes through all pages of a list, and returns what each had.
func turned(t *testing.T, s authority.Store, q authority.DeviceQuery) (pages [][]device.ID) {
	t.Helper()
	for {
		var page []device.ID
		looks(t, s, func(tx authority.Tx) error {
			page = nil
			list, next, err := tx.Devices(q)
			for _, d := range list {
				page = append(page, d.ID)
			}
			if !next.IsZero() && string(next[:]) <= string(q.After[:]) {
				t.Fatalf("behind %v it goes on behind %v", q.After, next)
			}
			q.After = next
			return err
		})
		if pages = append(pages, page); q.After.IsZero() || len(pages) > 50 {
			return pages
		}
	}
}

func idsOf(numbers ...int) (ids []device.ID) {
	for _, n := range numbers {
		ids = append(ids, deviceID(n))
	}
	return ids
}

var listingTests = map[string]func(*testing.T, authority.Store){
	// What few fit, or none, costs no more than a page either: a list ends early, and says where to go on.
	"bounded": func(t *testing.T, s authority.Store) {
		here := territory.DayOf(start)
		does(t, s, func(tx authority.Tx) error {
			var made []authority.Production
			for n := 1; n <= 9; n++ {
				d := newDevice(n)
				if n%3 == 0 {
					d.Model = "M2"
				}
				if n >= 8 {
					d.Days = []territory.DayRecord{{Day: here, Territory: "CU", Percent: 80}}
				}
				if err := tx.InsertDevice(d); err != nil {
					return err
				}
				made = append(made, authority.Production{IMEI: imei(n), Consignment: []string{"c-1", "c-2"}[n%2]})
			}
			return tx.PutProduction(made)
		})
		noticed(t, s, 7, cuba)
		observed, held := order.Observed, order.Noticed
		for _, tc := range []struct {
			name string
			q    authority.DeviceQuery
			want [][]device.ID
		}{
			{"all of a page, and no more", authority.DeviceQuery{Limit: 9}, [][]device.ID{idsOf(1, 2, 3, 4, 5, 6, 7, 8, 9)}},
			{"page by page", authority.DeviceQuery{Limit: 4}, [][]device.ID{idsOf(1, 2, 3, 4), idsOf(5, 6, 7, 8), idsOf(9)}},
			{"few are looked at", authority.DeviceQuery{Limit: 5, Read: 4}, [][]device.ID{idsOf(1, 2, 3, 4), idsOf(5, 6, 7, 8), idsOf(9)}},
			{"a model", authority.DeviceQuery{Limit: 9, Read: 4, Model: "M2"}, [][]device.ID{idsOf(3), idsOf(6), idsOf(9)}},
			{"the end of a page", authority.DeviceQuery{Limit: 1, Model: "M2"}, [][]device.ID{idsOf(3), idsOf(6), idsOf(9)}},
			{"a model that nobody has", authority.DeviceQuery{Limit: 9, Read: 5, Model: "M9"}, [][]device.ID{nil, nil}},
		} {
			same(t, tc.name, turned(t, s, tc.q), tc.want)
		}
		// How far a page comes is each store's affair where it has an index; what is found in the end is not.
		for _, tc := range []struct {
			name string
			q    authority.DeviceQuery
			want []device.ID
		}{
			{"a place", authority.DeviceQuery{Territory: "CU"}, idsOf(8, 9)},
			{"a place and a model", authority.DeviceQuery{Territory: "CU", Model: "M2"}, idsOf(9)},
			{"a stage", authority.DeviceQuery{Stage: &held, Model: "M2"}, idsOf(3, 6)},
			{"no stage", authority.DeviceQuery{Stage: &observed, Model: "M2"}, idsOf(9)},
			{"a place and a stage", authority.DeviceQuery{Territory: "CU", Stage: &observed}, idsOf(8, 9)},
			{"a place that has none of a stage", authority.DeviceQuery{Territory: "CU", Stage: &held}, nil},
			{"a place where nobody is", authority.DeviceQuery{Territory: "DE"}, nil},
			{"a consignment", authority.DeviceQuery{Consignment: "c-2"}, idsOf(1, 3, 5, 7, 9)},
			{"a consignment, a stage and a model", authority.DeviceQuery{Consignment: "c-2", Stage: &held, Model: "M2"}, idsOf(3)},
			{"a consignment that there is not", authority.DeviceQuery{Consignment: "c-9"}, nil},
		} {
			for _, read := range []int{0, 2} {
				tc.q.Read, tc.q.Limit = read, 2
				var found []device.ID
				for _, page := range turned(t, s, tc.q) {
					found = append(found, page...)
				}
				same(t, tc.name, found, tc.want)
			}
		}
	},

	"by IMEIs": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 3)
		does(t, s, func(tx authority.Tx) error {
			return tx.PutProduction([]authority.Production{{IMEI: imei(2), Model: "M1", Market: "DE", Consignment: "c-1"}})
		})
		ask := func(imeis ...device.IMEI) []*authority.Device {
			return got(t, s, func(tx authority.Tx) ([]*authority.Device, error) { return tx.DevicesByIMEIs(imeis) })
		}
		same(t, "nobody", len(ask()), 0)
		list := ask(imei(3), imei(9), imei(1), "no IMEI", imei(2), imei(3))
		for i, n := range []int{3, 0, 1, 0, 2, 3} {
			if n == 0 {
				if list[i] != nil {
					t.Errorf("position %d has %v", i, list[i].ID)
				}
				continue
			}
			same(t, "by position", list[i], got(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.DeviceByIMEI(imei(n)) }))
		}
		// Those who write have what they read to themselves, as with a single one.
		does(t, s, func(tx authority.Tx) error {
			list, err := tx.DevicesByIMEIs([]device.IMEI{imei(1)})
			if err != nil {
				return err
			}
			list[0].Sequence = 5
			return tx.UpdateDeviceIfNewer(list[0], 0)
		})
	},

	"restrictions": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 4)
		noticed(t, s, 3, cuba)
		does(t, s, func(tx authority.Tx) error { return tx.NoticeIfFree(notice(2, crimea)) })
		var want []*restriction.Restriction
		for n := 1; n <= 3; n++ {
			want = append(want, got(t, s, func(tx authority.Tx) ([]*restriction.Restriction, error) { return tx.Restrictions(deviceID(n)) })...)
		}
		ask := func(ids ...device.ID) []*restriction.Restriction {
			return got(t, s, func(tx authority.Tx) ([]*restriction.Restriction, error) { return tx.RestrictionsOfAll(ids) })
		}
		same(t, "by device and ground", ask(idsOf(3, 1, 4, 2, 9)...), want)
		same(t, "of none", len(ask(deviceID(4))), 0)
		same(t, "of nobody", len(ask()), 0)
	},

	"production records": func(t *testing.T, s authority.Store) {
		var made []authority.Production
		for n := 1; n <= 7; n++ {
			made = append(made, authority.Production{IMEI: imei(n), Serial: "S", Market: []territory.Code{"DE", "FR"}[n%2], Consignment: "c-1"}) // in two lots
		}
		does(t, s, func(tx authority.Tx) error {
			return tx.PutProduction(append(made, authority.Production{IMEI: imei(8), Consignment: "c-2"}, authority.Production{IMEI: imei(9)}))
		})
		for _, tc := range []struct {
			consignment string
			most, want  int
		}{{"c-1", 0, 7}, {"c-1", 3, 3}, {"c-1", 8, 7}, {"c-2", 1, 1}, {"c-9", 0, 0}, {"", 0, 0}} {
			same(t, tc.consignment, got(t, s, func(tx authority.Tx) (int, error) { return tx.CountProductions(tc.consignment, tc.most) }), tc.want)
		}
		page := func(after device.IMEI, limit int) []authority.Production {
			return got(t, s, func(tx authority.Tx) ([]authority.Production, error) { return tx.Productions("c-1", after, limit) })
		}
		same(t, "both lots by IMEI", page("", 4), made[:4])
		same(t, "the rest", page(imei(4), 4), made[4:])
		same(t, "the end", len(page(imei(7), 4)), 0)
	},

	// However much else happens in the fleet, what happened to a case is found.
	"events of a case": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		of := func(caseID string, limit int) (details []string) {
			for _, e := range got(t, s, func(tx authority.Tx) ([]authority.Event, error) { return tx.CaseEvents(caseID, limit) }) {
				same(t, "case", e.Case, caseID)
				details = append(details, e.Detail)
			}
			return details
		}
		event := func(caseID, detail string) authority.Event {
			return authority.Event{At: start, Kind: "case", Case: caseID, Actor: "ada", Detail: detail}
		}
		does(t, s, func(tx authority.Tx) error { return tx.AddEvent(event("case-0001", "opened")) })
		does(t, s, func(tx authority.Tx) error {
			list := []authority.Event{event("case-00012", "another"), event("case-0001", "second"), event("", "of the fleet")}
			for range 300 {
				list = append(list, authority.Event{Device: deviceID(1), At: start, Kind: "noticed", Ground: warrant, Actor: "rule", Detail: "Told."})
			}
			return tx.AddEvents(list)
		})
		signed := event("case-0001", "third")
		signed.Kind, signed.Ground = "warrant", warrant
		does(t, s, func(tx authority.Tx) error { return tx.AddEvent(signed) })
		same(t, "newest first", of("case-0001", 9), []string{"third", "second", "opened"})
		same(t, "limit", of("case-0001", 1), []string{"third"})
		same(t, "of a case without any", len(of("case-0009", 9)), 0)
		same(t, "of no case", len(of("", 9)), 0)
		signed.ID = got(t, s, func(tx authority.Tx) ([]authority.Event, error) { return tx.CaseEvents("case-0001", 1) })[0].ID
		same(t, "whole", got(t, s, func(tx authority.Tx) ([]authority.Event, error) { return tx.CaseEvents("case-0001", 1) })[0], signed)
	},

	"last job": func(t *testing.T, s authority.Store) {
		last := func(kind, subject string, state authority.JobState) func(authority.Tx) (*authority.Job, error) {
			return func(tx authority.Tx) (*authority.Job, error) { return tx.LastJob(kind, subject, state) }
		}
		missing(t, s, last("count", "case-0001", ""))
		first := asked(t, s, newJob("count", "case-0001"))
		asked(t, s, newJob("count", ""))
		asked(t, s, newJob("release", "case-0001"))
		first.State, first.Done, first.FinishedAt = authority.JobDone, 10, start.Add(day)
		does(t, s, advanced(first, 0))
		second := asked(t, s, newJob("count", "case-0001"))
		same(t, "newest", got(t, s, last("count", "case-0001", "")).ID, second.ID)
		same(t, "done", got(t, s, last("count", "case-0001", authority.JobDone)).ID, first.ID)
		missing(t, s, last("count", "case-0001", authority.JobFailed))
		missing(t, s, last("count", "case-0002", ""))
		missing(t, s, last("count", "", "")) // of those without a subject none is the last
	},
}
