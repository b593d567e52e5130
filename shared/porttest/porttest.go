// Package porttest finds ports for servers that tests stop and start again at the same address. It is
// for tests only.
package porttest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// The ports are below the range that the kernel gives to outgoing connections. Such a port stays
// free while its server is down.
const lowest, ports = 20000, 12000

// given holds the ports that Address has returned. Two tests must not get the same one: nothing
// listens at it before the server starts and while it is down.
var given sync.Map

// Address returns a loopback address at which nothing listens, and a different one each time.
func Address(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := lowest + rand.IntN(ports)
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			t.Fatalf("find a free port: %v", err)
		}
		return listener.Addr().String()
	}
	t.Fatalf("no port from %d to %d is free", lowest, lowest+ports-1)
	return ""
}
