package system

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// CommitCutter is a proxy between a service and PostgreSQL. When armed, it cuts the
// connection that executes a certain statement: after the server has executed it, and
// before the service gets the answer.
type CommitCutter struct {
	t         testing.TB
	statement string
	server    string
	listener  net.Listener
	armed     atomic.Bool
}

// NewCommitCutter starts a proxy, which ends with the test. statement is part of the SQL
// text to wait for, in lower case.
func NewCommitCutter(t testing.TB, postgres, statement string) *CommitCutter {
	t.Helper()
	server, err := url.Parse(postgres)
	if err != nil {
		t.Fatalf("the URL of PostgreSQL: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	c := &CommitCutter{t: t, statement: statement, server: server.Host, listener: listener}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { c.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return c
}

// Through returns the URL of the database through the proxy.
func (c *CommitCutter) Through(database string) string {
	return strings.Replace(database, c.server, c.listener.Addr().String(), 1)
}

// Arm makes the proxy cut the next connection that executes the statement.
func (c *CommitCutter) Arm() { c.armed.Store(true) }

func (c *CommitCutter) serve(client net.Conn) {
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		_ = client.Close()
		return
	}
	defer func() { _, _ = client.Close(), server.Close() }()
	var deaf atomic.Bool // answers of the server are dropped
	ready := make(chan struct{}, 1024)
	var answering sync.WaitGroup
	answering.Go(func() {
		defer close(ready)
		_ = eachMessage(server, false, func(kind byte, message []byte) error {
			if kind == 'Z' { // ReadyForQuery
				ready <- struct{}{}
			}
			if deaf.Load() {
				return nil
			}
			_, err := client.Write(message)
			return err
		})
		_ = client.Close()
	})
	// The error does not matter: client, server or cut have ended the connection.
	_ = eachMessage(client, true, c.forward(server, &deaf, ready))
	_ = server.Close()
	answering.Wait()
}

var errCut = errors.New("cut")

// forward passes messages of the client on. It cuts the connection when the server has
// answered the batch of the statement.
func (c *CommitCutter) forward(server io.Writer, deaf *atomic.Bool, ready <-chan struct{}) func(byte, []byte) error {
	names := make(map[string]bool) // prepared statements that contain c.statement
	cutting := false
	return func(kind byte, message []byte) error {
		switch fields := bytes.SplitN(message[min(5, len(message)):], []byte{0}, 3); {
		case kind == 'P' && len(fields) == 3: // Parse: statement, SQL, ...
			if strings.Contains(strings.ToLower(string(fields[1])), c.statement) {
				names[string(fields[0])] = true
			}
		case kind == 'B' && len(fields) == 3: // Bind: portal, statement, ...
			if names[string(fields[1])] && c.armed.CompareAndSwap(true, false) {
				cutting = true
				for len(ready) > 0 {
					<-ready
				}
				deaf.Store(true)
			}
		}
		if _, err := server.Write(message); err != nil {
			return err
		}
		if cutting && kind == 'S' { // Sync: the end of the batch
			<-ready
			return errCut
		}
		return nil
	}
}

// eachMessage calls handle with each message of PostgreSQL's protocol. The first message of a
// client has no kind.
func eachMessage(from io.Reader, fromClient bool, handle func(kind byte, message []byte) error) error {
	for first := fromClient; ; first = false {
		header := make([]byte, 5)
		if first {
			header = header[:4]
		}
		if _, err := io.ReadFull(from, header); err != nil {
			return err
		}
		length := int(binary.BigEndian.Uint32(header[len(header)-4:])) - 4
		message := make([]byte, len(header)+length)
		copy(message, header)
		if _, err := io.ReadFull(from, message[len(header):]); err != nil {
			return err
		}
		kind := byte(0)
		if !first {
			kind = header[0]
		}
		if err := handle(kind, message); err != nil {
			return err
		}
	}
}
