package system

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Service is one of our services, at an address that it keeps over restarts.
type Service struct {
	Name string
	URL  string

	// Process runs the service. The services of an embedded system share one; a service
	// that runs without the test has none.
	*Process
}

// AwaitReady waits until /readyz says 200.
func (s *Service) AwaitReady() {
	s.t.Helper()
	Eventually(s.t, 60*time.Second, s.Name+" is ready", func() error {
		if !s.Running() {
			s.t.Fatalf("%s ended with exit code %d", s.Name, s.ExitCode())
		}
		return s.Ready()
	})
}

// Ready returns nil when /readyz says 200.
func (s *Service) Ready() error {
	_, err := s.Get("/readyz")
	return err
}

// Get returns the body of one of the operational routes; anything but a 200 is an error.
func (s *Service) Get(path string) (string, error) {
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(s.URL + path)
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", s.Name, err)
	}
	got, err := readResponse(resp)
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", s.Name, err)
	}
	if got.Status != http.StatusOK {
		return "", fmt.Errorf("%s%s answered %d %s", s.Name, path, got.Status, got.Body)
	}
	return string(got.Body), nil
}

// given has the ports that freeAddress has returned. Without it two tests may get the same
// one, before either's service listens or while it is down; the service of the one then fails to
// start, and the test talks to that of the other.
var given sync.Map

// freeAddress returns a loopback address at which nobody listens now, and another one each
// time. Its port is from below the range that the kernel gives to outgoing connections: so it stays
// free while its service is down in a fault test.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := 20000 + rand.IntN(12000)
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			t.Fatalf("find a free port: %v", err)
		}
		return listener.Addr().String()
	}
	t.Fatal("no port from 20000 to 31999 is free")
	return ""
}
