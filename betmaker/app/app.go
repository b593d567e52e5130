// Package app puts bet-maker together and runs it: the only package of the module that
// others may import. A store and a bus are chosen by the schemes of their URLs.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"stavka.local/betmaker/internal/adapters/lineclient"
	"stavka.local/betmaker/internal/adapters/ttlcache"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/health"
	"stavka.local/shared/httpedge"
	"stavka.local/shared/lifecycle"
	"stavka.local/shared/line"
	"stavka.local/shared/metrics"
)

const (
	// grace bounds the stop as a whole. It is below the 30 s that containers get.
	grace = 25 * time.Second
	// placingWorkers is how many batches of bets may be in PostgreSQL at once: two, so that
	// one is decided while the other is written. With four, batches are half as large, and what
	// each costs by itself is paid twice as often.
	placingWorkers = 2
	// settlingWorkers is how many chunks of bets may be settled at once.
	settlingWorkers = 4
	// settlementShares is into how many shares of the users PostgreSQL's bets on one event
	// fall: more than are settled at the same time, because users with low ids may bet more, or
	// less, than those with high ones.
	settlementShares = 8
	// sharesAtOnce of them are settled at the same time. Two were 1.6 times as fast as one, on two
	// processors; three and four were no faster, and four kept wallets for twice as long.
	sharesAtOnce = 2
	// The memory of events that do not exist.
	unknownSize = 10_000
	unknownTTL  = time.Second
)

// App is bet-maker.
type App struct {
	parts  *lifecycle.Group
	health *health.Registry
	server *httpedge.Server
	feed   *usecase.Feed
	log    *slog.Logger
	// prepared is closed once the store can be used: its schema is there, and so is the
	// first user.
	prepared chan struct{}
}

// New returns a bet-maker that listens already and answers nothing yet. Whoever does not
// start it stops it. It connects to nothing: the servers it depends on may come later.
func New(ctx context.Context, c Config) (_ *App, err error) {
	log := slog.Default()
	for _, warning := range c.Warnings {
		log.WarnContext(ctx, "INSECURE CONFIGURATION: "+warning)
	}
	a := &App{
		parts: lifecycle.New(log, lifecycle.DefaultStopTimeout), health: health.New(),
		log: log, prepared: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.parts.Stop(context.WithoutCancel(ctx)))
		}
	}()
	m := newMeters()

	store, err := openStore(ctx, c, asOwner, log)
	if err != nil {
		return nil, err
	}
	a.parts.OnStop("store", func(context.Context) error { return store.close() })

	feed := usecase.NewFeed(c.FeedTimeout, log)
	a.feed = feed
	m.watchFeed(feed)
	lines, err := lineclient.New(lineclient.Config{
		URL: c.LineURL, Token: c.LineToken.Reveal(), Logger: log,
		Unreadable: m.impossible.WithLabelValues(usecase.FromPage.String()).Inc,
		ClockSkew:  feed.ObserveClock,
	})
	if err != nil {
		return nil, err
	}
	a.parts.OnStop("line-provider", func(context.Context) error { lines.Close(); return nil })

	losses := &usecase.LossDetector{
		Grace:      c.ReconcileInterval,
		Heartbeats: func() bool { return feed.HasHeartbeat(2 * c.FeedHeartbeat) },
		Healed:     func(results int) { metrics.AddCount(m.healed, results) },
		Logger:     log,
	}
	bus, busName, err := openBus(c, m, losses, log)
	if err != nil {
		return nil, err
	}

	var placer *usecase.Placer
	settler := usecase.NewSettler(usecase.SettlerConfig{
		Settlements: store.settlements, Shares: store.settlementShares, SharesAtOnce: sharesAtOnce, Workers: settlingWorkers,
		GiveWay:       func() bool { return placer.IsBusy() },
		SweepInterval: c.ReconcileInterval, Logger: log,
		Settled: m.settlement,
		Behind:  func(events int) { metrics.SetCount(m.unsettled, events) },
		Healed:  func(bets int) { metrics.AddCount(m.healed, bets) },
	})

	cache := ttlcache.NewEvents(c.CacheSize, c.CacheTTL)
	m.watchCache(cache)

	// Applying a change may show that it is time to poll, and polling applies changes. The
	// catalogue is told of changes, and applies what it has asked for.
	var (
		poller    *usecase.Poller
		catalogue *usecase.Catalogue
	)
	apply := usecase.NewApplyEventChange(usecase.ApplyConfig{
		Events: store.events, Dataset: feed.Dataset, Resulted: settler.Wake,
		Offer:        func(event domain.Event) { catalogue.Offer(event) },
		OtherDataset: func() { poller.Wake() }, Logger: log,
		Applied: func(source usecase.Source, effect domain.Effect, change line.Change, age time.Duration) {
			m.change(source, effect, age)
			if source == usecase.FromPage && effect == domain.EffectResulted {
				losses.Learnt(change)
			}
		},
		Impossible:  func(source usecase.Source) { m.impossible.WithLabelValues(source.String()).Inc() },
		Quarantined: m.quarantined.Inc,
	})
	poller = usecase.NewPoller(usecase.PollerConfig{
		Line: lines, Cursors: store.cursors, Events: store.events, Apply: apply, Feed: feed,
		Interval: c.ReconcileInterval, HeartbeatInterval: c.FeedHeartbeat, Logger: log, Polled: m.poll,
	})
	catalogue = usecase.NewCatalogue(usecase.CatalogueConfig{
		Cache: cache, Unknown: ttlcache.NewUnknown(unknownSize, unknownTTL),
		Events: store.events, Line: lines, Apply: apply.Lookup,
	})
	who, err := newAccess(c, store, log)
	if err != nil {
		return nil, err
	}
	placer = usecase.NewPlacer(usecase.PlacerConfig{
		Placements: store.placements, Limits: c.Limits, Workers: store.placingWorkers,
		FeedAlive: feed.Check, Confirm: who.authenticator.Confirm, Peek: catalogue.Peek, Fetch: catalogue.Fetch, Observe: m.batch,
	})

	a.health.Require(store.name, store.ping)
	a.health.Watch(busName, checkBus(bus))
	a.health.Watch("line_provider", lines.Check)
	a.health.Show("feed", func() any { return feedMember(feed.Status()) })
	handler, err := a.newHandler(c, store, who, catalogue, placer, settler, m)
	if err != nil {
		return nil, err
	}
	limits := httpedge.DefaultLimits()
	limits.Drain = c.Drain
	a.server, err = httpedge.NewServer(ctx, c.Addr, handler, limits)
	if err != nil {
		return nil, err
	}
	a.parts.OnStop("listener", func(context.Context) error { return a.server.Close() })

	// They stop in the reverse order: first no more requests, then no more messages,
	// and what these have begun is brought to an end.
	a.parts.Go("store's preparation", a.prepare(func(ctx context.Context) error {
		if err := store.migrate(ctx); err != nil {
			return err
		}
		// What is kept of liabilities may have been left behind by replicas without the limit.
		if err := store.placements.ForgetLiabilities(ctx); err != nil {
			return err
		}
		return ensureFirstUser(ctx, who.users, c.FirstUser, log)
	}))
	a.superviseLedger(c, store, m)
	a.loop("settling", settler.Run)
	a.loop("placing", placer.Run)
	a.loop("housekeeping", housekeeping{store, bus, m, log, c.Limits.Liability.IsPositive()}.run)
	a.loop("failed logins", who.throttle.Run)
	a.parts.Go("remembered users", who.recent.Run)
	a.parts.Go("feed's state", feed.Run)
	a.loop("polling", poller.Run)
	a.parts.Go("lost messages", losses.Run)
	a.parts.Go("heartbeats", func(ctx context.Context) error {
		return bus.WatchHeartbeats(ctx, func(heartbeat line.Heartbeat) { poller.Heartbeat(ctx, heartbeat) })
	})
	a.loop("changes for the cache", func(ctx context.Context) error {
		return bus.WatchChanges(ctx, func(change line.Change) {
			losses.Pushed(change)
			// Into the projection first, where bets are decided: who sees a price must be
			// able to bet at it. What fails here comes by the shared queue, or by polling.
			if err := apply.Push(ctx, change); err != nil {
				log.DebugContext(ctx, "a watched change is not applied", "message_id", change.MessageID(), "error", err)
			}
		})
	})
	a.loop("changes", func(ctx context.Context) error {
		return bus.ConsumeChanges(ctx, func(ctx context.Context, change line.Change) error {
			losses.Pushed(change)
			return apply.Push(ctx, change)
		})
	})
	a.parts.Go("readiness", a.becomeReady)
	a.parts.Go("http", a.server.Run)
	return a, nil
}

// loop registers a loop that needs the store.
func (a *App) loop(name string, run lifecycle.Func) {
	a.parts.Go(name, func(ctx context.Context) error {
		select {
		case <-a.prepared:
			return run(ctx)
		case <-ctx.Done():
			return nil
		}
	})
}

// preparePause is the time between looks for a store that is not there yet.
const preparePause = time.Second

// prepare makes the store usable, as soon as it is there, and lets the loops that need
// it begin. It fails when the store must not be used.
func (a *App) prepare(once lifecycle.Func) lifecycle.Func {
	return func(ctx context.Context) error {
		warn := a.log.WarnContext
		for {
			err := once(ctx)
			if err == nil {
				break
			}
			if !errors.Is(err, ports.ErrUnavailable) {
				return fmt.Errorf("prepare the store: %w", err)
			}
			warn(ctx, "the store cannot be used yet; trying again every second", "error", err)
			warn = a.log.DebugContext
			select {
			case <-time.After(preparePause):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		close(a.prepared)
		<-ctx.Done()
		return nil
	}
}

// becomeReady says that the service is ready once the line has been read.
func (a *App) becomeReady(ctx context.Context) error {
	select {
	case <-a.Ready():
		a.health.Ready()
		a.log.InfoContext(ctx, "bet-maker is ready: the line has been read")
	case <-ctx.Done():
	}
	<-ctx.Done()
	return nil
}

// Start returns when the service answers. Being ready comes later, when it has read the
// line.
func (a *App) Start(ctx context.Context) error {
	if err := a.parts.Start(ctx); err != nil {
		return err
	}
	a.log.InfoContext(ctx, "bet-maker answers", "address", a.Addr())
	return nil
}

// Ready returns a channel that is closed once the line has been read, so that bets can be
// placed.
func (a *App) Ready() <-chan struct{} { return a.feed.Ready() }

// Wait returns nil when ctx ends, or an error when the service cannot go on.
func (a *App) Wait(ctx context.Context) error { return a.parts.Wait(ctx) }

// Stop answers the requests in flight, finishes the batches and chunks that are in the
// store, and ends everything. It is idempotent.
func (a *App) Stop(ctx context.Context) error {
	a.health.Stopping()
	return a.parts.Stop(ctx)
}

// Run starts the service, runs it until a signal or the end of ctx, and stops it.
func (a *App) Run(ctx context.Context) error { return lifecycle.Run(ctx, a, grace) }

// Addr returns the address the service listens at, "host:port".
func (a *App) Addr() string { return a.server.Addr() }
