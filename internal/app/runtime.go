package app

import (
	"os"
	"runtime"
)

// spareHeap is memory that is never touched, and so never there: the garbage collector takes it for a part of what lives, and runs as rarely
// as it would with a heap that is so much larger. A server whose live heap is a few dozen MiB spends an eighth of its processor time under load
// on collecting without this. Unlike a higher GOGC it costs no more where much is alive, and unlike GOMEMLIMIT it cannot make the
// collector run all the time.
const spareHeap = 128 << 20

// spareProcessors is how many more goroutines may run at once than there are processors. One that waits for the disk in a system call
// keeps its place until the runtime takes it away, up to 10 ms later: with as many places as processors the writer's fsync stops a processor,
// which on a small machine is all of it, and few check-ins gather for the next commit. There are two such waits, the log's and the checkpoint's.
const spareProcessors = 2

// Settle fits the runtime of this process to a server. Whoever sets GOGC or GOMEMLIMIT, or GOMAXPROCS, in the environment decides on
// garbage, or on processors, for themselves. The caller calls restore when it serves no more. A processor limit of the container that changes
// meanwhile is seen at the next start.
func Settle() (restore func()) {
	var heap []byte
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		heap = make([]byte, spareHeap)
	}
	places := runtime.GOMAXPROCS(0)
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(places + spareProcessors)
	}
	return func() {
		runtime.KeepAlive(heap)
		runtime.GOMAXPROCS(places)
	}
}
