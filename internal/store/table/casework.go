package table

import (
	"errors"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/order"
)

const caseColumns = "id, title, consignment, state, opened_by, opened_at, finding, concluded_by, concluded_at"

func scanCase(row Row) (*authority.Case, error) {
	c := new(authority.Case)
	return c, row.Scan(&c.ID, &c.Title, &c.Consignment, &c.State, &c.OpenedBy, When(&c.OpenedAt), &c.Finding, &c.ConcludedBy,
		When(&c.ConcludedAt))
}

func (t Tx) InsertCase(c *authority.Case) error {
	return Fresh(t, "INSERT INTO cases ("+caseColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", c.ID, c.Title, c.Consignment,
		string(c.State), c.OpenedBy, Stamp(c.OpenedAt), c.Finding, c.ConcludedBy, Stamp(c.ConcludedAt))
}

func (t Tx) PutCaseIfState(c *authority.Case, was authority.CaseState) error {
	return Guarded(t, "SELECT 1 FROM cases WHERE id = $1", key(c.ID), `UPDATE cases SET title = $1, consignment = $2, state = $3,
		opened_by = $4, opened_at = $5, finding = $6, concluded_by = $7, concluded_at = $8 WHERE id = $9 AND state = $10`, c.Title,
		c.Consignment, string(c.State), c.OpenedBy, Stamp(c.OpenedAt), c.Finding, c.ConcludedBy, Stamp(c.ConcludedAt), c.ID, string(was))
}

func (t Tx) Case(id string) (*authority.Case, error) {
	return First(List(t, scanCase, "SELECT "+caseColumns+" FROM cases WHERE id = $1", id))
}

func (t Tx) Cases(limit int) ([]*authority.Case, error) {
	if err := Within(limit); err != nil {
		return nil, err
	}
	return List(t, scanCase, "SELECT "+caseColumns+" FROM cases ORDER BY opened_at DESC, id DESC LIMIT $1", limit)
}

const warrantColumns = `id, case_id, reason, drafted_by, drafted_at, coalesce(countersign_by, ''), countersign_at, ends_at, hash,
	document, devices_at_issue, signers`

func scanWarrant(row Row) (*authority.Warrant, error) {
	w := new(authority.Warrant)
	var signers string
	err := row.Scan(&w.ID, &w.Case, &w.Reason, &w.DraftedBy, When(&w.DraftedAt), &w.CountersignBy, When(&w.CountersignAt),
		When(&w.EndsAt), Maybe(w.Hash[:]), &w.Document, &w.DevicesAtIssue, &signers)
	if err != nil {
		return nil, err
	}
	if len(w.Document) == 0 {
		w.Document = nil
	}
	w.Signers, err = ReadTexts[string](signers)
	return w, err
}

// InsertWarrant stores a draft; only CountersignIfDraft can put it in force.
func (t Tx) InsertWarrant(w *authority.Warrant) error {
	return Fresh(t, `INSERT INTO warrant (id, case_id, reason, drafted_by, drafted_at, ends_at, document, devices_at_issue)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, w.ID, w.Case, w.Reason, w.DraftedBy, Stamp(w.DraftedAt), Stamp(w.EndsAt), Blob(w.Document),
		w.DevicesAtIssue)
}

func (t Tx) CountersignIfDraft(w *authority.Warrant) error {
	signers, err := Texts(w.Signers)
	if err != nil {
		return err
	}
	return Guarded(t, "SELECT 1 FROM warrant WHERE id = $1", key(w.ID), `UPDATE warrant SET countersign_by = CAST($1 AS text), countersign_at = $2,
		ends_at = $3, hash = $4, document = $5, devices_at_issue = $6, signers = $8
		WHERE id = $7 AND countersign_by IS NULL AND drafted_by <> CAST($1 AS text)`, w.CountersignBy, Stamp(w.CountersignAt), Stamp(w.EndsAt),
		w.Hash[:], Blob(w.Document), w.DevicesAtIssue, w.ID, signers)
}

func (t Tx) SetDevicesIfInForce(warrant string, devices int) error {
	return Guarded(t, "SELECT 1 FROM warrant WHERE id = $1", key(warrant),
		"UPDATE warrant SET devices_at_issue = $2 WHERE id = $1 AND countersign_by IS NOT NULL", warrant, devices)
}

func (t Tx) Warrant(id string) (*authority.Warrant, error) {
	return First(List(t, scanWarrant, "SELECT "+warrantColumns+" FROM warrant WHERE id = $1", id))
}

func (t Tx) WarrantByHash(hash [32]byte) (*authority.Warrant, error) {
	return First(List(t, scanWarrant, "SELECT "+warrantColumns+" FROM warrant WHERE hash = $1", hash[:]))
}

func (t Tx) Warrants(caseID string) ([]*authority.Warrant, error) {
	return List(t, scanWarrant, "SELECT "+warrantColumns+" FROM warrant WHERE case_id = $1 ORDER BY drafted_at, id", caseID)
}

const appealColumns = "number, " + idColumns + `, ground_kind, ground, words, contact, opened_at, due_at, state, answered_by, answered_at,
	answer, stopped_lock`

func scanAppeal(row Row) (*authority.Appeal, error) {
	a := new(authority.Appeal)
	var kind int64
	err := row.Scan(&a.ID, Identity(&a.Device), Rest(&a.Device), &kind, &a.Ground.ID, &a.Text, &a.Contact, When(&a.OpenedAt), When(&a.DueAt), &a.State,
		&a.AnsweredBy, When(&a.AnsweredAt), &a.Answer, &a.StoppedLock)
	a.Ground.Kind = order.GroundKind(kind)
	return a, err
}

// InsertAppeal stores an open appeal.
func (t Tx) InsertAppeal(a *authority.Appeal) (int64, error) {
	return Insert(t, `INSERT INTO appeal (device, ground_kind, ground, words, contact, opened_at, due_at, state, answered_by, answer, stopped_lock)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 'open', '', '', $8) ON CONFLICT DO NOTHING RETURNING number`,
		append(One(a.Device, a.Ground), a.Text, a.Contact, Stamp(a.OpenedAt), Stamp(a.DueAt), a.StoppedLock)...)
}

func (t Tx) Appeal(id int64) (*authority.Appeal, error) {
	return First(List(t, scanAppeal, "SELECT "+appealColumns+" FROM appeal WHERE number = $1", id))
}

func (t Tx) Appeals(state authority.AppealState, limit int) ([]*authority.Appeal, error) {
	if err := Within(limit); err != nil {
		return nil, err
	}
	if state == "" {
		return List(t, scanAppeal, "SELECT "+appealColumns+" FROM appeal ORDER BY due_at, number LIMIT $1", limit)
	}
	return List(t, scanAppeal, "SELECT "+appealColumns+" FROM appeal WHERE state = $1 ORDER BY due_at, number LIMIT $2", string(state), limit)
}

func (t Tx) AppealsOf(id device.ID) ([]*authority.Appeal, error) {
	return List(t, scanAppeal, "SELECT "+appealColumns+" FROM appeal WHERE device = $1 ORDER BY number", record.Number(id))
}

func (t Tx) AnswerIfOpen(id int64, s authority.AppealState, by string, at time.Time, answer string) error {
	return Guarded(t, "SELECT 1 FROM appeal WHERE number = $1", key(id), `UPDATE appeal SET state = $1, answered_by = $2, answered_at = $3,
		answer = $4 WHERE number = $5 AND state = 'open'`, string(s), by, Stamp(at), answer, id)
}

const policyColumns = "hash, name, source, activate_at, published_by, published_at, signers, version"

func scanPolicy(row Row) (*authority.PolicyDocument, error) {
	p := new(authority.PolicyDocument)
	var signers string
	err := row.Scan(Fixed(p.Hash[:]), &p.Name, &p.Source, When(&p.ActivateAt), &p.By, When(&p.PublishedAt), &signers, Counter(&p.Version))
	if err != nil {
		return nil, err
	}
	p.Signers, err = ReadTexts[string](signers)
	return p, err
}

// publication is the columns of a policy that say who published it, and when.
func publication(p *authority.PolicyDocument) ([]any, error) {
	signers, err := Texts(p.Signers)
	if err != nil {
		return nil, err
	}
	version, err := Count("a policy's version", p.Version)
	return key(Stamp(p.ActivateAt), p.By, Stamp(p.PublishedAt), signers, version), err
}

func (t Tx) InsertPolicy(p *authority.PolicyDocument) error {
	published, err := publication(p)
	if err != nil {
		return err
	}
	return Fresh(t, "INSERT INTO policy ("+policyColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		append(key(p.Hash[:], p.Name, Blob(p.Source)), published...)...)
}

func (t Tx) RenewPolicy(p *authority.PolicyDocument) error {
	published, err := publication(p)
	if err != nil {
		return err
	}
	return Put(t, "UPDATE policy SET activate_at = $1, published_by = $2, published_at = $3, signers = $4, version = $5 WHERE hash = $6",
		append(published, p.Hash[:])...)
}

// PolicyInForce: of two that take effect at the same time, the one published last.
func (t Tx) PolicyInForce(now time.Time) (*authority.PolicyDocument, error) {
	return First(List(t, scanPolicy, "SELECT "+policyColumns+` FROM policy WHERE activate_at <= $1
		ORDER BY activate_at DESC, number DESC LIMIT 1`, now.UnixMicro()))
}

func (t Tx) Policies(limit int) ([]*authority.PolicyDocument, error) {
	if err := Within(limit); err != nil {
		return nil, err
	}
	return List(t, scanPolicy, "SELECT "+policyColumns+" FROM policy ORDER BY activate_at DESC, number DESC LIMIT $1", limit)
}

func (t Tx) PolicyByHash(hash [32]byte) (*authority.PolicyDocument, error) {
	return First(List(t, scanPolicy, "SELECT "+policyColumns+" FROM policy WHERE hash = $1", hash[:]))
}

func (t Tx) NextNumber(series string) (n int64, err error) {
	return Insert(t, `INSERT INTO series (name, value) VALUES ($1, 1)
		ON CONFLICT (name) DO UPDATE SET value = series.value + 1 RETURNING value`, series)
}

func (t Tx) LastNumber(series string) (n int64, err error) {
	err = Single(t, "SELECT value FROM series WHERE name = $1", key(series), &n)
	if errors.Is(err, authority.ErrAbsent) {
		return 0, nil
	}
	return n, err
}
