package inproc_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"stavka.local/shared/line"
	"stavka.local/shared/line/inproc"
	"stavka.local/shared/odds"
)

func ExampleBus() {
	bus := inproc.New(inproc.Options{})
	ctx, cancel := context.WithCancel(context.Background())

	// bet-maker subscribes first,
	var betMaker sync.WaitGroup
	betMaker.Go(func() {
		err := bus.ConsumeChanges(ctx, func(_ context.Context, change line.Change) error {
			fmt.Println("applied: event", change.Event.ID, "at", change.Event.Coefficient)
			return nil
		})
		fmt.Println("ended:", err)
	})
	<-bus.Subscribed()

	// and line-provider publishes.
	created := time.Date(2026, time.May, 1, 12, 0, 0, 0, time.UTC)
	err := bus.PublishChange(ctx, line.Change{
		Epoch: line.Epoch{Dataset: "f3b1c29a7d04", Generation: 1},
		Event: line.Event{
			ID: 1, Coefficient: odds.MustParse("1.45"), Deadline: created.Add(time.Hour), State: line.StateNew,
			CreatedAt: created, UpdatedAt: created, Version: 1, Seq: 1,
		},
	})
	fmt.Println("published:", err)

	cancel()
	betMaker.Wait()
	fmt.Println("now:", bus.Check(context.Background()))
	// Output:
	// applied: event 1 at 1.45
	// published: <nil>
	// ended: <nil>
	// now: there is no consumer of changes
}
