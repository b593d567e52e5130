package app

import (
	"context"

	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/health"
	"stavka.local/shared/lifecycle"
	"stavka.local/shared/line"
	"stavka.local/shared/service"
)

func addChecks(checks *health.Registry, b *base) {
	checks.Require(b.store.name, b.store.ping)
	checks.Watch(b.busName, service.CheckBus(b.bus.Check))
	checks.Watch("line_provider", b.lines.Check)
	checks.Show("feed", func() any { return feedMember(b.feed.Status()) })
}

// addLoops adds the loops in the order in which they start. They stop in the reverse order.
// The HTTP server, added by Listen, stops before all of these; then no more messages come.
func addLoops(a *service.Assembly, c Config, b *base, u *useCases) {
	loop := func(name string, run lifecycle.Func) { a.Parts.Go(name, b.prepared.before(run)) }

	a.Parts.Go("store's preparation", b.prepared.run(func(ctx context.Context) error {
		if err := b.store.migrate(ctx); err != nil {
			return err
		}
		// Replicas without the liability limit do not update stored liabilities, which may be stale.
		if err := b.store.Placements.ForgetLiabilities(ctx); err != nil {
			return err
		}
		if err := u.access.users.FoldNames(ctx, b.log); err != nil {
			return err
		}
		err := u.access.users.EnsureFirst(ctx, usecase.FirstUser{
			Name: c.FirstUser.Name, Username: c.FirstUser.Username, Email: c.FirstUser.Email, Password: c.FirstUser.Password.Reveal(),
		}, b.log)
		if err != nil {
			return err
		}
		return refuseKnownPasswords(ctx, c, u.access.users, b.log)
	}))

	loop("the store's data", b.store.watch)

	// The sealer also seals the transfers that the parts below make until they stop.
	sealer := usecase.NewLedgerSealer(usecase.LedgerSealerConfig{Ledger: b.store.Ledger, Logger: b.log, Sealed: b.meters.seal})
	loop("sealing the ledger", sealer.Run)
	if c.LedgerCheckInterval > 0 {
		loop("checking the ledger", usecase.NewLedgerChecker(usecase.LedgerCheckerConfig{
			Ledger: b.store.Ledger, Expected: sealer.Head, Interval: c.LedgerCheckInterval, Logger: b.log, Checked: b.meters.ledgerCheck,
		}).Run)
	}

	loop("settling", u.settler.Run)
	loop("placing", u.placer.Run)
	loop("housekeeping", housekeeping{b.store, b.bus, b.meters, b.log, c.Limits.Liability.IsPositive()}.run)
	loop("failed logins", u.access.throttle.Run)
	a.Parts.Go("remembered users", u.access.recent.Run)

	a.Parts.Go("feed's state", b.feed.Run)
	loop("polling", u.poller.Run)
	a.Parts.Go("lost messages", b.losses.Run)
	a.Parts.Go("heartbeats", func(ctx context.Context) error {
		return b.bus.WatchHeartbeats(ctx, u.poller.Heartbeat)
	})
	loop("changes for the cache", func(ctx context.Context) error {
		return b.bus.WatchChanges(ctx, func(change line.Change) {
			b.losses.Pushed(change)
			// The projection, which decides bets, comes before the cache: a user who sees a price must be
			// able to bet at it. A change that fails here comes again by the shared queue or by polling.
			if err := u.apply.Push(ctx, change); err != nil {
				b.log.DebugContext(ctx, "a watched change is not applied", "message_id", change.MessageID(), "error", err)
			}
		})
	})
	loop("changes", func(ctx context.Context) error {
		return b.bus.ConsumeChanges(ctx, func(ctx context.Context, change line.Change) error {
			b.losses.Pushed(change)
			return u.apply.Push(ctx, change)
		})
	})

	a.Parts.Go("readiness", func(ctx context.Context) error {
		select {
		case <-b.feed.Ready():
			a.Health.Ready()
			b.log.InfoContext(ctx, "bet-maker is ready: the line has been read")
		case <-ctx.Done():
		}
		<-ctx.Done()
		return nil
	})
}
