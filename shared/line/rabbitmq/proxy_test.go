package rabbitmq_test

import (
	"bytes"
	"net"
	"net/url"
	"sync"
	"testing"

	"stavka.local/shared/line/rabbitmq"
	"stavka.local/shared/porttest"
)

// proxy is the failing network between the code under test and the broker.
type proxy struct {
	broker, address string

	mu       sync.Mutex
	listener net.Listener // nil while the broker is unreachable
	conns    map[net.Conn]bool
	freezeAt []byte        // freezes when a client sends this
	thaw     chan struct{} // not nil while frozen
	clients  []net.Conn    // for tell
	running  sync.WaitGroup
}

// newProxy returns a proxy that is up, and options whose URL leads through it.
func newProxy(t *testing.T, opts rabbitmq.Options) (*proxy, rabbitmq.Options) {
	t.Helper()
	u, err := url.Parse(opts.URL)
	if err != nil {
		t.Fatal("TEST_RABBITMQ_URL is not a URL")
	}
	p := &proxy{broker: u.Host, address: porttest.Address(t), conns: make(map[net.Conn]bool)}
	p.up(t)
	t.Cleanup(p.down)
	u.Host = p.address
	opts.URL = u.String()
	return p, opts
}

// up makes the broker reachable.
func (p *proxy) up(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener = listener
	p.running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.serve(client) })
		}
	})
}

// down makes the broker unreachable and cuts all connections.
func (p *proxy) down() {
	p.mu.Lock()
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
	p.mu.Unlock()
	p.unfreeze()
	p.cut()
	p.running.Wait()
}

// cut cuts all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
	p.clients = nil
}

// freeze lets nothing pass and keeps the connections.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.thaw == nil {
		p.thaw = make(chan struct{})
	}
}

// freezeWhen freezes as soon as a client sends something that contains data. That does not
// pass either.
func (p *proxy) freezeWhen(data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.freezeAt = data
}

func (p *proxy) unfreeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.freezeAt = nil
	if p.thaw != nil {
		close(p.thaw)
		p.thaw = nil
	}
}

// tell sends data to all clients as if it came from the broker. The connections must be idle, so
// that it does not split another frame.
func (p *proxy) tell(t *testing.T, data []byte) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, client := range p.clients {
		if _, err := client.Write(data); err != nil {
			t.Error(err)
		}
	}
}

func (p *proxy) serve(client net.Conn) {
	broker, err := net.Dial("tcp", p.broker)
	if err != nil {
		client.Close()
		return
	}
	p.mu.Lock()
	up := p.listener != nil
	p.conns[client], p.conns[broker] = true, true
	p.clients = append(p.clients, client)
	p.mu.Unlock()
	if up {
		var both sync.WaitGroup
		both.Go(func() { p.pass(client, broker, true) })
		both.Go(func() { p.pass(broker, client, false) })
		both.Wait()
	}
	client.Close()
	broker.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, client)
	delete(p.conns, broker)
}

// pass copies data until either side fails.
func (p *proxy) pass(from, to net.Conn, fromClient bool) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			p.wait(fromClient, buffer[:n])
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			p.wait(false, nil) // a frozen network does not show that the other side has closed
			return
		}
	}
}

func (p *proxy) wait(fromClient bool, data []byte) {
	p.mu.Lock()
	if fromClient && p.freezeAt != nil && bytes.Contains(data, p.freezeAt) && p.thaw == nil {
		p.thaw = make(chan struct{})
	}
	thaw := p.thaw
	p.mu.Unlock()
	if thaw != nil {
		<-thaw
	}
}
