package bench

import "context"

// RunTiny is Run with a fiftieth of a quick run, for tests: what it measures means nothing, and that it measures is what they look at.
func RunTiny(ctx context.Context, setup Setup, only ...string) (*Report, error) {
	chosen, err := choose(only)
	if err != nil {
		return nil, err
	}
	setup.Progress = silent{}
	return run(ctx, &session{Setup: setup, tiny: true, sizes: map[string]*recordSizes{}}, chosen)
}
