package cli

import (
	"strings"
	"testing"
)

// TestPasswordsOnTheCommandLine: a password in the database's address is refused in whichever form it is written, and not said again.
func TestPasswordsOnTheCommandLine(t *testing.T) {
	for _, to := range []string{"postgres://u:s3cret@127.0.0.1/db", "postgres://u@127.0.0.1/db?sslmode=disable&password=s3cret",
		"host=127.0.0.1 user=u password=s3cret dbname=db", "host=127.0.0.1 password = 's3cret'"} {
		stdout, stderr, status := run(t, "store", "copy", "--data", t.TempDir(), "--to", to)
		if status == 0 || !strings.Contains(stderr, "holds a password") || strings.Contains(stdout+stderr, "s3cret") {
			t.Errorf("%s: %d, %s%s", to, status, stdout, stderr)
		}
	}
	for _, to := range []string{"postgres://u@127.0.0.1/db", "host=127.0.0.1 user=u dbname=password", "host=127.0.0.1 passfile=/etc/x"} {
		if holdsPassword(to) {
			t.Errorf("%s holds none", to)
		}
	}
}
