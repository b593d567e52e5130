package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stavka.local/stavka/e2e/system"
)

const (
	// floodConnections is more than the places that a replica has for bets.
	floodConnections = 2100
	honestUsers      = 48
	floodPeriod      = 2 * time.Second
)

// asDelivered bounds the requests of users as a service does that is not told otherwise.
var asDelivered = map[string]string{"USER_REQUESTS_PER_SECOND": "", "USER_BETS_PER_SECOND": ""}

// A flood does not keep honest users from betting, whatever the attacker sends.
func TestFlood(t *testing.T) { bearFloods(t, start(t, system.Options{Env: asDelivered})) }

func TestEmbeddedFlood(t *testing.T) { bearFloods(t, startEmbedded(t, asDelivered)) }

// bearFloods floods bet-maker in several forms while honest users place bets at a quarter of the peak.
// At least 95 % of theirs must be accepted. How much longer they take is logged, not judged, because
// the flood and the bets share the processors with each other and with other tests.
func bearFloods(t *testing.T, s *system.System) {
	t.Helper()
	event := s.Line(t, 0).Create("1.45").EventID
	users := make([]string, honestUsers)
	for i := range users {
		users[i] = s.NewUser(t, 0).Token
	}
	greedy := s.NewUser(t, 0).Token
	bet := fmt.Sprintf(`{"event_id":%d,"amount":0.01}`, event)
	h := &honest{url: s.BetMakers[0].URL + "/api/bets", bet: bet, users: users}
	h.client = &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 4 * honestUsers, MaxConnsPerHost: 4 * honestUsers}, Timeout: 30 * time.Second,
	}
	t.Cleanup(h.client.CloseIdleConnections)

	peak := h.peak(t)
	rate := max(peak/4, 1)
	calm := h.place(t, rate)
	t.Logf("peak %d/s; at %d/s without a flood: %s", peak, rate, calm)

	head := func(token, length string) string {
		return "POST /api/bets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + token + "Content-Length: " + length + "\r\n\r\n"
	}
	whole := head("Authorization: Bearer "+greedy+"\r\n", fmt.Sprint(len(bet))) + bet
	for _, form := range []struct{ name, sent string }{
		{"no token, slow bodies", head("", "64") + "{"},
		{"a wrong token, slow bodies", head("Authorization: Bearer "+greedy[:len(greedy)-8]+"AAAAAAAA\r\n", "64") + "{"},
		{"a right token, slow bodies", head("Authorization: Bearer "+greedy+"\r\n", "64") + "{"},
		{"one user on many connections", whole},
		{"slow heads", "POST /api/bets HTTP/1.1\r\nHost: x\r\nAuthorization: "},
		{"idle connections", ""},
	} {
		t.Run(form.name, func(t *testing.T) {
			stop := flood(t, strings.TrimPrefix(s.BetMakers[0].URL, "http://"), form.sent)
			under := h.place(t, rate)
			answers := stop()
			t.Logf("%s; p99 is %.1f times that without a flood; the flood was answered %v", under, float64(under.p99)/float64(calm.p99), answers)
			if under.accepted*100 < under.sent*95 {
				t.Errorf("%d of %d bets of honest users were accepted, want 95 %%; others: %v", under.accepted, under.sent, under.others)
			}
		})
	}
	for _, service := range s.Services() {
		if err := service.Ready(); err != nil {
			t.Error(err)
		}
	}
}

// flood keeps floodConnections connections busy: each sends the text, waits until the server closes
// the connection, and begins again. It returns when all have sent the text once. stop
// ends the flood and returns the number of answers by status.
func flood(t *testing.T, address, text string) (stop func() map[string]int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var (
		running sync.WaitGroup
		started sync.WaitGroup
		mu      sync.Mutex
		answers = make(map[string]int)
	)
	started.Add(floodConnections)
	for range floodConnections {
		running.Go(func() {
			begun := sync.OnceFunc(started.Done)
			defer begun()
			for ctx.Err() == nil {
				status := attack(ctx, address, text, begun)
				mu.Lock()
				answers[status]++
				mu.Unlock()
			}
		})
	}
	started.Wait()
	return func() map[string]int {
		cancel()
		running.Wait()
		return answers
	}
}

// attack sends a text on a new connection, calls sent, and waits for the end of the connection. If the
// text is a whole request, it is sent again after each answer. It returns the status of the last answer, or why there was none.
func attack(ctx context.Context, address, text string, sent func()) string {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return "not connected"
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	last, reader := "none", bufio.NewReader(conn)
	for {
		if _, err := io.WriteString(conn, text); err != nil {
			return last
		}
		sent()
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return last
		}
		last = response.Status
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if !strings.HasSuffix(text, "}") {
			_, err = reader.ReadByte() // until the server closes
		}
		if err != nil || response.Close {
			return last
		}
	}
}

// honest places bets of many users.
type honest struct {
	client   *http.Client
	url, bet string
	users    []string // their tokens
}

// outcome is what became of the bets of honest users.
type outcome struct {
	sent, accepted int
	p50, p99       time.Duration // of accepted bets, from when they should have been sent
	others         map[string]int
}

func (o outcome) String() string {
	return fmt.Sprintf("%d of %d accepted, p50 %s, p99 %s", o.accepted, o.sent, o.p50.Round(100*time.Microsecond), o.p99.Round(100*time.Microsecond))
}

// one places a bet of a random user and returns the status of the answer, or the error.
func (h *honest) one(ctx context.Context) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, strings.NewReader(h.bet))
	if err != nil {
		return err.Error()
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+h.users[rand.IntN(len(h.users))])
	response, err := h.client.Do(r)
	if err != nil {
		return err.Error()
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	if err != nil {
		return err.Error()
	}
	return response.Status
}

const accepted = "201 Created"

// peak returns how many bets a second are accepted from users who place one after the other.
func (h *honest) peak(t *testing.T) int {
	t.Helper()
	var (
		placing sync.WaitGroup
		count   atomic.Int64
	)
	began := time.Now()
	for range honestUsers {
		placing.Go(func() {
			for time.Since(began) < floodPeriod {
				if status := h.one(t.Context()); status != accepted {
					t.Errorf("a bet without a flood: %s", status)
					return
				}
				count.Add(1)
			}
		})
	}
	placing.Wait()
	return int(count.Load() * int64(time.Second) / int64(time.Since(began)))
}

// place places bets at a rate, whether earlier ones are answered or not.
func (h *honest) place(t *testing.T, rate int) outcome {
	t.Helper()
	var (
		placing sync.WaitGroup
		mu      sync.Mutex
		took    []time.Duration
		o       = outcome{others: make(map[string]int)}
	)
	began, total := time.Now(), rate*int(floodPeriod/time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for o.sent < total {
		for due := time.Since(began); o.sent < total && time.Duration(o.sent)*time.Second/time.Duration(rate) <= due; o.sent++ {
			should := began.Add(time.Duration(o.sent) * time.Second / time.Duration(rate))
			placing.Go(func() {
				status := h.one(t.Context())
				mu.Lock()
				defer mu.Unlock()
				if status == accepted {
					took = append(took, time.Since(should))
				} else {
					o.others[status]++
				}
			})
		}
		<-tick.C
	}
	placing.Wait()
	slices.Sort(took)
	if o.accepted = len(took); o.accepted > 0 {
		o.p50, o.p99 = took[o.accepted/2], took[o.accepted*99/100]
	}
	return o
}
