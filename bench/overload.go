package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"stavka.local/bench/load"
	"stavka.local/bench/report"
	"stavka.local/bench/rig"
)

const (
	idleConnections = 10_000
	// openFiles is enough for all connections.
	openFiles = 32_768
	// shedWithin is the goal for the latency of a refusal.
	shedWithin = time.Second
	// recoverWithin is the goal for the time from the end of an overload to normal service.
	recoverWithin = 5 * time.Second
)

// offerings are the numbers of connections of the overloads: enough to keep sending while
// the requests of half a second, and of a second, wait for answers.
var offerings = [...]int{4_000, 8_000}

// overload measures the memory of idle connections, and bet-maker under three times its
// peak load.
func (b *bench) overload(ctx context.Context) ([]report.Measure, error) {
	if err := allowFiles(openFiles); err != nil {
		return nil, err
	}
	s, err := b.NewSystem(ctx, "overload", events, rig.Options{})
	if err != nil {
		return nil, err
	}
	if err := b.signIn(ctx, s.Bettors, s.BetMakers[0]); err != nil {
		return nil, err
	}
	idle, err := b.idle(ctx, s)
	if err != nil {
		return nil, err
	}
	bare, err := b.bareBets(ctx, s)
	if err != nil {
		return nil, err
	}
	measures := []report.Measure{idle}
	for _, connections := range offerings {
		yardstick, err := b.crowded(ctx, bare, connections)
		if err != nil {
			return nil, err
		}
		excess, err := b.exceed(ctx, s, connections)
		if err != nil {
			return nil, err
		}
		measures = append(append(measures, yardstick), excess...)
	}
	return measures, nil
}

// bareBets returns a target that sends bets to a handler that ignores them.
func (b *bench) bareBets(ctx context.Context, s *rig.System) (load.Target, error) {
	target := bets(s.BetMakers[0].URL, s.Bettors, events)
	answer, err := rig.Ask(ctx, s.BetMakers[0].URL+"/api/users/me", s.Bettors.Tokens[0])
	if err != nil {
		return load.Target{}, err
	}
	bare, err := b.StartBare(ctx, "overload", answer)
	if err != nil {
		return load.Target{}, err
	}
	return load.Target{Address: strings.TrimPrefix(bare.URL, "http://"), Fill: target.Fill}, nil
}

// crowded measures the cost of the number of connections alone, including the generator's.
func (b *bench) crowded(ctx context.Context, bare load.Target, connections int) (report.Measure, error) {
	m := report.Measure{Name: fmt.Sprintf("a bare net/http handler, %d connections", connections), Against: fmt.Sprintf("the same, %d", crowd), Unit: "/s"}
	for range b.rounds {
		var rates []float64
		for _, n := range []int{connections, crowd} {
			load.Closed(ctx, bare, n, warmUp)
			result := load.Closed(ctx, bare, n, b.seconds)
			if err := result.Only(http.StatusOK); err != nil {
				return m, err
			}
			rates = append(rates, result.Rate(http.StatusOK))
		}
		m.Ours, m.Theirs = append(m.Ours, rates[0]), append(m.Theirs, rates[1])
		b.Log.Printf("%s: %.0f/s, on %d %.0f/s", m.Name, rates[0], crowd, rates[1])
	}
	return m, nil
}

// allowFiles raises the limit of open files of this process and its children.
func allowFiles(enough uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	wanted := syscall.Rlimit{Cur: max(limit.Max, enough), Max: max(limit.Max, enough)}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wanted) == nil {
		return nil
	}
	limit.Cur = limit.Max // only root may exceed the hard limit
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	return nil
}

// idle measures the memory of a connection that is kept open after one request.
func (b *bench) idle(ctx context.Context, s *rig.System) (report.Measure, error) {
	m := report.Measure{
		Name: "memory of an idle connection", Unit: "KiB", Lower: true, Reach: 64,
		Note: fmt.Sprintf("The memory of bet-maker with %d of them, less its memory before, divided by their number.", idleConnections),
	}
	before, err := s.BetMakers[0].Resident()
	if err != nil {
		return m, err
	}
	conns := make([]net.Conn, idleConnections)
	defer func() {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close() // nothing is lost by an error
			}
		}
	}()
	group, limited := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i := range conns {
		group.Go(func() (err error) {
			conns[i], err = askOnce(limited, s.BetMakers[0].URL, s.Bettors.Tokens[i%len(s.Bettors.Tokens)])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return m, err
	}
	after, err := s.BetMakers[0].Resident()
	if err != nil {
		return m, err
	}
	b.Log.Printf("%d idle connections: %d MiB, %d MiB before", idleConnections, after>>20, before>>20)
	m.Ours = []float64{float64(after-before) / idleConnections / 1024}
	return m, nil
}

// askOnce opens a connection, sends one request, and leaves the connection open.
func askOnce(ctx context.Context, address, token string) (net.Conn, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/api/users/me", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask once: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", request.URL.Host)
	if err != nil {
		return nil, fmt.Errorf("ask once: %w", err)
	}
	if err := request.Write(conn); err != nil {
		return conn, fmt.Errorf("ask once: %w", err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return conn, fmt.Errorf("ask once: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
		return conn, fmt.Errorf("ask once: %s (%w)", response.Status, err)
	}
	return conn, nil
}

// exceed offers three times the peak rate on a number of connections. It measures the accepted bets, the latency of
// refusals, the memory, and the time to recover.
func (b *bench) exceed(ctx context.Context, s *rig.System, connections int) ([]report.Measure, error) {
	named := func(what string) string { return fmt.Sprintf("%s, %d connections", what, connections) }
	var (
		goodput = report.Measure{
			Name: named("bets accepted while three times the peak is wanted"), Against: "the peak", Unit: "/s", Reach: 0.8,
		}
		shed   = report.Measure{Name: named("p99 of a refusal"), Unit: "ms", Lower: true, Reach: milliseconds(shedWithin)}
		memory = report.Measure{
			Name: named("memory at the height of the overload"), Against: "the same at the peak", Unit: "MiB", Lower: true, Reach: 4,
		}
		recovery = report.Measure{
			Name: named("recovery from the overload"), Unit: "s", Lower: true, Reach: recoverWithin.Seconds(),
			Note: "Until half of the peak is accepted without refusal, with a p99 of at most twice what it was before.",
		}
	)
	target := bets(s.BetMakers[0].URL, s.Bettors, events)
	for range b.rounds {
		if err := rig.Settle(ctx, s.Database); err != nil {
			return nil, err
		}
		load.Closed(ctx, target, crowd, warmUp)
		peak, atPeak, err := watched(s, func() load.Result { return load.Closed(ctx, target, crowd, b.seconds) })
		if err != nil {
			return nil, err
		}
		if err := peak.Only(http.StatusCreated); err != nil {
			return nil, err
		}
		rate := peak.Rate(http.StatusCreated)
		calm := load.Open(ctx, target, crowd, rate/2, b.seconds)

		over, height, err := watched(s, func() load.Result {
			// Requests that the generator could not send in time are not sent later.
			limited, stop := context.WithTimeout(ctx, b.seconds)
			defer stop()
			return load.Open(limited, target, connections, 3*rate, b.seconds)
		})
		if err != nil {
			return nil, err
		}
		recovered, err := b.recover(ctx, target, rate/2, calm.Quantile(http.StatusCreated, 0.99))
		if err != nil {
			return nil, err
		}
		answers, refused := 0, 0
		for status, count := range over.Statuses {
			answers += count
			if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
				refused += count
			}
		}
		slowest := max(over.AnsweredWithin(http.StatusServiceUnavailable, 0.99), over.AnsweredWithin(http.StatusTooManyRequests, 0.99))
		goodput.Ours, goodput.Theirs = append(goodput.Ours, over.Rate(http.StatusCreated)), append(goodput.Theirs, rate)
		if refused > 0 {
			shed.Ours = append(shed.Ours, milliseconds(slowest))
		}
		memory.Ours, memory.Theirs = append(memory.Ours, mebibytes(height)), append(memory.Theirs, mebibytes(atPeak))
		recovery.Ours = append(recovery.Ours, recovered.Seconds())
		goodput.Note = fmt.Sprintf("The generator shares the machine: of %.0f/s it offered %.0f/s in the last round.", 3*rate, float64(answers)/over.Took.Seconds())
		b.Log.Printf("peak %.0f/s; offered %.0f/s for %s: accepted %.0f/s, refused %d (p99 %s), %v, err %v; accepted p50 %s p99 %s; %d MiB, %d MiB at the peak; recovered in %s (p99 at half %s)",
			rate, float64(answers)/over.Took.Seconds(), over.Took.Round(time.Millisecond), over.Rate(http.StatusCreated), refused, slowest, over.Statuses, over.Err,
			over.AnsweredWithin(http.StatusCreated, 0.5), over.AnsweredWithin(http.StatusCreated, 0.99), height>>20, atPeak>>20,
			recovered, calm.Quantile(http.StatusCreated, 0.99))
	}
	measures := []report.Measure{goodput, memory, recovery}
	if len(shed.Ours) > 0 { // otherwise there were no refusals
		measures = append(measures, shed)
	}
	return measures, nil
}

// watched runs a load and returns its result and bet-maker's greatest memory during it.
func watched(s *rig.System, run func() load.Result) (result load.Result, most int64, err error) {
	var (
		watching sync.WaitGroup
		done     = make(chan struct{})
	)
	watching.Go(func() {
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			var now int64
			if now, err = s.BetMakers[0].Resident(); err != nil {
				return
			}
			most = max(most, now)
			select {
			case <-ticker.C:
			case <-done:
				return
			}
		}
	})
	result = run()
	close(done)
	watching.Wait()
	return result, most, err
}

// recover returns the time until a rate is accepted as before the overload.
func (b *bench) recover(ctx context.Context, target load.Target, rate float64, usual time.Duration) (time.Duration, error) {
	for began := time.Now(); ; {
		took := time.Since(began)
		result := load.Open(ctx, target, crowd, rate, time.Second)
		if result.Only(http.StatusCreated) == nil && result.Quantile(http.StatusCreated, 0.99) <= 2*usual {
			return took, nil
		}
		if took > 10*recoverWithin {
			return 0, fmt.Errorf("not recovered after %s: %v, p99 %s, before the overload %s",
				took, result.Statuses, result.Quantile(http.StatusCreated, 0.99), usual)
		}
	}
}

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
