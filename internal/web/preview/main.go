// Command preview shows all pages over made-up records, to look at them while they are being made:
//
//	go run ./internal/web/preview                # serves on 127.0.0.1:8099; log in as nora, "a long enough password"
//	go run ./internal/web/preview -shots FOLDER  # writes a picture of every page, wide and narrow, light and dark
//
// It is no part of the program that people install.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/console"
	"github.com/bailiwick-dev/bailiwick/internal/ownerpage"
	"github.com/bailiwick-dev/bailiwick/internal/publicpage"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/internal/web/preview/staged"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "preview:", err)
		os.Exit(1)
	}
}

func run() error {
	shots := flag.String("shots", "", "folder for pictures")
	only := flag.String("only", "", "only pictures whose name has this in it")
	listen := flag.String("listen", "127.0.0.1:8099", "address to serve on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *shots != "" {
		*listen = "127.0.0.1:0"
	}
	base, closeServer, err := serve(*listen, false)
	if err != nil {
		return err
	}
	if *shots == "" {
		fmt.Println(base+"/", base+"/console/", base+"/owner", "IMEI", staged.IMEI(1), "reference", staged.Reference(1))
		<-ctx.Done()
		return closeServer()
	}
	unfounded, closeOther, err := serve(*listen, true)
	if err != nil {
		return errors.Join(err, closeServer())
	}
	return errors.Join(takeShots(ctx, servers{base, unfounded}, *shots, *only), closeServer(), closeOther())
}

// serve begins to serve all faces, and returns their address and how to end it.
func serve(listen string, unfounded bool) (base string, end func() error, err error) {
	handler, err := faces(unfounded)
	if err != nil {
		return "", nil, err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	return "http://" + listener.Addr().String(), func() error {
		err := server.Close()
		if served := <-done; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}, nil
}

// faces are all pages; those of a server whose officers have founded nothing yet, if need be.
func faces(unfounded bool) (http.Handler, error) {
	authority, err := staged.New()
	if err != nil {
		return nil, err
	}
	authority.Confirm = 63
	if unfounded {
		authority.Unfounded = true
	}
	// The clock stands still, and limits with it: every request comes from somewhere else.
	var visitors atomic.Uint32
	site := &web.Site{Now: staged.Now, Secret: [32]byte{1}, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Address: func(*http.Request) netip.Addr {
			n := visitors.Add(1)
			return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		}}
	if err := site.Complete(); err != nil {
		return nil, err
	}
	officers, err := console.New(console.Config{Site: site, Service: authority})
	if err != nil {
		return nil, err
	}
	owners, err := ownerpage.New(ownerpage.Config{Site: site, Service: authority})
	if err != nil {
		return nil, err
	}
	public, err := publicpage.New(publicpage.Config{Site: site, Service: authority})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/assets/", web.Assets())
	mux.Handle("/console", officers)
	mux.Handle("/console/", officers)
	mux.Handle("/owner", owners)
	mux.Handle("/owner/", owners)
	mux.Handle("/", public)
	return mux, nil
}
