package postgres_test

import (
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// fate is what a proxy does with its connections.
type fate int32

const (
	passOn     fate = iota
	loseNext        // the next request is lost, and the connection with it
	loseAnswer      // the next answer is lost, and the connection with it
)

// proxy forwards connections to a PostgreSQL server and breaks them on demand.
type proxy struct {
	url  string
	fate atomic.Int32
}

// newProxy starts a proxy in front of the server of a database.
func newProxy(t *testing.T, database string) *proxy {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatalf("parse the database's url: %v", err)
	}
	server := u.Host
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	u.Host = listener.Addr().String()
	p := &proxy{url: u.String()}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(client, server) })
		}
	})
	// The stores are closed before, because their cleanup is registered later.
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Errorf("close the proxy: %v", err)
		}
		serving.Wait()
	})
	return p
}

func (p *proxy) set(f fate) { p.fate.Store(int32(f)) }

func (p *proxy) is(f fate) bool { return p.fate.Load() == int32(f) }

// serve serves one connection. If the server cannot be reached, it closes the connection at once.
func (p *proxy) serve(client net.Conn, address string) {
	server, err := net.Dial("tcp", address)
	if err != nil {
		_ = client.Close()
		return
	}
	var copying sync.WaitGroup
	copying.Go(func() { p.copy(server, client, loseNext) })
	copying.Go(func() { p.copy(client, server, loseAnswer) })
	copying.Wait()
}

// copy copies until one side is closed, or until the proxy's fate is lose, and closes both.
func (p *proxy) copy(to, from net.Conn, lose fate) {
	_, err := io.Copy(writerFunc(func(data []byte) (int, error) {
		if p.is(lose) {
			return 0, errLost
		}
		return to.Write(data)
	}), from)
	_ = err // however it ended, this is the end of the connection
	_ = to.Close()
	_ = from.Close()
}

var errLost = errors.New("lost on purpose")

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(data []byte) (int, error) { return f(data) }
