//go:build !race

package authority_test

const raced = false
