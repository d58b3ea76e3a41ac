//go:build capi

// Package main is the agent's C interface, for firmware that is not written in Go: a library of the functions that
// bailiwick.h declares and documents.
//
//	go build -tags capi -buildmode=c-archive -o libbailiwick.a ./agent/capi
//
// It is the one place of this project that needs cgo, and therefore behind the tag capi: nothing else sees it.
package main

// #include <stdlib.h>
// #include "callbacks.h"
import "C"

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime/cgo"
	"unsafe"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/lines"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

func main() {} // a library has none to run

// errHandle says that a number names no agent.
var errHandle = errors.New("there is no such agent, or it was closed")

// named returns the agent of a handle.
func named(h C.bw_agent) (a *agent.Agent, err error) {
	defer func() {
		if recover() != nil { // cgo.Handle's way to say that it does not know it
			a, err = nil, errHandle
		}
	}()
	if h == 0 || uint64(h) > math.MaxUint {
		return nil, errHandle
	}
	return cgo.Handle(h).Value().(*agent.Agent), nil
}

// give puts bytes into out, which may be nil.
func give(out *C.bw_bytes, data []byte) {
	if out == nil {
		return
	}
	out.data = (*C.uint8_t)(C.CBytes(append(data, 0)))
	out.len = C.size_t(len(data))
}

// result turns what a call came to into a status and its text.
func result(out *C.bw_bytes, data []byte, err error) C.bw_status {
	if err == nil {
		give(out, data)
		return C.BW_OK
	}
	give(out, []byte(err.Error()))
	for _, known := range []struct {
		err    error
		status C.bw_status
	}{
		{errHandle, C.BW_HANDLE}, {agent.ErrNotEnrolled, C.BW_NOT_ENROLLED}, {agent.ErrAlreadyEnrolled, C.BW_ALREADY_ENROLLED},
		{agent.ErrNoEpoch, C.BW_NO_EPOCH}, {agent.ErrDamaged, C.BW_DAMAGED},
		{agent.ErrNothingToUnlock, C.BW_NOTHING_TO_UNLOCK}, {unlock.ErrInput, C.BW_NO_CODE},
	} {
		if errors.Is(err, known.err) {
			return known.status
		}
	}
	return C.BW_FAILED
}

// call does something with an agent.
func call(h C.bw_agent, out *C.bw_bytes, f func(*agent.Agent) ([]byte, error)) C.bw_status {
	a, err := named(h)
	if err != nil {
		return result(out, nil, err)
	}
	data, err := f(a)
	return result(out, data, err)
}

// outcome is call for what orders come to.
func outcome(h C.bw_agent, out *C.bw_bytes, f func(*agent.Agent) (agent.Outcome, error)) C.bw_status {
	return call(h, out, func(a *agent.Agent) ([]byte, error) {
		o, err := f(a)
		if err != nil {
			return nil, err
		}
		return json.Marshal(lines.OutcomeOf(o))
	})
}

// most bounds what a caller hands over, so that a wrong length is an error and not a crash of the allocator.
const most = 16 << 20

func bytesOf(data *C.uint8_t, n C.size_t) ([]byte, error) {
	if n > most || n > 0 && data == nil {
		return nil, fmt.Errorf("a buffer of %d bytes that is not there, or far too long", uint64(n))
	}
	return C.GoBytes(unsafe.Pointer(data), C.int(n)), nil
}

func textOf(s *C.char) string {
	if s == nil {
		return ""
	}
	return C.GoString(s)
}

//export bw_open
func bw_open(p *C.bw_platform, h *C.bw_agent, out *C.bw_bytes) C.bw_status {
	if p == nil || h == nil {
		return result(out, nil, errors.New("platform or agent is NULL"))
	}
	*h = 0
	platform, err := platformOf(p)
	if err != nil {
		return result(out, nil, err)
	}
	a, err := agent.Open(platform)
	if err != nil {
		return result(out, nil, err)
	}
	*h = C.bw_agent(cgo.NewHandle(a))
	return result(out, nil, nil)
}

//export bw_close
func bw_close(h C.bw_agent) {
	if _, err := named(h); err != nil {
		return
	}
	defer func() { recover() }() // closed by another thread just now
	cgo.Handle(h).Delete()
}

//export bw_free
func bw_free(b *C.bw_bytes) {
	if b == nil {
		return
	}
	C.free(unsafe.Pointer(b.data))
	b.data, b.len = nil, 0
}

//export bw_enrolled
func bw_enrolled(h C.bw_agent) C.int {
	if a, err := named(h); err == nil && a.Enrolled() {
		return 1
	}
	return 0
}

//export bw_enrolment
func bw_enrolment(h C.bw_agent, answer *C.uint8_t, n C.size_t, out *C.bw_bytes) C.bw_status {
	return call(h, out, func(a *agent.Agent) ([]byte, error) {
		ep, err := epochOf(answer, n)
		if err != nil {
			return nil, err
		}
		return a.EnrolmentToken(*ep)
	})
}

func epochOf(answer *C.uint8_t, n C.size_t) (*protocol.EpochAnswer, error) {
	data, err := bytesOf(answer, n)
	if err != nil {
		return nil, err
	}
	return protocol.ParseEpochAnswer(data)
}

//export bw_accept_enrolment
func bw_accept_enrolment(h C.bw_agent, answer *C.uint8_t, n C.size_t, out *C.bw_bytes) C.bw_status {
	return call(h, out, func(a *agent.Agent) ([]byte, error) {
		data, err := bytesOf(answer, n)
		if err != nil {
			return nil, err
		}
		return nil, a.AcceptEnrolment(data)
	})
}

//export bw_observe
func bw_observe(h C.bw_agent, text *C.char, out *C.bw_bytes) C.bw_status {
	return call(h, out, func(a *agent.Agent) ([]byte, error) {
		s, err := lines.ParseSignals([]byte(textOf(text)))
		if err != nil {
			return nil, err
		}
		return nil, a.Observe(s)
	})
}

//export bw_evidence
func bw_evidence(h C.bw_agent, out *C.bw_bytes) C.bw_status {
	return call(h, out, func(a *agent.Agent) ([]byte, error) { return a.Evidence() })
}

//export bw_set_epoch
func bw_set_epoch(h C.bw_agent, epoch *C.uint8_t, n C.size_t, out *C.bw_bytes) C.bw_status {
	return call(h, out, func(a *agent.Agent) ([]byte, error) {
		data, err := bytesOf(epoch, n)
		if err != nil {
			return nil, err
		}
		return nil, a.SetEpoch(data)
	})
}

//export bw_set_epoch_answer
func bw_set_epoch_answer(h C.bw_agent, answer *C.uint8_t, n C.size_t, out *C.bw_bytes) C.bw_status {
	return call(h, out, func(a *agent.Agent) ([]byte, error) {
		ep, err := epochOf(answer, n)
		if err != nil {
			return nil, err
		}
		return nil, a.SetEpoch(ep.Epoch)
	})
}

//export bw_accept
func bw_accept(h C.bw_agent, answer *C.uint8_t, n C.size_t, out *C.bw_bytes) C.bw_status {
	return outcome(h, out, func(a *agent.Agent) (agent.Outcome, error) {
		data, err := bytesOf(answer, n)
		if err != nil {
			return agent.Outcome{}, err
		}
		return a.Accept(data)
	})
}

//export bw_accept_lift
func bw_accept_lift(h C.bw_agent, sealed *C.uint8_t, n C.size_t, out *C.bw_bytes) C.bw_status {
	return outcome(h, out, func(a *agent.Agent) (agent.Outcome, error) {
		data, err := bytesOf(sealed, n)
		if err != nil {
			return agent.Outcome{}, err
		}
		return a.AcceptLift(data)
	})
}

//export bw_tick
func bw_tick(h C.bw_agent, out *C.bw_bytes) C.bw_status {
	return call(h, out, func(a *agent.Agent) ([]byte, error) { return nil, a.Tick() })
}

//export bw_shown
func bw_shown(h C.bw_agent, out *C.bw_bytes) C.bw_status {
	return call(h, out, func(a *agent.Agent) ([]byte, error) { return nil, a.Shown() })
}

//export bw_screen
func bw_screen(h C.bw_agent, out *C.bw_bytes) C.bw_status {
	return call(h, out, func(a *agent.Agent) ([]byte, error) { return json.Marshal(lines.ScreenOf(a.Screen())) })
}

//export bw_enter_code
func bw_enter_code(h C.bw_agent, code *C.char, out *C.bw_bytes) C.bw_status {
	return call(h, out, func(a *agent.Agent) ([]byte, error) {
		r, err := a.EnterCode(textOf(code))
		if err != nil && !r.Unlocked {
			return nil, err
		}
		return json.Marshal(lines.CodeOf(r))
	})
}

//export bw_next_check_in
func bw_next_check_in(h C.bw_agent, at *C.int64_t) C.bw_status {
	a, err := named(h)
	if err != nil {
		return C.BW_HANDLE
	}
	if at == nil {
		return C.BW_FAILED
	}
	*at = C.int64_t(a.NextCheckIn().Unix())
	return C.BW_OK
}
