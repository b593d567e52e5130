// Package load sends requests over connections that stay open, and measures the answers.
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

// Fill fills in a request, which is an empty GET before. Each connection calls it from its own
// goroutine with its own source.
type Fill func(random *rand.Rand, request *fasthttp.Request)

// Target is where requests go, and what they are.
type Target struct {
	Address string // "host:port"
	Fill    Fill
}

// Result is the measurement of one load.
type Result struct {
	Took      time.Duration
	Statuses  map[int]int             // the number of answers by status; status 0 is no answer
	Latencies map[int][]time.Duration // of the answers, by status, ascending
	Answered  map[int][]time.Duration // the same, measured from the sending of the request
	Err       error                   // the first error of a request without an answer

	answers []answer
}

// answer is the answer to one request, or its failure.
type answer struct {
	status          int // 0 for no answer
	due, sent, done time.Time
}

// Rate returns how many answers with a status came per second.
func (r Result) Rate(status int) float64 { return float64(r.Statuses[status]) / r.Took.Seconds() }

// Requests returns how many requests were sent.
func (r Result) Requests() int { return len(r.answers) }

// Quantile returns the quantile q of the latencies of answers with a status, measured from
// when a request was due.
func (r Result) Quantile(status int, q float64) time.Duration {
	return quantile(r.Latencies[status], q)
}

// AnsweredWithin is Quantile measured from the sending of a request, so that a generator
// that is late does not count.
func (r Result) AnsweredWithin(status int, q float64) time.Duration {
	return quantile(r.Answered[status], q)
}

// Without returns the result without the requests for which leftOut returns true, given when
// the request was due and when its answer came.
func (r Result) Without(leftOut func(due, done time.Time) bool) Result {
	kept := slices.DeleteFunc(slices.Clone(r.answers), func(a answer) bool { return leftOut(a.due, a.done) })
	return summary(kept, r.Took, r.Err)
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
		return fmt.Errorf("no request was answered")
	}
	return nil
}

// Closed keeps every connection busy: it sends the next request when an answer has come.
func Closed(ctx context.Context, to Target, connections int, duration time.Duration) Result {
	return run(ctx, to, connections, func(context.Context) pace {
		end := time.Now().Add(duration)
		return func() (time.Time, bool) {
			now := time.Now()
			return now, now.Before(end)
		}
	})
}

// Open sends requests at a rate per second, independently of the answers, as long as a
// connection is free. Latencies are measured from when a request was due, so that waiting
// for a connection is included.
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

// Times sends a number of requests; each connection sends the next when an answer has come.
func Times(ctx context.Context, to Target, connections, requests int) Result {
	var sent atomic.Int64
	return run(ctx, to, connections, func(context.Context) pace {
		return func() (time.Time, bool) { return time.Now(), sent.Add(1) <= int64(requests) }
	})
}

// pace waits until a connection's next request is due. It returns false if there is none.
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
	var (
		took    = time.Since(begin)
		answers []answer
		err     error
	)
	for _, result := range results {
		answers = append(answers, result.answers...)
		if err == nil {
			err = result.err
		}
	}
	return summary(answers, took, err)
}

func summary(answers []answer, took time.Duration, err error) Result {
	r := Result{
		Took: took, Statuses: make(map[int]int), Latencies: make(map[int][]time.Duration), Answered: make(map[int][]time.Duration),
		Err: err, answers: answers,
	}
	for _, a := range answers {
		r.Statuses[a.status]++
		r.Latencies[a.status] = append(r.Latencies[a.status], a.done.Sub(a.due))
		r.Answered[a.status] = append(r.Answered[a.status], a.done.Sub(a.sent))
	}
	for status := range r.Statuses {
		slices.Sort(r.Latencies[status])
		slices.Sort(r.Answered[status])
	}
	return r
}

// worker is one connection.
type worker struct {
	answers []answer
	err     error // the first
}

func (w *worker) work(ctx context.Context, client *fasthttp.HostClient, to Target, next pace) {
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	for {
		due, more := next()
		if !more || ctx.Err() != nil {
			return
		}
		request.Reset()
		request.Header.SetMethod(http.MethodGet)
		request.Header.SetHost(to.Address)
		to.Fill(random, request)
		a := answer{due: due, sent: time.Now()}
		if err := client.Do(request, response); err == nil {
			a.status = response.StatusCode()
		} else if w.err == nil {
			w.err = err
		}
		a.done = time.Now()
		w.answers = append(w.answers, a)
	}
}
