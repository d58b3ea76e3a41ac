package postgres

import (
	"errors"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/order"
)

const caseColumns = "id, title, consignment, state, opened_by, opened_at, finding, concluded_by, concluded_at"

func scanCase(s scanner) (*authority.Case, error) {
	c := new(authority.Case)
	return c, s.Scan(&c.ID, &c.Title, &c.Consignment, &c.State, &c.OpenedBy, when{&c.OpenedAt}, &c.Finding, &c.ConcludedBy,
		when{&c.ConcludedAt})
}

func (t *tx) InsertCase(c *authority.Case) error {
	return t.fresh("INSERT INTO cases ("+caseColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", c.ID, c.Title, c.Consignment,
		string(c.State), c.OpenedBy, stamp(c.OpenedAt), c.Finding, c.ConcludedBy, stamp(c.ConcludedAt))
}

func (t *tx) PutCaseIfState(c *authority.Case, was authority.CaseState) error {
	return t.guarded("SELECT 1 FROM cases WHERE id = $1", key(c.ID), `UPDATE cases SET title = $1, consignment = $2, state = $3,
		opened_by = $4, opened_at = $5, finding = $6, concluded_by = $7, concluded_at = $8 WHERE id = $9 AND state = $10`, c.Title,
		c.Consignment, string(c.State), c.OpenedBy, stamp(c.OpenedAt), c.Finding, c.ConcludedBy, stamp(c.ConcludedAt), c.ID, string(was))
}

func (t *tx) Case(id string) (*authority.Case, error) {
	return first(rows(t, scanCase, "SELECT "+caseColumns+" FROM cases WHERE id = $1", id))
}

func (t *tx) Cases(limit int) ([]*authority.Case, error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	return rows(t, scanCase, "SELECT "+caseColumns+" FROM cases ORDER BY opened_at DESC, id DESC LIMIT $1", limit)
}

const warrantColumns = `id, case_id, reason, drafted_by, drafted_at, coalesce(countersign_by, ''), countersign_at, ends_at, hash,
	document, devices_at_issue, signers`

func scanWarrant(s scanner) (*authority.Warrant, error) {
	w := new(authority.Warrant)
	var signers string
	err := s.Scan(&w.ID, &w.Case, &w.Reason, &w.DraftedBy, when{&w.DraftedAt}, &w.CountersignBy, when{&w.CountersignAt},
		when{&w.EndsAt}, maybe{w.Hash[:]}, &w.Document, &w.DevicesAtIssue, &signers)
	if err != nil {
		return nil, err
	}
	if len(w.Document) == 0 {
		w.Document = nil
	}
	w.Signers, err = readTexts[string](signers)
	return w, err
}

// InsertWarrant stores a draft; only CountersignIfDraft can put it in force.
func (t *tx) InsertWarrant(w *authority.Warrant) error {
	return t.fresh(`INSERT INTO warrant (id, case_id, reason, drafted_by, drafted_at, ends_at, document, devices_at_issue)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, w.ID, w.Case, w.Reason, w.DraftedBy, stamp(w.DraftedAt), stamp(w.EndsAt), blob(w.Document),
		w.DevicesAtIssue)
}

func (t *tx) CountersignIfDraft(w *authority.Warrant) error {
	signers, err := texts(w.Signers)
	if err != nil {
		return err
	}
	return t.guarded("SELECT 1 FROM warrant WHERE id = $1", key(w.ID), `UPDATE warrant SET countersign_by = $1::text, countersign_at = $2,
		ends_at = $3, hash = $4, document = $5, devices_at_issue = $6, signers = $8
		WHERE id = $7 AND countersign_by IS NULL AND drafted_by <> $1::text`, w.CountersignBy, stamp(w.CountersignAt), stamp(w.EndsAt),
		w.Hash[:], blob(w.Document), w.DevicesAtIssue, w.ID, signers)
}

func (t *tx) Warrant(id string) (*authority.Warrant, error) {
	return first(rows(t, scanWarrant, "SELECT "+warrantColumns+" FROM warrant WHERE id = $1", id))
}

func (t *tx) WarrantByHash(hash [32]byte) (*authority.Warrant, error) {
	return first(rows(t, scanWarrant, "SELECT "+warrantColumns+" FROM warrant WHERE hash = $1", hash[:]))
}

func (t *tx) Warrants(caseID string) ([]*authority.Warrant, error) {
	return rows(t, scanWarrant, "SELECT "+warrantColumns+" FROM warrant WHERE case_id = $1 ORDER BY drafted_at, id", caseID)
}

const appealColumns = "number, " + idColumns + `, ground_kind, ground, words, contact, opened_at, due_at, state, answered_by, answered_at,
	answer, stopped_lock`

func scanAppeal(s scanner) (*authority.Appeal, error) {
	a := new(authority.Appeal)
	var kind int64
	err := s.Scan(&a.ID, identity{&a.Device}, rest{&a.Device}, &kind, &a.Ground.ID, &a.Text, &a.Contact, when{&a.OpenedAt}, when{&a.DueAt}, &a.State,
		&a.AnsweredBy, when{&a.AnsweredAt}, &a.Answer, &a.StoppedLock)
	a.Ground.Kind = order.GroundKind(kind)
	return a, err
}

// InsertAppeal stores an open appeal.
func (t *tx) InsertAppeal(a *authority.Appeal) (int64, error) {
	return t.insert(`INSERT INTO appeal (device, ground_kind, ground, words, contact, opened_at, due_at, state, answered_by, answer, stopped_lock)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 'open', '', '', $8) ON CONFLICT DO NOTHING RETURNING number`,
		append(one(a.Device, a.Ground), a.Text, a.Contact, stamp(a.OpenedAt), stamp(a.DueAt), a.StoppedLock)...)
}

func (t *tx) Appeal(id int64) (*authority.Appeal, error) {
	return first(rows(t, scanAppeal, "SELECT "+appealColumns+" FROM appeal WHERE number = $1", id))
}

func (t *tx) Appeals(state authority.AppealState, limit int) ([]*authority.Appeal, error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	if state == "" {
		return rows(t, scanAppeal, "SELECT "+appealColumns+" FROM appeal ORDER BY due_at, number LIMIT $1", limit)
	}
	return rows(t, scanAppeal, "SELECT "+appealColumns+" FROM appeal WHERE state = $1 ORDER BY due_at, number LIMIT $2", string(state), limit)
}

func (t *tx) AppealsOf(id device.ID) ([]*authority.Appeal, error) {
	return rows(t, scanAppeal, "SELECT "+appealColumns+" FROM appeal WHERE device = $1 ORDER BY number", record.Number(id))
}

func (t *tx) AnswerIfOpen(id int64, s authority.AppealState, by string, at time.Time, answer string) error {
	return t.guarded("SELECT 1 FROM appeal WHERE number = $1", key(id), `UPDATE appeal SET state = $1, answered_by = $2, answered_at = $3,
		answer = $4 WHERE number = $5 AND state = 'open'`, string(s), by, stamp(at), answer, id)
}

const policyColumns = "hash, name, source, activate_at, published_by, published_at, signers, version"

func scanPolicy(s scanner) (*authority.PolicyDocument, error) {
	p := new(authority.PolicyDocument)
	var signers string
	err := s.Scan(fixed{p.Hash[:]}, &p.Name, &p.Source, when{&p.ActivateAt}, &p.By, when{&p.PublishedAt}, &signers, counter{&p.Version})
	if err != nil {
		return nil, err
	}
	p.Signers, err = readTexts[string](signers)
	return p, err
}

// publication is the columns of a policy that say who published it, and when.
func publication(p *authority.PolicyDocument) ([]any, error) {
	signers, err := texts(p.Signers)
	if err != nil {
		return nil, err
	}
	version, err := count("a policy's version", p.Version)
	return key(stamp(p.ActivateAt), p.By, stamp(p.PublishedAt), signers, version), err
}

func (t *tx) InsertPolicy(p *authority.PolicyDocument) error {
	published, err := publication(p)
	if err != nil {
		return err
	}
	return t.fresh("INSERT INTO policy ("+policyColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		append(key(p.Hash[:], p.Name, blob(p.Source)), published...)...)
}

func (t *tx) RenewPolicy(p *authority.PolicyDocument) error {
	published, err := publication(p)
	if err != nil {
		return err
	}
	return t.put("UPDATE policy SET activate_at = $1, published_by = $2, published_at = $3, signers = $4, version = $5 WHERE hash = $6",
		append(published, p.Hash[:])...)
}

// PolicyInForce: of two that take effect at the same time, the one published last.
func (t *tx) PolicyInForce(now time.Time) (*authority.PolicyDocument, error) {
	return first(rows(t, scanPolicy, "SELECT "+policyColumns+` FROM policy WHERE activate_at <= $1
		ORDER BY activate_at DESC, number DESC LIMIT 1`, now.UnixMicro()))
}

func (t *tx) Policies(limit int) ([]*authority.PolicyDocument, error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	return rows(t, scanPolicy, "SELECT "+policyColumns+" FROM policy ORDER BY activate_at DESC, number DESC LIMIT $1", limit)
}

func (t *tx) PolicyByHash(hash [32]byte) (*authority.PolicyDocument, error) {
	return first(rows(t, scanPolicy, "SELECT "+policyColumns+" FROM policy WHERE hash = $1", hash[:]))
}

func (t *tx) NextNumber(series string) (n int64, err error) {
	return t.insert(`INSERT INTO series (name, value) VALUES ($1, 1)
		ON CONFLICT (name) DO UPDATE SET value = series.value + 1 RETURNING value`, series)
}

func (t *tx) LastNumber(series string) (n int64, err error) {
	err = t.row("SELECT value FROM series WHERE name = $1", key(series), &n)
	if errors.Is(err, authority.ErrAbsent) {
		return 0, nil
	}
	return n, err
}
