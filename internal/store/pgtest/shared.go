package pgtest

import (
	"fmt"
	"os"
	"sync"
)

// TB is what this package asks of a *testing.T or *testing.B; package testing itself does not belong into a program that measures.
type TB interface {
	Helper()
	Fatal(args ...any)
}

// shared is the cluster that the tests of one package share.
var shared struct {
	once    sync.Once
	cluster *Cluster
	err     error
}

// Shared returns the cluster of the package's tests, started when it is asked for first. The package must have Main as its TestMain.
func Shared(t TB) *Cluster {
	t.Helper()
	shared.once.Do(func() { shared.cluster, shared.err = Start() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.cluster
}

// Database makes an empty database on the shared cluster, and returns its URL.
func Database(t TB) string {
	t.Helper()
	return Shared(t).Database(t)
}

// Main runs a package's tests and stops the shared cluster.
func Main(m interface{ Run() int }) {
	code := m.Run()
	if shared.cluster != nil {
		if err := shared.cluster.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}
