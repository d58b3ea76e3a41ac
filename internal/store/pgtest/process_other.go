//go:build !linux

package pgtest

import (
	"os"
	"syscall"
)

// Elsewhere the server does not end by itself when the tests are killed: the tests run on Linux.

func attributes(*account, syscall.Signal) *syscall.SysProcAttr { return nil }

func childrenOf(int) []*os.Process { return nil }
