package httpedge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits bound what one client can take of a server.
type Limits struct {
	ReadHeader  time.Duration // for the header of a request
	Read        time.Duration // for all of a request
	Write       time.Duration // from the end of the header to the end of the answer
	Idle        time.Duration // between requests of a connection
	Drain       time.Duration // for the requests in flight when the server stops
	HeaderBytes int           // of a request's header
}

// DefaultLimits are those of both services. Drain is shorter than what a
// lifecycle.Group gives one part to stop.
func DefaultLimits() Limits {
	return Limits{
		ReadHeader:  5 * time.Second,
		Read:        15 * time.Second,
		Write:       60 * time.Second,
		Idle:        120 * time.Second,
		Drain:       8 * time.Second,
		HeaderBytes: 16 << 10,
	}
}

// Server is an HTTP server with a listener of its own.
type Server struct {
	listener net.Listener
	http     *http.Server
	drain    time.Duration
}

// NewServer binds address; port 0 means any free one. Nothing is answered before
// Run, but clients can connect and wait. Whoever does not run the server closes it.
func NewServer(ctx context.Context, address string, handler http.Handler, l Limits) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return &Server{
		listener: listener,
		drain:    l.Drain,
		http: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: l.ReadHeader,
			ReadTimeout:       l.Read,
			WriteTimeout:      l.Write,
			IdleTimeout:       l.Idle,
			MaxHeaderBytes:    l.HeaderBytes,
			ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
		},
	}, nil
}

// Addr returns the address that the server is bound to, "host:port".
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends. Then it accepts nothing new, lets the requests in
// flight end within the drain limit, and returns nil, or an error when it had to
// cut some off. It also returns an error when serving fails. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1) // buffered: Serve may end after we stopped looking
	go func() { served <- s.http.Serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", s.Addr(), err)
	case <-ctx.Done():
	}
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.drain)
	defer cancel()
	err := s.http.Shutdown(draining)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests still in flight after %s were cut off: %w", s.drain, err), s.http.Close())
	}
	if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serve %s: %w", s.Addr(), failed))
	}
	return err
}

// Close releases the address at once and ends all connections. It is for a server
// that was never run; after Run it does nothing.
func (s *Server) Close() error {
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close listener: %w", err)
	}
	return nil
}
