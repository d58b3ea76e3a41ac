package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// told says, in a line, how far a warrant's notices are.
func (w *warrantAnswer) told() string {
	j := w.Notices
	if j == nil {
		return fmt.Sprintf("notices go to %d devices.\n", w.Devices)
	}
	switch {
	case !j.over():
		return fmt.Sprintf("its notices are being given: %s\n%s", j.progress(), j.hint())
	case j.failed() != nil:
		return fmt.Sprintf("its notices stopped at %s: bailiwick job show %d says why\n", j.progress(), j.ID)
	}
	n := w.noticed()
	return fmt.Sprintf("notices go to %d devices: %d were given now, %d at a check-in before, and %d wait for a later one.\n", n.Enrolled, n.Noticed, n.Before, n.Left)
}

// noticed is what has come of the job so far.
func (w *warrantAnswer) noticed() (n authority.Noticed) {
	_ = json.Unmarshal(w.Notices.Result, &n) // of another release: nothing is known
	return n
}

// follow waits for the end of the job that gives a warrant's notices, if there is one, unless told not to, and shows what came of it: for machines the
// answer raw, in which the warrant is at a place, with the job as it is then.
func (w *waitFlags) follow(ctx context.Context, env Environment, f *officerFlags, of *warrantAnswer, raw json.RawMessage, at []string, people func()) error {
	if of.Notices == nil {
		return f.show(env, raw, people)
	}
	if !w.NoWait && !of.Notices.over() {
		j, err := f.await(ctx, env, of.Notices.ID)
		if err != nil {
			return err
		}
		of.Notices = j
		of.Devices = of.noticed().Enrolled
		if raw, err = placed(raw, j.raw, append(at, "notices")...); err != nil {
			return err
		}
		if raw, err = placed(raw, fmt.Append(nil, of.Devices), append(at, "devices")...); err != nil {
			return err
		}
	}
	if err := f.show(env, raw, people); err != nil {
		return err
	}
	return of.Notices.failed()
}

// placed returns an object of JSON with a value at a place in it.
func placed(object, value json.RawMessage, place ...string) (json.RawMessage, error) {
	if len(place) == 0 {
		return value, nil
	}
	members := make(map[string]json.RawMessage)
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, err
	}
	inner, err := placed(members[place[0]], value, place[1:]...)
	if err != nil {
		return nil, err
	}
	members[place[0]] = inner
	return json.Marshal(members)
}
