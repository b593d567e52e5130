package httpedge_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/shared/httpedge"
	"stavka.local/shared/porttest"
)

// patience is how long a test waits for the server.
const patience = 10 * time.Second

func shortLimits() httpedge.Limits {
	l := httpedge.DefaultLimits()
	l.ReadHeader = 100 * time.Millisecond
	l.Read = 200 * time.Millisecond
	l.Idle = 100 * time.Millisecond
	return l
}

// startOnPipes is start without the network, for a bubble of testing/synctest.
func startOnPipes(t *testing.T, l httpedge.Limits, h handlers) *service {
	t.Helper()
	s := newService(t, l, h)
	s.network = newPipes()
	if err := s.server.ListenAt(s.network); err != nil {
		t.Fatal(err)
	}
	s.run(t)
	return s
}

// pipes is a network in memory. It is its own listener and dialler.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
	close    func()
}

func newPipes() *pipes {
	closed := make(chan struct{})
	return &pipes{accepted: make(chan net.Conn), closed: closed, close: sync.OnceFunc(func() { close(closed) })}
}

// DialContext returns when the listener has accepted the connection.
func (p *pipes) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.accepted <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.accepted:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.close()
	return nil
}

func (*pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func dial(t *testing.T, s *service) net.Conn {
	t.Helper()
	connect := new(net.Dialer).DialContext
	if s.network != nil {
		connect = s.network.DialContext
	}
	conn, err := connect(t.Context(), "tcp", s.server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestOptionsOfTheWholeServerIsAProblem(t *testing.T) {
	t.Parallel()
	s := start(t, httpedge.DefaultLimits(), nil)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	expect(t, response, string(body), problem{404, "not_found", "", ""})
}

func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	const head = "POST /bets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Type: application/json\r\n"
	for name, sent := range map[string]string{
		"nothing":           "",
		"half a header":     head,
		"no body":           head + "Content-Length: 32\r\n\r\n",
		"half a body":       head + "Content-Length: 32\r\n\r\n" + `{"event_id": 1,`,
		"half a chunk":      head + "Transfer-Encoding: chunked\r\n\r\n20\r\n{\"event_id\"",
		"unfinished chunks": head + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := startOnPipes(t, shortLimits(), nil)
				conn := dial(t, s)
				if _, err := io.WriteString(conn, sent); err != nil {
					t.Fatal(err)
				}
				if response, body := s.send(t, request{method: "GET", path: "/bets/1"}); response.StatusCode != http.StatusOK {
					t.Errorf("beside the slow client: %d %s", response.StatusCode, body)
				}
				answer, err := io.ReadAll(conn) // until the server closes
				if err != nil && strings.Contains(err.Error(), "timeout") {
					t.Fatalf("the connection is still open after %v", patience)
				}
				if strings.HasPrefix(string(answer), "HTTP/1.1 5") {
					t.Errorf("a slow client is answered %s", answer)
				}
				_, scraped := s.send(t, request{method: "GET", path: "/metrics"})
				if strings.Contains(sent, "\r\n\r\n") && !strings.Contains(scraped, `method="POST",route="/bets",status="499"} 1`) {
					t.Error("the metrics do not count a client that went away")
				}
				if n := s.handled(); n != 1 {
					t.Errorf("the service was called %d times, want 1", n)
				}
			})
		})
	}
}

func TestChunkedBodies(t *testing.T) {
	t.Parallel()
	s := start(t, httpedge.DefaultLimits(), nil)
	for _, test := range []struct {
		body   string
		status int
	}{{bet, 200}, {large(64<<10 + 1), 413}, {large(1 << 20), 413}, {"", 400}} {
		// A reader of unknown length is sent in chunks.
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base+"/bets", io.MultiReader(strings.NewReader(test.body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer good")
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatalf("%d bytes: %v", len(test.body), err)
		}
		_ = response.Body.Close()
		if response.StatusCode != test.status {
			t.Errorf("%d bytes in chunks: %d, want %d", len(test.body), response.StatusCode, test.status)
		}
	}
}

func TestBrokenProtocol(t *testing.T) {
	t.Parallel()
	s := start(t, httpedge.DefaultLimits(), nil)
	const head = "POST /bets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Type: application/json\r\n"
	for name, sent := range map[string]string{
		"not HTTP":          "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
		"huge header":       "GET /bets/1 HTTP/1.1\r\nHost: x\r\nX-Big: " + strings.Repeat("x", 32<<10) + "\r\n\r\n",
		"bad chunk":         head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		"two lengths":       head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
		"NUL in the header": "GET /bets/1 HTTP/1.1\r\nHost: x\r\nX-Bad: a\x00b\r\n\r\n",
		"negative length":   head + "Content-Length: -1\r\n\r\n",
	} {
		conn := dial(t, s)
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatalf("%s: no answer", name)
		}
		if len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 4") {
			t.Errorf("%s: answered %s", name, answer)
		}
	}
	if n := s.handled(); n != 0 {
		t.Errorf("%d broken requests reached the service", n)
	}
}

func TestSlowReadersAreCutOff(t *testing.T) {
	t.Parallel()
	limits := httpedge.DefaultLimits()
	limits.Write = 200 * time.Millisecond
	ended := make(chan struct{})
	s := start(t, limits, handlers{"GET /open": func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for block := make([]byte, 1<<20); err == nil; {
			_, err = w.Write(block)
		}
		close(ended)
	}})
	conn := dial(t, s)
	if _, err := io.WriteString(conn, "GET /open HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("a client that does not read blocks the server")
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := startOnPipes(t, shortLimits(), nil)
		conn := dial(t, s)
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		reader := bufio.NewReader(conn)
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if _, err := reader.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want the end of the connection", err)
		}
	})
}

// blocked starts a server with one request in flight, which ends when released.
// begin stops it, and returns when it accepts no new connections.
func blocked(t *testing.T, drain time.Duration) (begin func() <-chan error, release func(), answered <-chan string) {
	t.Helper()
	arrived, released := make(chan struct{}), make(chan struct{})
	var first sync.Once
	limits := httpedge.DefaultLimits()
	limits.Drain = drain
	server, err := httpedge.NewServer(t.Context(), porttest.Address(t), http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) {
			first.Do(func() { close(arrived) })
			<-released
			_, _ = io.WriteString(w, "done")
		}), limits)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- server.Run(ctx) }()

	answers := make(chan string, 1)
	go func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server.Addr(), http.NoBody)
		if err != nil {
			answers <- err.Error()
			return
		}
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			answers <- err.Error()
			return
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		answers <- fmt.Sprint(string(body), err)
	}()
	select {
	case <-arrived:
	case got := <-answers:
		t.Fatalf("the request did not arrive: %s", got)
	}
	begin = func() <-chan error {
		cancel()
		eventually(t, func() bool {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Addr())
			if err == nil {
				_ = conn.Close()
			}
			return err != nil
		})
		return ran
	}
	return begin, func() { close(released) }, answers
}

func TestStopLetsRequestsEnd(t *testing.T) {
	t.Parallel()
	begin, release, answered := blocked(t, patience)
	ran := begin()
	select {
	case err := <-ran:
		t.Fatalf("stopped with %v while a request is in flight", err)
	default:
	}
	release()
	if got := <-answered; got != "done<nil>" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-ran; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	begin, release, answered := blocked(t, 50*time.Millisecond)
	defer release()
	if err := <-begin(); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("run: %v, want that requests were cut off", err)
	}
	if got := <-answered; got == "done<nil>" {
		t.Error("the request in flight got an answer")
	}
}

// A browser opens connections ahead. A stopping server waits SilentGrace for
// a request on them, and then closes them.
func TestStopDoesNotWaitForSilentConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, err := httpedge.NewServer(t.Context(), "127.0.0.1:0", http.HandlerFunc(
			func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "done") }), httpedge.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		s := &service{server: server, network: newPipes()}
		if err := server.ListenAt(s.network); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- server.Run(ctx) }()
		silent, late := dial(t, s), dial(t, s)
		synctest.Wait() // until the server waits for requests on both
		began := time.Now()
		stop()

		time.Sleep(httpedge.SilentGrace / 2)
		if _, err := s.network.DialContext(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a new connection during the stop: %v, want it refused", err)
		}
		if _, err := io.WriteString(late, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(late); err != nil || !strings.HasSuffix(string(answer), "done") {
			t.Errorf("a request within the grace period got %q %v", answer, err)
		}
		if err := <-ran; err != nil {
			t.Errorf("run: %v", err)
		}
		if took := time.Since(began); took < httpedge.SilentGrace || took > 2*httpedge.SilentGrace {
			t.Errorf("the stop took %s, want about %s", took, httpedge.SilentGrace)
		}
		if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("reading the silent connection: %v, want its end", err)
		}
	})
}

func TestServerBindsAtOnce(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) })
	server, err := httpedge.NewServer(t.Context(), porttest.Address(t), handler, httpedge.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := httpedge.NewServer(t.Context(), server.Addr(), handler, httpedge.DefaultLimits()); err == nil {
		t.Error("an address was bound twice")
	}
	for range 2 { // closing is idempotent
		if err := server.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	again, err := httpedge.NewServer(t.Context(), server.Addr(), handler, httpedge.DefaultLimits())
	if err != nil {
		t.Fatalf("the address is not free after Close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if err := again.Run(t.Context()); err == nil {
		t.Error("a closed server runs")
	}
}
