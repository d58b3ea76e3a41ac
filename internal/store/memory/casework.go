package memory

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

func (t *tx) openWave() *authority.Wave {
	for _, w := range slices.Backward(t.waves) {
		if w.State == authority.WaveOpen {
			return w
		}
	}
	return nil
}

func (t *tx) OpenWave() (*authority.Wave, error) { return found(t.openWave()) }

// found returns a copy of a record, ErrAbsent when there is none.
func found[T any](record *T) (*T, error) {
	if record == nil {
		return nil, authority.ErrAbsent
	}
	c := *record
	return &c, nil
}

func (t *tx) InsertWave(w *authority.Wave) (int64, error) {
	if err := t.mayWrite(); err != nil {
		return 0, err
	}
	if t.openWave() != nil {
		return 0, authority.ErrConflict
	}
	id := int64(len(t.waves)) + 1
	grow(t, &t.waves, &authority.Wave{ID: id, CreatedAt: w.CreatedAt, PolicyHash: w.PolicyHash, State: authority.WaveOpen, Note: w.Note})
	return id, nil
}

func (t *tx) wave(id int64) *authority.Wave {
	if id < 1 || id > int64(len(t.waves)) {
		return nil
	}
	return t.waves[id-1]
}

func (t *tx) resize(w *authority.Wave, by int) {
	next := *w
	next.Size += by
	swap(t, t.waves, int(w.ID-1), &next)
}

func (t *tx) ProposeIfNoticed(wave int64, id device.ID, g order.Ground) error {
	w := t.wave(wave)
	if w == nil {
		return authority.ErrAbsent
	}
	err := t.move(id, g, func(r *ground) bool { return r.Stage == order.Noticed && r.Wave == 0 && w.State == authority.WaveOpen },
		func(r *ground) { r.Wave = wave })
	if err == nil {
		t.resize(w, 1)
	}
	return err
}

func (t *tx) WithdrawProposal(id device.ID, g order.Ground) error {
	w := t.openWave()
	err := t.move(id, g, func(r *ground) bool { return w != nil && r.Wave == w.ID }, func(r *ground) { r.Wave = 0 })
	if err == nil {
		t.resize(w, -1)
	}
	return err
}

func (t *tx) Wave(id int64) (*authority.Wave, error) { return found(t.wave(id)) }

func (t *tx) Waves(limit int) ([]*authority.Wave, error) {
	list, err := newest(t.waves, limit)
	return copiesOf(list), err
}

func copiesOf[T any](list []*T) []*T {
	c := make([]*T, len(list))
	for i, record := range list {
		one := *record
		c[i] = &one
	}
	return c
}

func (t *tx) WaveItems(id int64, after authority.RestrictionKey, limit int) ([]*ground, error) {
	return t.where(limit, func(r *ground) bool {
		return r.Wave == id && cmp.Or(compareIDs(r.Device, after.Device), compareGrounds(r, after.Ground)) > 0
	})
}

func (t *tx) DecideIfOpen(id int64, s authority.WaveState, by string, at time.Time, note string) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	w := t.wave(id)
	switch {
	case w == nil:
		return authority.ErrAbsent
	case w.State != authority.WaveOpen:
		return authority.ErrConflict
	case s == authority.WaveOpen, by == "":
		return broken("a wave is decided by somebody")
	}
	next := *w
	next.State, next.DecidedBy, next.DecidedAt, next.Note = s, by, at, note
	swap(t, t.waves, int(id-1), &next)
	if s != authority.WaveRejected {
		return nil
	}
	items, err := t.WaveItems(id, authority.RestrictionKey{}, len(t.orders)+len(t.devices)*16+1)
	for _, item := range items {
		item.Wave = 0
		if err := t.store(item); err != nil {
			return err
		}
	}
	return err
}

func checkCase(c *authority.Case) error {
	if (c.State == authority.CaseConcluded) != (c.ConcludedBy != "") || (c.State == authority.CaseConcluded) == c.ConcludedAt.IsZero() {
		return broken("a case is concluded by somebody")
	}
	return nil
}

func (t *tx) InsertCase(c *authority.Case) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if _, taken := t.cases[c.ID]; taken {
		return authority.ErrConflict
	}
	one := *c
	put(t, t.cases, c.ID, &one)
	return checkCase(c)
}

func (t *tx) PutCaseIfState(c *authority.Case, was authority.CaseState) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	stored, ok := t.cases[c.ID]
	switch {
	case !ok:
		return authority.ErrAbsent
	case stored.State != was:
		return authority.ErrConflict
	}
	one := *c
	put(t, t.cases, c.ID, &one)
	return checkCase(c)
}

func (t *tx) Case(id string) (*authority.Case, error) { return found(t.cases[id]) }

func (t *tx) Cases(limit int) ([]*authority.Case, error) {
	list := make([]*authority.Case, 0, len(t.cases))
	for _, c := range t.cases {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *authority.Case) int {
		return cmp.Or(b.OpenedAt.Compare(a.OpenedAt), strings.Compare(b.ID, a.ID))
	})
	return copiesOf(list[:min(limit, len(list))]), within(limit)
}

func (t *tx) InsertWarrant(w *authority.Warrant) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if _, known := t.cases[w.Case]; !known {
		return authority.ErrAbsent
	}
	if _, taken := t.warrants[w.ID]; taken {
		return authority.ErrConflict
	}
	if w.DraftedBy == "" || !w.EndsAt.After(w.DraftedAt) {
		return broken("a warrant is drafted by somebody, and ends")
	}
	one := *w
	one.CountersignBy, one.CountersignAt, one.Hash = "", time.Time{}, [32]byte{}
	put(t, t.warrants, w.ID, &one)
	return nil
}

func (t *tx) CountersignIfDraft(w *authority.Warrant) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	stored, ok := t.warrants[w.ID]
	switch {
	case !ok:
		return authority.ErrAbsent
	case stored.CountersignBy != "", stored.DraftedBy == w.CountersignBy:
		return authority.ErrConflict
	case w.CountersignBy == "", w.CountersignAt.IsZero(), len(w.Document) == 0:
		return broken("a warrant is countersigned whole")
	case len(stored.Document) > 0 && !bytes.Equal(stored.Document, w.Document):
		return broken("the document that was drafted stays")
	case !w.EndsAt.After(w.CountersignAt), w.EndsAt.Sub(w.CountersignAt) > order.MaxHold:
		return broken("a hold ends, and in time")
	}
	one := *stored
	one.CountersignBy, one.CountersignAt, one.EndsAt, one.Hash = w.CountersignBy, w.CountersignAt, w.EndsAt, w.Hash
	one.Document, one.DevicesAtIssue, one.Signers = bytes.Clone(w.Document), w.DevicesAtIssue, slices.Clone(w.Signers)
	put(t, t.warrants, w.ID, &one)
	return nil
}

func (t *tx) SetDevicesIfInForce(warrant string, devices int) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	stored, ok := t.warrants[warrant]
	switch {
	case !ok:
		return authority.ErrAbsent
	case stored.CountersignBy == "":
		return authority.ErrConflict
	case devices < 0:
		return broken("a warrant is for no fewer devices than none")
	}
	one := *stored
	one.DevicesAtIssue = devices
	put(t, t.warrants, warrant, &one)
	return nil
}

func (t *tx) Warrant(id string) (*authority.Warrant, error) { return found(t.warrants[id]) }

func (t *tx) WarrantByHash(hash [32]byte) (*authority.Warrant, error) {
	for _, w := range t.warrants {
		if w.Hash == hash && w.CountersignBy != "" {
			return found(w)
		}
	}
	return nil, authority.ErrAbsent
}

func (t *tx) Warrants(caseID string) ([]*authority.Warrant, error) {
	var list []*authority.Warrant
	for _, w := range t.warrants {
		if w.Case == caseID {
			list = append(list, w)
		}
	}
	slices.SortFunc(list, func(a, b *authority.Warrant) int {
		return cmp.Or(a.DraftedAt.Compare(b.DraftedAt), strings.Compare(a.ID, b.ID))
	})
	return copiesOf(list), nil
}

func (t *tx) InsertAppeal(a *authority.Appeal) (int64, error) {
	if err := t.mayWrite(); err != nil {
		return 0, err
	}
	if _, known := t.devices[a.Device]; !known {
		return 0, authority.ErrAbsent
	}
	for _, other := range t.appeals {
		if other.Device == a.Device && other.Ground == a.Ground && other.State == authority.AppealOpen {
			return 0, authority.ErrConflict
		}
	}
	if utf8.RuneCountInString(a.Text) > 2000 || utf8.RuneCountInString(a.Contact) > 200 || !a.DueAt.After(a.OpenedAt) {
		return 0, broken("the appeal is out of bounds")
	}
	id := int64(len(t.appeals)) + 1
	grow(t, &t.appeals, &authority.Appeal{ID: id, Device: a.Device, Ground: a.Ground, Text: a.Text, Contact: a.Contact, OpenedAt: a.OpenedAt,
		DueAt: a.DueAt, State: authority.AppealOpen, StoppedLock: a.StoppedLock})
	return id, nil
}

func (t *tx) appeal(id int64) *authority.Appeal {
	if id < 1 || id > int64(len(t.appeals)) {
		return nil
	}
	return t.appeals[id-1]
}

func (t *tx) Appeal(id int64) (*authority.Appeal, error) { return found(t.appeal(id)) }

func (t *tx) appealsWhere(fits func(*authority.Appeal) bool) (list []*authority.Appeal) {
	for _, a := range t.appeals {
		if fits(a) {
			list = append(list, a)
		}
	}
	return copiesOf(list)
}

func (t *tx) Appeals(state authority.AppealState, limit int) ([]*authority.Appeal, error) {
	list := t.appealsWhere(func(a *authority.Appeal) bool { return state == "" || a.State == state })
	slices.SortStableFunc(list, func(a, b *authority.Appeal) int { return a.DueAt.Compare(b.DueAt) })
	return list[:min(limit, len(list))], within(limit)
}

func (t *tx) AppealsOf(id device.ID) ([]*authority.Appeal, error) {
	return t.appealsWhere(func(a *authority.Appeal) bool { return a.Device == id }), nil
}

func (t *tx) AnswerIfOpen(id int64, s authority.AppealState, by string, at time.Time, answer string) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	a := t.appeal(id)
	switch {
	case a == nil:
		return authority.ErrAbsent
	case a.State != authority.AppealOpen:
		return authority.ErrConflict
	case by == "", s == authority.AppealOpen:
		return broken("an appeal is answered by a human")
	}
	next := *a
	next.State, next.AnsweredBy, next.AnsweredAt, next.Answer = s, by, at, answer
	swap(t, t.appeals, int(id-1), &next)
	return nil
}
