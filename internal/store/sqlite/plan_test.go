package sqlite

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

// TestNothingOftenCalledScans asks SQLite how it would run what a check-in, the sequencer and an officer's lists ask for.
// A scan of a table that grows with the fleet would be fast in every test and slow in service.
func TestNothingOftenCalledScans(t *testing.T) {
	db := opened(t, Options{})
	g, at := order.Ground{Kind: order.Rule, ID: "cuba"}, time.Unix(1_790_000_000, 0)
	stage := order.Noticed
	err := db.Update(t.Context(), func(tx authority.Tx) error {
		d := &authority.Device{ID: device.ID{1}, IMEI: "490154203237518"}
		ignore := func(...any) {} // what they answer on an almost empty store is for other tests
		ignore(tx.InsertDevice(d), tx.PutDevice(d), tx.UpdateDeviceIfNewer(d, 5))
		ignore(tx.Device(d.ID))
		ignore(tx.DeviceByIMEI(d.IMEI))
		ignore(tx.Production(d.IMEI))
		ignore(tx.Productions("c-1", "", 1))
		for _, q := range []authority.DeviceQuery{{}, {Territory: "CU"}, {Stage: &stage}, {Territory: "CU", Stage: &stage}, {Model: "M1"}, {Consignment: "c-1"}} {
			q.Limit = 1
			ignore(tx.Devices(q))
			ignore(tx.CountProductions("c-1", 5))
		}
		ignore(tx.Events(d.ID, 1))
		ignore(tx.CaseEvents("case-0001", 1))
		ignore(tx.DevicesByIMEIs([]device.IMEI{d.IMEI}))
		ignore(tx.RestrictionsOfAll([]device.ID{d.ID}))
		ignore(tx.LastJob("count", "case-0001", ""))
		ignore(tx.LastJob("count", "case-0001", authority.JobDone))
		ignore(tx.Restriction(d.ID, g))
		ignore(tx.Restrictions(d.ID))
		ignore(tx.ActiveOn(g, device.ID{}, 1))
		ignore(tx.NoticeIfFree(&restriction.Restriction{Device: d.ID, Ground: g, NoticedAt: at, Deadline: at.Add(order.MinNotice)}))
		ignore(tx.ExtendIfNoticed(d.ID, g, at), tx.LockIfNoticed(d.ID, g, at, at, at), tx.WithdrawLockIfNotInEffect(d.ID, g, at, at), tx.LiftIfActive(d.ID, g, at, order.ByRule))
		ignore(tx.ReportApplied(d.ID, g, stage, 1, at, ""), tx.SetAppealing(d.ID, g, true))
		ignore(tx.InsertOrder(&authority.Order{ID: order.ID{1}, Device: d.ID, Leaf: []byte{1}, Kind: order.Notice, Ground: g, IssuedAt: at}))
		ignore(tx.Order(d.ID, order.ID{}))
		ignore(tx.PendingOrders(1))
		ignore(tx.SequenceIfPending(d.ID, order.ID{1}, 1))
		ignore(tx.Deliverable(d.ID))
		ignore(tx.MarkDelivered(d.ID, order.ID{}, at), tx.Settle(d.ID, order.ID{}, ""), tx.SettleOlder(d.ID, g, order.ID{1}), tx.SettleOlderEscalations(d.ID, g, order.ID{1}))
		ignore(tx.OrdersOf(d.ID, 1))
		ignore(tx.CountUnsettled(g))
		ignore(tx.OpenWave())
		ignore(tx.Wave(1))
		ignore(tx.WaveItems(1, authority.RestrictionKey{}, 1))
		ignore(tx.ProposeIfNoticed(1, d.ID, g), tx.WithdrawProposal(d.ID, g), tx.DecideIfOpen(1, authority.WaveRejected, "kim", at, ""))
		ignore(tx.Warrant("w"))
		ignore(tx.WarrantByHash([32]byte{}))
		ignore(tx.Warrants("case-0001"))
		ignore(tx.Appeal(1))
		ignore(tx.Appeals(authority.AppealOpen, 1))
		ignore(tx.AppealsOf(d.ID))
		ignore(tx.PolicyInForce(at))
		ignore(tx.PolicyByHash([32]byte{}))
		ignore(tx.RenewPolicy(&authority.PolicyDocument{ActivateAt: at}))
		ignore(tx.Metadata("root", 1))
		ignore(tx.LatestMetadata("root"))
		ignore(tx.MetadataOf("root"))
		ignore(tx.Target("policy/a.yaml", [32]byte{}))
		ignore(tx.Cohort("w"))
		ignore(tx.Session([32]byte{}))
		ignore(tx.DeleteSessionsOf("kim", [32]byte{}))
		ignore(tx.DeleteExpiredSessions(at))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil { // the writer's statements belong to its goroutine until it has ended
		t.Fatal(err)
	}
	statements := db.writer.s.statements
	if len(statements) < 50 {
		t.Fatalf("only %d statements were prepared", len(statements))
	}
	asking := opened(t, Options{})
	asked := slices.Collect(maps.Keys(statements))
	for _, query := range append(asked, slices.Collect(maps.Values(onPath))...) { // a list takes one of these ways
		if !strings.HasPrefix(query, "SELECT") && !strings.HasPrefix(query, "UPDATE") && !strings.HasPrefix(query, "DELETE") {
			continue
		}
		for _, step := range planOf(t, asking, query) {
			// The index of pending orders holds those only, and the sequencer wants them all; what is counted as far as a
			// bound, and the population by place and stage, are few.
			fine := step == "SCAN orders USING INDEX orders_pending" || step == "SCAN bounded" || step == "SCAN population"
			if strings.HasPrefix(step, "SCAN ") && !fine {
				t.Errorf("%s: %s", step, query)
			}
		}
	}
}

func planOf(t *testing.T, db *DB, query string) (steps []string) {
	t.Helper()
	query = dialect(query)
	args := make([]any, strings.Count(query, "?"))
	cursor, err := file(t, db).QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer cursor.Close()
	for cursor.Next() {
		var id, parent, unused int
		var step string
		if err := cursor.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	return steps
}
