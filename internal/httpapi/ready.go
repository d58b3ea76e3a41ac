package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

// Unready says why a server cannot serve now, in words that anybody may read; the errors behind it are for the log.
type Unready struct {
	Faults []Fault // At is "store", "ledger" or "server"
	Err    error   // may be nil
}

func (u *Unready) Error() string {
	var parts []string
	for _, f := range u.Faults {
		parts = append(parts, f.At+": "+f.Message)
	}
	if u.Err != nil {
		parts = append(parts, u.Err.Error())
	}
	return strings.Join(parts, "; ")
}

func (u *Unready) Unwrap() error { return u.Err }

// Readiness is the answer of /readyz when the server can serve. When it cannot, the answer is a Problem "not-ready" whose errors say why.
type Readiness struct {
	Ready  bool     `json:"ready"`
	Advice []string `json:"advice"` // what whoever runs it should do all the same
}

func (e *edge) readiness(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := e.cfg.Ready(ctx); err != nil {
		p := retryLater(newProblem(http.StatusServiceUnavailable, "not-ready", "the server cannot serve now", "try again later"))
		var why *Unready
		if errors.As(err, &why) {
			p.Errors = why.Faults
		}
		if why == nil || why.Err != nil { // one that stops on purpose has said so
			e.cfg.Logger.Warn("not ready", "error", err)
		}
		p.write(w)
		return
	}
	answer := Readiness{Ready: true, Advice: e.cfg.Advice(ctx)}
	if answer.Advice == nil {
		answer.Advice = []string{}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // a client that is gone cannot be told
}
