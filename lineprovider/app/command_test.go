package app_test

import (
	"io"
	"strings"
	"testing"

	"stavka.local/lineprovider/app"
	skeleton "stavka.local/shared/service"
)

func TestCommand(t *testing.T) {
	t.Parallel()
	for argument, want := range map[string]string{
		"--help": "Usage:", "-h": "Usage:", "help": "Usage:", "version": "lineprovider ",
	} {
		var out strings.Builder
		if err := skeleton.Run(t.Context(), app.NewCommand(), []string{argument}, &out, io.Discard); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %q, %v", argument, out.String(), err)
		}
	}
	for _, arguments := range [][]string{{"fly"}, {"version", "2"}} {
		if err := skeleton.Run(t.Context(), app.NewCommand(), arguments, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "--help") {
			t.Errorf("%q: got %v, want an error that names --help", arguments, err)
		}
	}
}

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	env := environment(t)
	s := start(t, env)
	_, port, _ := strings.Cut(s.Addr(), ":")
	for _, address := range []string{s.Addr(), ":" + port, "0.0.0.0:" + port} {
		if err := skeleton.Healthcheck(t.Context(), address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := skeleton.Healthcheck(t.Context(), s.Addr()); err == nil {
		t.Error("a service that has stopped is healthy")
	}
}

func TestHealthcheckOfServiceThatIsNotReady(t *testing.T) {
	t.Parallel()
	env := environment(t)
	env["REDIS_CONNECT_URL"], _ = newOutage(t, env["REDIS_CONNECT_URL"])
	s := start(t, env)
	err := skeleton.Healthcheck(t.Context(), s.Addr())
	if err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v, want the body of /readyz", err)
	}
}
