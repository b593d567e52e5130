// Package load sends requests over connections that are kept open, and measures the answers.
package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// Fill makes a request, of which the method is GET and all else empty. It is called by one
// goroutine per connection, each with a source of its own.
type Fill func(random *rand.Rand, request *fasthttp.Request)

// Target is who is asked.
type Target struct {
	Address string // "host:port"
	Fill    Fill
}

// Result is what came back.
type Result struct {
	Took      time.Duration
	Statuses  map[int]int             // how many answers of which status; 0 for none at all
	Latencies map[int][]time.Duration // of the answers, by status, ascending
	Answered  map[int][]time.Duration // likewise, but from when the request was sent
	Err       error                   // why the first request got no answer that got none
}

// Rate returns how many answers with a status came per second.
func (r Result) Rate(status int) float64 { return float64(r.Statuses[status]) / r.Took.Seconds() }

// Quantile returns the latency that a fraction of the answers with a status do not exceed.
func (r Result) Quantile(status int, q float64) time.Duration {
	return quantile(r.Latencies[status], q)
}

// AnsweredWithin is Quantile from when a request was sent, not from when it was due: a
// generator that is behind counts for nothing.
func (r Result) AnsweredWithin(status int, q float64) time.Duration {
	return quantile(r.Answered[status], q)
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// Only returns an error unless all answers had the status.
func (r Result) Only(status int) error {
	for other, count := range r.Statuses {
		if other != status {
			return fmt.Errorf("%d answers had status %d and not %d (%w)", count, other, status, r.Err)
		}
	}
	if r.Statuses[status] == 0 {
		return fmt.Errorf("nothing was answered")
	}
	return nil
}

// Closed keeps every connection busy: the next request goes when the answer has come.
func Closed(ctx context.Context, to Target, connections int, duration time.Duration) Result {
	return run(ctx, to, connections, func(context.Context) pace {
		end := time.Now().Add(duration)
		return func() (time.Time, bool) {
			now := time.Now()
			return now, now.Before(end)
		}
	})
}

// Open sends requests at a rate per second, whether answers come or not, as long as there
// are connections that wait for none. A latency counts from when a request was due, so
// that waiting for a connection is part of it.
func Open(ctx context.Context, to Target, connections int, rate float64, duration time.Duration) Result {
	var sent atomic.Int64
	begin := time.Now()
	total := int64(rate * duration.Seconds())
	return run(ctx, to, connections, func(ctx context.Context) pace {
		return func() (time.Time, bool) {
			n := sent.Add(1) - 1
			due := begin.Add(time.Duration(float64(n) / rate * float64(time.Second)))
			if n >= total {
				return due, false
			}
			select {
			case <-ctx.Done():
				return due, false
			case <-time.After(time.Until(due)):
				return due, true
			}
		}
	})
}

// Times sends a number of requests, as fast as they are answered.
func Times(ctx context.Context, to Target, connections, requests int) Result {
	var sent atomic.Int64
	return run(ctx, to, connections, func(context.Context) pace {
		return func() (time.Time, bool) { return time.Now(), sent.Add(1) <= int64(requests) }
	})
}

// pace waits until a connection's next request is due; false when there is none.
type pace func() (due time.Time, more bool)

func run(ctx context.Context, to Target, connections int, newPace func(context.Context) pace) Result {
	client := &fasthttp.HostClient{
		Addr: to.Address, MaxConns: connections, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
		NoDefaultUserAgentHeader: true, DisablePathNormalizing: true, MaxIdemponentCallAttempts: 1,
	}
	defer client.CloseIdleConnections()
	var (
		workers sync.WaitGroup
		results = make([]worker, connections)
		begin   = time.Now()
	)
	for i := range connections {
		workers.Go(func() { results[i].work(ctx, client, to, newPace(ctx)) })
	}
	workers.Wait()
	merged := Result{
		Took: time.Since(begin), Statuses: make(map[int]int),
		Latencies: make(map[int][]time.Duration), Answered: make(map[int][]time.Duration),
	}
	for _, result := range results {
		if merged.Err == nil {
			merged.Err = result.err
		}
		for status, latencies := range result.latencies {
			merged.Statuses[status] += len(latencies)
			merged.Latencies[status] = append(merged.Latencies[status], latencies...)
			merged.Answered[status] = append(merged.Answered[status], result.answered[status]...)
		}
	}
	for status := range merged.Latencies {
		slices.Sort(merged.Latencies[status])
		slices.Sort(merged.Answered[status])
	}
	return merged
}

// worker is one connection.
type worker struct {
	latencies, answered map[int][]time.Duration

	err error // the first
}

func (w *worker) work(ctx context.Context, client *fasthttp.HostClient, to Target, next pace) {
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	w.latencies, w.answered = make(map[int][]time.Duration), make(map[int][]time.Duration)
	for {
		due, more := next()
		if !more || ctx.Err() != nil {
			return
		}
		request.Reset()
		request.Header.SetMethod(http.MethodGet)
		request.Header.SetHost(to.Address)
		to.Fill(random, request)
		status, sent := 0, time.Now()
		if err := client.Do(request, response); err == nil {
			status = response.StatusCode()
		} else if w.err == nil {
			w.err = err
		}
		w.latencies[status] = append(w.latencies[status], time.Since(due))
		w.answered[status] = append(w.answered[status], time.Since(sent))
	}
}
