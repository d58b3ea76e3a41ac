package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// serverAddress is the address of a server as people type it, without a slash at its end.
func serverAddress(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", usageError{fmt.Errorf("%q is no address of a server: write it like http://127.0.0.1:8470", s)}
	}
	return strings.TrimRight(s, "/"), nil
}

// unreachable says in a line what a failed request comes from.
func unreachable(ctx context.Context, u *url.URL, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no server answers at %s://%s\n  Is it running? Start one with: bailiwick serve", u.Scheme, u.Host)
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return fmt.Errorf("%s://%s cannot be reached: %w", u.Scheme, u.Host, err)
}

// callJSON makes one request of a JSON API and explains refusals (RFC 9457).
func callJSON(ctx context.Context, client *http.Client, method, address, token string, question, answer any) error {
	if question == nil {
		return call(ctx, client, method, address, token, "", nil, answer)
	}
	text, err := json.Marshal(question)
	if err != nil {
		return err
	}
	return call(ctx, client, method, address, token, "application/json", bytes.NewReader(text), answer)
}

// maxAnswer bounds what is read of an answer, in bytes: the largest proposal in base64 fits.
const maxAnswer = 96 << 20

func call(ctx context.Context, client *http.Client, method, address, token, mediaType string, body io.Reader, answer any) error {
	_, err := exchange(ctx, client, method, address, token, mediaType, body, answer)
	return err
}

// exchange is call with the headers of the answer.
func exchange(ctx context.Context, client *http.Client, method, address, token, mediaType string, body io.Reader, answer any) (http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	if mediaType != "" {
		request.Header.Set("Content-Type", mediaType)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, unreachable(ctx, request.URL, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		return nil, problemOf(response.StatusCode, text)
	}
	if answer == nil || len(text) == 0 {
		return response.Header, nil
	}
	return response.Header, json.Unmarshal(text, answer)
}

// problem is what a server refused, and what to do.
type problem struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Fix    string `json:"fix"`
	Errors []struct {
		At      string `json:"at"`
		Message string `json:"message"`
		Hint    string `json:"hint"`
	} `json:"errors"`
}

func (p *problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	for _, fault := range p.Errors {
		if strings.Contains(text, fault.Message) {
			continue // told already
		}
		text += "\n  "
		if fault.At != "" {
			text += fault.At + ": "
		}
		text += fault.Message
		if fault.Hint != "" {
			text += " (" + fault.Hint + ")"
		}
	}
	if p.Fix != "" {
		text += "\n  " + p.Fix
	}
	return text
}

func problemOf(status int, text []byte) error {
	p := &problem{}
	if err := json.Unmarshal(text, p); err != nil || p.Title == "" && p.Detail == "" {
		p = &problem{Title: fmt.Sprintf("the server answered %d %s", status, http.StatusText(status))}
	}
	p.Status = status
	return p
}
