package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	amqp "github.com/rabbitmq/amqp091-go"
	goredis "github.com/redis/go-redis/v9"

	"stavka.local/api"
	"stavka.local/lineprovider/app"
	"stavka.local/shared/porttest"
)

// token is the service token of the services under test.
const token = "a-service-token-that-is-long-enough"

// patience is how long tests wait for a condition. It is long because a slow machine
// is not a fault of the service.
const patience = 30 * time.Second

// client sends requests to the line-providers under test.
var client = &http.Client{Timeout: 30 * time.Second}

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // tests that need the log read it themselves
	os.Exit(m.Run())
}

// environment returns variables for a service with its own line on the Redis of the
// tests, and removes the line's keys when the test ends. There is no RabbitMQ: a line
// can be served without it.
func environment(t *testing.T) map[string]string {
	t.Helper()
	name, redisURL := "test-"+rand.Text(), server(t, "TEST_REDIS_URL")
	t.Cleanup(func() {
		if err := removeKeys(redisURL, name); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return map[string]string{
		"LINEPROVIDER_ADDR":   "127.0.0.1:0",
		"LINE_PROVIDER_TOKEN": token,
		"REDIS_CONNECT_URL":   redisURL,
		"REDIS_HASH_NAME":     name,
		"RABBITMQ_URL":        "amqp://127.0.0.1:1/",
		"FEED_HEARTBEAT":      "0.2",
	}
}

// environmentWithBus returns an environment with its own exchange and queue on the
// RabbitMQ of the tests.
//
// They are removed when the test ends, and must exist by then: RabbitMQ 3.10 stops
// working for all its users, until it is restarted, when a quorum queue with
// at-least-once dead letters is deleted while it is still being declared.
func environmentWithBus(t *testing.T) map[string]string {
	t.Helper()
	env := environment(t)
	name, rabbitURL := env["REDIS_HASH_NAME"], server(t, "TEST_RABBITMQ_URL")
	t.Cleanup(func() {
		if err := removeQueues(rabbitURL, name); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	env["RABBITMQ_URL"], env["RABBIT_EXCHANGE"], env["RABBIT_QUEUE"] = rabbitURL, name, name
	return env
}

func server(t *testing.T, variable string) string {
	t.Helper()
	address := os.Getenv(variable)
	if address == "" {
		t.Fatalf("%s is not set: run the tests through make test, which starts the servers", variable)
	}
	return address
}

func removeKeys(address, name string) error {
	options, err := goredis.ParseURL(address)
	if err != nil {
		return err
	}
	client := goredis.NewClient(options)
	defer func() { _ = client.Close() }()
	ctx := context.Background()
	doomed := []string{name}
	keys := client.Scan(ctx, 0, "{"+name+"}:*", 1000).Iterator()
	for keys.Next(ctx) {
		doomed = append(doomed, keys.Val())
	}
	return errors.Join(keys.Err(), client.Unlink(ctx, doomed...).Err())
}

func removeQueues(address, name string) error {
	conn, err := amqp.Dial(address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	channel, err := conn.Channel()
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range []string{name, name + ".dead"} {
		_, err := channel.QueueDelete(n, false, false, false)
		errs = append(errs, err, channel.ExchangeDelete(n, false, false))
	}
	return errors.Join(errs...)
}

// configure reads a configuration from variables.
func configure(t *testing.T, env map[string]string) app.Config {
	t.Helper()
	c, err := app.ConfigFromEnv(lookup(env))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
}

// service is a line-provider that runs for one test.
type service struct {
	*app.App

	t *testing.T
}

// start starts a service and stops it when the test ends.
func start(t *testing.T, env map[string]string) *service {
	t.Helper()
	a, err := app.New(t.Context(), configure(t, env))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &service{App: a, t: t}
}

// answer is a response, with the members of its body if that is an object.
type answer struct {
	status int
	header http.Header
	body   string
	member map[string]any // numbers are json.Number
}

// request is one request. It has Authorization and Content-Type by default; an empty
// value removes a header.
type request struct {
	method, path, body string
	header             map[string]string
}

// ask sends a request, checks the answer against the contract, and returns it.
func (s *service) ask(r request) answer {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, "http://"+s.Addr()+r.path, strings.NewReader(r.body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
		if value == "" {
			req.Header.Del(name)
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		s.t.Fatal(err)
	}
	if err := againstContract(req, resp, body); err != nil {
		s.t.Errorf("%s %s answered %d %s, against the contract: %v", r.method, r.path, resp.StatusCode, body, err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: strings.TrimSpace(string(body))}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&a.member); err != nil {
		a.member = nil // an array, or an empty body
	}
	return a
}

// do sends a request that must succeed.
func (s *service) do(method, path, body string) answer {
	s.t.Helper()
	a := s.ask(request{method: method, path: path, body: body})
	if a.status >= http.StatusBadRequest {
		s.t.Fatalf("%s %s %s: %d %s", method, path, body, a.status, a.body)
	}
	return a
}

var contract = sync.OnceValues(func() (routers.Router, error) {
	doc, err := openapi3.NewLoader().LoadFromData(api.LineProvider)
	if err != nil {
		return nil, err
	}
	doc.Servers = nil
	return gorillamux.NewRouter(doc)
})

// againstContract returns an error if an answer breaks the contract. A status that the
// contract does not list for the operation breaks it, except for the problems of the
// edge.
func againstContract(req *http.Request, resp *http.Response, body []byte) error {
	router, err := contract()
	if err != nil {
		return err
	}
	route, parameters, err := router.FindRoute(req)
	if err != nil {
		if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusMethodNotAllowed {
			return nil
		}
		return err
	}
	if route.Operation.Responses.Status(resp.StatusCode) == nil {
		return errors.New("the status is not documented")
	}
	return openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: req, Route: route, PathParams: parameters,
		},
		Status: resp.StatusCode, Header: resp.Header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
}

// awaitBus waits until the service is connected to RabbitMQ.
func (s *service) awaitBus() {
	s.t.Helper()
	eventually(s.t, "the service is connected to RabbitMQ", func() error {
		got := s.ask(request{method: http.MethodGet, path: "/readyz"})
		if !strings.Contains(got.body, `"rabbitmq":{"status":"ok"}`) {
			return errors.New(got.body)
		}
		return nil
	})
}

// eventually waits until check returns nil.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		<-ticker.C
	}
}

// outage is the address of a server that is down.
type outage struct {
	t      *testing.T
	host   string
	target string
}

// newOutage returns the address of a server that is down, in the form of address, and
// an outage that brings the server up at that address.
func newOutage(t *testing.T, address string) (unreachable string, o *outage) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	o = &outage{t: t, host: porttest.Address(t), target: u.Host}
	u.Host = o.host
	return u.String(), o
}

// end brings the server up until the test ends.
func (o *outage) end() {
	o.t.Helper()
	listener, err := net.Listen("tcp", o.host)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial("tcp", o.target)
			if err != nil {
				_ = client.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{client, upstream}, {upstream, client}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1]) // ends when either side closes
					_, _ = pair[0].Close(), pair[1].Close()
				}()
			}
		}
	}()
}
