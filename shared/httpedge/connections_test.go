package httpedge_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/shared/health"
	"stavka.local/shared/httpedge"
	"stavka.local/shared/metrics"
)

// A request without a token is answered while its body is still missing. A client that does not send
// the body loses its connection, and one that does keeps it.
func TestRefusedRequestIsAnsweredBeforeItsBody(t *testing.T) {
	t.Parallel()
	const head = "POST /bets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	for name, tt := range map[string]struct {
		sent, rest string
		kept       bool
	}{
		"a body that never comes": {sent: head + "Content-Length: 32\r\n\r\n{"},
		"a body that comes":       {sent: head + "Content-Length: 32\r\n\r\n{", rest: strings.Repeat(" ", 31), kept: true},
		"a chunk that never ends": {sent: head + "Transfer-Encoding: chunked\r\n\r\n20\r\n{"},
		"a large body":            {sent: head + "Content-Length: 10000000\r\n\r\n{"},
		"a body that is expected": {sent: head + "Expect: 100-continue\r\nContent-Length: 32\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := startOnPipes(t, httpedge.DefaultLimits(), nil)
				conn := dial(t, s)
				began := time.Now()
				go func() { _, _ = io.WriteString(conn, tt.sent) }()
				reader := bufio.NewReader(conn)
				if code := readAnswer(t, reader); code != http.StatusUnauthorized || time.Since(began) != 0 {
					t.Errorf("got %d after %s, want %d at once", code, time.Since(began), http.StatusUnauthorized)
				}
				if tt.kept {
					go func() { _, _ = io.WriteString(conn, tt.rest+"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") }()
					if code := readAnswer(t, reader); code != http.StatusOK {
						t.Errorf("the next request on the connection got %d", code)
					}
					return
				}
				if rest, err := io.ReadAll(reader); len(rest) > 0 {
					t.Errorf("after the answer came %q (%v)", rest, err)
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("the connection was open for %s", took)
				}
			})
		})
	}
}

func readAnswer(t *testing.T, reader *bufio.Reader) int {
	t.Helper()
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// Of too many connections those that wait for a request are closed, and new ones work.
func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	const most = 4
	bounded := func(all, perAddress int, trusted ...netip.Prefix) httpedge.Limits {
		l := httpedge.DefaultLimits()
		l.Connections, l.ConnectionsPerAddress, l.TrustedProxies = all, perAddress, trusted
		return l
	}
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	for name, tt := range map[string]struct {
		limits httpedge.Limits
		closed int
		reason string
	}{
		"in total":                     {bounded(most, 0), 2*most + 1, "in_total"},
		"from one address":             {bounded(0, most), 2*most + 1, "from_address"},
		"from a proxy":                 {bounded(0, most, loopback), 0, "from_address"},
		"from a proxy, too many of it": {bounded(most, most, loopback), 2*most + 1, "in_total"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.limits.Metrics = metrics.New("test")
			s := start(t, tt.limits, nil)
			ended := make(chan struct{}, 3*most)
			for i := range 3 * most {
				conn := dial(t, s)
				// Connections wait before their first request, after a request, and within a header.
				switch i % 3 {
				case 1:
					ask := "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
					if _, err := io.WriteString(conn, ask); err != nil {
						t.Fatal(err)
					}
					reader := bufio.NewReader(conn)
					if code := readAnswer(t, reader); code != http.StatusOK {
						t.Fatalf("connection %d got %d", i, code)
					}
				case 2:
					if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\n"); err != nil {
						t.Fatal(err)
					}
				}
				go func() {
					if _, err := io.ReadAll(conn); err == nil || !errors.Is(err, net.ErrClosed) {
						ended <- struct{}{}
					}
				}()
			}
			if response, body := s.send(t, request{method: "GET", path: "/bets/1"}); response.StatusCode != http.StatusOK {
				t.Errorf("one more connection: %d %s", response.StatusCode, body)
			}
			for i := range tt.closed {
				select {
				case <-ended:
				case <-time.After(patience):
					t.Fatalf("%d connections were closed, want %d", i, tt.closed)
				}
			}
			if got := scrape(t, tt.limits.Metrics, fmt.Sprintf("stavka_http_connections_dropped_total{too_many=%q}", tt.reason)); got != fmt.Sprint(tt.closed) && tt.closed > 0 || got != "" && tt.closed == 0 {
				t.Errorf("the metric counts %q closed connections, want %d", got, tt.closed)
			}
		})
	}
}

// scrape returns the value of a metric, or "".
func scrape(t *testing.T, m *metrics.Registry, name string) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	_, after, _ := strings.Cut(w.Body.String(), name+" ")
	value, _, _ := strings.Cut(after, "\n")
	return value
}

// A connection whose request is being answered is not closed for a new one.
func TestBusyConnectionsAreKept(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	l := httpedge.DefaultLimits()
	l.Connections = 2
	s := start(t, l, handlers{"GET /open": func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-leave
		_, _ = io.WriteString(w, "done")
	}})
	busy := []net.Conn{dial(t, s), dial(t, s)}
	for _, conn := range busy {
		if _, err := io.WriteString(conn, "GET /open HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		<-entered
	}
	if _, err := dial(t, s).Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("reading a third connection: %v, want its end", err)
	}
	close(leave)
	for _, conn := range busy {
		if code := readAnswer(t, bufio.NewReader(conn)); code != http.StatusOK {
			t.Errorf("a busy connection got %d", code)
		}
	}
}

// exhausted is a listener that cannot accept for a while.
type exhausted struct {
	*pipes

	failures atomic.Int64 // to come
}

func (e *exhausted) Accept() (net.Conn, error) {
	if e.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return e.pipes.Accept()
}

// A server that has no file for a connection says so in the log, makes room, and recovers.
func TestServerRecoversFromAcceptErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := httpedge.DefaultLimits()
		l.Metrics = metrics.New("test")
		s := &service{health: health.New(), metrics: metrics.New("test"), base: "http://test"}
		s.server = newService(t, l, nil).server
		listener := &exhausted{pipes: newPipes()}
		s.network = listener.pipes
		if err := s.server.ListenAt(listener); err != nil {
			t.Fatal(err)
		}
		s.run(t)
		idle := dial(t, s)
		listener.failures.Store(3)
		go func() { _, _ = s.network.DialContext(t.Context(), "", "") }() // ends the Accept that waits already
		if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("reading an idle connection: %v, want its end", err)
		}
		if response, body := s.send(t, request{method: "GET", path: "/bets/1"}); response.StatusCode != http.StatusOK {
			t.Errorf("after the errors: %d %s", response.StatusCode, body)
		}
		if got := scrape(t, l.Metrics, `stavka_http_connections_dropped_total{too_many="files"}`); got != "2" {
			t.Errorf("%q connections were closed for want of files, want 2", got)
		}
		if !logged.holds("level=ERROR", "a connection could not be accepted", "too many open files") {
			t.Error("the log has no error about the connections that could not be accepted")
		}
	})
}
