package territory

// WellFormed reports whether c has the form of an ISO 3166-1 alpha-2 or ISO 3166-2 code: two capital letters, or two
// capital letters, a dash and one to three capital letters or digits. Unlike Valid it asks no table: what is on
// the wire must stay readable on a device whose tables are older than the world.
func (c Code) WellFormed() bool {
	if len(c) < 2 || !isCapital(c[0]) || !isCapital(c[1]) {
		return false
	}
	if len(c) == 2 {
		return true
	}
	if c[2] != '-' || len(c) < 4 || len(c) > 6 {
		return false
	}
	for i := 3; i < len(c); i++ {
		if !isCapital(c[i]) && (c[i] < '0' || c[i] > '9') {
			return false
		}
	}
	return true
}

func isCapital(c byte) bool { return 'A' <= c && c <= 'Z' }
