package ledger

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// WitnessKnows asks a witness how many entries the newest checkpoint has that it cosigned, by submitting signed, a checkpoint of the same
// ledger, as if the witness knew none (C2SP tlog-witness): a witness that knows one refuses, and tells its size. One that knew none cosigns,
// and 0 is returned. It fails when the witness cannot be reached, does not know the ledger, or has cosigned another root of that size.
func WitnessKnows(ctx context.Context, w Witness, signed []byte) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, witnessTimeout)
	defer cancel()
	u, err := url.Parse(w.URL)
	if err != nil {
		return 0, fmt.Errorf("ledger: witness %q: %w", w.URL, err)
	}
	body := append([]byte("old 0\n\n"), signed...)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.JoinPath("add-checkpoint").String(), bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("ledger: witness %q: %w", w.URL, err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, fmt.Errorf("ledger: the witness does not answer: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, witnessAnswer))
	if err != nil {
		return 0, fmt.Errorf("ledger: the witness %s does not answer: %w", w.URL, err)
	}
	switch {
	case answer.StatusCode == http.StatusOK:
		return 0, nil
	case answer.StatusCode == http.StatusConflict && answer.Header.Get("Content-Type") == "text/x.tlog.size":
		size, err := strconv.ParseUint(strings.TrimSuffix(string(text), "\n"), 10, 63)
		if err != nil {
			return 0, fmt.Errorf("ledger: the witness %s tells no size", w.URL)
		}
		return size, nil
	case answer.StatusCode == http.StatusConflict:
		return 0, fmt.Errorf("%w: the witness %s has cosigned another root", ErrForked, w.URL)
	}
	return 0, fmt.Errorf("ledger: the witness %s answers %s; does it know this ledger?", w.URL, answer.Status)
}
