package load

import "sync"

// turns gives tokens out in their order, and has a device's wait until its one before was answered: a device sends one after the other, and
// a server refuses evidence that later evidence has overtaken.
type turns struct {
	mu     sync.Mutex
	given  int
	tokens int
	last   []chan struct{} // by device, closed when what it sent last was answered; empty when no device has a second token
}

// turn is a token that is due.
type turn struct {
	token    int
	before   <-chan struct{} // closed when the device's token before was answered; nil when there is none
	answered chan struct{}   // nil when nobody waits for it
}

// turnsOf are the turns of tokens of which each one comes from the same device as that so many devices before it; 0 devices if all differ.
func turnsOf(tokens, devices int) *turns {
	t := &turns{tokens: tokens}
	if devices > 0 && devices < tokens {
		t.last = make([]chan struct{}, devices)
	}
	return t
}

// next is the next turn, whose end must be called; false when all are given out.
func (t *turns) next() (turn, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.given == t.tokens {
		return turn{}, false
	}
	mine := turn{token: t.given}
	t.given++
	if n := len(t.last); n > 0 {
		mine.before, mine.answered = t.last[mine.token%n], make(chan struct{})
		t.last[mine.token%n] = mine.answered
	}
	return mine, true
}

// wait waits until the device may send.
func (t turn) wait() {
	if t.before != nil {
		<-t.before
	}
}

// end lets the device's next token go.
func (t turn) end() {
	if t.answered != nil {
		close(t.answered)
	}
}
