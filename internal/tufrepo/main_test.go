package tufrepo

import (
	"flag"
	"os"
	"testing"
)

// TestMain runs fewer histories than rapid's hundred, since each signs some hundred files; -rapid.checks asks for more.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "10"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
