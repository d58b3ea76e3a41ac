// Package traces sends OpenTelemetry spans to a collector by OTLP over HTTP, in its JSON encoding (OpenTelemetry protocol 1.5, opentelemetry.io/docs/specs/otlp:
// POST of an ExportTraceServiceRequest to …/v1/traces). The exporter that OpenTelemetry offers for Go brings gRPC and some ten megabytes; this
// sends the same to the same collectors.
//
// Spans are sent in batches, beside the work: a collector that is away or slow costs spans, never a request.
package traces

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	path        = "/v1/traces"
	sendTimeout = 10 * time.Second
	scope       = "github.com/bailiwick-dev/bailiwick"
)

// Provider makes tracers and sends what they have made.
type Provider struct{ sdk *sdktrace.TracerProvider }

// Open prepares to send spans to the collector at address, such as http://127.0.0.1:4318; the path /v1/traces is added when it has none. share
// is how much of all requests is traced, 0 to 1. Close must be called.
func Open(address, version string, share float64) (*Provider, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("traces: %q is no address of a collector: write it like http://127.0.0.1:4318", address)
	}
	if share < 0 || share > 1 {
		return nil, fmt.Errorf("traces: the share of requests that is traced is 0 to 1, not %v", share)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = path
	}
	sender := &exporter{url: u.String(), client: &http.Client{Timeout: sendTimeout}}
	return provide(sdktrace.NewBatchSpanProcessor(sender), version, share), nil
}

func provide(processor sdktrace.SpanProcessor, version string, share float64) *Provider {
	about := resource.NewSchemaless(attribute.String("service.name", "bailiwick"), attribute.String("service.version", version))
	return &Provider{sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(processor), sdktrace.WithResource(about),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(share))))}
}

// Tracer returns what package span takes.
func (p *Provider) Tracer() trace.Tracer { return p.sdk.Tracer(scope) }

// Close sends what has not been sent, as long as ctx lasts.
func (p *Provider) Close(ctx context.Context) error { return p.sdk.Shutdown(ctx) }

// exporter sends batches of spans.
type exporter struct {
	url    string
	client *http.Client
}

// ExportSpans implements sdktrace.SpanExporter. What cannot be sent is dropped.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	body, err := json.Marshal(requestOf(spans))
	if err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := e.client.Do(r)
	if err != nil {
		return errors.New("traces: the collector does not answer") // the cause has its address
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection serves again
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("traces: the collector answers %d", answer.StatusCode)
	}
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

// The JSON encoding of OTLP: ids in hexadecimal, numbers of 64 bits as text, enumerations as numbers.
type (
	request struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   attributed   `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	attributed struct {
		Attributes []keyValue `json:"attributes"`
	}
	scopeSpans struct {
		Scope struct {
			Name string `json:"name"`
		} `json:"scope"`
		Spans []spanJSON `json:"spans"`
	}
	spanJSON struct {
		TraceID      string     `json:"traceId"`
		SpanID       string     `json:"spanId"`
		ParentSpanID string     `json:"parentSpanId,omitempty"`
		Name         string     `json:"name"`
		Kind         int        `json:"kind"`
		Start        string     `json:"startTimeUnixNano"`
		End          string     `json:"endTimeUnixNano"`
		Attributes   []keyValue `json:"attributes,omitempty"`
		Status       *status    `json:"status,omitempty"`
	}
	status struct {
		Code    int    `json:"code"` // 2: error
		Message string `json:"message,omitempty"`
	}
	keyValue struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

func requestOf(spans []sdktrace.ReadOnlySpan) request {
	list := make([]spanJSON, len(spans))
	for i, s := range spans {
		list[i] = spanOf(s)
	}
	all := resourceSpans{ScopeSpans: []scopeSpans{{Spans: list}}}
	all.ScopeSpans[0].Scope.Name = scope
	if len(spans) > 0 {
		all.Resource.Attributes = attributesOf(spans[0].Resource().Attributes())
	}
	return request{[]resourceSpans{all}}
}

func spanOf(s sdktrace.ReadOnlySpan) spanJSON {
	c, parent := s.SpanContext(), s.Parent()
	traceID, spanID := c.TraceID(), c.SpanID()
	j := spanJSON{
		TraceID: hex.EncodeToString(traceID[:]), SpanID: hex.EncodeToString(spanID[:]), Name: s.Name(), Kind: int(s.SpanKind()),
		Start: strconv.FormatInt(s.StartTime().UnixNano(), 10), End: strconv.FormatInt(s.EndTime().UnixNano(), 10),
		Attributes: attributesOf(s.Attributes()),
	}
	if id := parent.SpanID(); parent.HasSpanID() {
		j.ParentSpanID = hex.EncodeToString(id[:])
	}
	if s.Status().Code == codes.Error {
		j.Status = &status{2, s.Status().Description}
	}
	return j
}

func attributesOf(list []attribute.KeyValue) []keyValue {
	var all []keyValue
	for _, a := range list {
		value := map[string]any{"stringValue": a.Value.String()}
		switch a.Value.Type() {
		case attribute.INT64:
			value = map[string]any{"intValue": strconv.FormatInt(a.Value.AsInt64(), 10)}
		case attribute.BOOL:
			value = map[string]any{"boolValue": a.Value.AsBool()}
		case attribute.FLOAT64:
			value = map[string]any{"doubleValue": a.Value.AsFloat64()}
		}
		all = append(all, keyValue{string(a.Key), value})
	}
	return all
}
