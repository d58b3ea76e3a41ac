package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

// said collects the statements that are sent.
type said struct {
	mu    sync.Mutex
	texts map[string]int // and how many arguments
}

func (s *said) add(text string, args int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts[text] = args
}

func (s *said) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	s.add(q.SQL, len(q.Args))
	return ctx
}
func (*said) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (s *said) TraceBatchStart(ctx context.Context, _ *pgx.Conn, b pgx.TraceBatchStartData) context.Context {
	for _, q := range b.Batch.QueuedQueries {
		s.add(q.SQL, len(q.Arguments))
	}
	return ctx
}
func (*said) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*said) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// TestNothingOftenCalledScans asks PostgreSQL how it would run what a check-in, the sequencer and an officer's lists ask for, if it could
// help it: a scan of a table that grows with the fleet would be fast in every test and slow in service.
func TestNothingOftenCalledScans(t *testing.T) {
	db := opened(t, Options{})
	asked := &said{texts: make(map[string]int)}
	db.config.Tracer = asked
	g, at := order.Ground{Kind: order.Rule, ID: "cuba"}, time.Unix(1_790_000_000, 0)
	d := fleetDevice(1)
	for _, fn := range often(d, g, at) {
		// What they answer on an almost empty store is for other tests.
		_ = db.Update(t.Context(), fn)
		_ = db.Update(t.Context(), func(tx authority.Tx) error { _, _ = tx.NextNumber("x"); return fn(tx) }) // never light
		_ = db.View(t.Context(), fn)
	}
	c, err := pgx.ConnectConfig(t.Context(), db.config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.PgConn().Exec(t.Context(), "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan").ReadAll(); err != nil {
		t.Fatal(err)
	}
	explained := 0
	for text, args := range asked.texts {
		if !strings.HasPrefix(text, "SELECT") && !strings.HasPrefix(text, "UPDATE") && !strings.HasPrefix(text, "DELETE") || strings.Contains(text, "schema_step") {
			continue
		}
		explained++
		// Places by stage, and the servers, which look after each other now and then, are few.
		plan := strings.NewReplacer("Seq Scan on population", "", "Seq Scan on server ", "").Replace(planOf(t, c, text, args))
		if strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s\n%s", text, plan)
		}
	}
	if plan := planOf(t, c, exchangeDevices, 13); strings.Contains(plan, "Seq Scan") || !strings.Contains(plan, "device_pkey") {
		t.Errorf("an exchange:\n%s", plan)
	}
	for _, text := range onPath { // a list takes one of these ways
		if plan := planOf(t, c, text, strings.Count(text, "$")); strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s\n%s", text, plan)
		}
	}
	if explained < 50 {
		t.Fatalf("only %d statements were sent", explained)
	}
}

func planOf(t *testing.T, c *pgx.Conn, text string, args int) string {
	t.Helper()
	nulls := ""
	if args > 0 {
		nulls = "(" + strings.TrimSuffix(strings.Repeat("NULL, ", args), ", ") + ")"
	}
	results, err := c.PgConn().Exec(t.Context(), fmt.Sprintf("PREPARE p AS %s; EXPLAIN EXECUTE p%s; DEALLOCATE p", text, nulls)).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var plan strings.Builder
	for _, r := range results {
		for _, row := range r.Rows {
			fmt.Fprintf(&plan, "%s\n", row[0])
		}
	}
	return plan.String()
}

// often is what is called at check-ins, by the sequencer, the sweep and lists.
func often(d *authority.Device, g order.Ground, at time.Time) (calls []func(authority.Tx) error) {
	call := func(fn func(tx authority.Tx) error) { calls = append(calls, fn) }
	stage := order.Noticed
	look := func(fn func(tx authority.Tx) (any, error)) {
		call(func(tx authority.Tx) error { _, err := fn(tx); return err })
	}
	call(func(tx authority.Tx) error { return tx.InsertDevice(d) })
	call(func(tx authority.Tx) error { return tx.PutDevice(d) })
	call(func(tx authority.Tx) error { return tx.UpdateDeviceIfNewer(d, 5) })
	call(func(tx authority.Tx) error { return tx.UpdateDeviceIfNewer(d, 0) })
	look(func(tx authority.Tx) (any, error) { return tx.Device(d.ID) })
	look(func(tx authority.Tx) (any, error) { return tx.DeviceByIMEI(d.IMEI) })
	look(func(tx authority.Tx) (any, error) { return tx.Production(d.IMEI) })
	look(func(tx authority.Tx) (any, error) { return tx.Productions("c-1", "", 1) })
	for _, q := range []authority.DeviceQuery{{}, {Territory: "CU"}, {Stage: &stage}, {Territory: "CU", Stage: &stage}, {Model: "M1"}, {Consignment: "c-1"}} {
		q.Limit = 1
		look(func(tx authority.Tx) (any, error) { list, _, err := tx.Devices(q); return list, err })
	}
	look(func(tx authority.Tx) (any, error) { return tx.CountProductions("c-1", 5) })
	look(func(tx authority.Tx) (any, error) { return tx.DevicesByIMEIs([]device.IMEI{d.IMEI}) })
	look(func(tx authority.Tx) (any, error) { return tx.RestrictionsOfAll([]device.ID{d.ID}) })
	look(func(tx authority.Tx) (any, error) { return tx.CaseEvents("case-0001", 1) })
	look(func(tx authority.Tx) (any, error) { return tx.LastJob("count", "case-0001", "") })
	look(func(tx authority.Tx) (any, error) { return tx.LastJob("count", "case-0001", authority.JobDone) })
	look(func(tx authority.Tx) (any, error) { return tx.Events(d.ID, 1) })
	look(func(tx authority.Tx) (any, error) { return tx.RecentEvents(1) })
	look(func(tx authority.Tx) (any, error) { return tx.Restriction(d.ID, g) })
	look(func(tx authority.Tx) (any, error) { return tx.Restrictions(d.ID) })
	look(func(tx authority.Tx) (any, error) { return tx.ActiveOn(g, device.ID{}, 1) })
	call(func(tx authority.Tx) error {
		return tx.NoticeIfFree(&restriction.Restriction{Device: d.ID, Ground: g, NoticedAt: at, Deadline: at.Add(order.MinNotice)})
	})
	call(func(tx authority.Tx) error { return tx.ExtendIfNoticed(d.ID, g, at) })
	call(func(tx authority.Tx) error { return tx.LockIfNoticed(d.ID, g, at, at, at) })
	call(func(tx authority.Tx) error { return tx.WithdrawLockIfNotInEffect(d.ID, g, at, at) })
	call(func(tx authority.Tx) error { return tx.SetAppealing(d.ID, g, true) })
	call(func(tx authority.Tx) error { return tx.ReportApplied(d.ID, g, stage, 1, at, "") })
	call(func(tx authority.Tx) error { return tx.LiftIfActive(d.ID, g, at, order.ByRule) })
	call(func(tx authority.Tx) error {
		return tx.InsertOrder(&authority.Order{ID: order.ID{1}, Device: d.ID, Leaf: []byte{1}, Kind: order.Notice, Ground: g, IssuedAt: at})
	})
	look(func(tx authority.Tx) (any, error) { return tx.Order(d.ID, order.ID{}) })
	look(func(tx authority.Tx) (any, error) { return tx.PendingOrders(1) })
	call(func(tx authority.Tx) error { return tx.SequenceIfPending(d.ID, order.ID{1}, 1) })
	look(func(tx authority.Tx) (any, error) { return tx.Deliverable(d.ID) })
	call(func(tx authority.Tx) error { return tx.MarkDelivered(d.ID, order.ID{}, at) })
	call(func(tx authority.Tx) error { return tx.Settle(d.ID, order.ID{}, "") })
	call(func(tx authority.Tx) error { return tx.SettleOlder(d.ID, g, order.ID{1}) })
	call(func(tx authority.Tx) error { return tx.SettleOlderEscalations(d.ID, g, order.ID{1}) })
	look(func(tx authority.Tx) (any, error) { return tx.OrdersOf(d.ID, 1) })
	look(func(tx authority.Tx) (any, error) { return tx.CountUnsettled(g) })
	look(func(tx authority.Tx) (any, error) { return tx.OpenWave() })
	look(func(tx authority.Tx) (any, error) { return tx.Wave(1) })
	look(func(tx authority.Tx) (any, error) { return tx.WaveItems(1, authority.RestrictionKey{}, 1) })
	call(func(tx authority.Tx) error { return tx.ProposeIfNoticed(1, d.ID, g) })
	call(func(tx authority.Tx) error { return tx.WithdrawProposal(d.ID, g) })
	call(func(tx authority.Tx) error { return tx.DecideIfOpen(1, authority.WaveRejected, "kim", at, "") })
	look(func(tx authority.Tx) (any, error) { return tx.Warrant("w") })
	look(func(tx authority.Tx) (any, error) { return tx.WarrantByHash([32]byte{}) })
	look(func(tx authority.Tx) (any, error) { return tx.Warrants("case-0001") })
	look(func(tx authority.Tx) (any, error) { return tx.Appeal(1) })
	look(func(tx authority.Tx) (any, error) { return tx.Appeals(authority.AppealOpen, 1) })
	look(func(tx authority.Tx) (any, error) { return tx.AppealsOf(d.ID) })
	look(func(tx authority.Tx) (any, error) { return tx.PolicyInForce(at) })
	look(func(tx authority.Tx) (any, error) { return tx.PolicyByHash([32]byte{}) })
	call(func(tx authority.Tx) error { return tx.RenewPolicy(&authority.PolicyDocument{ActivateAt: at}) })
	look(func(tx authority.Tx) (any, error) { return tx.Metadata("root", 1) })
	look(func(tx authority.Tx) (any, error) { return tx.LatestMetadata("root") })
	look(func(tx authority.Tx) (any, error) { return tx.MetadataOf("root") })
	look(func(tx authority.Tx) (any, error) { return tx.Target("policy/a.yaml", [32]byte{}) })
	look(func(tx authority.Tx) (any, error) { return tx.Cohort("w") })
	look(func(tx authority.Tx) (any, error) { return tx.Session([32]byte{}) })
	call(func(tx authority.Tx) error { return tx.DeleteSessionsOf("kim", [32]byte{}) })
	look(func(tx authority.Tx) (any, error) { return tx.DeleteExpiredSessions(at) })
	return calls
}
