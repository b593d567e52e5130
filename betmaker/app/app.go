// Package app puts bet-maker together and runs it. It is the only package of the module that other
// modules may import. The schemes of the URLs choose the adapters of store and bus.
package app

import (
	"context"
	"log/slog"
	"time"

	"stavka.local/betmaker/internal/adapters/lineclient"
	"stavka.local/betmaker/internal/adapters/ttlcache"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/line"
	"stavka.local/shared/metrics"
	"stavka.local/shared/pace"
	"stavka.local/shared/service"
)

const (
	// placingWorkers is the number of batches of bets that may be in PostgreSQL at once. With two,
	// one is decided while the other is written. More workers make smaller batches, and pay the fixed
	// cost of a batch more often.
	placingWorkers = 2
	// settlingWorkers is the number of chunks of bets that may be settled at once.
	settlingWorkers = 4
	// settlementShares is the number of shares of the users among which PostgreSQL divides the bets on
	// one event. It is larger than sharesAtOnce because users with low ids may bet more, or less, than
	// users with high ids.
	settlementShares = 8
	// sharesAtOnce is the number of shares that are settled at the same time. More would not be
	// faster on two processors and would keep wallets locked for longer.
	sharesAtOnce = 2
	// unknownSize and unknownTTL bound the memory of events that do not exist.
	unknownSize = 10_000
	unknownTTL  = time.Second
)

// App is bet-maker.
type App struct {
	*service.Service

	feed   *usecase.Feed
	users  *usecase.Users
	config Config
}

// New returns a bet-maker that listens and does not answer yet. A caller that does not start it must
// stop it. New connects to nothing: the servers that bet-maker depends on may come later.
//
// The service answers after Start. It is ready when the channel of Ready is closed.
func New(ctx context.Context, c Config) (_ *App, err error) {
	a := service.Assemble(ctx, "bet-maker", c.Warnings)
	defer func() {
		if err != nil {
			err = a.Abandon(ctx, err)
		}
	}()
	b, err := newBase(ctx, a, c)
	if err != nil {
		return nil, err
	}
	u, err := newUseCases(c, b)
	if err != nil {
		return nil, err
	}
	handler, err := newHandler(c, b, u, a.Health)
	if err != nil {
		return nil, err
	}
	addChecks(a.Health, b)
	if err := a.ListenForMetrics(ctx, c.MetricsAddr, b.meters.Registry); err != nil {
		return nil, err
	}
	addLoops(a, c, b, u)
	c.HTTP.Metrics = b.meters.Registry
	s, err := a.Listen(ctx, c.Addr, c.HTTP, handler)
	if err != nil {
		return nil, err
	}
	return &App{s, b.feed, u.access.users, c}, nil
}

// Ready returns a channel that is closed once the line has been read, so that bets can be placed.
func (a *App) Ready() <-chan struct{} { return a.feed.Ready() }

// base holds the store, the line and the bus, which the use cases need.
type base struct {
	log      *slog.Logger
	meters   *meters
	store    *store
	prepared *preparation // of the store
	feed     *usecase.Feed
	lines    *lineclient.Client
	losses   *usecase.LossDetector
	bus      bus
	busName  string // on /readyz
}

func newBase(ctx context.Context, a *service.Assembly, c Config) (_ *base, err error) {
	b := &base{log: a.Log, meters: newMeters(), prepared: newPreparation(a.Log), feed: usecase.NewFeed(c.FeedTimeout, c.MaxClockSkew, a.Log)}
	b.meters.watchFeed(b.feed)
	if b.store, err = openStore(ctx, c, false, b.log); err != nil {
		return nil, err
	}
	a.Parts.OnStop("store", func(context.Context) error { return b.store.close() })
	b.lines, err = lineclient.New(lineclient.Config{
		URL: c.LineURL, Token: c.LineTokens[0].Reveal(), Logger: b.log,
		Unreadable: b.meters.impossible.WithLabelValues(usecase.FromPage.String()).Inc,
	})
	if err != nil {
		return nil, err
	}
	a.Parts.OnStop("line-provider", func(context.Context) error { b.lines.Close(); return nil })
	b.losses = &usecase.LossDetector{
		Grace:      c.ReconcileInterval,
		Heartbeats: func() bool { return b.feed.HasHeartbeat(2 * c.FeedHeartbeat) },
		Healed:     func(results int) { metrics.AddCount(b.meters.healed, results) },
		Logger:     b.log,
	}
	b.bus, b.busName, err = openBus(c, b.meters, b.losses, b.log)
	return b, err
}

// useCases are the use cases that have a state or a loop.
type useCases struct {
	access    *access
	apply     *usecase.ApplyEventChange
	poller    *usecase.Poller
	catalogue *usecase.Catalogue
	placer    *usecase.Placer
	settler   *usecase.Settler
}

func newUseCases(c Config, b *base) (_ *useCases, err error) {
	u := &useCases{}
	if u.access, err = newAccess(c, b.store, b.meters, b.log); err != nil {
		return nil, err
	}
	u.apply = usecase.NewApplyEventChange(usecase.ApplyConfig{
		Events: b.store.Events, Dataset: b.feed.Dataset, RecordedBy: b.feed.RecordedBy, Logger: b.log,
		Applied: func(source usecase.Source, effect domain.Effect, change line.Change, age time.Duration) {
			b.meters.change(source, effect, age)
			if source == usecase.FromPage && effect == domain.EffectResulted {
				b.losses.Learnt(change)
			}
		},
		Impossible:  func(source usecase.Source) { b.meters.impossible.WithLabelValues(source.String()).Inc() },
		Quarantined: b.meters.quarantined.Inc,
	})
	u.poller = usecase.NewPoller(usecase.PollerConfig{
		Line: b.lines, Cursors: b.store.Cursors, Clock: b.store.Clock, Events: b.store.Events, Apply: u.apply, Feed: b.feed,
		Interval: c.ReconcileInterval, HeartbeatInterval: c.FeedHeartbeat, Logger: b.log, Polled: b.meters.poll,
	})
	cache := ttlcache.NewEvents(c.CacheSize, c.CacheTTL)
	b.meters.watchCache(cache)
	u.catalogue = usecase.NewCatalogue(usecase.CatalogueConfig{
		Cache: cache, Unknown: ttlcache.NewUnknown(unknownSize, unknownTTL),
		Events: b.store.Events, Line: b.lines, Apply: u.apply.Lookup,
	})
	refusals := pace.New[domain.UserID](c.KeptRefusals, 24*time.Hour/time.Duration(max(c.KeptRefusals, 1)))
	u.placer = usecase.NewPlacer(usecase.PlacerConfig{
		Placements: b.store.Placements, Limits: c.Limits, Workers: b.store.placingWorkers,
		RefusalsWait: refusals.Wait, Refused: func(user domain.UserID) { refusals.Take(user) },
		FeedAlive: b.feed.Check, Confirm: u.access.authenticator.Confirm,
		Peek: u.catalogue.Peek, Fetch: u.catalogue.Fetch, Observe: b.meters.batch,
	})
	u.settler = usecase.NewSettler(usecase.SettlerConfig{
		Settlements: b.store.Settlements, Shares: b.store.settlementShares, SharesAtOnce: sharesAtOnce, Workers: settlingWorkers,
		GiveWay:       u.placer.IsBusy,
		SweepInterval: c.ReconcileInterval, Logger: b.log,
		Settled: b.meters.settlement,
		Behind:  func(events int) { metrics.SetCount(b.meters.unsettled, events) },
		Healed:  func(bets int) { metrics.AddCount(b.meters.healed, bets) },
	})
	u.apply.Follow(usecase.Followers{Offer: u.catalogue.Offer, Resulted: u.settler.Wake, OtherDataset: u.poller.Wake})
	return u, nil
}
