package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	betmaker "stavka.local/betmaker/app"
	lineprovider "stavka.local/lineprovider/app"
	"stavka.local/shared/lifecycle"
	"stavka.local/shared/line/inproc"
	"stavka.local/shared/sqlite"
	"stavka.local/stavka/internal/demo"
)

// grace is how long an instance may take to stop. Whoever presses Ctrl-C waits for it.
const grace = 5 * time.Second

// embedded is both services in one process.
type embedded struct {
	betMaker     *betmaker.App
	lineProvider *lineprovider.App

	bus    *inproc.Bus
	stage  demo.Stage
	where  string // the data directory
	stdout io.Writer
}

// newEmbedded returns an instance that listens already and answers nothing yet. It makes
// the data directory, and brings what is in it up to date. Whoever does not run it stops it.
func newEmbedded(ctx context.Context, s settings, stdout io.Writer) (*embedded, error) {
	s, err := s.withDataDir()
	if err != nil {
		return nil, err
	}
	bus := inproc.New(inproc.Options{Logger: slog.Default()})
	makerConfig, providerConfig, err := s.configure(bus)
	if err != nil {
		return nil, err
	}
	provider, err := lineprovider.New(ctx, providerConfig)
	if err != nil {
		return nil, explain(s, "line-provider", err)
	}
	providerConfig.Addr = provider.Addr() // which says more than port 0
	makerConfig.LineURL = urlOf(provider.Addr())
	maker, err := betmaker.New(ctx, makerConfig)
	if err != nil {
		return nil, errors.Join(explain(s, "bet-maker", err), provider.Stop(context.WithoutCancel(ctx)))
	}
	makerConfig.Addr = maker.Addr()
	return &embedded{
		betMaker: maker, lineProvider: provider, bus: bus,
		stage: stageOf(makerConfig, providerConfig), where: s.dataDir, stdout: stdout,
	}, nil
}

// explain puts an error that a person can do something about into words that say what.
func explain(s settings, service string, err error) error {
	if errors.Is(err, sqlite.ErrInUse) {
		return fmt.Errorf("another process serves from the data directory %s: stop it, or choose another directory by DATA_DIR or --data-dir (%w)", s.dataDir, err)
	}
	return fmt.Errorf("%s: %w", service, err)
}

// Start starts bet-maker and then line-provider, so that the first change there is finds
// somebody to hear of it.
func (e *embedded) Start(ctx context.Context) error {
	if err := e.betMaker.Start(ctx); err != nil {
		return errors.Join(fmt.Errorf("bet-maker: %w", err), e.lineProvider.Stop(context.WithoutCancel(ctx)))
	}
	if err := e.awaitSubscriber(ctx); err != nil {
		return errors.Join(err, e.Stop(context.WithoutCancel(ctx)))
	}
	if err := e.lineProvider.Start(ctx); err != nil {
		return errors.Join(fmt.Errorf("line-provider: %w", err), e.betMaker.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

func (e *embedded) awaitSubscriber(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- e.betMaker.Wait(ctx) }()
	select {
	case <-e.bus.Subscribed():
		return nil
	case err := <-failed:
		return errors.Join(err, ctx.Err())
	}
}

// Wait returns nil when ctx ends, or an error when one of the services cannot go on.
func (e *embedded) Wait(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 2)
	go func() { ended <- e.betMaker.Wait(ctx) }()
	go func() { ended <- e.lineProvider.Wait(ctx) }()
	if err := e.awaitReady(ctx, ended); err != nil || ctx.Err() != nil {
		return err
	}
	// Starting takes memory that running does not need: the first password's hash, both API
	// documents as texts. It goes back now, not when as much has been used again.
	debug.FreeOSMemory()
	if err := write(e.stdout, e.welcome()); err != nil {
		return err
	}
	return <-ended
}

// awaitReady waits until the line has been read, and says so when that takes long, as after
// an import.
func (e *embedded) awaitReady(ctx context.Context, ended <-chan error) error {
	long := time.After(2 * time.Second)
	for {
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			return nil
		case <-e.betMaker.Ready():
			return nil
		case <-long:
			if err := write(e.stdout, "bet-maker is reading the line; bets are taken when it has come to its end\n"); err != nil {
				return err
			}
		}
	}
}

// Stop stops line-provider and then bet-maker. It is idempotent.
func (e *embedded) Stop(ctx context.Context) error {
	return errors.Join(e.lineProvider.Stop(ctx), e.betMaker.Stop(ctx))
}

func (e *embedded) run(ctx context.Context) error { return lifecycle.Run(ctx, e, grace) }

// welcome says where to go next. Secrets are shown only when everybody knows them.
func (e *embedded) welcome() string {
	password, token := "the password that you gave", "the token that you gave"
	if e.stage.Password == betmaker.DefaultPassword {
		password = e.stage.Password + ", unless it has been changed"
	}
	if e.stage.ServiceToken == lineprovider.DefaultToken {
		token = e.stage.ServiceToken
	}
	return fmt.Sprintf(`Stavka runs. Everything is kept in the directory %s

  bet-maker      %s/docs
                 user %s, password %s
  line-provider  %s/docs
                 token %s

Ctrl-C stops it. "stavka demo" ("go run . demo") plays a story, "stavka --help" tells more.
`, e.where, e.stage.BetMaker, e.stage.Username, password, e.stage.LineProvider, token)
}

// onInstanceOfItsOwn runs do with an instance that is there for it alone, and gone
// afterwards with all its data.
func (p *program) onInstanceOfItsOwn(ctx context.Context, do func(context.Context, demo.Stage) error) (err error) {
	directory, err := os.MkdirTemp("", "stavka-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	s := p.settings
	s.dataDir, s.betMakerAddr, s.lineProviderAddr = directory, "127.0.0.1:0", "127.0.0.1:0"
	s.environment = withSecrets(s.environment)
	e, err := newEmbedded(ctx, s, io.Discard)
	if err != nil {
		return err
	}
	return lifecycle.Run(ctx, &performance{embedded: e, do: do}, grace)
}

// withSecrets gives an instance that nobody else shall use secrets that nobody knows.
func withSecrets(environment func(string) (string, bool)) func(string) (string, bool) {
	secrets := map[string]string{"FIRST_USER_PASSWORD": rand.Text(), "LINE_PROVIDER_TOKEN": rand.Text() + rand.Text()}
	return func(name string) (string, bool) {
		if secret, ok := secrets[name]; ok {
			return secret, true
		}
		return environment(name)
	}
}

// performance is an instance that ends when something has been done on it.
type performance struct {
	*embedded

	do func(context.Context, demo.Stage) error
}

// Wait does what there is to do.
func (p *performance) Wait(ctx context.Context) error {
	select {
	case <-p.betMaker.Ready():
		return p.do(ctx, p.stage)
	case <-ctx.Done():
		return nil
	}
}
