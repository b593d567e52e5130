package app

import (
	"context"
	"errors"
	"fmt"

	"stavka.local/lineprovider/internal/adapters/redis"
	"stavka.local/shared/health"
	"stavka.local/shared/service"
)

// checkStore returns a check that shows what is wrong with the store, and nothing internal.
func checkStore(s store) health.Check {
	return func(ctx context.Context) error {
		err := s.Ping(ctx)
		if errors.Is(err, redis.ErrNotDurable) {
			return health.Down(redis.ErrNotDurable.Error())
		}
		return err
	}
}

// checkBus returns a check that shows what is wrong with the bus and how much waits for it.
func checkBus(b bus, p *progress) health.Check {
	check := service.CheckBus(b.Check)
	return func(ctx context.Context) error {
		err := check(ctx)
		if waiting := p.waiting(); err != nil && waiting > 0 {
			return health.Down(fmt.Sprintf("%v; %d changes wait to be published", err, waiting))
		}
		return err
	}
}
