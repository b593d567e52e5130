package httpedge

import (
	queue "container/list"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"stavka.local/shared/metrics"
)

// silentGrace is how long a stopping server waits for the first byte of an open connection. Browsers and
// other clients open connections that they may never use. net/http would wait 5 s for them, and would
// not answer a request that arrives meanwhile.
const silentGrace = 200 * time.Millisecond

// connections are the open connections of a server. When there are too many, from everywhere or from
// one address, one that waits for a request is closed for each new one: the one that has waited
// longest. A connection waits until the whole header of a request has arrived. A connection whose
// request is being answered is never closed, so when none waits, the new one is closed.
type connections struct {
	most, mostFrom int // 0 for no bound
	exempt         []netip.Prefix
	counted        prometheus.Gauge       // nil for none
	dropped        *prometheus.CounterVec // nil for none

	mu      sync.Mutex
	open    map[net.Conn]*connection
	silent  int // connections that have received no request yet
	from    map[netip.Prefix]*source
	waiting queue.List // of *connection, the longest waiting first
	warned  rate.Sometimes
}

type connection struct {
	net.Conn

	silent bool
	source *source // nil if its address is not bounded
	// turn and sourceTurn are its places in the lists of waiting connections; nil while it does not
	// wait.
	turn, sourceTurn *queue.Element
}

// source is where connections of one client come from.
type source struct {
	network netip.Prefix
	open    int
	waiting queue.List // of *connection, the longest waiting first
}

func newConnections(l Limits) *connections {
	c := &connections{
		most: l.Connections, mostFrom: l.ConnectionsPerAddress, exempt: l.TrustedProxies,
		open: make(map[net.Conn]*connection), from: make(map[netip.Prefix]*source),
		warned: rate.Sometimes{Interval: time.Minute},
	}
	if l.Metrics != nil {
		c.counted = l.Metrics.Gauge("http_connections", "Open connections of HTTP clients.")
		c.dropped = l.Metrics.CounterVec("http_connections_dropped_total",
			"Connections of HTTP clients that were closed to make room, by what there was too much of: "+
				"connections in total, connections from one address, or open files.", "too_many")
	}
	return c
}

// count notes the number of open connections.
func (c *connections) count() {
	if c.counted != nil {
		metrics.SetCount(c.counted, len(c.open))
	}
}

// observe implements http.Server.ConnState. It is called in the goroutine that accepts connections for
// a new one, and otherwise in that of the connection.
func (c *connections) observe(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.add(conn)
	case http.StateActive:
		if known := c.open[conn]; known != nil {
			c.heard(known)
			c.unwait(known)
		}
	case http.StateIdle:
		if known := c.open[conn]; known != nil {
			c.wait(known)
		}
	case http.StateClosed, http.StateHijacked:
		c.remove(conn)
	}
}

func (c *connections) add(conn net.Conn) {
	added := &connection{Conn: conn, silent: true, source: c.sourceOf(conn)}
	c.open[conn] = added
	c.silent++
	c.count()
	c.wait(added)
	if s := added.source; s != nil {
		if s.open++; s.open > c.mostFrom {
			c.drop(&s.waiting, "from_address", conn)
			return
		}
	}
	if c.most > 0 && len(c.open) > c.most {
		c.drop(&c.waiting, "in_total", conn)
	}
}

// sourceOf returns the source of a connection, or nil if it is not bounded. An IPv6 address counts
// together with its /64, which is the network of one customer.
func (c *connections) sourceOf(conn net.Conn) *source {
	remote, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if c.mostFrom <= 0 || err != nil {
		return nil
	}
	address, bits := remote.Addr().Unmap().WithZone(""), 64
	if slices.ContainsFunc(c.exempt, func(network netip.Prefix) bool { return network.Contains(address) }) {
		return nil
	}
	if address.Is4() {
		bits = 32
	}
	network := netip.PrefixFrom(address, bits).Masked()
	if c.from[network] == nil {
		c.from[network] = &source{network: network}
	}
	return c.from[network]
}

func (c *connections) wait(conn *connection) {
	if conn.turn != nil {
		return
	}
	conn.turn = c.waiting.PushBack(conn)
	if conn.source != nil {
		conn.sourceTurn = conn.source.waiting.PushBack(conn)
	}
}

func (c *connections) unwait(conn *connection) {
	if conn.turn == nil {
		return
	}
	c.waiting.Remove(conn.turn)
	if conn.source != nil {
		conn.source.waiting.Remove(conn.sourceTurn)
	}
	conn.turn, conn.sourceTurn = nil, nil
}

// heard notes that a connection has received something.
func (c *connections) heard(conn *connection) {
	if conn.silent {
		conn.silent = false
		c.silent--
	}
}

// drop ends the longest waiting connection of a list, which may be the one just added.
func (c *connections) drop(waiting *queue.List, reason string, added net.Conn) {
	first := waiting.Front()
	if first == nil {
		return
	}
	conn := first.Value.(*connection) //nolint:forcetypeassert,errcheck // the lists hold nothing else
	c.unwait(conn)
	if conn.Conn == added {
		_ = conn.Close() // nothing was read that could be lost
	} else {
		// This interrupts the read in which the connection waits. Unlike Close it does no harm to
		// a request that has arrived at this moment.
		_ = conn.SetReadDeadline(time.Unix(1, 0)) // an error means that it is closed
	}
	if c.dropped != nil {
		c.dropped.WithLabelValues(reason).Inc()
	}
	c.warned.Do(func() {
		slog.Warn("too many connections; those that wait longest for a request are closed",
			"too_many", reason, "open", len(c.open), "closed", conn.RemoteAddr().String())
	})
}

// makeRoom ends the longest waiting connection because another could not be accepted.
func (c *connections) makeRoom() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(&c.waiting, "files", nil)
}

func (c *connections) remove(conn net.Conn) {
	known := c.open[conn]
	if known == nil {
		return
	}
	delete(c.open, conn)
	c.count()
	c.heard(known)
	c.unwait(known)
	if s := known.source; s != nil {
		if s.open--; s.open == 0 {
			delete(c.from, s.network)
		}
	}
}

// dismiss waits until there are no silent connections, at most silentGrace, and closes the remaining
// ones.
func (c *connections) dismiss(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, silentGrace)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for c.anySilent() && ctx.Err() == nil {
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn, known := range c.open {
		if known.silent {
			_ = conn.Close() // nothing was received that could be lost
		}
	}
}

func (c *connections) anySilent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.silent > 0
}
