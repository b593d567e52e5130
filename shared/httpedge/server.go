package httpedge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits bound the resources that one client can use.
type Limits struct {
	ReadHeader  time.Duration // for the header of a request
	Read        time.Duration // for the whole request
	Write       time.Duration // from the end of the header to the end of the response
	Idle        time.Duration // between the requests of a connection
	Drain       time.Duration // for requests in flight when the server stops
	HeaderBytes int           // the size of a request's header
}

// DefaultLimits returns the limits of both services. Drain is shorter than the time that a
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

// silentGrace is how long a stopping server waits for the first byte of an open connection. Browsers and
// other clients open connections that they may never use. net/http would wait 5 s for them, and would
// not answer a request that arrives meanwhile.
const silentGrace = 200 * time.Millisecond

// Server is an HTTP server and its listener.
type Server struct {
	listener net.Listener
	http     *http.Server
	drain    time.Duration
	silent   silentConnections
}

// NewServer binds address; port 0 stands for any free port. Clients can connect at once, but nothing is
// answered before Run. A caller that does not call Run must call Close.
func NewServer(ctx context.Context, address string, handler http.Handler, l Limits) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Server{listener: &closingOnce{Listener: listener}, drain: l.Drain}
	s.http = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: l.ReadHeader,
		ReadTimeout:       l.Read,
		WriteTimeout:      l.Write,
		IdleTimeout:       l.Idle,
		MaxHeaderBytes:    l.HeaderBytes,
		ConnState:         s.silent.observe,
		// "OPTIONS *" gets a problem like any request without a route, and not net/http's own answer.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Addr returns the address that the server is bound to, "host:port".
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends. Then it accepts no new connections, waits for the requests in flight, at
// most as long as the drain limit, and returns nil, or an error when it had to cut off requests. It
// also returns an error when serving fails. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1) // buffered: Serve may end without a receiver
	go func() { served <- s.http.Serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", s.Addr(), err)
	case <-ctx.Done():
	}
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.drain)
	defer cancel()
	_ = s.listener.Close() // first, so that no connections arrive during dismiss
	s.silent.dismiss(draining)
	err := s.http.Shutdown(draining)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests still in flight after %s were cut off: %w", s.drain, err), s.http.Close())
	}
	if failed := <-served; !errors.Is(failed, http.ErrServerClosed) && !errors.Is(failed, net.ErrClosed) {
		err = errors.Join(err, fmt.Errorf("serve %s: %w", s.Addr(), failed))
	}
	return err
}

// Close releases the address at once and ends the connections that wait for Run. It is for a server that
// was never run; after Run it does nothing.
func (s *Server) Close() error {
	if err := s.listener.Close(); err != nil {
		return fmt.Errorf("close listener: %w", err)
	}
	return nil
}

// closingOnce is a listener that may be closed several times: by Run, by net/http during the shutdown,
// and by Close.
type closingOnce struct {
	net.Listener

	once sync.Once
	err  error
}

// Close implements net.Listener. It returns the result of the first call.
func (l *closingOnce) Close() error {
	l.once.Do(func() { l.err = l.Listener.Close() })
	return l.err
}

// silentConnections are the open connections that have received no byte yet.
type silentConnections struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// observe implements http.Server.ConnState.
func (s *silentConnections) observe(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state != http.StateNew {
		delete(s.conns, conn)
		return
	}
	if s.conns == nil {
		s.conns = make(map[net.Conn]struct{})
	}
	s.conns[conn] = struct{}{}
}

// dismiss waits until there are none, at most silentGrace, and closes the remaining ones.
func (s *silentConnections) dismiss(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, silentGrace)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for s.any() && ctx.Err() == nil {
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close() // nothing was received that could be lost
	}
}

func (s *silentConnections) any() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns) > 0
}
