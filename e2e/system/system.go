package system

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"stavka.local/api"
	"stavka.local/stavka/e2e/contract"
)

// ServiceToken is the token that the systems under test take from their operators.
const ServiceToken = "e2e-service-token-of-sufficient-length"

// SecretKey signs the users' tokens in the systems under test.
const SecretKey = "e2e-secret-key-that-is-long-enough-for-hs256"

// Specs of both services, which collect what all tests of a run have seen.
var (
	BetMakerSpec     = sync.OnceValue(func() *contract.Spec { return mustLoad(api.BetMaker) })
	LineProviderSpec = sync.OnceValue(func() *contract.Spec { return mustLoad(api.LineProvider) })
)

func mustLoad(document []byte) *contract.Spec {
	spec, err := contract.Load(document)
	if err != nil {
		panic(err)
	}
	return spec
}

// Options say what to start. The zero value is one of each service on the shared servers.
type Options struct {
	Binaries      Binaries
	BetMakers     int // default 1
	LineProviders int // default 1
	Servers       Servers
	// Env holds variables for both services; an empty value takes a variable away.
	Env map[string]string
	// BetMakerEnv, when set, changes the variables of bet-makers in the end.
	BetMakerEnv func(env map[string]string)
	// Line, when set, is the address of another system's line-provider. The bet-makers follow
	// it, and there is none of their own.
	Line string
	// Stopped: the processes are made and not started.
	Stopped bool
}

// System is Stavka, running for one test.
type System struct {
	BetMakers     []*Process
	LineProviders []*Process
	// Env is what the services were started with.
	Env map[string]string

	t      testing.TB
	client *http.Client
}

// Start starts a system of its own for one test, waits until it is ready, and takes it
// down when the test ends.
func Start(t testing.TB, options Options) *System {
	t.Helper()
	if options.Servers == (Servers{}) {
		options.Servers = Shared(t)
	}
	name := fmt.Sprintf("e2e_%x", rand.Uint64())
	env := merged(options.Servers.isolate(t, name), map[string]string{
		"LINE_PROVIDER_TOKEN":   ServiceToken,
		"SECRET_KEY":            SecretKey,
		"FIRST_USER_USERNAME":   "admin",
		"FIRST_USER_PASSWORD":   "admin-password",
		"FIRST_USER_EMAIL":      "admin@example.com",
		"FIRST_USER_NAME":       "Admin",
		"LOG_LEVEL":             "info",
		"TOKEN_EXPIRED_MINUTES": "60",
	}, options.Env)
	for key, value := range env {
		if value == "" {
			delete(env, key)
		}
	}
	s := &System{t: t, Env: env, client: newClient(t)}
	var lines []string // the addresses at which bet-makers read the line
	own := max(1, options.LineProviders)
	if options.Line != "" {
		own, lines = 0, []string{options.Line}
	}
	for i := range own {
		port := freePort(t)
		s.LineProviders = append(s.LineProviders, newProcess(t, fmt.Sprintf("lineprovider-%d", i), options.Binaries.LineProvider, port,
			merged(env, map[string]string{"LINEPROVIDER_ADDR": fmt.Sprintf("127.0.0.1:%d", port)})))
		lines = append(lines, s.LineProviders[i].URL)
	}
	for i := range max(1, options.BetMakers) {
		port := freePort(t)
		own := merged(env, map[string]string{
			"BETMAKER_ADDR": fmt.Sprintf("127.0.0.1:%d", port),
			"EVENT_URL":     lines[i%len(lines)] + "/events",
		})
		if options.BetMakerEnv != nil {
			options.BetMakerEnv(own)
		}
		s.BetMakers = append(s.BetMakers, newProcess(t, fmt.Sprintf("betmaker-%d", i), options.Binaries.BetMaker, port, own))
	}
	if !options.Stopped {
		for _, p := range s.Processes() {
			p.Start()
		}
		s.AwaitReady()
	}
	return s
}

// Attach returns a system that runs already and is not the test's to start or stop.
func Attach(t testing.TB, betMaker, lineProvider string, env map[string]string) *System {
	t.Helper()
	s := &System{
		BetMakers:     []*Process{{Name: "betmaker", URL: betMaker, t: t}},
		LineProviders: []*Process{{Name: "lineprovider", URL: lineProvider, t: t}},
		Env:           env, t: t, client: newClient(t),
	}
	for _, p := range s.Processes() {
		Eventually(t, 60*time.Second, p.Name+" is ready", p.Ready)
	}
	return s
}

// Processes returns all processes, the line-providers first.
func (s *System) Processes() []*Process {
	return append(append([]*Process{}, s.LineProviders...), s.BetMakers...)
}

// AwaitReady waits until every process is ready.
func (s *System) AwaitReady() {
	s.t.Helper()
	for _, p := range s.Processes() {
		p.AwaitReady()
	}
}

// newClient returns a client of many connections at a time.
func newClient(t testing.TB) *http.Client {
	t.Helper()
	base := &http.Transport{MaxIdleConnsPerHost: 256}
	t.Cleanup(base.CloseIdleConnections)
	return &http.Client{Transport: base, Timeout: 60 * time.Second}
}

// clientFor returns a client that holds every exchange with a process against its contract.
func (s *System) clientFor(p *Process) *http.Client {
	spec := BetMakerSpec()
	if strings.HasPrefix(p.Name, "lineprovider") {
		spec = LineProviderSpec()
	}
	return &http.Client{Transport: spec.Transport(s.client.Transport), Timeout: s.client.Timeout}
}

// Request is one request as a test words it.
type Request struct {
	Method, Path string
	Token        string
	Body         string
	ContentType  string // default application/json when there is a body
	Header       http.Header
}

// Response is what came back.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends a request to a process and holds the exchange against the contract.
func (s *System) Do(p *Process, r Request) (Response, error) {
	target, err := url.Parse(p.URL)
	if err != nil {
		return Response{}, fmt.Errorf("the URL of %s: %w", p.Name, err)
	}
	req, err := http.NewRequestWithContext(context.Background(), r.Method, target.String()+r.Path, strings.NewReader(r.Body))
	if err != nil {
		return Response{}, fmt.Errorf("make a request: %w", err)
	}
	maps.Copy(req.Header, r.Header)
	if r.Token != "" {
		req.Header.Set("Authorization", "Bearer "+r.Token)
	}
	if r.Body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
		if r.ContentType != "" {
			req.Header.Set("Content-Type", r.ContentType)
		}
	}
	resp, err := s.clientFor(p).Do(req)
	if err != nil {
		return Response{}, fmt.Errorf("ask %s: %w", p.Name, err)
	}
	return readResponse(resp)
}
