package daemon

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent/client"
)

func TestBackOff(t *testing.T) {
	asks := func(d time.Duration) error {
		return fmt.Errorf("check in: %w", &client.Problem{Status: 503, RetryAfter: d})
	}
	silent := errors.New("no network")
	for _, tc := range []struct {
		before time.Duration
		err    error
		want   time.Duration
	}{
		{0, silent, time.Minute},
		{time.Minute, silent, 2 * time.Minute},
		{40 * time.Minute, silent, time.Hour},
		{time.Hour, silent, time.Hour},
		{0, asks(0), time.Minute},
		{0, asks(7 * time.Second), 7 * time.Second},
		{7 * time.Second, asks(3 * time.Second), 14 * time.Second},
		{7 * time.Second, asks(20 * time.Minute), 20 * time.Minute},
		{0, asks(5 * time.Hour), time.Hour},
	} {
		if got := backOff(tc.before, tc.err); got != tc.want {
			t.Errorf("after %v and %v: %v, want %v", tc.before, tc.err, got, tc.want)
		}
	}
}
