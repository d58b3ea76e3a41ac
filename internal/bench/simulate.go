package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/policies"
)

// changedPolicy is the sample policy with one more territory, where one person in eleven lives, for phones activated since the beginning of the year.
func changedPolicy() ([]byte, error) {
	source, _, _ := bytes.Cut(policies.Current, []byte("\ntests:")) // they are of the policy as it was
	for _, change := range [][2]string{{" ID,", ""}, {"codes: [CU]", "codes: [CU, ID]"}, {"activated_on_or_after: 2026-11-01", "activated_on_or_after: 2026-01-01"}} {
		changed := bytes.Replace(source, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(changed, source) {
			return nil, fmt.Errorf("the sample policy has no %q any more", change[0])
		}
		source = changed
	}
	return source, nil
}

// simulate10m has a policy change simulated over the largest population, and looks whether every device was counted.
func simulate10m(ctx context.Context, s *session) (Row, error) {
	source, err := changedPolicy()
	if err != nil {
		return Row{}, err
	}
	dir, f, err := s.large(ctx)
	if err != nil {
		return Row{}, err
	}
	w := &world{dir: dir}
	if err := w.open(ctx, ""); err != nil {
		return Row{}, err
	}
	s.Progress.Stage("simulating", 0)
	memory := watchMemory()
	begun := time.Now()
	j, err := w.app.Service.Simulate(ctx, first, "changed.yaml", source)
	if err == nil {
		j, err = w.app.Service.AwaitJob(ctx, j.ID, time.Hour)
	}
	took, most := time.Since(begun), memory()
	if err = errors.Join(err, w.leave()); err != nil {
		return Row{}, err
	}
	var found authority.Simulation
	if err := json.Unmarshal(j.Result, &found); err != nil || j.State != authority.JobDone {
		return Row{}, errors.Join(err, fmt.Errorf("the simulation is %s: %w", j.State, j.Err()))
	}
	if found.Total.After.Devices < f.n || found.Total.After.Noticed < f.n/50 {
		return Row{}, fmt.Errorf("of %d devices %d were counted, and %d would be noticed", f.n, found.Total.After.Devices, found.Total.After.Noticed)
	}
	return Row{Value: took.Seconds(), Bound: 30, Note: fmt.Sprintf("%s; %s would be noticed; at most %d MiB of memory in this process",
		s.largeNote(), thousands(found.Total.After.Noticed), most>>20)}, nil
}
