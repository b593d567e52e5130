package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	betmaker "stavka.local/betmaker/app"
	lineprovider "stavka.local/lineprovider/app"
	"stavka.local/shared/lifecycle"
	"stavka.local/shared/line/inproc"
	"stavka.local/shared/service"
	"stavka.local/shared/sqlite"
	"stavka.local/stavka/internal/demo"
)

// grace bounds the stop of an instance, for which a person waits after Ctrl-C.
const grace = 5 * time.Second

// instance is both services in one process. It implements lifecycle.App.
type instance struct {
	betMaker     *betmaker.App
	lineProvider *lineprovider.App

	bus       *inproc.Bus
	stage     demo.Stage
	directory string // of the data
	stdout    io.Writer
}

// newInstance returns an instance that listens and does not answer yet. It makes the data directory
// and brings its files up to date. A caller that does not run the instance must stop it.
func newInstance(ctx context.Context, s settings, stdout io.Writer) (*instance, error) {
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
	providerConfig.Addr = provider.Addr() // the real port instead of 0
	makerConfig.LineURL = service.LocalURL(provider.Addr())
	maker, err := betmaker.New(ctx, makerConfig)
	if err != nil {
		return nil, errors.Join(explain(s, "bet-maker", err), provider.Stop(context.WithoutCancel(ctx)))
	}
	makerConfig.Addr = maker.Addr()
	return &instance{
		betMaker: maker, lineProvider: provider, bus: bus,
		stage: stageOf(makerConfig, providerConfig), directory: s.dataDir, stdout: stdout,
	}, nil
}

// explain adds advice to an error that a person can resolve.
func explain(s settings, service string, err error) error {
	if errors.Is(err, sqlite.ErrInUse) {
		return fmt.Errorf("another process serves from the data directory %s: stop it, or choose another directory by DATA_DIR or --data-dir (%w)", s.dataDir, err)
	}
	return fmt.Errorf("%s: %w", service, err)
}

// Start starts bet-maker and then line-provider, so that bet-maker receives the first change.
func (i *instance) Start(ctx context.Context) error {
	if err := i.betMaker.Start(ctx); err != nil {
		return errors.Join(fmt.Errorf("bet-maker: %w", err), i.lineProvider.Stop(context.WithoutCancel(ctx)))
	}
	if err := i.awaitSubscriber(ctx); err != nil {
		return errors.Join(err, i.Stop(context.WithoutCancel(ctx)))
	}
	if err := i.lineProvider.Start(ctx); err != nil {
		return errors.Join(fmt.Errorf("line-provider: %w", err), i.betMaker.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

func (i *instance) awaitSubscriber(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- i.betMaker.Wait(ctx) }()
	select {
	case <-i.bus.Subscribed():
		return nil
	case err := <-failed:
		return errors.Join(err, ctx.Err())
	}
}

// Wait returns nil when ctx ends, or an error when one of the services cannot go on.
func (i *instance) Wait(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 2)
	go func() { ended <- i.betMaker.Wait(ctx) }()
	go func() { ended <- i.lineProvider.Wait(ctx) }()
	if err := i.awaitReady(ctx, ended); err != nil || ctx.Err() != nil {
		return err
	}
	welcome, err := i.welcome(ctx)
	if err != nil {
		return err
	}
	// Starting takes memory that running does not need: the first password's hash, both API documents
	// as texts. Return it to the system now rather than after the next collections.
	debug.FreeOSMemory()
	if err := service.Printf(i.stdout, "%s", welcome); err != nil {
		return err
	}
	return <-ended
}

// awaitReady waits until the line has been read. It tells the user when that takes long, as after an
// import.
func (i *instance) awaitReady(ctx context.Context, ended <-chan error) error {
	long := time.After(2 * time.Second)
	for {
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			return nil
		case <-i.betMaker.Ready():
			return nil
		case <-long:
			if err := service.Printf(i.stdout, "bet-maker is reading the line; bets are taken when it has read all of it\n"); err != nil {
				return err
			}
		}
	}
}

// Stop stops line-provider and then bet-maker. It is idempotent.
func (i *instance) Stop(ctx context.Context) error {
	return errors.Join(i.lineProvider.Stop(ctx), i.betMaker.Stop(ctx))
}

// welcome returns the first lines for the user. It shows only secrets that are public.
func (i *instance) welcome(ctx context.Context) (string, error) {
	entrance, err := i.betMaker.FirstUserEntrance(ctx)
	if err != nil {
		return "", err
	}
	shown := "as in LINE_PROVIDER_TOKEN"
	if i.stage.ServiceToken == lineprovider.DefaultToken {
		shown = i.stage.ServiceToken
	}
	return fmt.Sprintf(`Stavka runs. Everything is kept in the directory %s

  bet-maker      %s/docs
                 %s
  line-provider  %s/docs
                 token %s

Ctrl-C stops it. "stavka demo" ("go run . demo") plays a story, "stavka --help" tells more.
`, i.directory, i.stage.BetMaker, strings.ReplaceAll(entrance, "\n", "\n"+strings.Repeat(" ", 17)), i.stage.LineProvider, shown), nil
}

// onTemporaryInstance calls do with an instance that is removed afterwards with all its data, also
// when a signal or a closed pipe ends do.
func onTemporaryInstance(ctx context.Context, s settings, do func(context.Context, demo.Stage) error) (err error) {
	signal.Ignore(syscall.SIGPIPE)
	ctx, restore := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer restore()
	directory, err := os.MkdirTemp("", "stavka-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	s.dataDir, s.betMakerAddr, s.lineProviderAddr = directory, "127.0.0.1:0", "127.0.0.1:0"
	s.environment = withSecrets(s.environment)
	i, err := newInstance(ctx, s, io.Discard)
	if err != nil {
		return err
	}
	return lifecycle.Run(ctx, &performance{instance: i, do: do}, grace)
}

// withSecrets returns an environment with random secrets, for an instance that nothing else uses.
func withSecrets(environment func(string) (string, bool)) func(string) (string, bool) {
	secrets := map[string]string{"FIRST_USER_PASSWORD": rand.Text(), "LINE_PROVIDER_TOKEN": rand.Text() + rand.Text()}
	return func(name string) (string, bool) {
		if secret, ok := secrets[name]; ok {
			return secret, true
		}
		return environment(name)
	}
}

// performance is an instance that ends when do returns.
type performance struct {
	*instance

	do func(context.Context, demo.Stage) error
}

// Wait calls do when the instance is ready, and returns its error.
func (p *performance) Wait(ctx context.Context) error {
	select {
	case <-p.betMaker.Ready():
		return p.do(ctx, p.stage)
	case <-ctx.Done():
		return nil
	}
}
