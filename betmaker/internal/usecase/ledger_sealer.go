package usecase

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

const (
	// sealLimit bounds the transfers of one seal and so the transaction that makes it.
	sealLimit = 1000
	// sealInterval is the time between two attempts to seal. A transfer that is changed within
	// it is not detected.
	sealInterval = time.Second
	// sealGrace bounds the last seal after the stop.
	sealGrace = 2 * time.Second
	// sealLogInterval is the least time between two heads in the log.
	sealLogInterval = time.Minute
)

// LedgerSealerConfig configures a LedgerSealer. All members are required.
type LedgerSealerConfig struct {
	Ledger ports.Ledger
	Logger *slog.Logger
	// Sealed is called with the newest seal at the start and whenever it changes.
	Sealed func(head domain.Seal)
}

// LedgerSealer seals transfers soon after any replica has made them. It works independently of the
// transactions that make them, which never wait for it. Several sealers take turns.
type LedgerSealer struct {
	config LedgerSealerConfig

	mu     sync.Mutex
	head   domain.Seal // the newest seal that must exist
	newest domain.Seal // the newest seal in the store
	cutOff bool        // head is missing or has changed

	// The members below belong to Run.
	logged   domain.Seal
	loggedAt time.Time
	failing  bool
}

// NewLedgerSealer returns a LedgerSealer, which seals while Run runs.
func NewLedgerSealer(config LedgerSealerConfig) *LedgerSealer {
	return &LedgerSealer{config: config}
}

// Head returns the newest seal that must exist; zero if none is known.
func (s *LedgerSealer) Head() domain.Seal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// Run seals until ctx ends, and then once more for the transfers made until then.
func (s *LedgerSealer) Run(ctx context.Context) error {
	ticker := time.NewTicker(sealInterval)
	defer ticker.Stop()
	for {
		s.sealAll(ctx)
		if time.Since(s.loggedAt) >= sealLogInterval {
			s.logHead(ctx)
		}
		select {
		case <-ticker.C:
			continue
		case <-ctx.Done():
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), sealGrace)
		defer cancel()
		s.sealAll(last)
		s.logHead(last)
		return nil
	}
}

// sealAll seals all transfers that can be sealed now.
func (s *LedgerSealer) sealAll(ctx context.Context) {
	for more := true; more && ctx.Err() == nil; {
		var (
			newest domain.Seal
			err    error
		)
		newest, more, err = s.config.Ledger.Seal(ctx, sealLimit, domain.Seal.Next)
		if err != nil {
			s.complain(ctx, err)
			return
		}
		s.failing = false
		s.observe(ctx, newest)
	}
}

// complain logs a failure as a warning once, until sealing has succeeded again.
func (s *LedgerSealer) complain(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	say := s.config.Logger.WarnContext
	if s.failing {
		say = s.config.Logger.DebugContext
	}
	s.failing = true
	say(ctx, "transfers are not sealed; trying again every second", "error", err)
}

// observe records the newest seal. Seals are never taken back. If the newest one is neither head
// nor after it, the ledger was tampered with: head stays, so that the check finds it.
func (s *LedgerSealer) observe(ctx context.Context, newest domain.Seal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if newest == s.newest {
		return
	}
	s.newest = newest
	if newest.ID < s.head.ID || newest.ID == s.head.ID && newest.Hash != s.head.Hash {
		s.cutOff = true
		s.config.Logger.ErrorContext(ctx, "THE LEDGER HAS BEEN CUT OFF: a seal that was there is gone", "head", s.head.String(), "newest", newest.String())
	}
	if !s.cutOff {
		s.head = newest
	}
	s.config.Sealed(newest)
}

// logHead logs the newest seal unless it was logged before.
func (s *LedgerSealer) logHead(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newest == s.logged {
		return
	}
	s.logged, s.loggedAt = s.newest, time.Now()
	s.config.Logger.InfoContext(ctx, "ledger sealed", "head", s.newest.String(), "last_transfer", s.newest.Last)
}
