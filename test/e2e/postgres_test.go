package e2e

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/fleet"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

// database runs a PostgreSQL until the test ends, and makes an empty database in it.
func database(t *testing.T) string {
	t.Helper()
	cluster, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	return cluster.Database(t)
}

// TestStoryOnPostgres: the story does not depend on where the records are.
func TestStoryOnPostgres(t *testing.T) {
	t.Parallel()
	url := database(t)
	report := live(t, fleet.Config{Seed: 1, Devices: 60, Days: 55}, func(c *app.Config) { c.Database = url }, nil)
	if !report.OK() || report.FalseNotices != 0 {
		t.Errorf("the report is not OK, or %d lawful devices were shown a notice", report.FalseNotices)
	}
}
