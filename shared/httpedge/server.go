package httpedge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"stavka.local/shared/metrics"
)

// Limits bound the resources that one client can use.
type Limits struct {
	ReadHeader  time.Duration // for the header of a request
	Read        time.Duration // for the whole request
	Write       time.Duration // from the end of the header to the end of the response
	Idle        time.Duration // between the requests of a connection
	Drain       time.Duration // for requests in flight when the server stops
	HeaderBytes int           // the size of a request's header

	// Connections bounds the open connections, and ConnectionsPerAddress those from one address; 0 for
	// no bound. Beyond a bound the connection that has waited longest for a request is closed. The
	// connections are always fewer than the files that the process may have open.
	Connections, ConnectionsPerAddress int
	// TrustedProxies may have any number of connections, because they bring those of many clients.
	TrustedProxies []netip.Prefix
	// Metrics gets the metrics of connections; nil for none.
	Metrics *metrics.Registry
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

// Server is an HTTP server and its listener.
type Server struct {
	listener    net.Listener
	http        *http.Server
	drain       time.Duration
	connections *connections
}

// NewServer binds address; port 0 stands for any free port. Clients can connect at once, but nothing is
// answered before Run. A caller that does not call Run must call Close.
func NewServer(ctx context.Context, address string, handler http.Handler, l Limits) (*Server, error) {
	bound, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if files := connectableFiles(); files > 0 && (l.Connections <= 0 || l.Connections > files) {
		l.Connections = files
	}
	s := &Server{drain: l.Drain, connections: newConnections(l)}
	s.listener = newListener(bound, s.connections)
	s.http = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: l.ReadHeader,
		ReadTimeout:       l.Read,
		WriteTimeout:      l.Write,
		IdleTimeout:       l.Idle,
		MaxHeaderBytes:    l.HeaderBytes,
		ConnState:         s.connections.observe,
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
	s.connections.dismiss(draining)
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

// listener is a listener that logs what prevents it from accepting connections, and that may be closed
// several times: by Run, by net/http during the shutdown, and by Close.
type listener struct {
	net.Listener

	connections *connections
	logged      rate.Sometimes

	once sync.Once
	err  error
}

func newListener(l net.Listener, c *connections) *listener {
	return &listener{Listener: l, connections: c, logged: rate.Sometimes{Interval: time.Second}}
}

// Accept implements net.Listener. net/http calls it again after an error that may pass, such as too many
// open files.
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		l.logged.Do(func() { slog.Error("a connection could not be accepted", "error", err) })
		l.connections.makeRoom()
	}
	return conn, err
}

// Close implements net.Listener. It returns the result of the first call.
func (l *listener) Close() error {
	l.once.Do(func() { l.err = l.Listener.Close() })
	return l.err
}
