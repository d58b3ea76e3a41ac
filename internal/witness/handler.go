package witness

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

// Bounds of a submission.
const (
	maxBody   = 32 << 10 // bytes: 63 hashes and a checkpoint of proof.MaxText fit
	maxHashes = 63       // C2SP tlog-witness
	maxSize   = math.MaxInt64
)

// Handler serves POST /add-checkpoint as C2SP tlog-witness says, and GET /, which tells the verifier key. Statuses:
//
//	200  the cosignature line
//	400  not a submission, or an old size above the checkpoint's
//	403  no signature of the ledger's key
//	404  an origin that this witness does not know
//	409  another old size than the newest cosigned one (text/x.tlog.size tells it), or another root of the same size
//	413  more than 32 KiB
//	422  the consistency proof does not hold
//	500  the state could not be written: nothing was cosigned
func (w *Witness) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", w.serveAdd)
	mux.HandleFunc("GET /{$}", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintln(rw, w.vkey) // the client went away: nobody to tell
	})
	return mux
}

func (w *Witness) serveAdd(rw http.ResponseWriter, r *http.Request) {
	answer, err := w.handle(http.MaxBytesReader(rw, r.Body, maxBody))
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	rw.Header().Set("Cache-Control", "no-store")
	var no *refusal
	switch {
	case err == nil:
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = rw.Write(answer)
	case errors.As(err, &no) && no.size != nil:
		rw.Header()["Content-Type"] = []string{"text/x.tlog.size"}
		rw.WriteHeader(no.status)
		_, _ = fmt.Fprintf(rw, "%d\n", *no.size)
	case errors.As(err, &no):
		w.logger.Warn("a checkpoint was not cosigned", "status", no.status, "why", no.text)
		http.Error(rw, no.text, no.status)
	}
}

func (w *Witness) handle(body io.Reader) ([]byte, error) {
	text, err := io.ReadAll(body)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, refuse(http.StatusRequestEntityTooLarge, "a submission has at most %d bytes", maxBody)
	} else if err != nil {
		return nil, refuse(http.StatusBadRequest, "the submission broke off")
	}
	s, err := parseSubmission(string(text))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "%v", err)
	}
	return w.add(s)
}

// submission is the body of add-checkpoint.
type submission struct {
	old        uint64
	proof      [][32]byte
	checkpoint []byte // not checked yet
}

// parseSubmission reads the lines that C2SP tlog-witness asks for, written in the one way.
func parseSubmission(text string) (*submission, error) {
	head, checkpoint, found := strings.Cut(text, "\n\n")
	if !found {
		return nil, errors.New("an empty line parts the proof from the checkpoint")
	}
	lines := strings.Split(head, "\n")
	number, found := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseUint(number, 10, 63)
	if !found || err != nil || strconv.FormatUint(old, 10) != number {
		return nil, errors.New(`the first line is "old" and a size in decimal`)
	}
	if len(lines)-1 > maxHashes {
		return nil, fmt.Errorf("a consistency proof has at most %d hashes", maxHashes)
	}
	s := &submission{old: old, checkpoint: []byte(checkpoint)}
	for _, line := range lines[1:] {
		hash, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(hash) != tlog.HashSize || strings.ContainsRune(line, '\r') {
			return nil, errors.New("a line of the consistency proof is a hash in base64")
		}
		s.proof = append(s.proof, [32]byte(hash))
	}
	if len(checkpoint) > proof.MaxText {
		return nil, fmt.Errorf("a checkpoint has at most %d bytes", proof.MaxText)
	}
	return s, nil
}
