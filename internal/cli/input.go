package cli

import (
	"context"
	"io"
	"strings"
	"unicode"
)

// interruptible reads r until ctx ends, although a read of a terminal or a pipe cannot be ended. A read that is under way then
// goes on in vain until the process ends.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	return &untilDone{ctx: ctx, from: r, buffer: make([]byte, 64<<10), done: make(chan readResult, 1)}
}

type readResult struct {
	n   int
	err error
}

type untilDone struct {
	ctx     context.Context
	from    io.Reader
	buffer  []byte
	pending []byte
	done    chan readResult
	err     error
}

func (u *untilDone) Read(p []byte) (int, error) {
	if len(u.pending) == 0 && u.err == nil {
		go func() {
			n, err := u.from.Read(u.buffer)
			u.done <- readResult{n, err}
		}()
		select {
		case r := <-u.done:
			u.pending, u.err = u.buffer[:r.n], r.err
		case <-u.ctx.Done():
			u.err = u.ctx.Err()
		}
	}
	if len(u.pending) == 0 {
		return 0, u.err
	}
	n := copy(p, u.pending)
	u.pending = u.pending[n:]
	return n, nil
}

// maxCell bounds what a table shows of a text, in characters.
const maxCell = 80

// oneLine fits what somebody wrote into a line of a table, without control characters, which a terminal would obey.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if text := []rune(s); len(text) > maxCell {
		return string(text[:maxCell-1]) + "…"
	}
	return s
}
