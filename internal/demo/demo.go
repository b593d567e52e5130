// Package demo plays a story on a running Stavka and checks every answer. It uses the generated
// clients over HTTP: events are created, priced, suspended, finished, cancelled and corrected, and
// users bet on them.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/progress"
)

// Stage holds the addresses of an instance and the credentials for the story.
type Stage struct {
	BetMaker, LineProvider string // their URLs
	Username, Password     string // of an administrator
	ServiceToken           string // of line-provider
}

// patience is how long a story waits for a change that bet-maker makes in the background.
const patience = 10 * time.Second

// Play plays the story. It writes a line for each step and a table of all bets to out, and shows its
// progress on terminal if that is one. It returns an error when an answer is not the expected one.
func Play(ctx context.Context, stage Stage, out, terminal io.Writer) error {
	p, err := newPlay(stage)
	if err != nil {
		return err
	}
	steps := p.steps()
	bar := progress.New(terminal, int64(len(steps)), "", "steps")
	for i, step := range steps {
		bar.Describe(step.name)
		result, err := step.do(ctx)
		bar.Clear()
		if err != nil {
			return fmt.Errorf("step %d of %d, %s: %w", i+1, len(steps), step.name, err)
		}
		if result != "" {
			result = ": " + result
		}
		if _, err := fmt.Fprintf(out, "%2d  %s%s\n", i+1, step.name, result); err != nil {
			return err
		}
		bar.Set(int64(i + 1))
	}
	bar.Clear()
	return p.writeTable(out)
}

// step is one step of the story. do returns its result as text, which may be empty.
type step struct {
	name string
	do   func(ctx context.Context) (result string, err error)
}

// play is the state of a story while it is played.
type play struct {
	stage Stage
	http  *http.Client
	line  *lineprovider.ClientWithResponses
	admin *betmaker.ClientWithResponses

	events map[string]lineprovider.Event // by name
	users  map[string]*user
	bets   []placedBet
}

type user struct {
	name string // in the story
	id   int64
	api  *betmaker.ClientWithResponses
}

// placedBet is a bet that was accepted.
type placedBet struct {
	user  *user
	event string
	key   string // the Idempotency-Key
	bet   betmaker.Bet
}

func newPlay(stage Stage) (*play, error) {
	p := &play{
		stage: stage, http: &http.Client{Timeout: patience},
		events: make(map[string]lineprovider.Event), users: make(map[string]*user),
	}
	var err error
	p.line, err = lineprovider.NewClientWithResponses(stage.LineProvider,
		lineprovider.WithHTTPClient(p.http), lineprovider.WithRequestEditorFn(bearer(stage.ServiceToken)))
	return p, err
}

func bearer(token string) func(context.Context, *http.Request) error {
	return func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Bearer "+token)
		return nil
	}
}

// betMaker returns a client with the token, or without one if token is empty.
func (p *play) betMaker(token string) (*betmaker.ClientWithResponses, error) {
	options := []betmaker.ClientOption{betmaker.WithHTTPClient(p.http)}
	if token != "" {
		options = append(options, betmaker.WithRequestEditorFn(bearer(token)))
	}
	return betmaker.NewClientWithResponses(p.stage.BetMaker, options...)
}

// signIn returns a client with the token of a user.
func (p *play) signIn(ctx context.Context, username, password string) (*betmaker.ClientWithResponses, error) {
	anonymous, err := p.betMaker("")
	if err != nil {
		return nil, err
	}
	got, err := anonymous.IssueTokenWithResponse(ctx, betmaker.Credentials{Username: username, Password: password})
	if err != nil {
		return nil, err
	}
	if got.JSON200 == nil {
		return nil, unexpected(got.StatusCode(), got.Body)
	}
	return p.betMaker(got.JSON200.AccessToken)
}

// unexpected returns the error for an unexpected answer.
func unexpected(status int, body []byte) error {
	return fmt.Errorf("the answer is %d %s", status, body)
}

// eventually calls check until it returns nil, for at most patience.
func eventually(ctx context.Context, check func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, fmt.Errorf("timed out: %w", context.Cause(ctx)))
		case <-time.After(10 * time.Millisecond):
		}
	}
}
