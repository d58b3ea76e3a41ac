package authority_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// A policy that devices cannot keep is refused when it is published, not by every device of the fleet.
func TestPolicyTooLargeForDevices(t *testing.T) {
	r := newRig(t)
	admin := &authority.Officer{Name: "root", Role: authority.RoleAdmin}
	source := policies.Terms202109
	at := bytes.Index(source, []byte("\nprohibited:\n")) + len("\nprohibited:\n")
	var entries strings.Builder
	for i := range 26 * 26 {
		c := territory.Code([]byte{'A' + byte(i/26), 'A' + byte(i%26)})
		if !c.Valid() || bytes.Contains(source, []byte(c)) {
			continue
		}
		fmt.Fprintf(&entries, "  - {id: x%d, name: X, codes: [\"%s\"], legal_basis: \"%s\", source: s, since: 2014-01-01, review_by: 2031-01-01}\n",
			i, c, strings.Repeat("x", 1990))
	}
	huge := append(append(append([]byte(nil), source[:at]...), entries.String()...), source[at:]...)
	if _, _, err := r.PublishPolicy(ctx, admin, "huge.yaml", huge); err == nil || !strings.Contains(err.Error(), "devices could not read it") {
		t.Errorf("%v", err)
	}
}
