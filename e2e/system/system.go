package system

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stavka.local/api"
	"stavka.local/shared/hangtest"
	"stavka.local/shared/money"
	"stavka.local/shared/porttest"
	"stavka.local/stavka/e2e/contract"
)

// ServiceToken is the operators' token of the systems under test.
const ServiceToken = "e2e-service-token-of-sufficient-length"

// SecretKey signs the users' tokens of the systems under test.
const SecretKey = "e2e-secret-key-that-is-long-enough-for-hs256"

// Opening is the opening balance in the systems under test, unless a test sets another. It
// is more than a test stakes that is not about money.
var Opening = money.MustParse("100000000.00")

// The OpenAPI documents of both services. They collect the answers that the tests of a run see.
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

// Options configures a System. The zero value is one of each service on the shared servers.
type Options struct {
	Binaries Binaries
	// Embedded runs both services in one process, which keeps its data in files and needs no
	// servers. The numbers of services and Servers are ignored then.
	Embedded      bool
	BetMakers     int // default 1
	LineProviders int // default 1
	Servers       Servers
	// Env holds variables for both services. An empty value removes a variable.
	Env map[string]string
	// BetMakerEnv, when set, changes the complete variables of bet-makers.
	BetMakerEnv func(env map[string]string)
	// Line, when set, is the address of another system's line-provider. The bet-makers follow
	// it, and the system starts no line-provider.
	Line string
	// Stopped leaves the processes unstarted.
	Stopped bool
}

// System is Stavka, run for one test.
type System struct {
	BetMakers     []*Service
	LineProviders []*Service
	// Embedded reports whether the services share one process.
	Embedded bool
	// Env holds the variables of both services.
	Env map[string]string

	t      testing.TB
	client *http.Client
}

// Start starts a system for one test and waits until it is ready. The system ends with the
// test.
func Start(t testing.TB, options Options) *System {
	t.Helper()
	s := &System{t: t, Embedded: options.Embedded, client: newClient(t)}
	s.Env = merged(options.stores(t), map[string]string{
		"LINE_PROVIDER_TOKEN":   ServiceToken,
		"SECRET_KEY":            SecretKey,
		"FIRST_USER_USERNAME":   "admin",
		"FIRST_USER_PASSWORD":   "admin-password",
		"FIRST_USER_EMAIL":      "admin@example.com",
		"FIRST_USER_NAME":       "Admin",
		"LOG_LEVEL":             "info",
		"TOKEN_EXPIRED_MINUTES": "60",
		"OPENING_BALANCE":       Opening.String(),
		// Tests send more from one user than a person does.
		"USER_REQUESTS_PER_SECOND": "0",
		"USER_BETS_PER_SECOND":     "0",
	}, options.Env)
	maps.DeleteFunc(s.Env, func(_, value string) bool { return value == "" })
	if options.Embedded {
		s.addEmbedded(options)
	} else {
		s.addLineProviders(options)
		s.addBetMakers(options)
	}
	if !options.Stopped {
		for _, p := range s.Processes() {
			p.Start()
		}
		s.AwaitReady()
	}
	return s
}

// stores returns the variables of the stores and queues, which no other test uses.
func (o Options) stores(t testing.TB) map[string]string {
	t.Helper()
	if o.Embedded {
		return map[string]string{"DATA_DIR": t.TempDir()}
	}
	servers := o.Servers
	if servers == (Servers{}) {
		servers = Shared(t)
	}
	return servers.isolate(t, fmt.Sprintf("e2e_%x", rand.Uint64()))
}

func (s *System) addEmbedded(options Options) {
	s.t.Helper()
	lineProvider, betMaker := porttest.Address(s.t), porttest.Address(s.t)
	p := newProcess(s.t, "stavka", built(s.t, options.Binaries.Embedded),
		merged(s.Env, map[string]string{"LINEPROVIDER_ADDR": lineProvider, "BETMAKER_ADDR": betMaker}))
	s.LineProviders = []*Service{{Name: "lineprovider", URL: "http://" + lineProvider, Process: p}}
	s.BetMakers = []*Service{{Name: "betmaker", URL: "http://" + betMaker, Process: p}}
}

func (s *System) addLineProviders(options Options) {
	s.t.Helper()
	if options.Line != "" {
		return
	}
	for i := range max(1, options.LineProviders) {
		name, address := fmt.Sprintf("lineprovider-%d", i), porttest.Address(s.t)
		s.LineProviders = append(s.LineProviders, &Service{Name: name, URL: "http://" + address, Process: newProcess(
			s.t, name, built(s.t, options.Binaries.LineProvider), merged(s.Env, map[string]string{"LINEPROVIDER_ADDR": address}),
		)})
	}
}

// addBetMakers adds bet-makers that follow the line-providers in turn.
func (s *System) addBetMakers(options Options) {
	s.t.Helper()
	for i := range max(1, options.BetMakers) {
		name, address, line := fmt.Sprintf("betmaker-%d", i), porttest.Address(s.t), options.Line
		if line == "" {
			line = s.LineProviders[i%len(s.LineProviders)].URL
		}
		env := merged(s.Env, map[string]string{"BETMAKER_ADDR": address, "EVENT_URL": line + "/events"})
		if options.BetMakerEnv != nil {
			options.BetMakerEnv(env)
		}
		s.BetMakers = append(s.BetMakers, &Service{
			Name: name, URL: "http://" + address, Process: newProcess(s.t, name, built(s.t, options.Binaries.BetMaker), env),
		})
	}
}

func built(t testing.TB, build func() (string, error)) (binary string) {
	t.Helper()
	var err error
	hangtest.Exempt(func() { binary, err = build() })
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// Attach returns a running system that the test does not start or stop.
func Attach(t testing.TB, betMaker, lineProvider string, env map[string]string) *System {
	t.Helper()
	s := &System{
		BetMakers:     []*Service{{Name: "betmaker", URL: betMaker}},
		LineProviders: []*Service{{Name: "lineprovider", URL: lineProvider}},
		Env:           env, t: t, client: newClient(t),
	}
	for _, service := range s.Services() {
		Eventually(t, 60*time.Second, service.Name+" is ready", service.Ready)
	}
	return s
}

// Services returns all services, the line-providers first.
func (s *System) Services() []*Service { return slices.Concat(s.LineProviders, s.BetMakers) }

// Processes returns the processes of the services in the same order, each once.
func (s *System) Processes() []*Process {
	var all []*Process
	for _, service := range s.Services() {
		if !slices.Contains(all, service.Process) {
			all = append(all, service.Process)
		}
	}
	return all
}

// AwaitReady waits until every service is ready.
func (s *System) AwaitReady() {
	s.t.Helper()
	for _, service := range s.Services() {
		service.AwaitReady()
	}
}

// newClient returns a client that keeps many connections.
func newClient(t testing.TB) *http.Client {
	t.Helper()
	base := &http.Transport{MaxIdleConnsPerHost: 256}
	t.Cleanup(base.CloseIdleConnections)
	return &http.Client{Transport: base, Timeout: 60 * time.Second}
}

// clientFor returns a client that checks every exchange with a service against its contract.
func (s *System) clientFor(service *Service) *http.Client {
	spec := BetMakerSpec()
	if strings.HasPrefix(service.Name, "lineprovider") {
		spec = LineProviderSpec()
	}
	return &http.Client{Transport: spec.Transport(s.client.Transport), Timeout: s.client.Timeout}
}

// Request is a request of a test.
type Request struct {
	Method, Path string
	Token        string
	Body         string
	ContentType  string // default application/json when there is a body
	Header       http.Header
}

// Response is the answer to a Request.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends a request to a service and checks the exchange against the contract.
func (s *System) Do(service *Service, r Request) (Response, error) {
	target, err := url.Parse(service.URL)
	if err != nil {
		return Response{}, fmt.Errorf("the URL of %s: %w", service.Name, err)
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
	resp, err := s.clientFor(service).Do(req)
	if err != nil {
		return Response{}, fmt.Errorf("ask %s: %w", service.Name, err)
	}
	return readResponse(resp)
}
