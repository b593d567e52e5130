// Package demo plays a story on a running Stavka, over HTTP and by the generated clients,
// and checks every answer it gets: events are created, priced, suspended, finished,
// cancelled and corrected, and users bet on them.
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

// Stage is where a story is played, and as whom.
type Stage struct {
	BetMaker, LineProvider string // their URLs
	Username, Password     string // of an administrator
	ServiceToken           string // of line-provider
}

// patience is how long something may take that has to happen by itself.
const patience = 10 * time.Second

// Play plays the story and writes to out what happened, step by step, and a table of all
// bets in the end. On a terminal, progress shows how far it is. It returns an error when
// anything is not as it should be.
func Play(ctx context.Context, stage Stage, out, progressTo io.Writer) error {
	p, err := newPlay(stage)
	if err != nil {
		return err
	}
	steps := p.steps()
	bar := progress.New(progressTo, int64(len(steps)), "", "steps")
	for i, step := range steps {
		bar.Describe(step.what)
		said, err := step.do(ctx)
		bar.Clear()
		if err != nil {
			return fmt.Errorf("step %d of %d, %s: %w", i+1, len(steps), step.what, err)
		}
		if said != "" {
			said = ": " + said
		}
		if _, err := fmt.Fprintf(out, "%2d  %s%s\n", i+1, step.what, said); err != nil {
			return err
		}
		bar.Set(int64(i + 1))
	}
	bar.Clear()
	return p.writeTable(out)
}

// step is one thing that happens. do returns what it came to, if that is worth saying.
type step struct {
	what string
	do   func(ctx context.Context) (said string, err error)
}

// play is a story being played.
type play struct {
	stage Stage
	http  *http.Client
	line  *lineprovider.ClientWithResponses
	admin *betmaker.ClientWithResponses

	events map[string]lineprovider.Event // by their names
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
	key   string // its Idempotency-Key
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

// betMaker returns a client with a token, or without one.
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

// unexpected is the error for an answer that should have been another one.
func unexpected(status int, body []byte) error {
	return fmt.Errorf("the answer is %d %s", status, body)
}

// eventually asks until the answer is right, or for as long as patience lasts.
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
			return errors.Join(err, fmt.Errorf("waited in vain: %w", context.Cause(ctx)))
		case <-time.After(10 * time.Millisecond):
		}
	}
}
