package httpapi

import (
	"log/slog"
	"net/http"
	"time"
)

// NewServer returns a server with every bound set. The caller listens, serves, and ends it with Shutdown.
//
//	ReadHeaderTimeout   5 s   a slow client costs a connection for so long
//	ReadTimeout        15 s   bodies of devices and people are small; an upload extends it for itself
//	WriteTimeout       30 s   longer than Config.Timeout, so that a time-out can still be answered; an upload extends it
//	IdleTimeout       120 s   a device that checks in daily does not come back sooner
//	MaxHeaderBytes   16 KiB
func NewServer(handler http.Handler, logger *slog.Logger) *http.Server {
	s := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	if logger != nil {
		// What net/http says of connections has addresses in it; it is for whoever looks for a fault, not for the log.
		s.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelDebug)
	}
	return s
}
