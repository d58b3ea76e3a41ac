// Package span marks how long the parts of a request and of the periodic work take, for OpenTelemetry traces. Whoever wants traces puts a
// tracer into the context with [With]; where there is none, everything here does nothing and costs a look into the context.
//
// What a span carries is for strangers' eyes, as a log is: names of stages, numbers, kinds and outcomes. No device, no IMEI, no serial number,
// no address, and no text of an error, which may have any of them: [Fail] takes the error's stable name.
package span

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

type tracerKey struct{}

// With returns a context whose spans tracer makes; nil makes none.
func With(ctx context.Context, tracer trace.Tracer) context.Context {
	if tracer == nil {
		return ctx
	}
	return context.WithValue(ctx, tracerKey{}, tracer)
}

// Start begins a span, a child of the one in ctx if there is any. The caller ends it.
func Start(ctx context.Context, name string) (context.Context, trace.Span) {
	tracer, ok := ctx.Value(tracerKey{}).(trace.Tracer)
	if !ok {
		return ctx, trace.SpanFromContext(context.Background()) // one that does nothing
	}
	return tracer.Start(ctx, name)
}

// Fail says that what the span is of failed, by the stable name of its error.
func Fail(s trace.Span, name string) {
	if s.IsRecording() {
		s.SetStatus(codes.Error, name)
	}
}

// Count adds a number to a span.
func Count(s trace.Span, name string, n int) {
	if s.IsRecording() {
		s.SetAttributes(attribute.Int(name, n))
	}
}

// Label adds one of a few fixed words to a span.
func Label(s trace.Span, name, word string) {
	if s.IsRecording() {
		s.SetAttributes(attribute.String(name, word))
	}
}
