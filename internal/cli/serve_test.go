package cli

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// TestRetentionFlags: without flags the windows are the documented ones; too short a one is refused before anything is opened.
func TestRetentionFlags(t *testing.T) {
	const day = 24 * time.Hour
	for _, tc := range []struct {
		flags string
		want  authority.Retention
		says  string
	}{
		{"", authority.DefaultRetention(), ""},
		{"--keep-days 30 --keep-records 365 --keep-contacts 14 --keep-jobs 7", authority.Retention{Days: 30, Records: 365 * day, Contacts: 14 * day, Jobs: 7 * day}, ""},
		{"--keep-records 0 --keep-contacts 0 --keep-jobs 0", authority.Retention{Days: 90}, ""},
		{"--keep-days 0", authority.Retention{}, "--keep-days is 7 to 90"},
		{"--keep-days 91", authority.Retention{}, "--keep-days is 7 to 90"},
		{"--keep-records 29", authority.Retention{}, "--keep-records is 30 to"},
		{"--keep-contacts=-1", authority.Retention{}, "--keep-contacts is 1 to"},
		{"--keep-jobs 1000000000", authority.Retention{}, "--keep-jobs is 1 to"},
	} {
		parsed, err := parser(t).Parse(append([]string{"serve"}, strings.Fields(tc.flags)...))
		if err != nil {
			t.Fatal(err)
		}
		got, err := parsed.Selected().Target.Addr().Interface().(*serveCommand).retention()
		if tc.says == "" && (err != nil || got != tc.want) {
			t.Errorf("%q: %+v, %v", tc.flags, got, err)
		}
		if tc.says != "" && (!errors.As(err, new(usageError)) || !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("%q: %v", tc.flags, err)
		}
	}
}
