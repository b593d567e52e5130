package redis_test

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

// network is a proxy between a store and the server, with the failures of a network.
type network struct {
	address string

	// swallow is how many more replies to commands that contain word are lost. The server has
	// executed the command when the connection breaks.
	swallow atomic.Int32
	word    []byte

	// answers holds replies to commands, by name, that are sent instead of asking the server.
	answers map[string]string
}

func newNetwork(t *testing.T, word string, answers map[string]string) *network {
	t.Helper()
	target, err := goredis.ParseURL(server(t))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{address: listener.Addr().String(), word: []byte(word), answers: answers}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial("tcp", target.Addr)
			if err != nil {
				t.Error(err)
				_ = client.Close()
				return
			}
			wg.Go(func() { n.carry(client, upstream) })
		}
	})
	return n
}

// carry forwards commands and replies until either side closes. The client sends a command in one
// piece and waits for its reply.
func (n *network) carry(client, upstream net.Conn) {
	var lose atomic.Bool
	var wg sync.WaitGroup
	closeBoth := func() { _, _ = client.Close(), upstream.Close() }
	wg.Go(func() {
		defer closeBoth()
		pass(client, func(command []byte) bool {
			for name, answer := range n.answers {
				if bytes.Contains(bytes.ToUpper(command), []byte("\r\n"+name+"\r\n")) {
					_, err := client.Write([]byte(answer))
					return err == nil
				}
			}
			if bytes.Contains(command, n.word) && n.swallow.Add(-1) >= 0 {
				lose.Store(true)
			}
			_, err := upstream.Write(command)
			return err == nil
		})
	})
	wg.Go(func() {
		defer closeBoth()
		pass(upstream, func(answer []byte) bool {
			if lose.Load() {
				return false
			}
			_, err := client.Write(answer)
			return err == nil
		})
	})
	wg.Wait()
}

func pass(from net.Conn, each func([]byte) bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil || !each(buffer[:n]) {
			return
		}
	}
}
