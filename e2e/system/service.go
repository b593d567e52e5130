package system

import (
	"fmt"
	"net/http"
	"time"
)

// Service is one of our services. It keeps its address over restarts.
type Service struct {
	Name string
	URL  string

	// Process runs the service. The services of an embedded system share one. It is nil when
	// the test did not start the service.
	*Process
}

// AwaitReady waits until /readyz answers 200.
func (s *Service) AwaitReady() {
	s.t.Helper()
	Eventually(s.t, 60*time.Second, s.Name+" is ready", func() error {
		if !s.Running() {
			s.t.Fatalf("%s ended with exit code %d", s.Name, s.ExitCode())
		}
		return s.Ready()
	})
}

// Ready returns nil when /readyz answers 200.
func (s *Service) Ready() error {
	_, err := s.Get("/readyz")
	return err
}

// Get returns the body of an operational route. A status other than 200 is an error.
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
