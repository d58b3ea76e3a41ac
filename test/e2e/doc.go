// Package e2e proves that the whole works, with real parts only: the server as `bailiwick serve` puts it together, real
// agents on virtual phones, HTTP between them, a real browser, and real kills of real processes.
//
// Nothing here is skipped: what a test needs and does not find, chromium for one, fails it.
package e2e
