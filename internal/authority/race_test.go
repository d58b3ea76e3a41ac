//go:build race

package authority_test

// raced says that the race detector watches.
const raced = true
