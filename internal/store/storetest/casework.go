package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

func newCase(id string) *authority.Case {
	return &authority.Case{ID: id, Title: "Diverted pallet", Consignment: "c-1", State: authority.CaseOpen, OpenedBy: "kim", OpenedAt: start}
}

func draft(id string) *authority.Warrant {
	return &authority.Warrant{ID: id, Case: "case-0001", Reason: "To find who diverted it.", DraftedBy: "kim", DraftedAt: start, EndsAt: start.Add(60 * day)}
}

func countersigned(w *authority.Warrant, by string) *authority.Warrant {
	c := *w
	c.CountersignBy, c.CountersignAt, c.Hash, c.Document, c.DevicesAtIssue = by, start.Add(day), hash(7), []byte("exact bytes"), 12
	c.Signers = []string{w.DraftedBy, by}
	return &c
}

func newAppeal(n int, g order.Ground) *authority.Appeal {
	return &authority.Appeal{Device: deviceID(n), Ground: g, Text: "I bought it in Berlin.", Contact: "me@example.org", OpenedAt: start,
		DueAt: start.Add(14 * day), State: authority.AppealOpen}
}

func appealed(t *testing.T, s authority.Store, a *authority.Appeal) int64 {
	t.Helper()
	does(t, s, func(tx authority.Tx) (err error) { a.ID, err = tx.InsertAppeal(a); return err })
	return a.ID
}

var caseworkTests = map[string]func(*testing.T, authority.Store){
	"case": func(t *testing.T, s authority.Store) {
		c := newCase("case-0001")
		missing(t, s, func(tx authority.Tx) (*authority.Case, error) { return tx.Case(c.ID) })
		does(t, s, func(tx authority.Tx) error { return tx.InsertCase(c) })
		same(t, "stored", got(t, s, func(tx authority.Tx) (*authority.Case, error) { return tx.Case(c.ID) }), c)
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.InsertCase(c) })
		put := func(was authority.CaseState) txFunc {
			return func(tx authority.Tx) error { return tx.PutCaseIfState(c, was) }
		}
		c.State = authority.CaseConcluded
		refuses(t, s, nil, put(authority.CaseOpen)) // concluded by nobody
		c.Finding, c.ConcludedBy, c.ConcludedAt = "Sold on by the consignee.", "lee", start.Add(day)
		refuses(t, s, authority.ErrConflict, put(authority.CaseHolding))
		does(t, s, put(authority.CaseOpen))
		same(t, "stored", got(t, s, func(tx authority.Tx) (*authority.Case, error) { return tx.Case(c.ID) }), c)
		refuses(t, s, authority.ErrConflict, put(authority.CaseOpen))
		c.ID = "case-0009"
		refuses(t, s, authority.ErrAbsent, put(authority.CaseOpen))

		later := newCase("case-0002")
		later.OpenedAt = start.Add(day)
		does(t, s, func(tx authority.Tx) error { return tx.InsertCase(later) })
		list := got(t, s, func(tx authority.Tx) ([]*authority.Case, error) { return tx.Cases(9) })
		if len(list) != 2 || list[0].ID != "case-0002" {
			t.Fatalf("newest first: %+v", list)
		}
		same(t, "limit", len(got(t, s, func(tx authority.Tx) ([]*authority.Case, error) { return tx.Cases(1) })), 1)
	},

	"warrant": func(t *testing.T, s authority.Store) {
		w := draft("warrant-0001")
		refuses(t, s, authority.ErrAbsent, func(tx authority.Tx) error { return tx.InsertWarrant(w) })
		does(t, s, func(tx authority.Tx) error { return tx.InsertCase(newCase("case-0001")) })
		missing(t, s, func(tx authority.Tx) (*authority.Warrant, error) { return tx.Warrant(w.ID) })
		does(t, s, func(tx authority.Tx) error { return tx.InsertWarrant(w) })
		same(t, "draft", got(t, s, func(tx authority.Tx) (*authority.Warrant, error) { return tx.Warrant(w.ID) }), w)
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.InsertWarrant(w) })

		sign := func(w *authority.Warrant) txFunc {
			return func(tx authority.Tx) error { return tx.CountersignIfDraft(w) }
		}
		refuses(t, s, authority.ErrConflict, sign(countersigned(w, "kim"))) // who drafted it
		long := countersigned(w, "lee")
		long.EndsAt = long.CountersignAt.Add(order.MaxHold + time.Microsecond)
		refuses(t, s, nil, sign(long))
		long.EndsAt = long.CountersignAt
		refuses(t, s, nil, sign(long))
		refuses(t, s, authority.ErrAbsent, sign(countersigned(draft("warrant-0009"), "lee")))
		full := countersigned(w, "lee")
		does(t, s, sign(full))
		same(t, "in force", got(t, s, func(tx authority.Tx) (*authority.Warrant, error) { return tx.Warrant(w.ID) }), full)
		same(t, "by hash", got(t, s, func(tx authority.Tx) (*authority.Warrant, error) { return tx.WarrantByHash(hash(7)) }), full)
		missing(t, s, func(tx authority.Tx) (*authority.Warrant, error) { return tx.WarrantByHash(hash(8)) })
		refuses(t, s, authority.ErrConflict, sign(countersigned(w, "max")))
		second := draft("warrant-0002")
		second.Document = []byte("as officers sign it")
		does(t, s, func(tx authority.Tx) error { return tx.InsertWarrant(second) })
		other := countersigned(second, "lee")
		other.Hash, other.Document = hash(9), []byte("another text")
		refuses(t, s, nil, sign(other)) // what was drafted stays
		same(t, "of the case", got(t, s, func(tx authority.Tx) ([]*authority.Warrant, error) { return tx.Warrants("case-0001") }),
			[]*authority.Warrant{full, second})
		same(t, "of another", got(t, s, func(tx authority.Tx) ([]*authority.Warrant, error) { return tx.Warrants("case-0009") }), []*authority.Warrant{})
		devices := func(id string, n int) txFunc {
			return func(tx authority.Tx) error { return tx.SetDevicesIfInForce(id, n) }
		}
		refuses(t, s, authority.ErrConflict, devices(second.ID, 13))
		refuses(t, s, authority.ErrAbsent, devices("warrant-0009", 13))
		refuses(t, s, nil, devices(w.ID, -1))
		does(t, s, devices(w.ID, 13))
		full.DevicesAtIssue = 13
		same(t, "counted later", got(t, s, func(tx authority.Tx) (*authority.Warrant, error) { return tx.Warrant(w.ID) }), full)
		endless := draft("warrant-0003")
		endless.EndsAt = time.Time{}
		refuses(t, s, nil, func(tx authority.Tx) error { return tx.InsertWarrant(endless) })
	},

	"appeal": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 2)
		missing(t, s, func(tx authority.Tx) (*authority.Appeal, error) { return tx.Appeal(1) })
		a := newAppeal(1, cuba)
		appealed(t, s, a)
		same(t, "stored", got(t, s, func(tx authority.Tx) (*authority.Appeal, error) { return tx.Appeal(a.ID) }), a)
		file := func(a *authority.Appeal) txFunc {
			return func(tx authority.Tx) error { _, err := tx.InsertAppeal(a); return err }
		}
		refuses(t, s, authority.ErrConflict, file(newAppeal(1, cuba)))
		refuses(t, s, authority.ErrAbsent, file(newAppeal(3, cuba)))
		long := newAppeal(2, cuba)
		long.Text = strings.Repeat("ж", 2001)
		refuses(t, s, nil, file(long))
		long.Text, long.DueAt = strings.Repeat("ж", 2000), start.Add(2*day)
		appealed(t, s, long)
		other := newAppeal(1, crimea)
		other.StoppedLock = true
		other.DueAt = start.Add(20 * day)
		appealed(t, s, other)

		answer := func(id int64, state authority.AppealState, by string) txFunc {
			return func(tx authority.Tx) error { return tx.AnswerIfOpen(id, state, by, start.Add(day), "Because.") }
		}
		refuses(t, s, authority.ErrAbsent, answer(other.ID+1, authority.AppealDenied, "kim"))
		refuses(t, s, nil, answer(a.ID, authority.AppealDenied, "")) // by nobody
		refuses(t, s, nil, answer(a.ID, authority.AppealOpen, "kim"))
		does(t, s, answer(a.ID, authority.AppealDenied, "kim"))
		a.State, a.AnsweredBy, a.AnsweredAt, a.Answer = authority.AppealDenied, "kim", start.Add(day), "Because."
		same(t, "answered", got(t, s, func(tx authority.Tx) (*authority.Appeal, error) { return tx.Appeal(a.ID) }), a)
		refuses(t, s, authority.ErrConflict, answer(a.ID, authority.AppealGranted, "kim"))

		list := func(state authority.AppealState, limit int) []*authority.Appeal {
			return got(t, s, func(tx authority.Tx) ([]*authority.Appeal, error) { return tx.Appeals(state, limit) })
		}
		same(t, "oldest due first", list(authority.AppealOpen, 9), []*authority.Appeal{long, other})
		same(t, "all", list("", 9), []*authority.Appeal{long, a, other})
		same(t, "limit", list("", 1), []*authority.Appeal{long})
		again := newAppeal(1, cuba)
		appealed(t, s, again) // answered once, it may be filed once more
		same(t, "of a device", got(t, s, func(tx authority.Tx) ([]*authority.Appeal, error) { return tx.AppealsOf(deviceID(1)) }),
			[]*authority.Appeal{a, other, again})
	},

	"policy": func(t *testing.T, s authority.Store) {
		inForce := func(now time.Time) func(authority.Tx) (*authority.PolicyDocument, error) {
			return func(tx authority.Tx) (*authority.PolicyDocument, error) { return tx.PolicyInForce(now) }
		}
		missing(t, s, inForce(start))
		docs := []*authority.PolicyDocument{
			{Hash: hash(1), Name: "terms-1", Source: []byte("a"), ActivateAt: start, By: "kim", PublishedAt: start, Signers: []string{"ada", "bela"}, Version: 2},
			{Hash: hash(2), Name: "terms-3", Source: []byte("b"), ActivateAt: start.Add(2 * day), By: "kim"},
			{Hash: hash(3), Name: "terms-2", Source: []byte("c"), ActivateAt: start.Add(day), By: "lee"},
			{Hash: hash(4), Name: "terms-2b", Source: []byte("d"), ActivateAt: start.Add(day), By: "lee"},
		}
		for _, p := range docs {
			does(t, s, func(tx authority.Tx) error { return tx.InsertPolicy(p) })
		}
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.InsertPolicy(docs[0]) })
		missing(t, s, inForce(start.Add(-time.Microsecond)))
		same(t, "at its beginning", got(t, s, inForce(start)), docs[0])
		same(t, "the one published last", got(t, s, inForce(start.Add(day))), docs[3])
		same(t, "in the end", got(t, s, inForce(start.Add(99*day))), docs[1])
		same(t, "by hash", got(t, s, func(tx authority.Tx) (*authority.PolicyDocument, error) { return tx.PolicyByHash(hash(3)) }), docs[2])
		missing(t, s, func(tx authority.Tx) (*authority.PolicyDocument, error) { return tx.PolicyByHash(hash(9)) })
		again := *docs[2]
		again.ActivateAt, again.By, again.PublishedAt, again.Signers, again.Version = start.Add(day/2), "kim", start.Add(day/2), []string{"ada", "cyd"}, 7
		unknown := again
		unknown.Hash = hash(9)
		refuses(t, s, authority.ErrAbsent, func(tx authority.Tx) error { return tx.RenewPolicy(&unknown) })
		does(t, s, func(tx authority.Tx) error { return tx.RenewPolicy(&again) })
		docs[2] = &again
		same(t, "newest first", got(t, s, func(tx authority.Tx) ([]*authority.PolicyDocument, error) { return tx.Policies(3) }),
			[]*authority.PolicyDocument{docs[1], docs[3], docs[2]})
	},

	"numbers": func(t *testing.T, s authority.Store) {
		next := func(series string) (n int64) {
			does(t, s, func(tx authority.Tx) (err error) { n, err = tx.NextNumber(series); return err })
			return n
		}
		last := func(series string) int64 {
			return got(t, s, func(tx authority.Tx) (int64, error) { return tx.LastNumber(series) })
		}
		same(t, "before any", last("case"), int64(0))
		same(t, "series", []int64{next("case"), next("case"), next("warrant"), next("case")}, []int64{1, 2, 1, 3})
		same(t, "last", []int64{last("case"), last("warrant"), last("other")}, []int64{3, 1, 0})
		does(t, s, func(tx authority.Tx) error { // its own, before it is committed
			n, err := tx.NextNumber("case")
			if err != nil {
				return err
			}
			if seen, err := tx.LastNumber("case"); err != nil || seen != n {
				return fmt.Errorf("%d is followed by %d, %v", n, seen, err)
			}
			return nil
		})
	},
}
