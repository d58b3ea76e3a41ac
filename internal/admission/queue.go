package admission

import (
	"math/rand/v2"
	"time"
)

// waiter is a call that waits. gone and the queue's bookkeeping are guarded by the gate.
type waiter struct {
	since  time.Time
	answer chan bool // holds one: whether it is let in
	gone   bool
}

// queue is first in, first out. Those who are gone stay in it until their turn, and are not counted.
type queue struct {
	list  []*waiter
	first int
	alive int
}

func (q *queue) len() int { return q.alive }

func (q *queue) push(w *waiter) {
	if q.first > 64 && q.first > len(q.list)/2 { // the front half is spent
		q.list = append(q.list[:0], q.list[q.first:]...)
		q.first = 0
	}
	q.list = append(q.list, w)
	q.alive++
}

// pop takes the first that is still there; there is one.
func (q *queue) pop() *waiter {
	for {
		w := q.list[q.first]
		q.list[q.first] = nil
		q.first++
		if q.first == len(q.list) {
			q.list, q.first = q.list[:0], 0
		}
		if !w.gone {
			q.alive--
			return w
		}
	}
}

// left notes that one who waits is gone, and gives back the places in front that are spent: most are gone in the order in which they came.
func (q *queue) left() {
	q.alive--
	for q.first < len(q.list) && q.list[q.first].gone {
		q.list[q.first] = nil
		q.first++
	}
	if q.first == len(q.list) {
		q.list, q.first = q.list[:0], 0
	}
}

// later is a moment in the latter half of a time, by chance: whole seconds.
func later(most time.Duration) time.Duration {
	half := int64(most / 2 / time.Second)
	return max(time.Second, time.Duration(half+rand.Int64N(half+1))*time.Second)
}
