// Package lineclient reads from line-provider over HTTP. It implements ports.Line.
//
// Answers are bounded in time and size and read by the same strict rules as messages. Errors name
// the request and the status, but neither the token nor the body.
package lineclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"stavka.local/api/client/lineprovider"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/health"
	"stavka.local/shared/line"
)

const (
	// maxEvent is far above the size of one event; names have at most 200 characters.
	maxEvent = 64 << 10
	// maxPage is far above the size of a page of 500 events.
	maxPage = 4 << 20
)

// Config configures a Client. URL and Token are required.
type Config struct {
	// URL is the part of line-provider's addresses before /events.
	URL string
	// Token is sent with every request.
	Token string
	// Timeout bounds one request including its answer. The default is 5 s.
	Timeout time.Duration
	// Logger logs events that cannot be read. The default is slog.Default().
	Logger *slog.Logger
	// Unreadable is called for every event of a page that is skipped because it cannot be read. It
	// may be nil.
	Unreadable func()
}

// Client reads from line-provider. It is safe for concurrent use.
type Client struct {
	config Config
	api    *lineprovider.Client
	pool   *http.Transport

	mu   sync.Mutex
	last error // of the last request
}

var _ ports.Line = (*Client)(nil)

// New returns a client, which sends nothing yet. The only error is that of an invalid URL.
func New(config Config) (*Client, error) {
	if config.Timeout <= 0 {
		config.Timeout = 5 * time.Second
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	if config.Unreadable == nil {
		config.Unreadable = func() {}
	}
	pool := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSHandshakeTimeout: config.Timeout,
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     90 * time.Second,
		ForceAttemptHTTP2:   true,
	}
	api, err := lineprovider.NewClient(config.URL,
		lineprovider.WithHTTPClient(&http.Client{
			Transport: pool,
			Timeout:   config.Timeout,
			// A redirect must not send the token to another server.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		lineprovider.WithRequestEditorFn(func(_ context.Context, request *http.Request) error {
			request.Header.Set("Authorization", "Bearer "+config.Token)
			return nil
		}))
	if err != nil {
		return nil, fmt.Errorf("line-provider's url: %w", err)
	}
	return &Client{config: config, api: api, pool: pool, last: health.Down("not asked yet")}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.pool.CloseIdleConnections() }

// Check returns the error of the last request; nil if line-provider answered it.
func (c *Client) Check(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Event implements ports.Line.
func (c *Client) Event(ctx context.Context, id domain.EventID) (line.Change, error) {
	answer, err := c.ask(ctx, maxEvent, func(ctx context.Context) (*http.Response, error) {
		return c.api.GetEvent(ctx, int64(id), nil)
	})
	if err != nil {
		return line.Change{}, fmt.Errorf("get event %d from line-provider: %w", id, err)
	}
	epoch, err := line.ParseEpoch(answer.epoch)
	if err != nil {
		return line.Change{}, fmt.Errorf("get event %d from line-provider: header Line-Epoch: %w", id, err)
	}
	change, err := line.DecodeEvent(epoch, answer.body)
	if err == nil && change.Event.ID != int64(id) {
		err = fmt.Errorf("the answer is about event %d", change.Event.ID)
	}
	if err != nil {
		return line.Change{}, fmt.Errorf("get event %d from line-provider: %w", id, err)
	}
	return change, nil
}

// page is the body of GET /events/changes with undecoded events.
type page struct {
	Epoch     *string           `json:"epoch"`
	LastSeq   *int64            `json:"last_seq"`
	NextAfter *int64            `json:"next_after"`
	Now       int64             `json:"now"` // 0 from an older line-provider
	Events    []json.RawMessage `json:"events"`
}

// Changes implements ports.Line. It logs and skips an event that cannot be read, so that one defect
// does not stop everything behind it.
func (c *Client) Changes(ctx context.Context, after int64, limit int) (ports.Page, error) {
	answer, err := c.ask(ctx, maxPage, func(ctx context.Context) (*http.Response, error) {
		return c.api.EventChanges(ctx, &lineprovider.EventChangesParams{After: &after, Limit: &limit})
	})
	if err != nil {
		return ports.Page{}, fmt.Errorf("get changes after %d from line-provider: %w", after, err)
	}
	var p page
	if err := json.Unmarshal(answer.body, &p); err != nil {
		return ports.Page{}, fmt.Errorf("get changes after %d from line-provider: the page is not readable: %w", after, err)
	}
	result, err := c.readPage(ctx, p, after)
	if err != nil {
		return ports.Page{}, fmt.Errorf("get changes after %d from line-provider: %w", after, err)
	}
	if p.Now > 0 {
		// It is cut to milliseconds: half of one more, give or take that half.
		const half = time.Millisecond / 2
		result.Clock = domain.ClockReading{
			At: time.UnixMilli(p.Now).Add(half).UTC(), Before: answer.sent.Add(-half), After: answer.received.Add(half),
		}
	}
	return result, nil
}

func (c *Client) readPage(ctx context.Context, p page, after int64) (ports.Page, error) {
	if p.Epoch == nil || p.LastSeq == nil || p.NextAfter == nil || p.Events == nil {
		return ports.Page{}, errors.New("the page is not complete")
	}
	epoch, err := line.ParseEpoch(*p.Epoch)
	if err != nil {
		return ports.Page{}, err
	}
	result := ports.Page{Epoch: epoch, LastSeq: *p.LastSeq, NextAfter: *p.NextAfter}
	last := after
	for i, raw := range p.Events {
		change, err := line.DecodeEvent(epoch, raw)
		if err != nil {
			c.config.Unreadable()
			c.config.Logger.ErrorContext(ctx, "an event of the change log cannot be read and is skipped",
				"epoch", epoch, "after", last, "index", i, "error", err)
			continue
		}
		if change.Event.Seq <= last {
			return ports.Page{}, fmt.Errorf("seq %d comes after %d", change.Event.Seq, last)
		}
		last = change.Event.Seq
		result.Events = append(result.Events, change.Event)
	}
	switch {
	case result.LastSeq < last && len(result.Events) > 0,
		result.NextAfter < last,
		result.NextAfter == after && (len(p.Events) > 0 || after < result.LastSeq):
		return ports.Page{}, fmt.Errorf("after seq %d, next_after is %d and last_seq %d", last, result.NextAfter, result.LastSeq)
	}
	return result, nil
}

// answer is a successful response.
type answer struct {
	epoch string // from the header Line-Epoch
	body  []byte

	sent, received time.Time
}

// ask sends a request and reads its answer of at most limit bytes. It returns ports.ErrNotFound if
// line-provider itself answers that the event does not exist.
func (c *Client) ask(ctx context.Context, limit int64, send func(context.Context) (*http.Response, error)) (answer, error) {
	sent := time.Now()
	response, err := send(ctx)
	if err != nil {
		c.note(ctx, err)
		return answer{}, ports.ErrUnavailable.Because(err)
	}
	defer response.Body.Close() //nolint:errcheck // it has been read, or is not wanted
	body, err := readBody(response.Body, limit)
	if err != nil {
		c.note(ctx, err)
		return answer{}, ports.ErrUnavailable.Because(fmt.Errorf("read the answer: %w", err))
	}
	received := time.Now()
	if response.StatusCode == http.StatusOK {
		c.note(ctx, nil)
		return answer{response.Header.Get("Line-Epoch"), body, sent, received}, nil
	}
	err = c.refusal(response.StatusCode, body)
	if errors.Is(err, ports.ErrNotFound) {
		c.note(ctx, nil)
	} else {
		c.note(ctx, err)
	}
	return answer{}, err
}

// note records the result of a request unless the caller cancelled it.
func (c *Client) note(ctx context.Context, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = err
}

func readBody(body io.Reader, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("it is longer than %d bytes", limit)
	}
	return text, err
}

// refusal returns the error for an answer other than 200.
func (c *Client) refusal(status int, body []byte) error {
	var problem struct {
		Code string `json:"code"`
	}
	// A body that is not a problem document has no code, which is all that is read.
	_ = json.Unmarshal(body, &problem)
	switch {
	case status == http.StatusNotFound && problem.Code == "event_not_found":
		return ports.ErrNotFound
	case status == http.StatusUnauthorized:
		return ports.ErrUnavailable.Detailf("line-provider refuses the service token.").
			Because(errors.New("line-provider does not know the first token of LINE_PROVIDER_TOKEN"))
	}
	return ports.ErrUnavailable.Detailf("line-provider answered with status %d.", status).
		Because(fmt.Errorf("line-provider answered %d, code %.40q", status, problem.Code))
}
