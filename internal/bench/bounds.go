package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// es256Rate is how many bare ES256 signature checks a second all processors that this process may use make: the standard library and nothing
// else, of a message of 300 bytes.
func es256Rate(d time.Duration) (float64, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, err
	}
	message := make([]byte, 300)
	digest := sha256.Sum256(message)
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return 0, err
	}
	var done atomic.Int64
	var wrong atomic.Bool
	var wait sync.WaitGroup
	begun := time.Now()
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			n := int64(0)
			for time.Since(begun) < d {
				for range 16 {
					digest := sha256.Sum256(message)
					if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
						wrong.Store(true)
					}
					n++
				}
			}
			done.Add(n)
		})
	}
	wait.Wait()
	if wrong.Load() {
		return 0, errors.New("a good signature was refused")
	}
	return float64(done.Load()) / time.Since(begun).Seconds(), nil
}

// between measures the bound before and after the thing and takes the mean, since the machine may change its pace meanwhile.
func between(d time.Duration, bound func(time.Duration) (float64, error), thing func() error) (float64, error) {
	before, err := bound(d)
	if err != nil {
		return 0, err
	}
	if err := thing(); err != nil {
		return 0, err
	}
	after, err := bound(d)
	return (before + after) / 2, err
}

// inTurns times two functions in turns and returns the median of each over their repetitions: on a busy machine a mean measures the
// neighbours. Each call does n of what is measured; the answer is nanoseconds for one.
func inTurns(d time.Duration, n int, thing, bound func()) (of, ofBound float64) {
	var things, bounds []time.Duration
	thing() // warm
	bound()
	for begun := time.Now(); time.Since(begun) < d || len(things) < 5; {
		start := time.Now()
		thing()
		middle := time.Now()
		bound()
		things, bounds = append(things, middle.Sub(start)), append(bounds, time.Since(middle))
	}
	return float64(median(things)) / float64(n), float64(median(bounds)) / float64(n)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
