package authority

import "testing"

// A token stands behind --token on command lines.
func TestATokenIsNoOption(t *testing.T) {
	seen := make(map[string]bool)
	for range 2000 { // of which about thirty would, by chance
		token := newToken()
		if token[0] == '-' || len(token) != 43 || seen[token] {
			t.Fatalf("a token %s", token)
		}
		seen[token] = true
	}
}
